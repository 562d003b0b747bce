"""The boundary: what no spelling, no certificate and no way around gets through.

The caller here is the worst one: a pod with a certificate of the egress gateway of a linked
cluster, who may write any SNI and Host. mutations.py takes each defence away and shows
that its test then fails.
"""

from __future__ import annotations

import json

import pytest

from components import names
from tests.e2e.conftest import Mesh
from tests.support import workloads
from tests.support.wait import until

CALLER = "spiffe://a.remote/ns/apps/sa/default"


pytestmark = pytest.mark.usefixtures("stolen_certificates")


def from_egress(
    mesh: Mesh, host: str, sni: str = "link.svc.b.remote", claim: str = CALLER, more: str = ""
) -> str:
    """Call b's ingress gateway with the certificate of a's egress gateway; return the status."""
    address, port = mesh.ingress("b")
    script = (
        f"curl -sk -m 10 -o /dev/null -w '%{{http_code}}' {more} --cert {workloads.STOLEN} "
        f"--connect-to ::{address}:{port} -H 'Host: {host}' -H '{names.CALLER_HEADER}: {claim}' "
        f"https://{sni}:{port}/debug"
    )
    return mesh.clusters["a"].shell(workloads.PLAIN, script)


def test_the_egress_gateway_itself_is_let_in(mesh: Mesh) -> None:
    # Else none of the refusals below would mean anything.
    assert from_egress(mesh, "echo.apps.svc.b.remote:7777") == "200"
    assert from_egress(mesh, "ECHO.Apps.svc.b.REMOTE:7777") == "200"
    assert from_egress(mesh, "echo.apps.svc.b.remote") == "200"


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
@pytest.mark.parametrize(
    "host",
    [
        "private.apps.svc.b.remote:8080",
        "PRIVATE.apps.svc.b.remote:8080",
        "private.apps.svc.b.remote.:8080",
        "private.apps.svc.b.remote:08080",
        "private.apps.svc.b.remote:7777:8080",
        "private.apps.svc.b.remote",
        "hidden.apps.svc.b.remote:8080",
        "hidden.apps.svc.b.remote:7777",
        "echo.apps.svc.b.remote:8080",
        "echo.apps.svc.b.remote.:7777",
        "echo.apps.svc.cluster.local:8080",
        "echo.apps.svc.a.remote:8080",
        "kubernetes.default.svc.b.remote:443",
        "kubernetes.default.svc.cluster.local",
        "istiod.istio-system.svc.cluster.local:15012",
        "istiod.istio-system.svc.b.remote:15012",
        "*.svc.b.remote",
        "localhost:15000",
    ],
)
def test_no_spelling_of_a_host_opens_what_is_not_exposed_to_the_caller(
    mesh: Mesh, host: str, http: str
) -> None:
    assert from_egress(mesh, host, more=http) == "403"


@pytest.mark.parametrize(
    "sni",
    [
        "private.apps.svc.b.remote",
        "kubernetes.default.svc.b.remote",
        "echo.apps.svc.b.remote",
    ],
)
def test_the_sni_opens_nothing(mesh: Mesh, sni: str) -> None:
    assert from_egress(mesh, "private.apps.svc.b.remote:8080", sni) == "403"
    assert from_egress(mesh, "kubernetes.default.svc.cluster.local", sni) == "403"


@pytest.mark.parametrize(
    "sni", ["istiod.istio-system.svc", "outbound_.8080_._.hidden.apps.svc.cluster.local"]
)
def test_an_sni_outside_the_zone_reaches_no_server(mesh: Mesh, sni: str) -> None:
    assert from_egress(mesh, "echo.apps.svc.b.remote:7777", sni) == "000"


def test_a_caller_cannot_name_another_workload_as_the_caller(mesh: Mesh) -> None:
    url = "http://echo.apps.svc.b.remote:7777/debug"
    seen = mesh.clusters["a"].shell(
        workloads.NAMESPACE, f"curl -s -m 10 -H 'x-remote-caller: spiffe://a.remote/forged' {url}"
    )
    lines = [line for line in seen.lower().splitlines() if "x-remote-caller" in line]
    assert lines == [f"x-remote-caller: {CALLER}"]


@pytest.mark.parametrize("claim", ["spiffe://c.remote/ns/apps/sa/default", "nobody", ""])
def test_a_peer_speaks_for_its_own_workloads_only(mesh: Mesh, claim: str) -> None:
    assert from_egress(mesh, "echo.apps.svc.b.remote:7777", claim=claim) == "403"


def test_north_south_traffic_cannot_claim_to_be_a_remote_caller(mesh: Mesh) -> None:
    address, _ = mesh.ingress("a")
    ask = f"curl -s -m 10 -o /dev/null -w '%{{http_code}}' http://{address}/productpage"
    shell = mesh.clusters["c"].shell
    assert shell(workloads.PLAIN, ask) == "200"
    assert shell(workloads.PLAIN, f"{ask} -H 'x-remote-caller: {CALLER}'") == "403"


def test_a_network_policy_leaves_the_egress_gateway_as_the_only_way(mesh: Mesh) -> None:
    address, port = mesh.ingress("b")
    ask = f"curl -sk -m 5 -o /dev/null https://{address}:{port}/ ; echo $?"
    kube = mesh.clusters["a"]
    # PLAIN is not in networkPolicy and connects: its handshake fails, which is an answer.
    assert kube.shell(workloads.PLAIN, ask) not in ("7", "28")
    assert kube.shell(workloads.LOCKED, ask) in ("7", "28"), "refused or dropped"
    # Everything else stays open to it: the cluster's DNS, and its API server.
    api = "curl -sk -m 5 -o /dev/null https://kubernetes.default/ ; echo $?"
    assert kube.shell(workloads.LOCKED, api) == "0"


def test_an_impostor_with_a_certificate_of_the_same_root_is_not_talked_to(mesh: Mesh) -> None:
    a, c = mesh.clusters["a"], mesh.clusters["c"]
    _, port = mesh.ingress("b")
    # The whole chain, and the protocol that gateways ask for: nothing but its identity is wrong.
    file = workloads.IMPOSTOR
    serve = (
        f"openssl s_server -accept {workloads.IMPOSTOR_PORT} -cert {file} -key {file} "
        f"-cert_chain {file} -alpn istio -www -quiet"
    )
    c.shell(workloads.PLAIN, f"({serve} >/tmp/impostor.log 2>&1 &) ; sleep 1")
    c.apply(workloads.impostor(port))
    service = ("service", "impostor", "-n", workloads.PLAIN)
    found = until(
        lambda: c.get(*service)["status"]["loadBalancer"].get("ingress"),
        bool,
        30,
        "the impostor has no address",
    )
    address = found[0]["ip"]
    reached = f"curl -sk --no-alpn -m 5 -o /dev/null -w '%{{http_code}}' https://{address}:{port}/"
    until(lambda: a.shell(workloads.PLAIN, reached), lambda s: s == "200", 30, "it must listen")
    entry = ("serviceentry", "b-ingress", "-n", "istio-gateways")
    before = a.get(*entry)["spec"]["endpoints"]

    def lead_to(endpoints: list[dict[str, str]]) -> None:
        a.run("patch", *entry, "--type=merge", "-p", json.dumps({"spec": {"endpoints": endpoints}}))

    lead_to([{"address": address}])
    try:
        url = "http://echo.apps.svc.b.remote:7777/debug?env=dump"
        until(
            lambda: mesh.call("a", url),
            lambda seen: seen != "200 CLUSTER=b",
            30,
            "a still talks to b",
        )
        # The impostor would answer 200, without the name of a cluster.
        assert [mesh.call("a", url) for _ in range(3)] == ["503"] * 3
    finally:
        lead_to(before)
        c.run("delete", *service)
        c.shell(workloads.PLAIN, "pkill -f 's_server'")
    until(
        lambda: mesh.call("a", url),
        lambda seen: seen == "200 CLUSTER=b",
        60,
        "a cannot call b again",
    )


def test_pods_of_the_program_need_no_privilege(mesh: Mesh) -> None:
    for name, kube in mesh.clusters.items():
        for namespace in ("istio-system", "istio-gateways"):
            labels = kube.get("namespace", namespace)["metadata"]["labels"]
            assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
            assert kube.get("pods", "-n", namespace)["items"], (name, namespace)


def test_pods_of_the_program_run_images_by_digest(mesh: Mesh) -> None:
    for kube in mesh.clusters.values():
        for namespace in ("istio-system", "istio-gateways"):
            for pod in kube.get("pods", "-n", namespace)["items"]:
                images = {container["image"] for container in pod["spec"]["containers"]}
                assert all("@sha256:" in image for image in images), images
