"""Every mistake in the stack file is told with its path, its value and what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import stack_file
from tests.unit.support.stacks import service, stack, write_kubeconfig

BOTH_ENDS = "use at most 63 lower-case letters, digits and '-', a letter or digit at both ends"
PORTS = "give a whole number from 1 to 65535"
KUBECONFIG = "name one readable kubeconfig file"
OF_HOST_NAMES = "it becomes part of host names: use at most 63 lower-case letters, digits and '-'"
ENTRY = "{{service: {}, namespace: bookinfo, port: 9080}}"


def a(**settings: Any) -> dict[str, Any]:
    """Return a good configuration but for these settings of the cluster `a`."""
    return stack("ab", a=settings)


def top(**keys: Any) -> dict[str, Any]:
    """Return a good configuration but for these top-level keys."""
    return {**stack("ab"), **keys}


def exposes(*items: Any) -> dict[str, Any]:
    return a(exposes=list(items))


MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    # Unknown keys, on every level.
    (top(clutsers=1), ["clutsers: is an unknown key; did you mean 'clusters'?"]),
    (
        top(zzz=1),
        [
            "zzz: is an unknown key; "
            "known: kubeconfig, clusters, peers, links, removed, rootCa, callerIdentity, istio, "
            "remoteDns, bookinfo"
        ],
    ),
    (a(linkport=1), ["clusters.a.linkport: is an unknown key; did you mean 'linkPort'?"]),
    (
        exposes(service("web", portt=1)),
        ["clusters.a.exposes[0].portt: is an unknown key; did you mean 'port'?"],
    ),
    (
        top(istio={"verison": "1", "values": {"gatway": {}}}, remoteDns={"adress": "x"}),
        [
            "istio.values.gatway: is an unknown key; did you mean 'gateway'?",
            "istio.verison: is an unknown key; did you mean 'version'?",
            "remoteDns.adress: is an unknown key; did you mean 'address'?",
        ],
    ),
    # Clusters.
    (
        {"links": "all"},
        ["clusters: is empty; name at least one cluster, each with its kube `context`"],
    ),
    (
        top(clusters={"a": "ctx-a", "b": {"context": "ctx-b"}}),
        [
            "clusters.a: 'ctx-a' is not a mapping; write `key: value` lines under it",
            "clusters.a.context: is missing; name a context of the kubeconfig",
        ],
    ),
    (
        top(clusters={"a": {}, "b": {"context": "ctx-b"}}),
        ["clusters.a.context: is missing; name a context of the kubeconfig"],
    ),
    (
        a(context="nope"),
        ["clusters.a.context: 'nope' is not in the kubeconfig; it has: ctx-a, ctx-b, ctx-root"],
    ),
    (a(context=7), ["clusters.a.context: 7 is not valid; give a string"]),
    (
        a(context="ctx-b"),
        [
            "clusters.b.context: 'ctx-b' is another cluster's too; "
            "each cluster needs a context of its own"
        ],
    ),
    (
        a(trustDomain="b.remote"),
        [
            "clusters.b.trustDomain: 'b.remote' is another cluster's too; "
            "give each cluster its own, or a workload of one passes for the other's"
        ],
    ),
    (
        a(trustDomain="B_!"),
        ["clusters.a.trustDomain: 'B_!' is not valid; use a lower-case DNS name"],
    ),
    (
        top(clusters={"A_1": {"context": "ctx-a"}, "b": {"context": "ctx-b"}}),
        [f"clusters.A_1: 'A_1' is not a legal cluster name; {OF_HOST_NAMES}"],
    ),
    (
        top(clusters={"B": {"context": "ctx-a"}, "b": {"context": "ctx-b"}}),
        [
            f"clusters.B: 'B' is not a legal cluster name; {OF_HOST_NAMES}",
            "clusters.b: differs from another cluster's name in case only; rename one of them",
        ],
    ),
    (
        a(dns="bind"),
        [
            "clusters.a.dns: 'bind' is unknown; use one of coredns, coredns-custom, kube-dns, "
            "istio, none"
        ],
    ),
    (
        a(replicas=0),
        ["clusters.a.replicas: 0 is not a number of replicas; give a whole number from 1 to 100"],
    ),
    # Ports.
    (a(linkPort=0), [f"clusters.a.linkPort: 0 is not a port number; {PORTS}"]),
    (a(linkPort=65536), [f"clusters.a.linkPort: 65536 is not a port number; {PORTS}"]),
    (a(linkPort="80"), [f"clusters.a.linkPort: '80' is not a port number; {PORTS}"]),
    (a(linkPort=True), [f"clusters.a.linkPort: True is not a port number; {PORTS}"]),
    (
        a(linkPort=15001),
        ["clusters.a.linkPort: 15001 is used by Istio's proxy itself; choose another port"],
    ),
    (a(httpPorts=80), ["clusters.a.httpPorts: 80 is not a list; write `- item` lines under it"]),
    # Links.
    (top(links=[["a", "x"]]), ["links[0]: there is no cluster 'x'; use two of: a, b"]),
    (top(links=[["a", "a"]]), ["links[0]: links 'a' to itself; name two different clusters"]),
    (
        top(links=[["a", "b"], ["b", "a"]]),
        ["links[1]: 'a' and 'b' are linked already; remove this line"],
    ),
    (
        top(links=[["a", "b", "a"], "ab"]),
        [
            "links[0]: ['a', 'b', 'a'] is not a pair; name two clusters: `- [a, b]`",
            "links[1]: 'ab' is not a pair; name two clusters: `- [a, b]`",
        ],
    ),
    (
        top(links={"a": "b"}),
        ["links: {'a': 'b'} is not valid; write `all` or a list of pairs `- [a, b]`"],
    ),
    # What is exposed.
    (
        exposes(service("web", 65536)),
        [f"clusters.a.exposes[0].port: 65536 is not a port number; {PORTS}"],
    ),
    (
        exposes(service("web"), service("api"), service("web")),
        ["clusters.a.exposes[2]: web.shop:9080 is listed twice; remove one of the two"],
    ),
    (
        exposes({}),
        [
            "clusters.a.exposes[0].service: is missing; name the Service to expose",
            "clusters.a.exposes[0].namespace: is missing; name the namespace of the Service",
            "clusters.a.exposes[0].port: is missing; give a port of the Service",
        ],
    ),
    (
        exposes(service("Web_1")),
        [f"clusters.a.exposes[0].service: 'Web_1' is not valid; {BOTH_ENDS}"],
    ),
    (
        a(exposes="web"),
        ["clusters.a.exposes: 'web' is not a list; write `- item` lines under it"],
    ),
    (
        exposes(service("web", allow=["b", "x", "a"])),
        [
            "clusters.a.exposes[0].allow: 'x' is not linked to this cluster; linked: b",
            "clusters.a.exposes[0].allow: 'a' is not linked to this cluster; linked: b",
        ],
    ),
    (
        exposes(service("web", allow=[])),
        [
            "clusters.a.exposes[0].allow: is empty; "
            "name the clusters that may call it, or remove the whole entry"
        ],
    ),
    # The kubeconfig.
    (
        top(kubeconfig="none"),
        [f"kubeconfig: DIR/none cannot be read (No such file or directory); {KUBECONFIG}"],
    ),
    (
        top(kubeconfig="."),
        [f"kubeconfig: DIR cannot be read (Is a directory); {KUBECONFIG}"],
    ),
    *(
        (
            top(kubeconfig=file),
            [
                f"kubeconfig: DIR/{file} is not a kubeconfig "
                f"(no list of contexts in it); {KUBECONFIG}"
            ],
        )
        for file in ("broken", "listless", "binary")
    ),
    # DNS, Helm values.
    (
        top(remoteDns={"address": "10.1.1.1", "knownCidrs": ["172.16.0.0/12", "10.0.0.0/8"]}),
        ["remoteDns.address: 10.1.1.1 lies in 10.0.0.0/8; choose one that no cluster can own"],
    ),
    (
        top(remoteDns={"address": "::1"}),
        ["remoteDns.address: '::1' is not valid; give an IPv4 address"],
    ),
    (
        top(remoteDns={"address6": "198.18.0.1", "replicas": 0}),
        [
            "remoteDns.replicas: 0 is not a number of replicas; give a whole number from 1 to 100",
            "remoteDns.address6: '198.18.0.1' is not valid; give an IPv6 address: 100::1",
        ],
    ),
    (
        top(remoteDns={"address6": "100::1%eth0"}),
        ["remoteDns.address6: '100::1%eth0' is not valid; give an IPv6 address: 100::1"],
    ),
    (
        top(remoteDns={"address6": "fd00::1", "knownCidrs": ["10.0.0.0/8", "fd00::/8"]}),
        ["remoteDns.address6: fd00::1 lies in fd00::/8; choose one that no cluster can own"],
    ),
    *(
        (
            top(remoteDns={key: address}),
            [
                f"remoteDns.{key}: {address!r} never leaves the pod that calls, or is for several; "
                "choose one that no cluster can own"
            ],
        )
        for key, address in [
            ("address", "127.0.0.1"),
            ("address", "0.0.0.0"),
            ("address", "169.254.1.1"),
            ("address", "224.0.0.1"),
            ("address6", "::1"),
            ("address6", "fe80::1"),
            ("address6", "ff02::1"),
            ("address6", "::ffff:240.0.0.1"),
        ]
    ),
    (
        top(remoteDns={"knownCidrs": ["10.0.0.0/8", "ten"]}),
        ["remoteDns.knownCidrs[1]: 'ten' is not a network; write one like 10.0.0.0/8"],
    ),
    (
        top(istio={"values": {"base": []}}),
        ["istio.values.base: [] is not a mapping; write `key: value` lines under it"],
    ),
    # Bookinfo.
    (
        top(bookinfo={"frontend": "a", "backend": "b"}),
        [
            "bookinfo.frontend: 'a' does not expose ratings to 'b'; "
            f"add {ENTRY.format('ratings')} to clusters.a.exposes",
            *(
                f"bookinfo.backend: 'b' does not expose {name} to 'a'; "
                f"add {ENTRY.format(name)} to clusters.b.exposes"
                for name in ("details", "reviews")
            ),
            "bookinfo.frontend: 'a' has no port for the page on its ingress gateway; "
            "add 80 to clusters.a.httpPorts",
        ],
    ),
    (
        top(bookinfo={"frontend": "x"}),
        [
            "bookinfo.backend: is missing; name the cluster of details and reviews",
            "bookinfo.frontend: there is no cluster 'x'; use one of a, b",
        ],
    ),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project")
    write_kubeconfig(path / "kubeconfig", ["ctx-root", "ctx-b", "ctx-a"])
    (path / "broken").write_text("{")
    (path / "listless").write_text("contexts: 3")
    (path / "binary").write_bytes(b"\xff\xfe")
    return path


def mistakes(raw: dict[str, Any], directory: Path) -> list[str]:
    with pytest.raises(stack_file.ConfigError) as caught:
        stack_file.parse({"kubeconfig": "kubeconfig", **raw}, directory, {})
    return [message.replace(str(directory), "DIR") for message in caught.value.messages]


@pytest.mark.parametrize(("raw", "messages"), MISTAKES, ids=[m[1][0][:60] for m in MISTAKES])
def test_the_message_has_path_value_and_fix(
    raw: dict[str, Any], messages: list[str], directory: Path
) -> None:
    assert mistakes(raw, directory) == messages


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(a(httpPorts=[80, 15021]), id="reserved http port"),
        pytest.param(a(httpPorts=[80, 70000]), id="http port out of range"),
        pytest.param(a(httpPorts=[80, 15443]), id="the link port again as http port"),
        pytest.param(exposes(service("web", allow=["b", "b"])), id="allowed twice"),
        pytest.param(top(bookinfo={"frontend": "a", "backend": "a"}), id="Bookinfo on one cluster"),
    ],
)
def test_this_is_a_mistake(raw: dict[str, Any], directory: Path) -> None:
    assert mistakes(raw, directory)
