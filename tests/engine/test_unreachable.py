"""A cluster that dies, comes back, and dies for good: real engine, provider and API servers.

Three API servers without nodes; what controllers would write is written by the tests. So nothing
here is about traffic. The tests run in their order, each on what the one before has left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError

from tests.support import dev, pki
from tests.support.apiservers import ApiServer, ApiServers, tools
from tests.support.controllers import Controllers
from tests.support.stack import Stack

CLUSTERS = ("a", "b", "c")
ISTIO = "/apis/networking.istio.io/v1/namespaces/istio-gateways"
UNCHANGED = {"same"}
BOUND_SECONDS = 30


class Life:
    """The stack and its clusters."""

    def __init__(self, servers: ApiServers, directory: Path) -> None:
        self.clusters = servers.clusters
        self.ports: dict[str, list[int]] = {name: [80] for name in CLUSTERS}
        """What each cluster exposes."""
        self.policed: list[str] = []
        """Namespaces of c that have a NetworkPolicy."""
        self.unreachable: set[str] = set()
        self.names: tuple[str, ...] = CLUSTERS
        self.certificates = directory / "certificates"
        pki.write(self.certificates, CLUSTERS)
        (directory / "stack").mkdir()
        self.stack = Stack(directory / "stack", servers.kubeconfig, self.config())

    def config(self) -> dict[str, Any]:
        """Return the stack's configuration as it is meant now."""
        clusters = {
            name: {
                "context": self.clusters[name].context,
                "exposes": [
                    {"service": f"s{port}", "namespace": "apps", "port": port}
                    for port in self.ports[name]
                ],
                **({"unreachable": True} if name in self.unreachable else {}),
            }
            for name in self.names
        }
        if self.policed:
            clusters["c"]["networkPolicy"] = self.policed
        root = {"directory": str(self.certificates), "warnDays": 0}
        removed = [name for name in CLUSTERS if name not in self.names]
        istio = dev.settings()["istio"]
        return {"clusters": clusters, "removed": removed, "rootCa": root, "istio": istio}

    def up(self, **options: Any) -> dict[str, int]:
        """Update with the configuration as it is meant now."""
        self.stack.configure(self.config())
        return self.stack.up(**options)

    def ports_seen(self, source: str, target: str) -> set[int]:
        """Return the ports of another cluster's services that one cluster knows."""
        entry = self.clusters[source].call("GET", f"{ISTIO}/serviceentries/{target}-services")
        return {port["number"] for port in entry["spec"]["ports"]}

    def resources_of(self, cluster: str) -> list[str]:
        """Return what the state has of a cluster."""
        resources = self.stack.stack.export_stack().deployment["resources"]  # type: ignore[index]
        names = [resource["urn"].rpartition("::")[2] for resource in resources]
        return [n for n in names if n.startswith((f"{cluster}-", f"{cluster}_")) or n == cluster]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    directory = tmp_path_factory.mktemp("unreachable")
    with ApiServers(directory / "api", tools()) as servers, Controllers(servers.clusters):
        servers.add(CLUSTERS)
        made = Life(servers, directory)
        made.up()
        yield made


def test_without_a_word_a_dead_cluster_is_an_error_and_the_others_go_on(life: Life) -> None:
    life.clusters["c"].stop()
    life.stack.configure(life.config())
    away = UNCHANGED | {"update"}  # its provider is given nothing to ask
    assert set(life.stack.preview()) == away, "a preview must work for the others' sake"
    life.clusters["c"].start()
    life.clusters["c"].wait()
    life.clusters["c"].hang()
    began = time.monotonic()
    assert set(life.stack.preview()) == away
    assert time.monotonic() - began < BOUND_SECONDS, "one bounded look, and no other timeout"
    life.clusters["c"].wake()
    life.clusters["c"].stop()
    life.ports["a"] = [80, 81]
    with pytest.raises(CommandError) as error:
        life.up(continue_on_error=True)
    assert "a_c-c-to-a-services" in str(error.value), "what could not be done, by its name"
    assert "cluster is unreachable" in str(error.value)
    assert life.ports_seen("b", "a") == {80, 81}


def test_a_cluster_that_is_marked_is_left_as_it_is(life: Life) -> None:
    life.unreachable = {"c"}
    life.ports["a"] = [80, 81, 82]
    changes = life.up()
    assert set(changes) == UNCHANGED | {"update"}
    assert life.ports_seen("b", "a") == {80, 81, 82}
    assert set(life.stack.preview()) == UNCHANGED
    addresses = life.stack.outputs()["clusters"]["c"]["ingressAddresses"]
    assert addresses == ["192.0.2.3"], "peers still know where it was"


def test_what_would_be_new_on_it_is_refused_in_the_preview(life: Life) -> None:
    life.policed = ["apps"]
    life.stack.configure(life.config())
    with pytest.raises(CommandError) as error:
        life.stack.preview()
    said = "\n".join([str(error.value), *life.stack.output])
    assert "c-egress-policy-apps is new and would have to be made on a cluster with" in said
    life.policed = []


def test_when_it_is_back_nothing_is_replaced(life: Life) -> None:
    cluster = life.clusters["c"]
    cluster.start()
    cluster.wait()
    before = uids(cluster)
    assert life.ports_seen("c", "a") == {80}, "it has missed what happened"
    life.unreachable = set()
    assert set(life.up()) == {"same", "update"}
    assert life.ports_seen("c", "a") == {80, 81, 82}
    assert uids(cluster) == before
    assert set(life.stack.preview()) == UNCHANGED


def uids(cluster: ApiServer) -> dict[str, str]:
    """Return the UIDs of objects that would be others if they were replaced."""
    paths = [f"{ISTIO}/{kind}" for kind in ("serviceentries", "virtualservices", "gateways")]
    paths += [
        f"/api/v1/namespaces/istio-gateways/{kind}" for kind in ("services", "serviceaccounts")
    ]
    paths.append("/apis/apps/v1/deployments")
    return {
        f"{path} {item['metadata']['name']}": item["metadata"]["uid"]
        for path in paths
        for item in cluster.items(path)
    }


def test_a_dead_cluster_is_removed_and_its_links_with_it(life: Life) -> None:
    life.clusters["c"].hang()  # it takes connections and says nothing
    life.unreachable = {"c"}
    started = time.monotonic()
    assert set(life.up()) <= {"same", "update"}
    assert time.monotonic() - started < 120, "nobody waits for it"
    life.names, life.unreachable = ("a", "b"), set()
    changes = life.up()
    assert set(changes) == {"same", "update", "delete"}
    assert life.resources_of("c") == []
    for name in ("a", "b"):
        for kind in ("serviceentries", "destinationrules", "virtualservices", "gateways"):
            items = life.clusters[name].items(f"{ISTIO}/{kind}")
            left = [item["metadata"]["name"] for item in items]
            assert not [n for n in left if n.startswith("c-")], "a living side's link must go"
        policy = life.clusters[name].call(
            "GET",
            "/apis/security.istio.io/v1/namespaces/istio-gateways/authorizationpolicies/link-port",
        )
        assert "c.remote" not in str(policy["spec"])
    assert set(life.stack.preview()) == UNCHANGED
