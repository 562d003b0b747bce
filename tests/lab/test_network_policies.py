"""NetworkPolicies on a node: pods of one cluster call load balancer addresses of another.

The tests of this file run in their order, each on what the one before has left.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest

from lab.machine.processes import Process
from tests.lab.machine import Machine, cluster, kill
from tests.support.kube import Kube
from tests.support.wait import until
from tests.support.workloads import (
    CLIENT_IMAGE,
    NAMESPACE,
    deployment,
    namespace,
    server,
    service,
)
from tools import env

pytestmark = pytest.mark.timeout(300)

SELECTED, OTHER, LATER = "selected", "other", "later"
EXCEPTED, OPEN = "excepted", "open"  # two Services of the other cluster
SOON = 60.0  # seconds; it is less than one where nothing else runs


def client(name: str, *, selected: bool) -> dict[str, Any]:
    """A pod to call from."""
    container = {"image": CLIENT_IMAGE, "command": ["sleep", "infinity"]}
    made = deployment(name, NAMESPACE, container, {}, {})
    made["spec"]["template"]["metadata"]["labels"]["selected"] = str(selected).lower()
    return made


def load_balancer(name: str) -> dict[str, Any]:
    made = service(name, 80)
    made["spec"]["type"] = "LoadBalancer"
    return made


def policy(excepted: str) -> dict[str, Any]:
    """All IPv4 addresses may be called, but one."""
    block = {"cidr": "0.0.0.0/0", "except": [f"{excepted}/32"]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "all-but-one", "namespace": NAMESPACE},
        "spec": {
            "podSelector": {"matchLabels": {"selected": "true"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": block}]}],
        },
    }


@pytest.fixture(scope="module")
def kube(machine: Machine) -> Kube:
    """Cluster x, with the clients; in z is what they call."""
    os.environ |= dict(env.values(["kubectl"]))
    done = machine.up("x", "z")
    assert done.returncode == 0, done.stderr
    x, z = (Kube(machine.kubeconfig, f"lab-{name}") for name in ("x", "z"))
    z.apply(*server("z"), load_balancer(EXCEPTED), load_balancer(OPEN))
    x.apply(
        namespace(NAMESPACE, injected=False),
        client(SELECTED, selected=True),
        client(OTHER, selected=False),
    )
    for found in (x, z):
        found.wait_for_deployments(NAMESPACE)
    return x


@pytest.fixture(scope="module")
def addresses(machine: Machine, kube: Kube) -> dict[str, str]:
    """The addresses of the two Services, as a pod of x has to call them."""
    z = Kube(machine.kubeconfig, "lab-z")

    def given(name: str) -> str:
        status = z.get("service", name, "-n", NAMESPACE)["status"]["loadBalancer"]
        return str(status.get("ingress", [{"ip": ""}])[0]["ip"])

    return {name: until(partial(given, name), bool, 30, name) for name in (EXCEPTED, OPEN)}


def connects(kube: Kube, pod: str, address: str) -> bool:
    """Whether a pod gets an answer from there."""
    call = ["curl", "-s", "-o", "/dev/null", "-m", "3", f"http://{address}/debug"]
    words = ["exec", "-n", NAMESPACE, f"deploy/{pod}", "--", *call]
    return kube.run(*words, check=False).returncode == 0


def wait_until(kube: Kube, pod: str, address: str, *, connected: bool) -> None:
    until(
        lambda: connects(kube, pod, address),
        lambda found: found == connected,
        SOON,
        f"{pod} to {address}",
    )


def test_without_policies_all_pods_connect(kube: Kube, addresses: dict[str, str]) -> None:
    for pod in (SELECTED, OTHER):
        for address in addresses.values():
            wait_until(kube, pod, address, connected=True)  # kube-proxy may not know it at once


def test_a_selected_pod_does_not_reach_the_excepted_address(
    kube: Kube, addresses: dict[str, str]
) -> None:
    kube.apply(policy(addresses[EXCEPTED]))
    wait_until(kube, SELECTED, addresses[EXCEPTED], connected=False)
    assert connects(kube, SELECTED, addresses[OPEN]), "all others it does"


def test_a_pod_that_is_not_selected_reaches_it(kube: Kube, addresses: dict[str, str]) -> None:
    assert connects(kube, OTHER, addresses[EXCEPTED])


def test_a_selected_pod_that_comes_later_does_not_reach_it(
    kube: Kube, addresses: dict[str, str]
) -> None:
    kube.apply(client(LATER, selected=True))
    kube.wait_for_deployments(NAMESPACE)
    wait_until(kube, LATER, addresses[EXCEPTED], connected=False)
    assert connects(kube, LATER, addresses[OPEN])


def test_what_is_enforced_stays_so_when_the_process_dies_and_up_starts_it_again(
    machine: Machine, kube: Kube, addresses: dict[str, str]
) -> None:
    process = Process(cluster("x"), "network-policies")
    assert process.pid is not None
    kill(process.pid)
    assert "dead: x: network-policies" in machine.lab("status").stdout
    assert not connects(kube, SELECTED, addresses[EXCEPTED])
    assert connects(kube, OTHER, addresses[EXCEPTED])
    assert machine.up().returncode == 0
    assert machine.lab("status").returncode == 0


def test_without_the_policy_again_all_pods_connect(kube: Kube, addresses: dict[str, str]) -> None:
    kube.run("delete", "networkpolicy", "all-but-one", "-n", NAMESPACE)
    for pod in (SELECTED, OTHER, LATER):
        wait_until(kube, pod, addresses[EXCEPTED], connected=True)
