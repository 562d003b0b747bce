"""The root is rotated, under constant load: `make rotation`, 13 minutes.

Not part of `make test`: it takes as long as a third of all other tests together, and on a machine
that does other work beside it some requests do fail.
"""

from __future__ import annotations

import time

import pytest

from components.trust import certificates
from tests.e2e.conftest import Mesh
from tests.e2e.trust import (
    NEW,
    OLD,
    URL,
    ask,
    istiod_root,
    no_request_failed,
    refused,
    restart,
    root_bundle,
    secret,
    up,
    wait_for_bundle,
)
from tests.support import workloads
from tests.support.load import load


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
        restart(mesh, "istio-system")
        for name, kube in mesh.clusters.items():
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
