"""Addresses of ingress gateways: by hand, node ports, host names, pending ones, and changes.

The tests of this file run in their order, each on what the one before has left.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi import automation

from lab.instance import Instance
from tests.conftest import INSTANCE
from tests.e2e.conftest import Mesh
from tests.support import names, workloads
from tests.support.load import load
from tests.support.wait import until

GATEWAYS = "istio-gateways"
INGRESS = "istio-ingressgateway"
NODE_PORT = 31999
WAIT_SECONDS = 10
TO_A = "http://echo.apps.svc.a.remote:8080/debug?env=dump"
TO_B = "http://echo.apps.svc.b.remote:7777/debug?env=dump"
A, B = "a.lab.test", "b.lab.test"
BESIDE, BEHIND = "beside", "behind"
"""Further load balancers of a: one whose address is given beside the name, one behind the name."""
FOLLOWED = 60
"""Seconds in which a changed host name has to be followed; see README.md for what it takes."""


def pool(cluster: str) -> list[str]:
    """Return the load balancer addresses of a cluster, those first that are asked for last."""
    found = next(c for c in Instance(INSTANCE).clusters() if c.name == cluster)
    return found.load_balancer_addresses[::-1]


def node(cluster: str) -> str:
    """Return the address of a cluster's node."""
    return next(c for c in Instance(INSTANCE).clusters() if c.name == cluster).address


def ask(mesh: Mesh, cluster: str, address: str | None, host_name: str | None = None) -> None:
    """Have the load balancer of a cluster's ingress gateway take an address, or show a name.

    One that is none of the lab's leaves it pending; None: whatever it has.
    """
    patch = {
        "metadata": {"annotations": {"lab/host-name": host_name}},
        # kube-proxy knows the address by the status, or else by externalIPs.
        "spec": {"loadBalancerIP": address, "externalIPs": [address] if host_name else None},
    }
    words = ["patch", "service", INGRESS, "-n", GATEWAYS, "--type=merge", "-p", json.dumps(patch)]
    found = json.loads(mesh.clusters[cluster].run(*words, "-o", "json").stdout)
    if address and found["spec"]["type"] == "LoadBalancer":
        entry = {"hostname": host_name} if host_name else {"ip": address}
        wanted = [entry] if address in pool(cluster) else []
        until(lambda: shown(mesh, cluster), lambda seen: seen == wanted, 20, "no answer")


def shown(mesh: Mesh, cluster: str) -> list[dict[str, str]]:
    """Return what the status of a cluster's ingress gateway shows."""
    service = mesh.clusters[cluster].get("service", INGRESS, "-n", GATEWAYS)
    entries = service["status"]["loadBalancer"].get("ingress", [])
    return [{key: e[key] for key in ("ip", "hostname") if key in e} for e in entries]


def endpoints(mesh: Mesh, source: str, target: str) -> set[str]:
    """Return the addresses at which a cluster's egress gateway finds a peer's ingress gateway."""
    ask = ["deploy/istio-egressgateway", "-n", GATEWAYS, "--", "pilot-agent", "request", "GET"]
    lines = mesh.clusters[source].run("exec", *ask, "clusters").stdout.splitlines()
    rows = [line.split("::") for line in lines if f"||ingress.{target}.remote::" in line]
    return {row[1].rpartition(":")[0] for row in rows if row[2] == "cx_active"}


def reaches(mesh: Mesh, source: str, url: str, target: str) -> None:
    """Call until it is answered: a change takes a moment to be everywhere."""
    look, wanted = (lambda: mesh.call(source, url)), f"200 CLUSTER={target}"
    until(look, lambda seen: seen == wanted, 20, f"{source} must reach {target}")


def follows(mesh: Mesh, address: str) -> float:
    """Wait until b's egress gateway has an address behind a's name; return the seconds."""
    started, wanted = time.monotonic(), {address, pool("a")[0]}
    what = f"b does not follow {A} to {address}"
    until(lambda: endpoints(mesh, "b", "a"), lambda seen: seen == wanted, FOLLOWED, what)
    return time.monotonic() - started


def changed(mesh: Mesh, **clusters: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with further settings of some clusters; None removes one."""
    config = copy.deepcopy(mesh.config)
    for name, further in clusters.items():
        merged = {**config["clusters"][name], **further}
        config["clusters"][name] = {k: v for k, v in merged.items() if v is not None}
    return config


def load_balancer(name: str, address: str) -> dict[str, Any]:
    """Return another load balancer in front of a's ingress gateway."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": GATEWAYS},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerIP": address,
            "selector": {"istio": "ingressgateway"},
            "ports": [{"name": "tls", "port": 15443}],
        },
    }


@pytest.fixture(scope="module", autouse=True)
def by_hand(mesh: Mesh) -> Iterator[None]:
    """Dial b by a node port, and a by a host name and an address."""
    before = {name: mesh.ingress(name)[0] for name in "ab"}
    names.write({A: mesh.ingress("a")[0]})
    mesh.clusters["a"].apply(load_balancer(BESIDE, pool("a")[0]))
    config = changed(
        mesh,
        a={"ingress": {"addresses": [A, pool("a")[0]]}},
        b={"ingress": {"service": "NodePort", "nodePort": NODE_PORT, "addresses": [node("b")]}},
    )
    try:
        mesh.stack.configure(config)
        mesh.stack.up()
        yield
    finally:
        # Back to an address as it was: one more change that a plain `up` has to follow.
        for name, address in before.items():
            ask(mesh, name, address)
        further = ["service", BESIDE, BEHIND, "-n", GATEWAYS, "--ignore-not-found"]
        mesh.clusters["a"].run("delete", *further)
        mesh.stack.configure(mesh.config)
        mesh.stack.up()
        for name in before:
            ask(mesh, name, None)
        names.write({})
    assert mesh.stack.outputs()["clusters"] == mesh.outputs["clusters"]
    reaches(mesh, "a", TO_B, "b")


def test_a_node_port_is_dialled(mesh: Mesh) -> None:
    outputs = mesh.stack.outputs()["clusters"]["b"]
    assert outputs["ingressAddresses"] == [node("b")]
    assert outputs["ingressPort"] == NODE_PORT
    spec = mesh.clusters["b"].get("service", INGRESS, "-n", GATEWAYS)["spec"]
    assert spec["type"] == "NodePort"
    assert {p["name"]: p["nodePort"] for p in spec["ports"]}["tls"] == NODE_PORT
    for cluster in "ac":
        look = lambda c=cluster: endpoints(mesh, c, "b")  # noqa: E731
        until(look, lambda seen: seen == {node("b")}, 30, f"{cluster} dials b elsewhere")
        reaches(mesh, cluster, TO_B, "b")


def test_addresses_by_hand_are_barred_by_network_policies(mesh: Mesh) -> None:
    def connects(namespace: str) -> bool:
        # The gateway wants a certificate: whoever gets as far as that has a connection.
        url = f"https://{node('b')}:{NODE_PORT}"
        script = f"curl -sk -m 5 -o /dev/null {url}; [ $? = 7 ] && echo no || echo yes"
        return mesh.clusters["a"].shell(namespace, script) == "yes"

    # The node learns a moment later than the API server what may not be called.
    until(lambda: connects(workloads.LOCKED), lambda seen: not seen, 30, "it still connects")
    assert connects(workloads.PLAIN)


def test_a_host_name_beside_an_address_is_resolved_and_both_are_used(mesh: Mesh) -> None:
    follows(mesh, mesh.ingress("a")[0])
    reaches(mesh, "b", TO_A, "a")


def test_a_host_name_that_changes_is_followed_and_no_request_fails(mesh: Mesh) -> None:
    mesh.clusters["a"].apply(load_balancer(BEHIND, pool("a")[1]))
    with load(mesh.clusters["b"], workloads.NAMESPACE, TO_A) as seen:
        time.sleep(2)
        names.write({A: pool("a")[1]})
        seconds = follows(mesh, pool("a")[1])
        time.sleep(2)
    print(f"followed after {seconds:.1f} s: {seen}")
    assert seen.requests > 100
    assert seen.failed == 0, seen.codes


def test_a_load_balancer_that_moves_with_its_name_is_followed(mesh: Mesh) -> None:
    with load(mesh.clusters["b"], workloads.NAMESPACE, TO_A) as seen:
        time.sleep(2)
        names.write({A: pool("a")[2]})
        mesh.clusters["a"].apply(load_balancer(BEHIND, pool("a")[2]))
        seconds = follows(mesh, pool("a")[2])
    print(f"followed after {seconds:.1f} s: {seen}")
    with load(mesh.clusters["b"], workloads.NAMESPACE, TO_A) as seen:
        time.sleep(2)
    assert seen.failed == 0, seen.codes


def test_a_pending_address_ends_the_run_with_what_to_do(mesh: Mesh) -> None:
    ask(mesh, "a", "192.0.2.1")
    mesh.stack.configure(
        changed(mesh, a={"networkPolicy": None, "ingress": {"waitSeconds": WAIT_SECONDS}})
    )
    with pytest.raises(automation.CommandError) as caught:
        mesh.stack.up()
    said = str(caught.value)
    assert (
        f"cluster a: Service {GATEWAYS}/{INGRESS} has no load balancer address after "
        f"{WAIT_SECONDS} s" in said
    )
    assert "clusters.a.ingress.addresses" in said


def test_the_next_run_goes_on_once_there_is_an_address(mesh: Mesh) -> None:
    ask(mesh, "a", mesh.ingress("a")[0])
    mesh.stack.up()
    outputs = mesh.stack.outputs()["clusters"]
    assert outputs["a"] == mesh.outputs["clusters"]["a"]
    assert outputs["b"]["ingressPort"] == 15999
    reaches(mesh, "a", TO_B, "b")
    reaches(mesh, "b", TO_A, "a")


def test_a_plain_up_follows_a_load_balancer_to_a_host_name(mesh: Mesh) -> None:
    (before,) = mesh.stack.outputs()["clusters"]["b"]["ingressAddresses"]
    names.write({B: pool("b")[0]})
    ask(mesh, "b", pool("b")[0], B)
    mesh.stack.output.clear()
    assert mesh.stack.preview().get("update", 0) > 0, "a reviewer must see it"
    said = "\n".join(mesh.stack.output)
    assert f"of cluster b now has {B}, and had {before}: the links follow" in said
    mesh.stack.up()
    assert mesh.stack.outputs()["clusters"]["b"]["ingressAddresses"] == [B]
    for cluster in "ac":
        look = lambda c=cluster: endpoints(mesh, c, "b")  # noqa: E731
        until(look, lambda seen: seen == {pool("b")[0]}, 20, "b's new address")
        reaches(mesh, cluster, TO_B, "b")
