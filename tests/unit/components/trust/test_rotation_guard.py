"""The guard of a root's rotation: which change of trust is let through, and when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from components.kubectl import Kubectl, KubectlError
from components.trust import certificates, proxies
from components.trust.proxies import Proxy
from components.trust.rotation_guard import TrustPhaseHandler
from components.trust.rotation_rules import Trust, refusals
from tests.unit.conftest import ProgramRunner
from tests.unit.support import issued
from tests.unit.support.recorder import UNKNOWN, Run
from tests.unit.support.stacks import stack

HANDLER = TrustPhaseHandler()
NAMES = "abc"
PEERS = {"a": ["b"], "b": ["a", "c"], "c": ["b"]}
OLD, NEW, OTHER = (certificates.fingerprint(issued.ca(name).pem) for name in ("old", "new", "x"))
PHASES = {"[1]": ["old"], "[1,2]": ["old", "new"], "[2,1]": ["new", "old"], "[2]": ["new"]}
FINGERPRINTS = {"old": OLD, "new": NEW}


def trust(phase: str, revocation: bool = False) -> Trust:
    """Return what a cluster is to have in a phase; of the two roots, 1 is the old one."""
    roots = PHASES[phase]
    pem = certificates.roots_bundle(issued.ca(root).pem for root in roots)
    return Trust(
        signer=FINGERPRINTS[roots[0]],
        roots=certificates.fingerprints(pem),
        bundle=pem,
        revocation=revocation,
    )


def props(
    phases: str | Mapping[str, str], peers: Mapping[str, Sequence[str]] = PEERS
) -> dict[str, Any]:
    """Return the properties of the resource."""
    if isinstance(phases, str):
        phases = dict.fromkeys(NAMES, phases)
    return {
        "wanted": {name: trust(phase) for name, phase in phases.items()},
        "peers": {name: list(others) for name, others in peers.items()},
        "access": {name: {"kubeconfig": None, "context": f"ctx-{name}"} for name in phases},
    }


def proxy(name: str, signer: str, *roots: str, issuer: str = "", problem: str = "") -> Proxy:
    return Proxy(f"shop/{name}", signer, frozenset(roots), issuer, problem)


AT = {
    "[1]": proxy("p", OLD, OLD),
    "[1,2]": proxy("p", OLD, OLD, NEW),
    "[2,1]": proxy("p", NEW, OLD, NEW),
    "[2]": proxy("p", NEW, NEW),
}
"""A proxy for which a phase is over."""


class Mesh:
    """Clusters that answer what their proxies trust."""

    def __init__(self, seen: Mapping[str, Iterable[Proxy]]) -> None:
        self.seen = {name: list(answers) for name, answers in seen.items()}
        self.asked: dict[str, str] = {}
        """Each cluster that was asked to the roots that its proxies may have certificates of."""

    def ask(self, kubectl: Kubectl, known_roots: str) -> list[Proxy]:
        cluster = kubectl.context.removeprefix("ctx-")
        assert cluster not in self.asked, "once is enough"
        self.asked[cluster] = known_roots
        if cluster not in self.seen:
            raise KubectlError(f"kubectl get in context {kubectl.context!r}: i/o timeout")
        return self.seen[cluster]


@pytest.fixture
def mesh(monkeypatch: pytest.MonkeyPatch) -> Mesh:
    """Three clusters with one proxy each, in phase [1]."""
    made = Mesh({name: [AT["[1]"]] for name in NAMES})
    monkeypatch.setattr(proxies, "ask", made.ask)
    return made


def check(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    """Return why the change is refused."""
    result = HANDLER.check(olds, news)
    assert result.inputs == news
    assert {failure.property for failure in result.failures} <= {""}, "or all of it is printed"
    return [failure.reason for failure in result.failures]


STEPS = ["[1]", "[1,2]", "[2,1]", "[2]"]
BACK = ["[1]", "[1,2]", "[2,1]", "[1,2]", "[1]"]
ADDED = {name: others for name, others in PEERS.items() if name != "c"} | {"b": ["a"]}


@pytest.mark.parametrize("phases", [STEPS, BACK], ids=["there", "and back from the middle"])
def test_each_phase_follows_once_all_proxies_are_through_the_last(
    mesh: Mesh, phases: list[str]
) -> None:
    for now, wanted in zip(phases, phases[1:], strict=False):
        mesh.seen = {name: [AT[now], AT[now]] for name in NAMES}
        mesh.asked.clear()
        assert check(props(now), props(wanted)) == []
        assert set(mesh.asked) == set(NAMES), f"{now} -> {wanted}"


STOP = "cannot stop to trust root"
SIGN = "cannot sign with root"


@pytest.mark.parametrize(
    ("now", "wanted", "reasons"),
    [
        ("[1]", "[2]", {(STOP, OLD), (SIGN, NEW)}),
        ("[1]", "[2,1]", {(SIGN, NEW)}),
        ("[1,2]", "[2]", {(STOP, OLD)}),
        ("[2,1]", "[1]", {(STOP, NEW)}),
        ("[2]", "[1]", {(STOP, NEW), (SIGN, OLD)}),
    ],
)
def test_a_jump_is_refused_with_every_cluster_and_what_it_lacks(
    mesh: Mesh, now: str, wanted: str, reasons: set[tuple[str, str]]
) -> None:
    mesh.seen = {name: [AT[now]] for name in NAMES}
    found = check(props(now), props(wanted))
    told = {(m[1], m[2], m[3], m[4]) for text in found if (m := re.search(REFUSAL, text))}
    assert len(told) == len(found)
    assert told == {
        (cluster, what, root[:23], other)
        for cluster in NAMES
        for other in (cluster, *PEERS[cluster])
        for what, root in reasons
    }


REFUSAL = rf"^cluster (\w) ({STOP}|{SIGN}) (\S+): in cluster (\w), 1 of 1 proxies .*\(shop/p\)"


@pytest.mark.parametrize(
    ("now", "wanted"), [("[1,2]", "[2,1]"), ("[2,1]", "[2]"), ("[2,1]", "[1]")]
)
def test_one_proxy_that_lags_behind_holds_all_back_and_is_named(
    mesh: Mesh, now: str, wanted: str
) -> None:
    last = {"[2,1]": "[1]", "[2]": "[1,2]", "[1]": "[2,1]"}[wanted]
    mesh.seen = {name: [AT[wanted]] * 2 for name in NAMES}
    lagging = AT[last]
    mesh.seen["a"].append(proxy("late", lagging.signer, *lagging.roots))
    found = check(props(now), props(wanted))
    assert {text.partition(" cannot")[0] for text in found} == {"cluster a", "cluster b"}
    assert all("in cluster a, 1 of 3 proxies" in text for text in found)
    assert all("(shop/late)" in text for text in found)


def test_a_cluster_that_is_not_linked_holds_nobody_back(mesh: Mesh) -> None:
    mesh.seen = {"a": [AT["[1,2]"]], "b": [AT["[1,2]"]]}
    now = props("[1,2]", {"a": ["b"], "b": ["a"], "c": []})
    wanted = {**now, "wanted": {**now["wanted"], "a": trust("[2,1]"), "b": trust("[2,1]")}}
    assert check(now, wanted) == []
    assert set(mesh.asked) == {"a", "b"}


def test_one_cluster_alone_is_judged_by_its_own_and_its_peers_proxies(mesh: Mesh) -> None:
    wanted = props({"a": "[2,1]", "b": "[1]", "c": "[1]"})
    mesh.seen = {"a": [AT["[1,2]"]], "b": [AT["[1]"]]}
    (reason,) = check(props({"a": "[1,2]", "b": "[1]", "c": "[1]"}), wanted)
    assert reason.startswith(f"cluster a cannot sign with root {NEW[:23]}: in cluster b, ")
    assert set(mesh.asked) == {"a", "b"}


def test_a_certificate_of_an_unknown_root_is_not_taken_for_a_good_one(mesh: Mesh) -> None:
    mesh.seen["a"] = [proxy("stray", "", OLD, NEW)]
    found = check(props("[1]"), props("[1,2]"))
    assert found
    assert all("root unknown: in cluster a" in text and "(shop/stray)" in text for text in found)


def test_a_proxy_is_asked_about_the_roots_of_before_and_after(mesh: Mesh) -> None:
    check(props("[1]"), props("[2]"))
    assert {tuple(certificates.fingerprints(pem)) for pem in mesh.asked.values()} == {
        tuple(sorted((OLD, NEW)))
    }


def test_a_cluster_that_cannot_be_reached_is_named(mesh: Mesh) -> None:
    del mesh.seen["b"]
    assert check(props("[1]"), props("[1,2]")) == [
        "cluster b cannot be asked what its proxies trust: kubectl get in context 'ctx-b': "
        "i/o timeout"
    ]


def test_a_proxy_that_does_not_answer_is_named(mesh: Mesh) -> None:
    mesh.seen["b"].append(proxy("mute", "", problem="kubectl exec: timed out"))
    assert check(props("[1]"), props("[1,2]")) == [
        "in cluster b, 1 proxies cannot be asked what they trust (shop/mute): "
        "kubectl exec: timed out"
    ], "once, whoever's change it holds back"


@pytest.mark.parametrize(
    ("olds", "news"),
    [
        pytest.param({}, props("[1]"), id="the first up"),
        pytest.param({}, props("[1,2]"), id="the first up, with two roots"),
        pytest.param(props("[1]"), props("[1]"), id="nothing changes"),
        pytest.param(props({"a": "[1]", "b": "[1]"}, ADDED), props("[1]"), id="a new cluster"),
        pytest.param(
            props("[1]"),
            props({"a": "[1]", "b": "[1]"}, ADDED) | {"removed": ["c"]},
            id="one cluster less",
        ),
        pytest.param(props("[1]"), props("[1]", {n: [] for n in NAMES}), id="fewer links"),
    ],
)
def test_nobody_is_asked_where_no_trust_changes(
    mesh: Mesh, olds: dict[str, Any], news: dict[str, Any]
) -> None:
    mesh.seen.clear()
    assert check(olds, news) == []
    assert mesh.asked == {}


def test_the_order_in_which_roots_are_listed_is_no_change(mesh: Mesh) -> None:
    swapped = props("[1,2]")
    for wanted in swapped["wanted"].values():
        wanted["roots"] = wanted["roots"][::-1]
    assert check(props("[1,2]"), swapped) == []
    assert mesh.asked == {}


@pytest.mark.parametrize("unknown", ["a", "ab", "abc"])
def test_what_is_not_issued_yet_is_judged_later(mesh: Mesh, unknown: str) -> None:
    now, wanted = props("[1]"), props("[2]")
    wanted["wanted"] |= dict.fromkeys(unknown, UNKNOWN)
    found = check(now, wanted)
    assert {text.split()[1] for text in found} == set(NAMES) - set(unknown)


def test_revocation_lists_once_used_stay(mesh: Mesh) -> None:
    used = props("[1]")
    used["wanted"]["b"] = trust("[1]", revocation=True)
    (reason,) = check(used, props("[1]"))
    assert reason.startswith("cluster b: its proxies go by revocation lists")
    assert "keep `rootCa.revoked`" in reason
    assert check(props("[1]"), used) == []
    assert check(used, used) == []
    assert mesh.asked == {}, "no proxy has a say in it, if the lists are the user's own"


def lists(*listed: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the properties before and after the first revocation lists, which b gets."""
    used = props("[1]") | {"listed": list(listed)}
    used["wanted"]["b"] = trust("[1]", revocation=True)
    return props("[1]"), used


def test_the_first_lists_wait_for_proxies_of_a_ca_that_has_none(mesh: Mesh) -> None:
    mesh.seen["b"] = [
        proxy("new", OLD, OLD, issuer="CA"),
        proxy("old", OLD, OLD, issuer="renewed since"),
        proxy("mute", "", problem="kubectl exec: timed out"),
    ]
    (reason,) = check(*lists("CA"))
    assert reason.startswith("cluster b cannot go by revocation lists yet: 1 of 3 proxies ")
    assert reason.endswith("(shop/old); restart their pods first")
    assert set(mesh.asked) == {"b"}


def test_the_first_lists_come_once_every_proxy_has_a_ca_with_one(mesh: Mesh) -> None:
    mesh.seen["b"] = [proxy("p", OLD, OLD, issuer="CA")]
    assert check(*lists("root", "CA")) == []
    assert set(mesh.asked) == {"b"}


def test_lists_that_are_in_force_already_ask_nobody(mesh: Mesh) -> None:
    _, used = lists("CA")
    assert check(used, used | {"listed": ["renewed CA"]}) == []
    assert mesh.asked == {}


def test_the_first_lists_do_not_come_to_a_cluster_that_cannot_be_asked(mesh: Mesh) -> None:
    del mesh.seen["b"]
    (reason,) = check(*lists("CA"))
    assert reason.startswith("cluster b cannot be asked whose certificates it has: ")


def test_the_program_tells_which_cas_have_a_list(mesh: Mesh, program: ProgramRunner) -> None:
    root = {"context": "ctx-root", "revoked": []}
    run = program({**stack("ab"), "rootCa": root | {"roots": ["old", "new"]}})
    issuers = ("old", "new", "a.old", "a.new", "b.old", "b.new")
    wanted = sorted(certificates.fingerprint(issued.ca(name).pem) for name in issuers)
    assert guarded(run)["listed"] == wanted
    assert "listed" not in guarded(program(stack("ab")))


def test_every_reason_is_told_at_once(mesh: Mesh) -> None:
    used = props("[1]")
    used["wanted"]["c"] = trust("[1]", revocation=True)
    del mesh.seen["b"]
    told = "\n".join(check(used, props("[2,1]")))
    for part in ("cluster c: its proxies go by", f"cluster a {SIGN}", "cluster b cannot be asked"):
        assert part in told


@pytest.mark.parametrize(
    ("news", "changes"),
    [(props("[1]"), False), (props("[1,2]"), True), (props("[1]", ADDED), True)],
)
def test_the_state_has_what_was_allowed_last(news: dict[str, Any], changes: bool) -> None:
    state = HANDLER.create(props("[1]"))
    assert HANDLER.diff(state.id, state.outs, news).changes is changes
    assert HANDLER.update(state.id, state.outs, news).outs == news


def test_the_rules_hold_for_more_than_the_four_phases() -> None:
    wanted = {name: trust("[2,1]") for name in NAMES}
    assert refusals(wanted, [], PEERS, {}) == []
    assert refusals(wanted, ["a"], PEERS, {"a": [], "b": []}) == []
    third = {"a": [proxy("p", OTHER, OLD, NEW, OTHER)]}
    (reason,) = refusals(wanted, ["a"], {}, third)
    assert reason.startswith(f"cluster a cannot stop to trust root {OTHER[:23]}")


def guarded(run: Run) -> dict[str, Any]:
    return run["TrustPhase trust-phase"].inputs


def test_the_program_rotates_by_these_phases(mesh: Mesh, program: ProgramRunner) -> None:
    runs = {
        phase: guarded(program({**stack("abc"), "rootCa": {"context": "ctx-root", "roots": roots}}))
        for phase, roots in PHASES.items()
    }
    for now, wanted in zip(STEPS, STEPS[1:], strict=False):
        mesh.seen = {name: [AT[now]] for name in NAMES}
        mesh.asked.clear()
        assert check(runs[now], runs[wanted]) == []
        assert set(mesh.asked) == set(NAMES)
    mesh.asked.clear()
    assert check(runs["[2]"], runs["[1]"])


def test_a_first_preview_of_the_program_asks_nobody(mesh: Mesh, program: ProgramRunner) -> None:
    preview = guarded(program(stack("abc"), preview=True))
    assert set(preview["wanted"].values()) == {UNKNOWN}
    assert check({}, preview) == []
    assert check(props("[1]"), preview) == []
    assert mesh.asked == {}
