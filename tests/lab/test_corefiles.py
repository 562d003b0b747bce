"""Every Corefile that the program can make, read by the CoreDNS that the lab runs.

CoreDNS has neither a cluster nor other networks here: its plugin `kubernetes` is left out, and what
it imports is in a directory of the test. The pods of tests/engine read the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.dns import corefile
from components.dns.platforms import LAYOUTS, RefusedError
from tests.support.coredns import CoreDns
from tests.support.wait import until

KUBEADM = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    prometheus :9153
    template ANY ANY {
       rcode NXDOMAIN
    }
    cache 30 {
       disable success cluster.local
    }
    loop
    reload
    loadbalance
}
"""
ADDRESSES = ("10.96.7.7", "fd00:10:96::a")
"""Of core-dns' Service, in clusters of either family."""

Runner = Callable[[str], CoreDns]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Runner]:
    """Run CoreDNS with a text."""
    from tools import build

    binary = build.ensure(["coredns"])["coredns"]
    running: list[CoreDns] = []

    def run(text: str) -> CoreDns:
        file = tmp_path / f"Corefile-{len(running)}"
        file.write_text(text)
        running.append(CoreDns(binary, file))
        return running[-1]

    yield run
    for server in running:
        server.stop()


def ours(directory: Path) -> str:
    """The text of core-dns, with files of a directory."""
    resolv = directory / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.2\n")
    text = re.sub(r"    kubernetes .*?\n    \}\n", "", corefile.server_config(), flags=re.DOTALL)
    assert "kubernetes" not in text
    return text.replace("/etc/coredns-zones", str(directory)).replace(
        "/etc/resolv.conf", str(resolv)
    )


@pytest.mark.parametrize("listening", ["127.0.0.1", "::1"])
def test_core_dns_answers_for_linked_zones(serve: Runner, tmp_path: Path, listening: str) -> None:
    (tmp_path / "b.server").write_text(corefile.zone_server("b", "240.0.0.1", {}))
    (tmp_path / "c.server").write_text(
        corefile.zone_server("c", "240.0.0.1", {}, address6="100::1")
    )
    server = serve(ours(tmp_path))
    assert server.started(), server.log()
    found = {
        (name, kind): server.ask(name, kind, listening)
        for name in ("x.y.svc.b.remote", "X.y.svc.C.remote", "x.y.svc.d.remote", "remote")
        for kind in ("A", "AAAA")
    }
    assert found == {
        ("x.y.svc.b.remote", "A"): "0 240.0.0.1",
        ("x.y.svc.b.remote", "AAAA"): "0",
        ("X.y.svc.C.remote", "A"): "0 240.0.0.1",
        ("X.y.svc.C.remote", "AAAA"): "0 100::1",
        ("x.y.svc.d.remote", "A"): "3",
        ("x.y.svc.d.remote", "AAAA"): "3",
        ("remote", "A"): "3",
        ("remote", "AAAA"): "3",
    }


def test_core_dns_starts_with_no_zone_yet(serve: Runner, tmp_path: Path) -> None:
    server = serve(ours(tmp_path))
    assert server.started(), server.log()
    assert server.ask("x.y.svc.b.remote", "A") == "3"


def test_core_dns_goes_on_with_what_it_has_when_a_new_zone_is_broken(
    serve: Runner, tmp_path: Path
) -> None:
    zone, name = tmp_path / "b.server", "x.y.svc.b.remote"
    zone.write_text(corefile.zone_server("b", "240.0.0.1", {}))
    server = serve(ours(tmp_path))
    assert server.started(), server.log()
    zone.write_text("svc.b.remote:1053 {\n    nonsense\n}\n")
    until(server.log, lambda log: "reload failed" in log, 60, "it must see the broken zone")
    assert server.ask(name, "A") == "0 240.0.0.1"
    zone.write_text(corefile.zone_server("b", "240.0.0.2", {}))
    until(lambda: server.ask(name, "A"), lambda a: a == "0 240.0.0.2", 60, "it must take a new one")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("text", [KUBEADM, KUBEADM.replace("\n", "\r\n"), KUBEADM.rstrip()])
def test_the_clusters_coredns_takes_the_edit(serve: Runner, text: str, address: str) -> None:
    server = serve(corefile.with_stub_server(text, address))
    assert server.started(), server.log()
    assert "remote.:53" in server.log()
    assert server.ask("other.example", "A", port=53) == "3", "the rest is served as before"


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_clusters_coredns_takes_a_custom_server(
    serve: Runner, tmp_path: Path, address: str
) -> None:
    (tmp_path / "custom").mkdir()
    (tmp_path / "custom" / "istio-multicluster.server").write_text(corefile.stub_server(address))
    server = serve(KUBEADM + "import custom/*.server\n")
    assert server.started(), server.log()
    assert "remote.:53" in server.log()


OTHERS = {
    "the zone": KUBEADM + "remote:53 {\n    errors\n}\n",
    "the zone, written in another way": KUBEADM + "a.example dns://Remote. {\n    errors\n}\n",
    "the zone behind a comma": KUBEADM + "a.example,\nremote {\n    errors\n}\n",
    "a brace that is never closed": KUBEADM + "a.example {\n    errors\n",
    "the zone on another port": KUBEADM + "remote:5353 {\n    errors\n}\n",
    "the zone with a scheme that is none": KUBEADM + "DNS://remote {\n    errors\n}\n",
    "a brace that closes nothing": KUBEADM + "}\n",
    "another scheme": KUBEADM.replace(".:53", ".:53 dns://a.example"),
    "a zone below it": KUBEADM + "svc.z.remote {\n    errors\n}\n",
    "a snippet": "(remote) {\n    errors\n}\n" + KUBEADM + "a.example {\n    import remote\n}\n",
    "braces in quotes": KUBEADM
    + 'a.example {\n    template IN A {\n        answer "} {{ .Name }} 60 IN A 192.0.2.1 {"\n'
    "        fallthrough\n    }\n}\n",
    "a comment with a brace": KUBEADM.replace("errors", "errors # }", 1),
    "no braces at all": ".:53\nerrors\n",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_what_is_refused_is_what_coredns_would_not_take(serve: Runner, text: str) -> None:
    try:
        LAYOUTS["coredns"].check({"Corefile": text}, {}, set())
    except RefusedError:
        refused = True
    else:
        refused = False
    server = serve(corefile.with_stub_server(text, ADDRESSES[0]))
    assert server.started() is not refused, server.log()


def test_a_service_with_an_address_of_its_own_has_no_other(serve: Runner, tmp_path: Path) -> None:
    virtual = {"db.data.svc.b.remote": "241.1.2.3"}
    text = corefile.zone_server("b", "240.0.0.1", virtual, address6="100::1")
    (tmp_path / "b.server").write_text(text)
    server = serve(ours(tmp_path))
    assert server.started(), server.log()
    # The IPv6 dummy is every other name's: a call there would be routed as HTTP.
    assert [server.ask("db.data.svc.b.remote", kind) for kind in ("A", "AAAA")] == [
        "0 241.1.2.3",
        "0",
    ]
    other = [server.ask("web.data.svc.b.remote", kind) for kind in ("A", "AAAA")]
    assert other == ["0 240.0.0.1", "0 100::1"]
