"""Calls across the links: who reaches what, by which way, and what stays shut."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Mesh
from tests.support import workloads
from tests.support.wait import until

DEBUG = "/debug?env=dump"


@pytest.mark.parametrize(
    ("caller", "target", "port"),
    [("a", "b", 7777), ("a", "b", 80), ("b", "a", 8080), ("c", "a", 8080), ("c", "b", 7777)],
)
def test_an_exposed_service_answers_from_its_own_cluster(
    mesh: Mesh, caller: str, target: str, port: int
) -> None:
    url = f"http://echo.apps.svc.{target}.remote:{port}{DEBUG}"
    assert mesh.call(caller, url) == f"200 CLUSTER={target}"


def test_port_80_need_not_be_written(mesh: Mesh) -> None:
    assert mesh.call("a", f"http://echo.apps.svc.b.remote{DEBUG}") == "200 CLUSTER=b"


def test_a_registry_only_caller_reaches_exposed_services(mesh: Mesh) -> None:
    url = f"http://echo.apps.svc.b.remote:7777{DEBUG}"
    assert mesh.call("a", url, workloads.STRICT) == "200 CLUSTER=b"


def test_a_local_call_stays_local(mesh: Mesh) -> None:
    assert mesh.call("a", f"http://echo.apps.svc.cluster.local:8080{DEBUG}") == "200 CLUSTER=a"


@pytest.mark.parametrize(
    "url",
    [
        "http://hidden.apps.svc.b.remote:7777/",
        "http://kubernetes.default.svc.b.remote:7777/",
        "http://istiod.istio-system.svc.b.remote:7777/",
    ],
)
def test_what_is_not_exposed_is_refused(mesh: Mesh, url: str) -> None:
    assert mesh.call("a", url) == "403"


def test_a_port_that_is_not_exposed_is_refused(mesh: Mesh) -> None:
    # The Service has port 8080, and `private` is exposed there; `echo` is not.
    assert mesh.call("c", "http://echo.apps.svc.b.remote:8080/debug") == "403"


def test_only_the_clusters_on_its_list_reach_a_service(mesh: Mesh) -> None:
    url = f"http://private.apps.svc.b.remote:8080{DEBUG}"
    assert mesh.call("c", url) == "200 CLUSTER=b"
    header = "-H 'Host: private.apps.svc.b.remote:8080'"
    script = f"curl -s -m 10 -o /dev/null -w '%{{http_code}}' {header} http://echo.apps.svc.b.remote:7777/"
    assert mesh.clusters["a"].shell(workloads.NAMESPACE, script) == "403"


@pytest.mark.parametrize(
    ("version", "codes"),
    [
        # The handshake ends with the refusal.
        ("1.2", {35}),
        # The client is done with its part before it is judged. The refusal comes with what it does
        # next: 16 (HTTP/2 framing), 35 (handshake), 55 (write) or 56 (read), by the timing.
        ("1.3", {16, 35, 55, 56}),
    ],
)
def test_a_client_without_a_certificate_is_refused(
    mesh: Mesh, version: str, codes: set[int]
) -> None:
    address, port = mesh.ingress("b")
    script = (
        f"curl -sk --tlsv{version} --tls-max {version} -m 10 -o /dev/null -w '%{{http_code}}' "
        f'--connect-to ::{address}:{port} https://link.svc.b.remote:{port}/; echo " exit $?"'
    )
    answer = mesh.clusters["a"].shell(workloads.PLAIN, script)
    # Neither 7 (no connection) nor 28 (no answer).
    assert answer in {f"000 exit {code}" for code in codes}


def test_a_workload_that_is_not_the_egress_gateway_is_refused(mesh: Mesh) -> None:
    address, port = mesh.ingress("b")
    certs = workloads.CERTS
    script = (
        f"curl -sk -m 10 -w ' %{{http_code}}' --cert {certs}/cert-chain.pem --key {certs}/key.pem "
        f"--connect-to ::{address}:{port} -H 'Host: echo.apps.svc.b.remote:7777' "
        f"https://link.svc.b.remote:{port}/debug"
    )
    answer = mesh.clusters["a"].shell(workloads.NAMESPACE, script)
    assert answer == "RBAC: access denied 403"


def test_calls_go_through_the_egress_gateway_and_fail_closed_without_it(mesh: Mesh) -> None:
    kube, url = mesh.clusters["c"], f"http://echo.apps.svc.a.remote:8080{DEBUG}"
    gateway = ("-n", "istio-gateways", "deployment/istio-egressgateway")
    kube.run("scale", "--replicas=0", *gateway)
    try:
        until(
            lambda: mesh.call("c", url),
            lambda seen: seen == "503",
            60,
            "calls must fail at once when the egress gateway is gone, and take no other way",
        )
    finally:
        kube.run("scale", "--replicas=1", *gateway)
        kube.wait_for_rollout("istio-gateways", "istio-egressgateway")
    until(
        lambda: mesh.call("c", url), lambda seen: seen == "200 CLUSTER=a", 60, "c cannot call again"
    )


def test_plaintext_into_a_sidecar_is_refused(mesh: Mesh) -> None:
    # Strict mTLS inside each cluster: a pod without a sidecar cannot call one that has one.
    script = "curl -s -m 10 -o /dev/null http://echo.apps:8080/debug; echo $?"
    assert mesh.clusters["a"].shell(workloads.PLAIN, script) in ("52", "56")
