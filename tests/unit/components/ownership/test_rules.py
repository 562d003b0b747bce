"""Every way in which a cluster is not what it should be, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from components import confirmations
from components.charts.crds import Crd
from components.ownership import rules
from components.ownership.look import Mark, Seen
from components.ownership.rules import Place

OWN, OTHER = "0wn-1d-of-this-stack", "f0reign-1d"
PLACES = {
    name: Place(f"cluster {name}", f"clusters.{name}.context", f"ctx-{name}", "istio-gateways")
    for name in "ab"
} | {"root_ca": Place("the root cluster", "rootCa.context", "ctx-root", "istio-root-ca")}
RECORDED = {name: f"uid-{name}" for name in PLACES}
MARKED = {
    name: Seen(
        f"uid-{name}",
        Mark(OWN, "o/p/dev", name, "2026-01-02"),
        {place.namespace: OWN},
        istio=None if name == "root_ca" else "Deployment istio-system/istiod (x)",
    )
    for name, place in PLACES.items()
}
NEW = {name: Seen(f"uid-{name}") for name in PLACES}
MINE_B = Mark(OTHER, "o/p/dev", "b", "2026-01-02")
MEANT = "you meant another cluster: name its context"


def refused(
    seen: dict[str, Seen],
    recorded: dict[str, str] | None = None,
    named: Mapping[str, str] | None = None,
) -> list[str]:
    known = RECORDED if recorded is None else recorded
    return rules.refusals(OWN, PLACES, seen, known, named or {})


def test_a_new_stack_takes_clusters_that_are_nobodys() -> None:
    assert refused(NEW, {}) == []
    assert refused(NEW, dict.fromkeys(PLACES, "")) == [], "as when one did not answer at first"


def test_the_stack_that_marked_them_goes_on() -> None:
    assert refused(MARKED) == []
    assert refused({}) == [], "what does not answer is not judged"


def test_after_a_first_up_that_died_the_same_stack_goes_on() -> None:
    assert refused(MARKED, {}) == []
    labelled = replace(NEW["a"], namespaces={"istio-gateways": OWN}, istio="istiod")
    assert refused({**NEW, "a": labelled}, {}) == []


def test_a_root_on_a_mesh_cluster_is_no_second_name() -> None:
    root = replace(MARKED["root_ca"], uid="uid-a")
    assert refused({**MARKED, "root_ca": root}, {**RECORDED, "root_ca": "uid-a"}) == []


@pytest.mark.parametrize("recorded", [RECORDED, {}], ids=["up before", "new"])
def test_another_stacks_cluster(recorded: dict[str, str]) -> None:
    theirs = Mark(OTHER, "o/p/prod", "west", "2026-01-02")
    (reason,) = refused({**NEW, "b": replace(MARKED["b"], mark=theirs)}, recorded)
    first, *steps = reason.splitlines()
    assert first == (
        "clusters.b.context: context 'ctx-b' belongs to stack o/p/prod (ID f0reign-1d) since "
        "2026-01-02, as its cluster west"
    )
    assert steps[0] == f"  - {MEANT}"
    assert "a copy, or the backend is another or an empty one" in steps[1]
    assert "take west out of its stack file" in steps[2]
    assert "`pulumi stack import`" in steps[3]


def test_namespaces_of_a_stack_that_has_not_come_to_its_mark() -> None:
    (reason,) = refused({**NEW, "a": replace(NEW["a"], namespaces={"istio-gateways": OTHER})}, {})
    assert "has namespaces of another stack, whose ID is f0reign-1d" in reason


def test_another_cluster_behind_the_context() -> None:
    (reason,) = refused({**MARKED, "b": Seen("uid-new")})
    assert reason.startswith(
        "clusters.b.context: context 'ctx-b' leads to another cluster than before: its namespace "
        "kube-system has UID uid-new, and the state knows cluster b by uid-b\n"
    )
    assert f"  - {MEANT}\n" in reason
    assert "`ISTIO_MULTICLUSTER_REBUILT=b=uid-new pulumi up --refresh` fills it" in reason


def test_contexts_that_are_swapped() -> None:
    swapped = {**MARKED, "a": MARKED["b"], "b": MARKED["a"]}
    reasons = refused(swapped)
    assert [reason.splitlines()[0] for reason in reasons] == [
        "clusters.a.context: context 'ctx-a' leads to cluster b of this stack, not to cluster a",
        "clusters.b.context: context 'ctx-b' leads to cluster a of this stack, not to cluster b",
    ]
    assert "are swapped: put them right" in reasons[0]


def test_two_names_for_one_cluster() -> None:
    (reason,) = refused({**NEW, "b": NEW["a"]}, {})
    first, second, *_ = reason.splitlines()
    assert first == (
        "clusters.b.context: context 'ctx-b' leads to the same cluster as clusters.a.context"
    )
    assert second == f"  - {MEANT}"


def test_a_cluster_under_another_name() -> None:
    renamed = replace(MARKED["b"], mark=Mark(OWN, "o/p/dev", "bb", "2026-01-02"))
    (reason,) = refused({**MARKED, "b": renamed}, {"a": "uid-a", "root_ca": "uid-root_ca"})
    assert "is cluster bb of this stack: a cluster keeps its name" in reason
    assert "`removed: [bb]` without the cluster" in reason
    assert "call it bb again" in reason


def test_an_istio_of_somebody_else() -> None:
    (reason,) = refused({**NEW, "a": replace(NEW["a"], istio="Deployment x (y), managed by Helm")})
    assert "has an Istio that is no stack's: Deployment x (y), managed" in reason
    assert "uninstall it by the tool that installed it" in reason


GATEWAYS = "gateways.networking.istio.io"


def with_crd(served: str, stamp: str | None = None) -> dict[str, Seen]:
    """Return new clusters, of which a has the CRD of Istio's Gateway."""
    crd = Crd("Gateway", stamp, frozenset({served}))
    return {**NEW, "a": replace(NEW["a"], crds={GATEWAYS: crd})}


def test_crds_of_somebody_else_that_are_too_old() -> None:
    (reason,) = refused(with_crd("v1beta1"))
    first, *steps = reason.splitlines()
    assert first == (
        "clusters.a.context: context 'ctx-a' has CRDs that this program did not make and that are "
        f"too old: {GATEWAYS} (serves v1beta1, not v1)"
    )
    assert "upgrade them by the tool that installed them" in steps[0]
    assert steps[1] == f"  - {MEANT}"


@pytest.mark.parametrize(
    "seen", [with_crd("v1"), with_crd("v1beta1", stamp="a chart")], ids=["new enough", "ours"]
)
def test_crds_that_serve_what_is_needed_or_are_applied_anew_are_no_reason(
    seen: dict[str, Seen],
) -> None:
    assert refused(seen) == []


def test_crds_of_kinds_that_nobody_uses_here_may_be_old() -> None:
    other = {"wasmplugins.extensions.istio.io": Crd("WasmPlugin", None, frozenset({"v1alpha1"}))}
    assert refused({**NEW, "a": replace(NEW["a"], crds=other)}) == []


def test_every_reason_is_told_in_one_run() -> None:
    seen = {**NEW, "a": replace(NEW["a"], istio="x"), "b": Seen("other")}
    assert len(refused(seen)) == 2


@pytest.mark.parametrize(
    ("named", "accepted"),
    [("b=uid-new", True), (" b=uid-new ,", True), ("b=uid-b", False), ("a=uid-new", False)],
)
def test_a_cluster_that_is_said_to_be_new(
    monkeypatch: pytest.MonkeyPatch, named: str, accepted: bool
) -> None:
    monkeypatch.setenv(confirmations.REBUILT, named)
    seen = {**MARKED, "b": Seen("uid-new")}
    assert (refused(seen, named=confirmations.rebuilt()) == []) is accepted


def test_only_the_clusters_of_the_stack_that_is_lost_are_taken_over() -> None:
    theirs = {
        name: replace(seen, mark=replace(seen.mark, stack_id=OTHER), namespaces={"x": OTHER})
        for name, seen in MARKED.items()
        if seen.mark
    }
    (reason, *_) = rules.refusals(OWN, PLACES, theirs, {}, {})
    assert f"`ISTIO_MULTICLUSTER_TAKE_OVER={OTHER} pulumi up` takes its clusters over" in reason
    assert rules.refusals(OWN, PLACES, theirs, {}, {}, OTHER) == []
    assert len(rules.refusals(OWN, PLACES, theirs, {}, {}, "th1rd-1d")) == len(PLACES)
    renamed = {**theirs, "b": replace(theirs["b"], mark=replace(MINE_B, cluster="c"))}
    (reason,) = rules.refusals(OWN, PLACES, renamed, {}, {}, OTHER)
    assert "is cluster c of this stack" in reason


def test_a_new_cluster_may_not_be_another_stacks() -> None:
    theirs = Seen("uid-new", Mark(OTHER, "o/p/prod", "b", "2026-01-02"))
    (reason,) = refused({**MARKED, "b": theirs}, named={"b": "uid-new"})
    assert "belongs to stack o/p/prod" in reason


def test_what_the_state_knows_is_compared_once_it_may_learn_of_the_clusters() -> None:
    seen = {**MARKED, "a": MARKED["b"], "b": Seen("uid-new")}
    assert rules.refusals(OWN, PLACES, seen, None, {}) == []
    theirs = replace(MARKED["b"], mark=Mark(OTHER, "o/p/prod", "b", "2026-01-02"))
    assert len(rules.refusals(OWN, PLACES, {**MARKED, "b": theirs}, None, {})) == 1
    assert len(rules.refusals(OWN, PLACES, {**NEW, "b": NEW["a"]}, None, {})) == 1
