"""A cluster is revoked. The last of the e2e tests, by its file's name: c is shut out after it."""

from __future__ import annotations

import time

import pytest
from pulumi.automation import CommandError

from components.trust import certificates
from tests.e2e.conftest import NAMESPACES, Mesh
from tests.e2e.trust import SEEN, restart, secret, up
from tests.support import identity, workloads
from tests.support.wait import until


def test_the_first_lists_wait_for_proxies_that_would_be_refused(mesh: Mesh) -> None:
    """The CA of b was renewed by a test before: no list can be had of the one that it had then."""
    with pytest.raises(CommandError) as error:
        up(mesh, revoked=[])
    assert "cluster b cannot go by revocation lists yet" in str(error.value)
    assert "apps/echo-" in str(error.value)
    assert "cluster a" not in str(error.value), "its CA is the first one that it had"
    restart(mesh, *NAMESPACES, "bookinfo")


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
