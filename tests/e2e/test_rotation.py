"""Certificates change under constant load: cluster CA, root, revocation. Runs in this order, last.

Each test goes on from what the one before has left.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import time
from typing import Any

import pytest
from pulumi.automation import CommandError

from components import certificates, proxies
from components.kubectl import Kubectl
from tests.e2e.conftest import Mesh
from tests.support import identity, workloads
from tests.support.kube import Kube
from tests.support.load import Result, load
from tests.support.wait import until

URL = "http://echo.apps.svc.b.remote:7777/echo"
SEEN = "http://echo.apps.svc.b.remote:7777/debug?env=dump"
OLD, NEW = "root-ca", "root-2"
# kubelet refreshes a Secret in a pod after up to about 90 s, and istiod looks at it at once.
RELOAD_SECONDS = 180


def up(mesh: Mesh, **root_ca: Any) -> dict[str, int]:
    """Change the configuration of the root CA and run `up`."""
    config = copy.deepcopy(mesh.config)
    config["rootCa"] |= root_ca
    mesh.stack.configure(config)
    return mesh.stack.up()


def ask(mesh: Mesh, cluster: str) -> list[proxies.Proxy]:
    """Ask all proxies of a cluster what they trust."""
    kube = mesh.clusters[cluster]
    roots = [root_bundle(other) for other in mesh.clusters.values()]
    access = Kubectl(str(kube.kubeconfig), kube.context)
    return proxies.ask(access, certificates.roots_bundle(roots))


def secret(kube: Kube, key: str) -> str:
    """Return one file of a cluster's `cacerts`."""
    data = kube.get("secret", "cacerts", "-n", "istio-system")["data"]
    return base64.b64decode(data[key]).decode()


def root_bundle(kube: Kube) -> str:
    return secret(kube, "root-cert.pem")


def wait_for_bundle(mesh: Mesh) -> None:
    """Wait until every proxy trusts what its cluster's Secret says."""
    for name, kube in mesh.clusters.items():
        wanted = frozenset(certificates.fingerprints(root_bundle(kube)))

        def all_have_it(seen: list[proxies.Proxy], wanted: frozenset[str] = wanted) -> bool:
            return all(proxy.roots == wanted for proxy in seen)

        what = f"not every proxy of {name} has the bundle"
        until(functools.partial(ask, mesh, name), all_have_it, RELOAD_SECONDS, what)


def restart(mesh: Mesh, *namespaces: str) -> None:
    """Restart all workloads with sidecars and the gateways, one pod after the other."""
    for kube in mesh.clusters.values():
        for namespace in namespaces:
            where = ("-n", namespace, "deployment")
            kube.run("rollout", "restart", *where)
            for name in kube.get("deployments", "-n", namespace)["items"]:
                one = f"deployment/{name['metadata']['name']}"
                kube.run("rollout", "status", "-n", namespace, one, "--timeout=120s", timeout=130)


def no_request_failed(result: Result, what: str) -> None:
    print(
        f"\n{what}: {result.requests} requests, {result.failed} failed, longest "
        f"{result.longest_seconds:.2f} s"
    )
    assert result.requests > 500
    assert result.failed == 0, result.codes


def istiod_root(kube: Kube) -> str:
    """Return the root that istiod itself hands out."""
    data = kube.get("configmap", "istio-ca-root-cert", "-n", workloads.NAMESPACE)["data"]
    return str(data["root-cert.pem"])


def test_a_renewed_cluster_ca_is_carried_over_without_a_failed_request(mesh: Mesh) -> None:
    b, root = mesh.clusters["b"], mesh.clusters["c"]
    before = secret(b, "ca-cert.pem")
    uid = b.get("secret", "cacerts", "-n", "istio-system")["metadata"]["uid"]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    renew = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "test",
        "lastTransitionTime": now,
    }
    patch = [{"op": "add", "path": "/status/conditions/-", "value": renew}]
    where = ("certificates.cert-manager.io", f"b.{OLD}", "-n", "istio-root-ca")
    with load(mesh.clusters["a"], workloads.NAMESPACE, URL) as result:
        root.run("patch", *where, "--subresource=status", "--type=json", "-p", json.dumps(patch))
        until(
            lambda: root.get(*where)["status"].get("revision", 1),
            lambda revision: revision > 1,
            60,
            "cert-manager has not renewed the CA",
        )
        changes = up(mesh)
        assert set(changes) <= {"same", "read", "update"}, "an update, not a replacement"
        after = secret(b, "ca-cert.pem")
        assert after != before
        assert b.get("secret", "cacerts", "-n", "istio-system")["metadata"]["uid"] == uid
        # istiod has reloaded it when it says so; what starts then has a certificate of it.
        until(
            lambda: b.run("logs", "-n", "istio-system", "deploy/istiod", "--since=10m").stdout,
            lambda log: "newly added intermediate CA" in log,
            RELOAD_SECONDS,
            "istiod of b has not taken the new CA",
        )
        restart(mesh, "istio-gateways")
    no_request_failed(result, "cluster CA renewed")


def refused(mesh: Mesh, roots: list[str], *words: str) -> None:
    with pytest.raises(CommandError) as error:
        up(mesh, roots=roots)
    for word in words:
        assert word in str(error.value)


def test_a_phase_that_comes_too_early_is_refused(mesh: Mesh) -> None:
    refused(mesh, [NEW], "cannot stop to trust root", "cannot sign with root", "cluster a")
    assert mesh.call("a", SEEN) == "200 CLUSTER=b"


@pytest.mark.timeout(1500)  # four updates, each followed by kubelet's refresh of a Secret
def test_a_root_is_rotated_without_a_failed_request(mesh: Mesh) -> None:
    every = (workloads.NAMESPACE, "istio-gateways", workloads.STRICT, "bookinfo")
    with load(mesh.clusters["a"], workloads.CALLERS, URL) as result:
        assert set(up(mesh, roots=[OLD, NEW])) <= {"same", "read", "update", "create"}
        wait_for_bundle(mesh)
        up(mesh, roots=[NEW, OLD])
        refused(mesh, [NEW], "cannot stop to trust root", "proxies still have a certificate")
        up(mesh, roots=[OLD, NEW])  # back from the middle
        up(mesh, roots=[NEW, OLD])
        for name, kube in mesh.clusters.items():
            kube.run("rollout", "restart", "-n", "istio-system", "deployment/istiod")
            done = ("-n", "istio-system", "deployment/istiod", "--timeout=120s")
            kube.run("rollout", "status", *done, timeout=130)
            wanted = set(certificates.fingerprints(root_bundle(kube)))
            assert set(certificates.fingerprints(istiod_root(kube))) <= wanted, name
        restart(mesh, *every)
        new = certificates.root_of(
            secret(mesh.clusters["a"], "cert-chain.pem"), root_bundle(mesh.clusters["a"])
        )
        restart_load_client = [p for p in ask(mesh, "a") if p.signer != new]
        assert {p.name.split("/")[0] for p in restart_load_client} <= {workloads.CALLERS}
    no_request_failed(result, "root rotated, first three phases")
    restart(mesh, workloads.CALLERS)
    with load(mesh.clusters["a"], workloads.CALLERS, URL) as result:
        up(mesh, roots=[NEW])
        wait_for_bundle(mesh)
    no_request_failed(result, "root rotated, last phase")
    assert {len(proxy.roots) for name in mesh.clusters for proxy in ask(mesh, name)} == {1}
    mesh.config["rootCa"]["roots"] = [NEW]


def test_istiod_without_its_ca_does_not_start(mesh: Mesh) -> None:
    a = mesh.clusters["a"]
    saved = a.get("secret", "cacerts", "-n", "istio-system")
    kept = {"name": "cacerts", "namespace": "istio-system"}
    a.run("delete", "secret", "cacerts", "-n", "istio-system")
    try:
        a.run("rollout", "restart", "-n", "istio-system", "deployment/istiod")
        time.sleep(20)
        pods = a.get("pods", "-n", "istio-system", "-l", "app=istiod")["items"]
        started = [pod for pod in pods if pod["status"]["phase"] == "Pending"]
        assert started, "the new pod must wait for the Secret"
    finally:
        a.apply({**saved, "metadata": {**kept, "labels": saved["metadata"].get("labels", {})}})
    done = ("-n", "istio-system", "deployment/istiod", "--timeout=150s")
    a.run("rollout", "status", *done, timeout=160)
    assert set(certificates.fingerprints(istiod_root(a))) == set(
        certificates.fingerprints(root_bundle(a))
    )


def test_a_revoked_cluster_is_shut_out(mesh: Mesh) -> None:
    url = "http://echo.apps.svc.a.remote:8080/debug?env=dump"
    c = mesh.clusters["c"]
    assert mesh.call("c", url) == "200 CLUSTER=a"
    stolen = identity.mint(c, "spiffe://b.remote/ns/istio-gateways/sa/istio-egressgateway")
    identity.put(c, workloads.PLAIN, "/tmp/stolen.pem", stolen)
    address, port = mesh.ingress("a")
    script = (
        "curl -sk -m 10 -o /dev/null -w '%{http_code}' --cert /tmp/stolen.pem "
        f"--connect-to ::{address}:{port} -H 'Host: echo.apps.svc.a.remote:8080' "
        "-H 'x-remote-caller: spiffe://b.remote/ns/apps/sa/default' "
        f"https://link.svc.a.remote:{port}/debug"
    )
    assert c.shell(workloads.PLAIN, script) == "200", "any cluster CA can pass for any cluster"
    serial = certificates.facts(secret(c, "ca-cert.pem"))[0].serial
    started = time.monotonic()
    up(mesh, revoked=[serial])
    until(lambda: mesh.call("c", url), lambda seen: "200" not in seen, 60, "c still calls a")
    until(lambda: c.shell(workloads.PLAIN, script), lambda s: s == "000", 60, "c passes for b")
    print(f"\nshut out {time.monotonic() - started:.0f} s after `up` was started")
    assert mesh.call("a", SEEN) == "200 CLUSTER=b", "the others are not touched"
    # The others go on being renewed while lists are in force; c is let in again with a new CA.
