"""A cluster CA changes under constant load, and a root does not before its time."""

from __future__ import annotations

import json
import time

from tests.e2e.conftest import Mesh
from tests.e2e.trust import (
    ISTIOD,
    NEW,
    OLD,
    RELOAD_SECONDS,
    SEEN,
    URL,
    no_request_failed,
    refused,
    restart,
    secret,
    up,
)
from tests.support import workloads
from tests.support.load import load
from tests.support.wait import until


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
        b.refresh_volumes(*ISTIOD)
        # istiod has reloaded it when it says so; what starts then has a certificate of it.
        until(
            lambda: b.run("logs", "-n", "istio-system", "deploy/istiod", "--since=10m").stdout,
            lambda log: "newly added intermediate CA" in log,
            RELOAD_SECONDS,
            "istiod of b has not taken the new CA",
        )
        # Nobody else's certificates have changed: to restart all at once is load and no test.
        restart(mesh, "istio-gateways", clusters=["b"])
    no_request_failed(result, "cluster CA renewed")


def test_a_phase_that_comes_too_early_is_refused(mesh: Mesh) -> None:
    refused(mesh, [NEW], "cannot stop to trust root", "cannot sign with root", "cluster a")
    assert mesh.call("a", SEEN) == "200 CLUSTER=b"
