"""The cluster's DNS in each of its layouts: real CoreDNS, API server, kubelet and engine.

Istio has no part in it, see tests/programs/dns.py. Each test starts with the layout of kubeadm and
no edit of the program's, and leaves the cluster so.

What is not real: no program here reads ConfigMap `kube-dns`, so of that mode only the edit is seen;
the layout of k3s and AKS is what matters of it to the edit, on the lab's own CoreDNS.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError

from tests.conftest import PROJECT, Lab
from tests.support import workloads
from tests.support.kube import Kube
from tests.support.queries import queries
from tests.support.stack import Stack
from tests.support.wait import until

NAME = "x.y.svc.b.remote"
UNLINKED = "x.y.svc.z.remote"
DUMMY, DUMMY6 = "240.0.0.1", "100::1"
SYSTEM = ("-n", "kube-system")
MODES = ("coredns", "coredns-custom", "kube-dns")
KEYS = {
    "coredns": "Corefile",
    "coredns-custom": "istio-multicluster.server",
    "kube-dns": "stubDomains",
}


class Cluster:
    """Cluster a, and a stack with its DNS."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.kube = Kube(lab.kubeconfig, "lab-a")
        self.stack = Stack(directory, lab.kubeconfig, self.config("none"))
        shutil.copy2(PROJECT / "tests/programs/dns.py", directory / "__main__.py")

    @staticmethod
    def config(mode: str, **remote_dns: Any) -> dict[str, Any]:
        return {
            "clusters": {"a": {"context": "lab-a", "dns": mode}, "b": {"context": "lab-b"}},
            "rootCa": {"context": "lab-root"},
            "remoteDns": remote_dns,
        }

    def up(self, mode: str, **remote_dns: Any) -> dict[str, int]:
        self.stack.configure(self.config(mode, **remote_dns))
        return self.stack.up()

    def data(self, name: str) -> dict[str, str] | None:
        """Return the data of a ConfigMap of the platform's."""
        wanted = ("configmap", name, *SYSTEM, "--ignore-not-found", "-o", "json")
        found = self.kube.run("get", *wanted).stdout
        return json.loads(found).get("data", {}) if found else None

    def put(self, name: str, data: dict[str, str] | None) -> None:
        """Write a ConfigMap as the platform does, whatever is in it; None: delete it."""
        self.kube.run("delete", "configmap", name, *SYSTEM, "--ignore-not-found")
        if data is not None:
            metadata = {"name": name, "namespace": "kube-system"}
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            self.kube.run("create", "-f", "-", stdin=json.dumps(made))

    def restart_dns(self) -> None:
        """Let the cluster's DNS read its configuration now: by itself it takes two minutes."""
        self.kube.run("rollout", "restart", "deployment/coredns", *SYSTEM)
        self.wait_for_dns()

    def wait_for_dns(self) -> None:
        """Wait until the pods of the DNS are new ones; the old ones answer for a while."""
        self.kube.wait_for_rollout("kube-system", "coredns")
        until(
            lambda: self.kube.get("pods", "-l", "k8s-app=kube-dns", *SYSTEM)["items"],
            lambda pods: len(pods) == 2,
            60,
            "old pods of the cluster's DNS stay",
        )

    def ask(self, name: str, kind: str = "A", server: str = "") -> tuple[str, str]:
        """Return status and addresses that a pod gets."""
        at = f"@{server}" if server else ""
        script = f"dig +tries=2 +time=3 +noall +comments +answer {at} {name} {kind}"
        lines = self.kube.shell(workloads.PLAIN, script).splitlines()
        status = [line.split("status: ")[1].split(",")[0] for line in lines if "status: " in line]
        answers = [line.split()[-1] for line in lines if line and not line.startswith(";")]
        return " ".join(status), " ".join(answers)

    def wait_for_core_dns(self, address: str, kind: str = "A") -> None:
        """Wait until core-dns has read its zone without a restart, each pod its own."""
        self.kube.refresh_volumes("istio-system", "app=core-dns")
        server = self.address()
        until(
            lambda: {self.ask(NAME, kind, server)[1] for _ in range(10)},
            lambda seen: seen == {address},
            150,
            f"core-dns does not answer {address}",
        )

    def address(self) -> str:
        """Return the address of core-dns' Service."""
        return str(self.kube.get("service", "core-dns", "-n", "istio-system")["spec"]["clusterIP"])

    def pods(self) -> set[str]:
        """Return the names of core-dns' pods that are ready and stay."""
        found = self.kube.get("pods", "-n", "istio-system", "-l", "app=core-dns")["items"]
        return {
            pod["metadata"]["name"]
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
            and any(
                c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"]
            )
        }


@pytest.fixture(scope="module")
def made(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(lab, tmp_path_factory.mktemp("dns"))
    cluster.kube.apply(
        workloads.namespace(workloads.PLAIN, injected=False), workloads.client(workloads.PLAIN)
    )
    cluster.kube.wait_for_deployments(workloads.PLAIN)
    yield cluster
    cluster.stack.destroy()
    cluster.kube.run("delete", "namespace", workloads.PLAIN, timeout=120)


@pytest.fixture
def cluster(made: Cluster) -> Iterator[Cluster]:
    """Hand out the cluster, and have its DNS as it was afterwards, also when the test failed."""
    before = {name: made.data(name) for name in KEYS}
    deployment = made.kube.get("deployment", "coredns", *SYSTEM)["spec"]["template"]["spec"]
    yield made
    made.up("none")
    for name, data in before.items():
        if made.data(name) != data:
            made.put(name, data)
    volumes = made.kube.get("deployment", "coredns", *SYSTEM)["spec"]["template"]["spec"]["volumes"]
    if volumes != deployment["volumes"]:
        _patch_coredns(made, deployment["volumes"], deployment["containers"][0]["volumeMounts"])


def _patch_coredns(cluster: Cluster, volumes: list[Any], mounts: list[Any]) -> None:
    at = "/spec/template/spec"
    patch = [
        {"op": "replace", "path": f"{at}/volumes", "value": volumes},
        {"op": "replace", "path": f"{at}/containers/0/volumeMounts", "value": mounts},
    ]
    kube = cluster.kube
    kube.run("patch", "deployment", "coredns", *SYSTEM, "--type=json", "-p", json.dumps(patch))
    cluster.wait_for_dns()


def lay_out(cluster: Cluster, mode: str, directory: str = "/etc/coredns/") -> None:
    """Make the lab's CoreDNS read ConfigMap `coredns-custom`, as that of k3s or AKS does.

    Args:
        cluster: the cluster.
        mode: nothing is done for another one than `coredns-custom`.
        directory: what its Corefile writes before `custom`; nothing on AKS.
    """
    if mode != "coredns-custom":
        return
    data = cluster.data("coredns") or {}
    head, brace, rest = data["Corefile"].rpartition("}")
    head += f"    import {directory}custom/*.override\n"
    text = f"{head}{brace}{rest}import {directory}custom/*.server\n"
    cluster.put("coredns", {**data, "Corefile": text})
    spec = copy.deepcopy(cluster.kube.get("deployment", "coredns", *SYSTEM))["spec"]["template"][
        "spec"
    ]
    custom = {"name": "coredns-custom", "configMap": {"name": "coredns-custom", "optional": True}}
    mount = {"name": "coredns-custom", "mountPath": "/etc/coredns/custom", "readOnly": True}
    container = spec["containers"][0]
    _patch_coredns(cluster, [*spec["volumes"], custom], [*container["volumeMounts"], mount])


def has_edit(cluster: Cluster, mode: str) -> bool:
    text = (cluster.data(mode) or {}).get(KEYS[mode], "")
    return cluster.address() in text and "remote" in text


@pytest.mark.parametrize(
    ("mode", "directory"),
    [("coredns", ""), ("coredns-custom", "/etc/coredns/"), ("coredns-custom", "")],
    ids=["kubeadm", "k3s", "aks"],
)
def test_pods_resolve_linked_zones_and_every_byte_is_restored(
    cluster: Cluster, mode: str, directory: str
) -> None:
    lay_out(cluster, mode, directory)
    before = {name: cluster.data(name) for name in KEYS}
    cluster.up(mode, address6=DUMMY6)
    cluster.wait_for_core_dns(DUMMY6, "AAAA")
    cluster.restart_dns()
    found = {
        (name, kind): cluster.ask(name, kind) for name in (NAME, UNLINKED) for kind in ("A", "AAAA")
    }
    assert found == {
        (NAME, "A"): ("NOERROR", DUMMY),
        (NAME, "AAAA"): ("NOERROR", DUMMY6),
        (UNLINKED, "A"): ("NXDOMAIN", ""),
        (UNLINKED, "AAAA"): ("NXDOMAIN", ""),
    }
    assert cluster.ask("kubernetes.default.svc.cluster.local") == ("NOERROR", "10.96.0.1")
    cluster.up("none")
    assert {name: cluster.data(name) for name in KEYS} == before
    cluster.restart_dns()
    assert cluster.ask(NAME) == ("NXDOMAIN", "")


@pytest.mark.parametrize("mode", MODES)
def test_what_the_platform_puts_back_is_seen_and_repaired(cluster: Cluster, mode: str) -> None:
    lay_out(cluster, mode)
    theirs = cluster.data(mode)
    cluster.up(mode)
    assert set(cluster.up(mode)) == {"same"}
    again: list[Callable[[], dict[str, int]]] = [cluster.stack.preview, cluster.stack.up]
    for plain in again:
        cluster.put(mode, theirs)
        assert plain().get("update") == 1, "without a refresh"
    assert has_edit(cluster, mode)
    cluster.put(mode, theirs)
    assert cluster.stack.refresh().get("update") == 1
    assert cluster.stack.up().get("update") == 1
    assert has_edit(cluster, mode)
    said = "\n".join(cluster.stack.output)
    assert f"ConfigMap kube-system/{mode} in context 'lab-a' has lost its edit" in said
    assert set(cluster.stack.refresh()) == {"same"}


@pytest.mark.parametrize("mode", MODES)
def test_what_somebody_else_writes_meanwhile_stays(cluster: Cluster, mode: str) -> None:
    lay_out(cluster, mode)
    before = cluster.data(mode)
    cluster.up(mode)
    mine = {"coredns-custom": "log.override"}.get(mode, "other")
    patch = json.dumps({"data": {mine: "log\r\n"}})
    cluster.kube.run("patch", "configmap", mode, *SYSTEM, "--patch", patch)
    assert set(cluster.stack.up()) == {"same"}
    cluster.up("none")
    assert cluster.data(mode) == {**(before or {}), mine: "log\r\n"}


def test_with_none_core_dns_runs_and_nobody_is_told(cluster: Cluster) -> None:
    before = {name: cluster.data(name) for name in KEYS}
    cluster.up("none")
    assert {name: cluster.data(name) for name in KEYS} == before
    assert cluster.ask(NAME) == ("NXDOMAIN", "")
    assert cluster.ask(NAME, server=cluster.address()) == ("NOERROR", DUMMY)
    # It may be the only server of a pod.
    name = "kubernetes.default.svc.cluster.local"
    assert cluster.ask(name, server=cluster.address()) == ("NOERROR", "10.96.0.1")


def test_another_mode_takes_the_first_edit_back(cluster: Cluster) -> None:
    before = cluster.data("coredns")
    cluster.up("coredns")
    assert cluster.up("kube-dns").get("replace") == 1
    assert cluster.data("coredns") == before
    assert has_edit(cluster, "kube-dns")
    assert cluster.up("none").get("delete") == 1
    assert cluster.data("kube-dns") is None


def test_an_edit_that_would_break_the_clusters_dns_is_not_made(cluster: Cluster) -> None:
    data = cluster.data("coredns") or {}
    theirs = {**data, "Corefile": data["Corefile"] + "remote:53 {\n    errors\n}\n"}
    cluster.put("coredns", theirs)
    with pytest.raises(CommandError, match="has a server block for remote already"):
        cluster.up("coredns")
    assert cluster.data("coredns") == theirs
    cluster.put("coredns", data)
    assert cluster.up("coredns").get("create") == 1
    assert has_edit(cluster, "coredns")


def test_no_query_fails_while_core_dns_changes(cluster: Cluster) -> None:
    cluster.up("coredns")
    cluster.restart_dns()
    server = cluster.address()
    before = cluster.pods()
    assert len(before) == 2
    with queries(cluster.kube, NAME, "A", server) as direct:
        # The same CoreDNS under its other name: all pods are replaced.
        cluster.up("coredns", image="registry.k8s.io/coredns/coredns:v1.15.0")
        after = until(cluster.pods, lambda seen: len(seen) == 2, 60, "two new pods")
        assert not after & before
        # As a drain of a node does it.
        cluster.kube.run(
            "delete", "pod", "-n", "istio-system", min(after), "--wait=true", timeout=60
        )
        until(cluster.pods, lambda seen: len(seen) == 2, 60, "two pods again")
    print(direct)
    assert direct.total() > 200, "there has to be load"
    assert set(direct) == {DUMMY}, direct


def test_no_query_fails_while_core_dns_reads_another_zone(cluster: Cluster) -> None:
    cluster.up("coredns")
    server, pods = cluster.address(), cluster.pods()
    with queries(cluster.kube, NAME, "A", server) as answers:
        cluster.up("coredns", address="240.0.0.2")
        cluster.wait_for_core_dns("240.0.0.2")
    print(answers)
    assert cluster.pods() == pods, "without new pods"
    assert set(answers) == {DUMMY, "240.0.0.2"}, answers


def test_pods_that_cannot_read_their_corefile_take_no_place_of_others(cluster: Cluster) -> None:
    cluster.up("none")
    cluster.wait_for_core_dns(DUMMY)
    server, pods = cluster.address(), cluster.pods()
    where = ("-n", "istio-system")
    text = cluster.kube.get("configmap", "core-dns", *where)["data"]["Corefile"]

    def write(corefile: str) -> None:
        patch = json.dumps({"data": {"Corefile": corefile}})
        cluster.kube.run("patch", "configmap", "core-dns", *where, "--patch", patch)

    def listed() -> str:
        return cluster.kube.run("get", "pods", "-l", "app=core-dns", *where).stdout

    write(text.replace("loadbalance", "nonsense"))
    try:
        cluster.kube.run("rollout", "restart", "deployment/core-dns", *where)
        until(
            listed, lambda seen: "Error" in seen or "CrashLoop" in seen, 60, "a new pod must fail"
        )
        assert cluster.pods() == pods
        assert [cluster.ask(NAME, server=server)[1] for _ in range(20)] == [DUMMY] * 20
    finally:
        write(text)
        cluster.kube.run("rollout", "undo", "deployment/core-dns", *where)
