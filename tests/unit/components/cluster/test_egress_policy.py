"""NetworkPolicies: pods reach everything but the ingress gateways of linked clusters."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pytest

from components.cluster import egress_policy
from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import stack


def allows(spec: Mapping[str, Any], address: str) -> bool:
    """Judge a call to an address outside of the cluster, as NetworkPolicy is documented."""
    ip = ipaddress.ip_address(address)
    assert spec["policyTypes"] == ["Egress"]
    blocks = [to["ipBlock"] for rule in spec["egress"] for to in rule["to"] if "ipBlock" in to]
    return any(
        ip in ipaddress.ip_network(block["cidr"])
        and not any(ip in ipaddress.ip_network(left_out) for left_out in block.get("except", ()))
        for block in blocks
    )


PEERS = {"b": ["192.0.2.5", "192.0.2.6"], "c": ["2001:db8::5"]}
ELSEWHERE = ["192.0.2.4", "192.0.2.7", "10.0.0.1", "2001:db8::4", "::1", "2001:db8::5:0"]


@pytest.mark.parametrize(
    "peers",
    [
        pytest.param({}, id="none"),
        pytest.param({"b": PEERS["b"]}, id="IPv4"),
        pytest.param({"c": PEERS["c"]}, id="IPv6"),
        pytest.param(PEERS, id="both"),
        pytest.param({"b": [*PEERS["b"], *PEERS["c"]]}, id="dual stack"),
    ],
)
def test_the_ingress_gateways_of_linked_clusters_are_left_out_and_nothing_else(
    peers: Mapping[str, Sequence[str]],
) -> None:
    spec = egress_policy.policy(peers)
    left_out = {address for addresses in peers.values() for address in addresses}
    every = {*ELSEWHERE, *(address for addresses in PEERS.values() for address in addresses)}
    assert {address for address in every if not allows(spec, address)} == left_out


def test_every_pod_of_the_namespace_is_meant_and_may_call_every_pod() -> None:
    spec = egress_policy.policy(PEERS)
    assert spec["podSelector"] == {}
    assert {"to": [{"namespaceSelector": {}}]} in spec["egress"], "DNS and the egress gateway, too"
    assert "ports" not in str(spec)


def test_an_address_is_one_and_not_its_network() -> None:
    blocks = egress_policy.policy(PEERS)["egress"][1]["to"]
    assert [block["ipBlock"].get("except") for block in blocks] == [
        ["192.0.2.5/32", "192.0.2.6/32"],
        ["2001:db8::5/128"],
    ]


def test_the_order_of_peers_and_addresses_changes_nothing() -> None:
    backwards = {peer: found[::-1] for peer, found in reversed(PEERS.items())}
    assert egress_policy.policy(backwards) == egress_policy.policy(PEERS)


def test_a_host_name_is_refused_with_the_setting_that_wants_an_address() -> None:
    with pytest.raises(pulumi.RunError) as caught:
        egress_policy.policy({"b": ["192.0.2.5", "lb.b.example"]})
    text = str(caught.value)
    assert text.startswith("networkPolicy: the ingress gateway of cluster b has the host name")
    assert "lb.b.example" in text


def test_each_named_namespace_of_a_cluster_gets_one_policy(program: ProgramRunner) -> None:
    namespaces = {"networkPolicy": ["shop", "web"]}
    addresses = {"b": [{"ip": "192.0.2.5"}], "c": [{"ip": "192.0.2.6"}]}
    run = program(stack("abc", a=namespaces), addresses=addresses)
    found = run.kind("NetworkPolicy")
    assert set(found) == {
        f"NetworkPolicy a-egress-policy-{namespace}" for namespace in ("shop", "web")
    }
    for o in found.values():
        assert o.provider == "a"
        assert o.inputs["metadata"]["name"] == "remote-ingresses"
        assert not allows(o.spec, "192.0.2.5")
        assert not allows(o.spec, "192.0.2.6")
        assert allows(o.spec, "192.0.2.7")
    assert {o.inputs["metadata"]["namespace"] for o in found.values()} == {"shop", "web"}


def test_only_linked_clusters_are_left_out(full: Run) -> None:
    (o,) = full.kind("NetworkPolicy").values()
    assert o.provider == "c"
    assert not allows(o.spec, "192.0.2.1"), "a's, the only one that c is linked to"
    assert allows(o.spec, "192.0.2.3"), "its own"


def test_a_load_balancer_with_a_host_name_stops_the_program(
    try_program: ProgramRunner,
) -> None:
    run = try_program(
        stack("ab", a={"networkPolicy": ["shop"]}),
        addresses={"b": [{"hostname": "lb.b.example"}]},
    )
    assert isinstance(run.error, pulumi.RunError)
    assert "networkPolicy: the ingress gateway of cluster b" in str(run.error)
    assert not run.kind("NetworkPolicy")


def test_a_first_preview_shows_the_policies(program: ProgramRunner) -> None:
    run = program(stack("ab", a={"networkPolicy": ["shop"]}), preview=True)
    assert set(run.kind("NetworkPolicy")) == {"NetworkPolicy a-egress-policy-shop"}
