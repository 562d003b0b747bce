"""Links to clusters of other stacks: what is read, what is made of it, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.conftest import ProgramRunner
from tests.unit.support import dependencies
from tests.unit.support.recorder import PROJECT, Run
from tests.unit.support.stacks import NAMES, service, stack

ORG = "organization/istio-multicluster"
EXPOSES = {
    "a": [service("web", 80), service("db", 5432, protocol="tcp")],
    "b": [service("orders", 8080), service("private", 8080, allow=["c"])],
    "c": [service("ledger", 5432, protocol="tcp")],
}


def own(name: str, peers: str, **further: Any) -> dict[str, Any]:
    """Return the configuration of a stack with one cluster, linked to ones of other stacks."""
    found = {peer: {"stack": f"{ORG}/{peer}"} for peer in peers}
    return {**stack(name, **{name: {"exposes": EXPOSES[name]}}), "peers": found, **further}


@pytest.fixture(scope="session")
def outputs(program: ProgramRunner) -> dict[str, Any]:
    """The outputs of three stacks that are linked to each other."""
    found: dict[str, Any] = {}
    for _ in range(2):
        for name in "abc":
            peers = "abc".replace(name, "")
            run = program(own(name, peers), stacks=copy.deepcopy(found))
            found[f"{ORG}/{name}"] = run.exports
    return found


@pytest.fixture(scope="session")
def alone(program: ProgramRunner, outputs: dict[str, Any]) -> Run:
    """The stack of a."""
    return program(own("a", "bc"), stacks=outputs)


@pytest.fixture(scope="session")
def together(program: ProgramRunner) -> Run:
    """One stack with all three clusters."""
    return program(stack("abc", **{name: {"exposes": EXPOSES[name]} for name in "abc"}))


def test_a_stack_makes_its_own_side_exactly_as_one_stack_for_all_does(
    alone: Run, together: Run
) -> None:
    theirs = {
        key: item
        for key, item in together.objects.items()
        if item.provider == "a" or (item.dynamic and "'ctx-a'" in str(item.inputs))
    }
    for guard in ("TrustPhase trust-phase", "OwnershipGuard ownership-guard"):
        theirs.pop(guard, None)
    mine = {key: item for key, item in alone.objects.items() if key in theirs}
    assert mine.keys() == theirs.keys()
    for key, item in theirs.items():
        assert mine[key].inputs == item.inputs, key
        assert mine[key].parent == item.parent, "the same URN"


def test_a_stack_touches_no_other_cluster(alone: Run) -> None:
    assert set(alone.providers) == {"a", "root_ca"}
    text = str([item.inputs for item in alone.objects.values()])
    assert "ctx-a" in text
    assert not [name for name in NAMES if name != "a" and f"ctx-{name}" in text]


def test_outputs_tell_which_peers_are_linked(alone: Run, program: ProgramRunner) -> None:
    told = {"stack": f"{ORG}/b", "linked": True}
    assert alone.exports["peers"]["b"] == told
    waiting = program(own("a", "b"))
    assert waiting.exports["peers"] == {"b": {**told, "linked": False}}
    assert "peers" not in program(stack("ab")).exports


@pytest.mark.parametrize(
    ("stacks", "reason"),
    [
        ({}, f"there is no stack '{ORG}/b'"),
        ({f"{ORG}/b": {}}, f"stack '{ORG}/b' has no outputs"),
        ({f"{ORG}/b": {"clusters": {"x": {}}}}, "has no cluster 'b', it has: x"),
    ],
)
def test_a_peer_that_is_not_up_is_a_warning_and_all_else_is_made(
    try_program: ProgramRunner,
    monkeypatch: pytest.MonkeyPatch,
    stacks: dict[str, Any],
    reason: str,
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    run = try_program(own("a", "b"), stacks=stacks)
    assert run.error is None
    (warning,) = said
    assert warning.startswith("istio-multicluster:peers.b.stack: ")
    assert reason in warning
    assert "pulumi up" in warning
    assert not run.kind("ClusterLink")
    assert not [key for key in run.objects if "a-to-b" in key]
    assert "AuthorizationPolicy a-link-policy" in run.objects
    assert "b.remote" not in str(run["AuthorizationPolicy a-link-policy"].spec), "nobody is let in"


def test_a_peer_that_was_linked_and_is_gone_is_refused(try_program: ProgramRunner) -> None:
    before = {"peers": {"b": {"stack": f"{ORG}/b", "linked": True}}}
    run = try_program(own("a", "b"), stacks={f"{ORG}/test": before, f"{ORG}/b": {}})
    assert "peers.b.stack: stack 'organization/istio-multicluster/b' has no outputs" in str(
        run.error
    )
    assert "take b out of `peers`" in str(run.error)
    assert not run.objects
    before["peers"]["b"]["linked"] = False
    run = try_program(own("a", "b"), stacks={f"{ORG}/test": before, f"{ORG}/b": {}})
    assert run.error is None


def test_stacks_that_cannot_be_read_are_told_together(
    try_program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    old = copy.deepcopy(outputs[f"{ORG}/c"])
    del old["clusters"]["c"]["trust"]
    run = try_program(own("a", "bc"), stacks={f"{ORG}/b": "403: forbidden", f"{ORG}/c": old})
    for part in (
        "2 mistakes",
        f"peers.b.stack: '{ORG}/b' cannot be read (403: forbidden); check the name",
        f"peers.c.stack: '{ORG}/c' has an output clusters.c that cannot be read (no 'trust')",
    ):
        assert part in str(run.error)
    assert not run.objects


@pytest.mark.parametrize("key", ["ingressPort", "ingressSpiffeId", "egressSpiffeId", "exposes"])
def test_an_output_that_lacks_something_is_told(
    try_program: ProgramRunner, outputs: dict[str, Any], key: str
) -> None:
    old = copy.deepcopy(outputs[f"{ORG}/b"])
    del old["clusters"]["b"][key]
    run = try_program(own("a", "b"), stacks={f"{ORG}/b": old})
    assert f"cannot be read (no '{key}')" in str(run.error)


def test_what_a_peer_exposes_and_more_is_read_by_an_older_version(
    try_program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    newer = copy.deepcopy(outputs)
    newer[f"{ORG}/b"]["clusters"]["b"]["exposes"][0]["novelty"] = 1
    one, other = (try_program(own("a", "bc"), stacks=stacks) for stacks in (outputs, newer))
    assert other.error is None
    assert one.dump() == other.dump()


def test_two_clusters_with_one_trust_domain_are_refused(
    try_program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    run = try_program(own("a", "b", **stack("a", a={"trustDomain": "b.remote"})), stacks=outputs)
    assert "peers.b: its trust domain 'b.remote' is that of a, too" in str(run.error)


def test_two_services_with_one_address_are_refused(
    try_program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    (item,) = outputs[f"{ORG}/c"]["clusters"]["c"]["exposes"]
    mine = [service("db", 5432, protocol="tcp", address=item["address"])]
    run = try_program(own("a", "c", **stack("a", a={"exposes": mine})), stacks=outputs)
    assert f"peers.c: a service of it has the address {item['address']}" in str(run.error)


def test_a_global_service_has_members_in_several_stacks(
    try_program: ProgramRunner, program: ProgramRunner
) -> None:
    shared = service("shared", 8080, **{"global": True})
    both = {name: {"exposes": [shared], "locality": f"eu/{name}"} for name in "ab"}
    b = program({**own("b", "a"), **stack("b", b=both["b"])})
    mine = {**own("a", "b"), **stack("a", a=both["a"])}
    run = try_program(mine, stacks={f"{ORG}/b": b.exports})
    one = program(stack("ab", **both))
    assert run.error is None
    keys = {key for key, item in one.objects.items() if item.parent == "a-global"}
    assert len(keys) > 4
    assert keys <= run.objects.keys()
    assert all(run[key].inputs == one[key].inputs for key in keys)


@pytest.mark.parametrize(
    ("theirs", "what"),
    [
        ({"protocol": "grpc"}, "b offers it with protocol grpc"),
        ({"weight": 50}, "b has a weight for it"),
    ],
)
def test_members_of_a_global_service_that_do_not_fit_are_refused(
    try_program: ProgramRunner, program: ProgramRunner, theirs: dict[str, Any], what: str
) -> None:
    shared = service("shared", 8080, **{"global": True})
    b = program({**own("b", "a"), **stack("b", b={"exposes": [shared | theirs]})})
    mine = {**own("a", "b"), **stack("a", a={"exposes": [shared]})}
    run = try_program(mine, stacks={f"{ORG}/b": b.exports})
    assert f"clusters.a.exposes: shared.shop:8080 is a global service, and {what}" in str(run.error)


def test_a_peer_that_no_link_names_is_not_read(
    try_program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    unread = {**outputs, f"{ORG}/c": "403"}
    run = try_program(own("a", "bc", links=[["a", "b"]]), stacks=unread)
    assert run.error is None
    assert run.exports["peers"].keys() == {"b"}


def test_the_guard_waits_for_everything(alone: Run) -> None:
    guard = alone["Importers importers"]
    assert guard.inputs["imported"] == {"a": ["b", "c"]}
    assert "ownership-guard" in guard.depends_on, "when this one refuses, that one is still there"
    later = {guard.name, "ownership-guard"}
    others = {
        dependencies.identity(item): item
        for item in alone.registrations
        if item.name not in later and not item.type.startswith(("pulumi:", f"{PROJECT}:"))
    }
    needed = {one for item in others.values() for one in dependencies.direct(item)}
    leaves = {one for one, item in others.items() if one not in needed and not item.read}
    assert leaves <= dependencies.direct(guard)
    for role in ("ingressgateway", "egressgateway"):
        pods = f"kubernetes:apps/v1:Deployment::a-{role}:istio-gateways/istio-{role}"
        assert pods in leaves, "a chart's objects are not found by way of the chart"


def test_a_stack_without_peers_has_no_guard(together: Run) -> None:
    assert "Importers importers" not in together.objects


def test_network_policies_leave_a_peers_ingress_out(
    try_program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    mine = stack("a", a={"networkPolicy": ["shop"]})
    run = try_program({**own("a", "bc"), **mine}, stacks={f"{ORG}/b": outputs[f"{ORG}/b"]})
    assert run.error is None
    spec = str(run["NetworkPolicy a-egress-policy-shop"].spec)
    (address,) = outputs[f"{ORG}/b"]["clusters"]["b"]["ingressAddresses"]
    assert spec.count(f"{address}/32") == 1
