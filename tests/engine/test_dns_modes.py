"""The cluster's DNS in each of its layouts: real CoreDNS, API server, kubelet and engine.

Istio has no part in it, see tests/programs/dns.py. Where every layout is tried, each of the three
clusters has another one, and one `up` is for all. Each test starts with the layout of kubeadm and
no edit of the program's, and leaves the clusters so.

What is not real: no program here reads ConfigMap `kube-dns`, so of that mode only the edit is seen;
the layout of k3s and AKS is what matters of it to the edit, on the lab's own CoreDNS.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError

from tests.conftest import CLUSTERS, PROJECT, Lab
from tests.support import workloads
from tests.support.cluster_dns import KEYS, SYSTEM, Cluster
from tests.support.kube import Kube
from tests.support.queries import queries
from tests.support.stack import Stack
from tests.support.wait import at_once, until

UNLINKED = "x.y.svc.z.remote"
DUMMY, DUMMY6 = "240.0.0.1", "100::1"
NONE = dict.fromkeys(CLUSTERS, "none")
MODES = dict(zip(CLUSTERS, KEYS, strict=True))


class Clusters:
    """The clusters, and a stack with their DNS."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.by_name = {name: Cluster(name, Kube(lab.kubeconfig, f"lab-{name}")) for name in NONE}
        self.stack = Stack(directory, lab.kubeconfig, self.config(NONE))
        self.as_before = False
        """Whether the last `up` took all edits back."""
        shutil.copy2(PROJECT / "tests/programs/dns.py", directory / "__main__.py")

    @staticmethod
    def config(modes: Mapping[str, str], **remote_dns: Any) -> dict[str, Any]:
        return {
            "clusters": {
                name: {"context": f"lab-{name}", "dns": mode}
                for name, mode in {**NONE, **modes}.items()
            },
            "links": "all",
            "rootCa": {"context": "lab-root"},
            "remoteDns": remote_dns,
        }

    def up(self, modes: Mapping[str, str], **remote_dns: Any) -> dict[str, int]:
        """Update to these modes; a cluster that is not named has `none`."""
        self.as_before = False
        self.stack.configure(self.config(modes, **remote_dns))
        done = self.stack.up()
        self.as_before = modes == NONE and not remote_dns
        return done

    def data(self) -> dict[tuple[str, str], dict[str, str] | None]:
        """Return the data of each ConfigMap of each cluster that a mode is about."""
        return {
            (name, config_map): cluster.data(config_map)
            for name, cluster in self.by_name.items()
            for config_map in KEYS
        }

    def each(self, work: Callable[[Cluster], object]) -> None:
        """Do the same for every cluster side by side."""
        at_once(work, self.by_name.values())


@pytest.fixture(scope="module")
def made(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    clusters = Clusters(lab, tmp_path_factory.mktemp("dns"))

    def fill(cluster: Cluster) -> None:
        cluster.kube.apply(
            workloads.namespace(workloads.PLAIN, injected=False), workloads.client(workloads.PLAIN)
        )
        cluster.kube.wait_for_deployments(workloads.PLAIN)

    clusters.each(fill)
    yield clusters
    clusters.stack.destroy()
    clusters.each(lambda c: c.kube.run("delete", "namespace", workloads.PLAIN, timeout=120))


@pytest.fixture
def clusters(made: Clusters) -> Iterator[Clusters]:
    """Hand out the clusters, and have their DNS as it was afterwards, also after a failure."""
    before = made.data()
    volumes = {name: cluster.volumes() for name, cluster in made.by_name.items()}
    yield made
    if not made.as_before:
        made.up(NONE)
    for (name, config_map), data in before.items():
        if made.by_name[name].data(config_map) != data:
            made.by_name[name].put(config_map, data)

    def unmount(cluster: Cluster) -> None:
        if cluster.volumes() != volumes[cluster.name]:
            cluster.mount(*volumes[cluster.name])

    made.each(unmount)


@pytest.fixture
def a(clusters: Clusters) -> Cluster:
    """Hand out the one of them that a test is about."""
    return clusters.by_name["a"]


def test_with_none_core_dns_runs_and_nobody_is_told(clusters: Clusters, a: Cluster) -> None:
    """The first of all: after another the DNS still answers for a while what it was told."""
    before = clusters.data()
    clusters.up(NONE)
    assert clusters.data() == before
    assert a.ask(a.linked) == ("NXDOMAIN", "")
    assert a.ask(a.linked, server=a.address()) == ("NOERROR", DUMMY)
    # It may be the only server of a pod.
    name = "kubernetes.default.svc.cluster.local"
    assert a.ask(name, server=a.address()) == ("NOERROR", "10.96.0.1")


def test_pods_resolve_linked_zones_and_every_byte_is_restored(clusters: Clusters) -> None:
    layouts = {"b": "/etc/coredns/", "c": ""}  # kubeadm's on a, k3s' on b, that of AKS on c
    at_once(lambda name: clusters.by_name[name].lay_out(layouts[name]), layouts)
    before = clusters.data()
    modes = {"a": "coredns", "b": "coredns-custom", "c": "coredns-custom"}
    clusters.up(modes, address6=DUMMY6)

    def look(cluster: Cluster) -> None:
        cluster.wait_for_core_dns(DUMMY6, "AAAA")
        cluster.restart_dns()
        asked = [(name, kind) for name in (cluster.linked, UNLINKED) for kind in ("A", "AAAA")]
        assert {question: cluster.ask(*question) for question in asked} == {
            (cluster.linked, "A"): ("NOERROR", DUMMY),
            (cluster.linked, "AAAA"): ("NOERROR", DUMMY6),
            (UNLINKED, "A"): ("NXDOMAIN", ""),
            (UNLINKED, "AAAA"): ("NXDOMAIN", ""),
        }
        found = cluster.ask("kubernetes.default.svc.cluster.local")
        assert found == ("NOERROR", "10.96.0.1")

    clusters.each(look)
    clusters.up(NONE)
    assert clusters.data() == before

    def look_again(cluster: Cluster) -> None:
        cluster.restart_dns()
        assert cluster.ask(cluster.linked) == ("NXDOMAIN", "")

    clusters.each(look_again)


def test_what_the_platform_puts_back_is_seen_and_repaired(clusters: Clusters) -> None:
    clusters.by_name["b"].lay_out("/etc/coredns/")
    theirs = clusters.data()

    def put_back(cluster: Cluster) -> None:
        mode = MODES[cluster.name]
        cluster.put(mode, theirs[cluster.name, mode])

    def edited() -> list[str]:
        return [name for name, it in clusters.by_name.items() if it.has_edit(MODES[name])]

    clusters.up(MODES)
    assert set(clusters.up(MODES)) == {"same"}
    again: list[Callable[[], dict[str, int]]] = [clusters.stack.preview, clusters.stack.up]
    for plain in again:
        clusters.each(put_back)
        assert plain().get("update") == len(MODES), "without a refresh"
    assert edited() == [*MODES]
    clusters.each(put_back)
    assert clusters.stack.refresh().get("update") == len(MODES)
    assert clusters.stack.up().get("update") == len(MODES)
    assert edited() == [*MODES]
    said = "\n".join(clusters.stack.output)
    for name, mode in MODES.items():
        assert f"ConfigMap kube-system/{mode} in context 'lab-{name}' has lost its edit" in said
    assert set(clusters.stack.refresh()) == {"same"}


def test_what_somebody_else_writes_meanwhile_stays(clusters: Clusters) -> None:
    clusters.by_name["b"].lay_out("/etc/coredns/")
    before = clusters.data()
    clusters.up(MODES)
    mine = {"a": "other", "b": "log.override", "c": "other"}

    def write(cluster: Cluster) -> None:
        patch = json.dumps({"data": {mine[cluster.name]: "log\r\n"}})
        cluster.kube.run("patch", "configmap", MODES[cluster.name], *SYSTEM, "--patch", patch)

    clusters.each(write)
    assert set(clusters.stack.up()) == {"same"}
    clusters.up(NONE)
    for name, mode in MODES.items():
        wanted = {**(before[name, mode] or {}), mine[name]: "log\r\n"}
        assert clusters.by_name[name].data(mode) == wanted, name


def test_another_mode_takes_the_first_edit_back(clusters: Clusters, a: Cluster) -> None:
    before = a.data("coredns")
    clusters.up({"a": "coredns"})
    assert clusters.up({"a": "kube-dns"}).get("replace") == 1
    assert a.data("coredns") == before
    assert a.has_edit("kube-dns")
    assert clusters.up(NONE).get("delete") == 1
    assert a.data("kube-dns") is None


def test_an_edit_that_would_break_the_clusters_dns_is_not_made(
    clusters: Clusters, a: Cluster
) -> None:
    data = a.data("coredns") or {}
    theirs = {**data, "Corefile": data["Corefile"] + "remote:53 {\n    errors\n}\n"}
    a.put("coredns", theirs)
    with pytest.raises(CommandError, match="has a server block for remote already"):
        clusters.up({"a": "coredns"})
    assert a.data("coredns") == theirs
    a.put("coredns", data)
    assert clusters.up({"a": "coredns"}).get("create") == 1
    assert a.has_edit("coredns")


def test_no_query_fails_while_core_dns_changes(clusters: Clusters, a: Cluster) -> None:
    clusters.up({"a": "coredns"})
    a.restart_dns()
    before = a.pods()
    assert len(before) == 2
    with queries(a.kube, a.linked, "A", a.address()) as direct:
        # The same CoreDNS under its other name: all pods are replaced.
        clusters.up({"a": "coredns"}, image="registry.k8s.io/coredns/coredns:v1.15.0")
        after = until(a.pods, lambda seen: len(seen) == 2, 60, "two new pods")
        assert not after & before
        # As a drain of a node does it.
        a.kube.run("delete", "pod", "-n", "istio-system", min(after), "--wait=true", timeout=60)
        until(a.pods, lambda seen: len(seen) == 2, 60, "two pods again")
    print(direct)
    assert direct.total() > 200, "there has to be load"
    assert set(direct) == {DUMMY}, direct


def test_no_query_fails_while_core_dns_reads_another_zone(clusters: Clusters, a: Cluster) -> None:
    clusters.up({"a": "coredns"})
    pods = a.pods()
    with queries(a.kube, a.linked, "A", a.address()) as answers:
        clusters.up({"a": "coredns"}, address="240.0.0.2")
        a.wait_for_core_dns("240.0.0.2")
    print(answers)
    assert a.pods() == pods, "without new pods"
    assert set(answers) == {DUMMY, "240.0.0.2"}, answers


def test_pods_that_cannot_read_their_corefile_take_no_place_of_others(
    clusters: Clusters, a: Cluster
) -> None:
    clusters.up(NONE)
    a.wait_for_core_dns(DUMMY)
    server, pods = a.address(), a.pods()
    where = ("-n", "istio-system")
    text = a.kube.get("configmap", "core-dns", *where)["data"]["Corefile"]

    def write(corefile: str) -> None:
        patch = json.dumps({"data": {"Corefile": corefile}})
        a.kube.run("patch", "configmap", "core-dns", *where, "--patch", patch)

    def listed() -> str:
        return a.kube.run("get", "pods", "-l", "app=core-dns", *where).stdout

    write(text.replace("loadbalance", "nonsense"))
    try:
        a.kube.run("rollout", "restart", "deployment/core-dns", *where)
        until(
            listed, lambda seen: "Error" in seen or "CrashLoop" in seen, 60, "a new pod must fail"
        )
        assert a.pods() == pods
        assert [a.ask(a.linked, server=server)[1] for _ in range(20)] == [DUMMY] * 20
    finally:
        write(text)
        a.kube.run("rollout", "undo", "deployment/core-dns", *where)
