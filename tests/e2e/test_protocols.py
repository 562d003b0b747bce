"""Each protocol across a link, and that the boundary holds for each.

What takes long runs beside the other tests: `long` starts it, and the last tests wait for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.conftest import Mesh
from tests.support import workloads
from tests.support.wait import until

TALK = "talk.apps.svc.b.remote"
HTTP, HTTP2 = f"http://{TALK}:8081", f"http://{TALK}:9081"

# Each is one connection that is silent for a minute, or one stream of a minute and a half.
LONG = {
    "HTTP/1.1, idle": (
        f"talk http 1 {HTTP}/proto 2 61s",
        "200 b HTTP/1.1\n200 b HTTP/1.1\nreused 1",
    ),
    "HTTP/2, idle": (
        f"talk http 2 {HTTP2}/proto 2 61s",
        "200 b HTTP/2.0\n200 b HTTP/2.0\nreused 1",
    ),
    "TCP, idle": (f"talk lines {TALK}:8084 '' 2 61s", "tcp 8084 b\nline 1\nline 2"),
    "TLS, idle": (
        f"talk lines {TALK}:8083 {TALK} 2 61s",
        f"certificate of application of {TALK}\ntls b\nline 1\nline 2",
    ),
    "WebSocket, idle": (f"talk ws ws://{TALK}:8081/ws 2 61s", "repeated 2"),
    "gRPC, idle stream": (f"talk grpc {TALK}:8082 2 61s 1", "unary b said\nstream 2"),
    "gRPC, long stream": (f"talk grpc {TALK}:8082 96 1s 1", "unary b said\nstream 96"),
    "HTTP/1.1, long stream": (
        f"curl -sN -m 120 '{HTTP}/stream?count=95&pause=1s' | wc -l",
        "95",
    ),
    "HTTP/2, long stream": (
        f"curl -sN -m 120 --http2-prior-knowledge '{HTTP2}/stream?count=95&pause=1s' | wc -l",
        "95",
    ),
}


def say(mesh: Mesh, script: str, cluster: str = "a", namespace: str = workloads.NAMESPACE) -> str:
    return mesh.clusters[cluster].shell(namespace, script, timeout=130)


@pytest.fixture(scope="module", autouse=True)
def long(mesh: Mesh) -> Iterator[Mapping[str, Future[str]]]:
    """Start what takes long; name to what it prints."""
    with ThreadPoolExecutor(len(LONG)) as pool:
        yield {name: pool.submit(say, mesh, script) for name, (script, _) in LONG.items()}


@pytest.mark.parametrize(("version", "url"), [("1", HTTP), ("2", HTTP2)])
def test_the_server_sees_the_clients_version_of_http(mesh: Mesh, version: str, url: str) -> None:
    seen = say(mesh, f"talk http {version} {url}/proto 1 0s")
    assert seen.splitlines()[0] == f"200 b HTTP/{'1.1' if version == '1' else '2.0'}"


def test_grpc_is_not_turned_into_http_1(mesh: Mesh) -> None:
    # The server speaks nothing but HTTP/2, and trailers with the status do not survive HTTP/1.1.
    assert say(mesh, f"talk grpc {TALK}:8082 3 0s 1048576") == "unary b said\nstream 3"


def test_a_websocket_is_opened_and_repeats(mesh: Mesh) -> None:
    assert say(mesh, f"talk ws ws://{TALK}:8081/ws 20 0s") == "repeated 20"


@pytest.mark.parametrize(
    ("option", "url"), [("--http1.1", HTTP), ("--http2-prior-knowledge", HTTP2)]
)
def test_a_megabyte_goes_both_ways(mesh: Mesh, option: str, url: str) -> None:
    script = (
        "head -c 1048576 /dev/urandom > /tmp/sent; "
        f"curl -s {option} -m 20 --data-binary @/tmp/sent -o /tmp/got {url}/echo; "
        "cmp /tmp/sent /tmp/got && wc -c < /tmp/got; rm -f /tmp/sent /tmp/got"
    )
    assert say(mesh, script) == "1048576"


def test_two_tcp_ports_of_one_service_lead_to_two_servers(mesh: Mesh) -> None:
    # The server speaks first, as databases do.
    for port in (8084, 8085):
        assert say(mesh, f"talk lines {TALK}:{port} '' 1 0s") == f"tcp {port} b\nline 1"


def test_a_registry_only_caller_reaches_tcp_and_tls(mesh: Mesh) -> None:
    seen = say(mesh, f"talk lines {TALK}:8084 '' 1 0s", namespace=workloads.STRICT)
    assert seen == "tcp 8084 b\nline 1"
    seen = say(mesh, f"talk lines {TALK}:8083 {TALK} 1 0s", namespace=workloads.STRICT)
    assert seen.endswith("tls b\nline 1")


def test_tls_of_the_application_is_not_opened(mesh: Mesh) -> None:
    seen = say(mesh, f"talk lines {TALK}:8083 {TALK} 1 0s")
    assert seen == f"certificate of application of {TALK}\ntls b\nline 1"


@pytest.mark.parametrize("sni", ["other.example", "private.apps.svc.b.remote"])
@pytest.mark.parametrize("namespace", [workloads.NAMESPACE, workloads.STRICT])
def test_another_sni_leads_nowhere(mesh: Mesh, sni: str, namespace: str) -> None:
    seen = say(mesh, f"talk lines {TALK}:8083 {sni} 1 0s", namespace=namespace)
    assert seen.startswith("error: ")


def test_names_of_tcp_services_have_an_address_of_their_own(mesh: Mesh) -> None:
    exposes = mesh.outputs["clusters"]["b"]["exposes"]
    address = next(e["address"] for e in exposes if (e["service"], e["port"]) == ("talk", 8084))
    assert address.startswith("241.")
    ask = f"dig +short +tries=1 {TALK}"
    assert say(mesh, ask, namespace=workloads.PLAIN) == address
    assert say(mesh, f"{ask} AAAA; echo done", namespace=workloads.PLAIN) == "done"
    assert say(mesh, "dig +short +tries=1 vault.apps.svc.b.remote", "a") == "240.0.0.1"


def test_only_the_clusters_on_its_list_reach_a_tcp_service(mesh: Mesh) -> None:
    ask = "talk lines vault.apps.svc.b.remote:8084 '' 1 0s"
    assert say(mesh, ask, "c") == "tcp 8084 b\nline 1"
    assert say(mesh, ask, "a").startswith("error: ")


@pytest.mark.parametrize(
    ("ask", "seen", "refused"),
    [
        ("talk ws ws://vault.apps.svc.b.remote:8081/ws 1 0s", "repeated 1", "403"),
        (
            "talk grpc vault.apps.svc.b.remote:8082 1 0s 1",
            "unary b said\nstream 1",
            "PermissionDenied",
        ),
    ],
)
def test_only_the_clusters_on_its_list_open_a_websocket_or_call_by_grpc(
    mesh: Mesh, ask: str, seen: str, refused: str
) -> None:
    assert say(mesh, ask, "c") == seen
    assert refused in say(mesh, ask, "a")


def greeting(mesh: Mesh, sni: str, certificate: str, namespace: str) -> str:
    """Ask b's ingress gateway for an SNI with a certificate; return what the server says first."""
    address, port = mesh.ingress("b")
    ask = (
        f"timeout 20 openssl s_client -quiet -connect {address}:{port} "
        f"-servername {sni} {certificate}"
    )
    # It ends by itself when the connection is closed, and stays when it is not.
    script = (
        f"rm -f /tmp/greeting; {ask} </dev/null >/tmp/greeting 2>/dev/null & asking=$!; "
        "while [ -e /proc/$asking/fd/0 ] && ! [ -s /tmp/greeting ]; do sleep 0.1; done; "
        "kill $asking; cat /tmp/greeting"
    )
    return say(mesh, script, namespace=namespace)


def stolen(mesh: Mesh, sni: str) -> str:
    """Ask with a certificate of a's egress gateway."""
    file = workloads.STOLEN
    return greeting(mesh, sni, f"-cert {file} -key {file} -cert_chain {file}", workloads.PLAIN)


@pytest.mark.usefixtures("stolen_certificates")
@pytest.mark.parametrize(
    ("sni", "seen"),
    [
        ("8084.talk.apps.tcp.b.remote", "tcp 8084 b"),
        ("8084.TALK.apps.tcp.B.remote", "tcp 8084 b"),
        ("8084.vault.apps.tcp.b.remote", ""),
        ("8084.Vault.apps.tcp.b.remote", ""),
        ("8080.hidden.apps.tcp.b.remote", ""),
        ("8084.talk.apps.svc.b.remote", ""),
        ("8084.talk.apps.tcp.b.remote.", ""),
        ("outbound_.8084_._.vault.apps.svc.cluster.local", ""),
    ],
)
def test_the_egress_gateway_reaches_what_its_cluster_may_call(
    mesh: Mesh, sni: str, seen: str
) -> None:
    assert stolen(mesh, sni) == seen


def test_a_workload_that_is_not_the_egress_gateway_reaches_no_tcp_service(mesh: Mesh) -> None:
    folder = workloads.CERTS
    chain = f"{folder}/cert-chain.pem"
    certificate = f"-cert {chain} -key {folder}/key.pem -cert_chain {chain}"
    assert greeting(mesh, "8084.talk.apps.tcp.b.remote", certificate, workloads.NAMESPACE) == ""
    assert greeting(mesh, "8084.talk.apps.tcp.b.remote", "", workloads.NAMESPACE) == ""


@pytest.mark.usefixtures("stolen_certificates")
@pytest.mark.parametrize("port", ["8084", "9999"])
def test_no_http_comes_in_with_the_sni_of_a_tcp_service(mesh: Mesh, port: str) -> None:
    """The policy lets these SNIs pass without a look at the host."""
    address, link_port = mesh.ingress("b")
    sni = f"{port}.talk.apps.tcp.b.remote"
    script = (
        f"curl -sk -m 5 -o /dev/null -w '%{{http_code}}' --cert {workloads.STOLEN} "
        f"--connect-to ::{address}:{link_port} -H 'Host: private.apps.svc.b.remote:8080' "
        f"https://{sni}:{link_port}/debug"
    )
    assert say(mesh, script, namespace=workloads.PLAIN) == "000"


def test_tcp_fails_closed_without_the_egress_gateway(mesh: Mesh) -> None:
    kube, ask = mesh.clusters["c"], f"talk lines {TALK}:8084 '' 1 0s"
    gateway = ("-n", "istio-gateways", "deployment/istio-egressgateway")
    assert say(mesh, ask, "c") == "tcp 8084 b\nline 1"
    kube.run("scale", "--replicas=0", *gateway)
    try:
        until(
            lambda: say(mesh, ask, "c"),
            lambda seen: seen.startswith("error: "),
            60,
            "a connection must fail when the egress gateway is gone, and take no other way",
        )
    finally:
        kube.run("scale", "--replicas=1", *gateway)
        kube.wait_for_rollout("istio-gateways", "istio-egressgateway")
    until(
        lambda: say(mesh, ask, "c"),
        lambda seen: seen == "tcp 8084 b\nline 1",
        60,
        "c cannot connect again",
    )


def test_only_a_service_that_asks_for_it_is_called_again_after_an_error(mesh: Mesh) -> None:
    ask = (
        "curl -s -m 10 -w ' %{{http_code}}' 'http://{}.apps.svc.b.remote:8081/flaky?key={}&fail=2'"
    )
    once, again = uuid.uuid4().hex, uuid.uuid4().hex  # the server counts the calls of each
    assert say(mesh, ask.format("talk", once)).split() == ["1", "503"]
    assert say(mesh, ask.format("patient", again)).split() == ["3", "200"]


def test_a_timeout_ends_the_call(mesh: Mesh) -> None:
    ask = "curl -s -m 20 -o /dev/null -w '%{{http_code}}' 'http://{}.apps.svc.b.remote:8081/slow?for=4s'"
    assert say(mesh, ask.format("talk")) == "200", "there is none by default"
    assert say(mesh, ask.format("patient")) == "504"


def test_a_service_that_fails_is_left_alone_and_the_others_are_not(mesh: Mesh) -> None:
    ask = "curl -s -m 10 'http://sick.apps.svc.b.remote:8081/flaky?key=sick&fail=1000000'"
    until(
        lambda: say(mesh, ask),
        lambda seen: "no healthy upstream" in seen,
        30,
        "the egress gateway still sends calls to a service that answers 503 only",
    )
    assert say(mesh, f"talk http 1 {HTTP}/proto 1 0s").startswith("200 b")


NARROW = {
    # What lasts until it is ended; the same in short; what is printed if served, and if refused.
    "requests": (
        "curl -sN -m 100 'http://narrow.apps.svc.b.remote:8081/stream?count=100&pause=1s'",
        "curl -s -m 20 -o /dev/null -w '%{http_code}\\n' http://narrow.apps.svc.b.remote:8081/proto",
        "200",
        "503",
    ),
    "connections": (
        "talk lines narrow.apps.svc.b.remote:8084 '' 2 100s",
        "talk lines narrow.apps.svc.b.remote:8084 '' 1 0s | grep -x 'line 1' || echo refused",
        "line 1",
        "refused",
    ),
}


@pytest.mark.parametrize("kind", NARROW)
def test_no_more_than_the_limit_come_to_a_service_at_a_time(mesh: Mesh, kind: str) -> None:
    """Envoy looks at its count before it adds to it: what comes in one instant may pass together.

    So the one that is served is there before others come, for as long as they take.
    """
    lasting, short, served, refused = NARROW[kind]
    script = (
        f"rm -f /tmp/held; {lasting} >/tmp/held & held=$!; "
        "for n in $(seq 200); do [ -s /tmp/held ] && break; sleep 0.1; done; "
        "[ -s /tmp/held ] && echo held; "
        f'pids=; for n in 1 2; do ({short}) & pids="$pids $!"; done; wait $pids; '
        "kill $held && echo held to the end"
    )
    seen = say(mesh, script).splitlines()
    assert seen == ["held", refused, refused, "held to the end"]
    until(lambda: say(mesh, short), lambda s: s == served, 20, "the next one after it is served")


@pytest.mark.parametrize("name", LONG)
def test_what_takes_long_ends_well(long: Mapping[str, Future[str]], name: str) -> None:
    assert long[name].result() == LONG[name][1]
