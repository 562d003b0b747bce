"""Addresses of ingress gateways: where they come from, where they go, and when they change."""

from __future__ import annotations

from typing import Any

import pytest

from components.cluster import ingress_addresses
from components.cluster.ingress_addresses import IngressAddressesHandler
from components.kubectl import KubectlError, MissingError
from components.objects import SKIP_AWAIT
from tests.unit.conftest import ProgramRunner
from tests.unit.support.fake_clock import FakeClock
from tests.unit.support.fake_kubectl import FakeKubectl
from tests.unit.support.stacks import stack

HANDLER = IngressAddressesHandler()
NAME = "istio-ingressgateway"
ONE, OTHER = [{"ip": "192.0.2.1"}], [{"hostname": "lb.example"}]


def props(seconds: int = 5) -> dict[str, Any]:
    return {
        "cluster": "b",
        "service": f"istio-gateways/{NAME}",
        "waitSeconds": float(seconds),  # as it comes from the engine
        "kubeconfig": "kubeconfig",
        "context": "ctx-b",
        "addresses": None,
    }


@pytest.fixture
def up(kubectl: FakeKubectl) -> dict[str, Any]:
    """The outputs of an `up` that found the address of `ONE`."""
    kubectl.put_service(NAME, ONE)
    return HANDLER.create(props()).outs


def test_the_addresses_are_those_of_the_services_status(kubectl: FakeKubectl) -> None:
    kubectl.put_service(NAME, [*ONE, *OTHER, {"ip": "192.0.2.3", "hostname": "x.example"}])
    outs = HANDLER.create(props()).outs
    assert outs["addresses"] == ["192.0.2.1", "lb.example", "192.0.2.3"]
    (call,) = kubectl.calls
    assert call[:4] == ["--kubeconfig", "kubeconfig", "--context", "ctx-b"]
    assert call[call.index("-n") + 1] == "istio-gateways"


def test_a_pending_address_is_waited_for(
    kubectl: FakeKubectl, capfd: pytest.CaptureFixture[str]
) -> None:
    kubectl.put_service(NAME, [], [], ONE)
    clock = FakeClock()
    assert IngressAddressesHandler(clock).create(props(60)).outs["addresses"] == ["192.0.2.1"]
    assert len(clock.slept) == 2
    said = f"waiting up to 60 s for Service istio-gateways/{NAME} of cluster b\n"
    assert capfd.readouterr().err == said, "once"


@pytest.mark.parametrize("seconds", [1, 5, 60])
def test_the_wait_is_bounded_and_says_for_what_and_what_to_do(
    kubectl: FakeKubectl, seconds: int
) -> None:
    kubectl.put_service(NAME, [])
    clock = FakeClock()
    with pytest.raises(KubectlError) as caught:
        IngressAddressesHandler(clock).create(props(seconds))
    assert sum(clock.slept) == seconds
    text = str(caught.value)
    assert text.startswith(
        f"cluster b: Service istio-gateways/{NAME} has no load balancer address after {seconds} s"
    )
    assert f"kubectl --context ctx-b -n istio-gateways describe service {NAME}" in text
    assert "clusters.b.ingress.waitSeconds" in text
    assert "clusters.b.ingress.addresses" in text


def test_a_server_that_fails_for_a_moment_does_not_end_the_wait(
    kubectl: FakeKubectl,
) -> None:
    kubectl.put_service(NAME, ONE)
    kubectl.behave(fail="connection refused")
    back = FakeClock(awake=lambda: kubectl.behave(fail=""))
    assert IngressAddressesHandler(back).create(props()).outs["addresses"] == ["192.0.2.1"]


def test_a_server_that_fails_all_the_time_is_quoted(kubectl: FakeKubectl) -> None:
    kubectl.behave(fail="connection refused")
    with pytest.raises(KubectlError, match=r"after 5 s.*asked last: .*connection refused"):
        IngressAddressesHandler(FakeClock()).create(props())


def test_without_kubectl_nothing_is_waited_for(kubectl: FakeKubectl) -> None:
    kubectl.remove()
    clock = FakeClock()
    with pytest.raises(MissingError):
        IngressAddressesHandler(clock).create(props())
    assert clock.slept == []


def test_a_preview_sees_no_change_where_there_is_none(
    kubectl: FakeKubectl, up: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    moved = {**props(), "kubeconfig": "elsewhere", "waitSeconds": 7}
    assert not HANDLER.diff("id", up, moved).changes
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("now", [OTHER, [*ONE, *OTHER], [{"ip": "192.0.2.2"}]])
def test_an_up_follows_the_load_balancer(
    kubectl: FakeKubectl,
    up: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
    now: list[dict[str, str]],
) -> None:
    kubectl.put_service(NAME, now)
    assert HANDLER.diff("id", up, props()).changes
    addresses = [entry.get("ip") or entry["hostname"] for entry in now]
    assert f"of cluster b now has {', '.join(addresses)}, and had 192.0.2.1" in (
        capfd.readouterr().err
    )
    outs = HANDLER.update("id", up, props()).outs
    assert outs["addresses"] == addresses
    assert not HANDLER.diff("id", outs, props()).changes


def test_the_order_in_which_a_load_balancer_lists_addresses_is_no_change(
    kubectl: FakeKubectl,
) -> None:
    kubectl.put_service(NAME, [*ONE, *OTHER])
    outs = HANDLER.create(props()).outs
    kubectl.put_service(NAME, [*OTHER, *ONE])
    assert not HANDLER.diff("id", outs, props()).changes


@pytest.mark.parametrize("trouble", ["empty", "gone", "unreachable", "hangs"])
def test_where_nothing_is_seen_the_known_addresses_stay(
    kubectl: FakeKubectl,
    up: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    if trouble == "empty":
        kubectl.put_service(NAME, [])
    elif trouble == "gone":
        kubectl.put_service(NAME)
    elif trouble == "unreachable":
        kubectl.behave(fail="no route to host")
    else:
        monkeypatch.setattr(ingress_addresses, "LOOK_SECONDS", 0.2)
        kubectl.behave(hang=5)
    assert not HANDLER.diff("id", up, props()).changes
    said = capfd.readouterr().err
    assert said.startswith("warning: ")
    assert "of cluster b" in said


def entries(run: Any, kind: str = "ingress") -> dict[str, Any]:
    return dict(run[f"ServiceEntry a_b-a-to-b-{kind}"].spec)


def dialled(run: Any) -> set[int]:
    """Return every port with which a's objects name b's ingress gateway."""
    routes = [run["VirtualService a_b-a-to-b-services"].spec["http"]]
    routes += [
        o.spec["tcp"]
        for key, o in run.kind("VirtualService").items()
        if key.startswith("VirtualService a_b-a-to-b-db.")
    ]
    destinations = [to["destination"] for rules in routes for rule in rules for to in rule["route"]]
    found = {to["port"]["number"] for to in destinations if "ingress.b.remote" in to["host"]}
    ports = [*entries(run)["ports"], *entries(run, "ingress-tcp")["ports"]]
    return found | {port["number"] for port in ports}


EXPOSES = [
    {"service": "web", "namespace": "shop", "port": 80},
    {"service": "db", "namespace": "shop", "port": 5432, "protocol": "tcp"},
]


def with_ingress(program: ProgramRunner, **further: Any) -> Any:
    return program(stack("ab", b={"linkPort": 15444, "exposes": EXPOSES, "ingress": further}))


def test_addresses_by_hand_are_what_peers_dial(program: ProgramRunner) -> None:
    run = with_ingress(program, addresses=["192.0.2.7", "2001:db8::7"], port=443)
    entry = entries(run)
    assert entry["resolution"] == "STATIC"
    assert entry["endpoints"] == [{"address": "192.0.2.7"}, {"address": "2001:db8::7"}]
    assert dialled(run) == {443}
    outputs = run.exports["clusters"]["b"]
    assert outputs["ingressAddresses"] == ["192.0.2.7", "2001:db8::7"]
    assert outputs["ingressPort"] == 443
    assert "IngressAddresses b-ingress-addresses" not in run.objects, "it may never have any"


def test_a_host_name_among_addresses_is_left_to_envoy(program: ProgramRunner) -> None:
    entry = entries(with_ingress(program, addresses=["192.0.2.7", "nat.example"]))
    assert entry["resolution"] == "DNS", "STATIC takes no names; DNS takes both"
    assert entry["endpoints"] == [{"address": "192.0.2.7"}, {"address": "nat.example"}]


def test_the_gateway_listens_where_it_did(program: ProgramRunner) -> None:
    run = with_ingress(program, addresses=["192.0.2.7"], port=443)
    service = run["Chart b-ingressgateway"].inputs["values"]["service"]
    assert service["type"] == "LoadBalancer"
    assert [p["port"] for p in service["ports"]] == [15021, 15444]
    servers = run["Gateway b-exposed-services"].spec["servers"]
    assert {server["port"]["number"] for server in servers} == {15444}
    policy = run["AuthorizationPolicy b-link-policy"].spec
    assert "15444" in str(policy)
    assert "443'" not in str(policy).replace("15444", "").replace("15443", "")


def test_a_node_port_is_fixed_and_the_links_only(program: ProgramRunner) -> None:
    run = with_ingress(program, service="NodePort", addresses=["192.0.2.7"], nodePort=31443)
    service = run["Chart b-ingressgateway"].inputs["values"]["service"]
    assert service["type"] == "NodePort"
    ports = {p["port"]: p.get("nodePort") for p in service["ports"]}
    assert ports == {15021: None, 15444: 31443}
    assert dialled(run) == {31443}
    egress = run["Chart b-egressgateway"].inputs["values"]["service"]
    assert egress["type"] == "ClusterIP"
    assert "nodePort" not in str(egress)


def test_pulumi_itself_waits_for_no_load_balancer(program: ProgramRunner) -> None:
    run = with_ingress(program, waitSeconds=20)
    services = [r for r in run.registrations if r.kind == "Service" and ":" in r.name]
    assert len(services) == 2 * 3, "istiod's and the gateways', on both clusters"
    for service in services:
        assert service.inputs["metadata"]["annotations"].items() >= SKIP_AWAIT.items(), service.name
    waits = run["IngressAddresses b-ingress-addresses"]
    assert waits.inputs["waitSeconds"] == 20
    assert waits.inputs["cluster"] == "b"
    assert waits.inputs["context"] == "ctx-b"
    ingress = "b-ingressgateway:istio-gateways/istio-ingressgateway"
    assert ingress in waits.depends_on, "there is a Service to look at"
    assert dialled(run) == {15444}


def test_addresses_by_hand_are_left_out_by_network_policies(program: ProgramRunner) -> None:
    by_hand = {"ingress": {"addresses": ["192.0.2.7"]}}
    config = stack("ab", a={"networkPolicy": ["shop"]}, b=by_hand)
    (o,) = program(config).kind("NetworkPolicy").values()
    assert "'except': ['192.0.2.7/32']" in str(o.spec)
