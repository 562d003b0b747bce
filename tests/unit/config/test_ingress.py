"""`clusters.NAME.ingress`: how peers reach a cluster, as the stack file has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.model import Ingress
from config import stack_file
from tests.unit.support.stacks import stack

NODES = {"service": "NodePort", "addresses": ["192.0.2.7", "192.0.2.8"], "nodePort": 31443}


def load(directory: Path, ingress: Any, **further: Any) -> Ingress:
    raw = {**stack("ab", b={"ingress": ingress, **further}), "kubeconfig": "kubeconfig"}
    return stack_file.parse(raw, directory, {}).clusters["b"].ingress


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({}, Ingress("LoadBalancer", (), 15443, 600)),
        ({"waitSeconds": 20}, Ingress("LoadBalancer", (), 15443, 20)),
        ({"addresses": ["192.0.2.7"]}, Ingress("LoadBalancer", ("192.0.2.7",), 15443, 600)),
        (
            {"addresses": ["nat.example", "2001:DB8::7"], "port": 8443},
            Ingress("LoadBalancer", ("nat.example", "2001:db8::7"), 8443, 600),
        ),
        (NODES, Ingress("NodePort", ("192.0.2.7", "192.0.2.8"), 31443, 600, 31443)),
        (
            {**NODES, "addresses": ["192.0.2.9"], "port": 443},
            Ingress("NodePort", ("192.0.2.9",), 443, 600, 31443),
        ),
    ],
)
def test_what_is_written_is_what_is_meant(workdir: Path, written: Any, meant: Ingress) -> None:
    assert load(workdir, written) == meant


def test_peers_dial_the_link_port_unless_told_otherwise(workdir: Path) -> None:
    assert load(workdir, {}, linkPort=15444).port == 15444
    assert load(workdir, {"addresses": ["192.0.2.7"]}, linkPort=15444).port == 15444
    assert load(workdir, NODES, linkPort=15444).port == 31443
    assert load(workdir, {"port": 15444}, linkPort=15444).port == 15444


def test_ports_of_istios_proxy_can_be_dialled_elsewhere(workdir: Path) -> None:
    assert load(workdir, {"addresses": ["192.0.2.7"], "port": 15021}).port == 15021


ADDRESS = "give an IP address or a whole host name"
AWAY = "cannot be reached from another cluster"


@pytest.mark.parametrize(
    ("written", "mistakes"),
    [
        ({"service": "ClusterIP"}, ["service: 'ClusterIP' is unknown; use one of LoadBalancer, "]),
        ({"adresses": []}, ["adresses: is an unknown key; did you mean 'addresses'?"]),
        ("192.0.2.7", [": '192.0.2.7' is not a mapping"]),
        ({"addresses": "192.0.2.7"}, ["addresses: '192.0.2.7' is not a list"]),
        ({"addresses": [""]}, ["addresses[0]: is missing; give an IP address or a host name"]),
        ({"addresses": [7]}, ["addresses[0]: 7 is not valid; give a string"]),
        (
            {"addresses": ["a.example", "a.example"]},
            ["addresses: a.example is listed twice; remove one of the two"],
        ),
        (
            {"addresses": ["2001:db8::7", "2001:DB8:0::7"]},
            ["addresses: 2001:db8::7 is listed twice; remove one of the two"],
        ),
        ({"waitSeconds": 0}, ["waitSeconds: 0 is not a number of seconds; give a whole number f"]),
        (
            {"addresses": ["192.0.2.7"], "waitSeconds": 5},
            ["waitSeconds: waits for nothing: there are addresses; remove one of both"],
        ),
        ({"port": 0, "addresses": ["192.0.2.7"]}, ["port: 0 is not a port number; give a whole "]),
        ({"port": 443}, ["port: 443 is not the linkPort; list `addresses`, too: the cluster's "]),
        (
            {"nodePort": 31443},
            ["nodePort: has no meaning with service LoadBalancer; remove it, or set service to N"],
        ),
        (
            {"service": "NodePort"},
            [
                "nodePort: is missing; give one of the cluster's node ports, e.g. 31443",
                "addresses: is missing, and service is NodePort; list the addresses by which ",
            ],
        ),
        ({**NODES, "nodePort": 70000}, ["nodePort: 70000 is not a port number; give a whole "]),
        *(
            ({"addresses": [address]}, [f"addresses[0]: {address!r} {fault}; {ADDRESS}"])
            for address, fault in [
                ("nat", "is not valid"),
                ("10.0.0.256", "is not valid"),
                ("10.0.0", "is not valid"),
                ("nat.example.", "is not valid"),
                ("Nat.example", "is not valid"),
                ("nat.example:443", "is not valid"),
                ("https://nat.example", "is not valid"),
                ("[2001:db8::7]", "is not valid"),
                ("192.0.2.0/24", "is not valid"),
                (f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 63}", "is not valid"),
                ("127.0.0.1", AWAY),
                ("0.0.0.0", AWAY),
                ("169.254.1.1", AWAY),
                ("224.0.0.1", AWAY),
                ("fe80::1%eth0", AWAY),
                ("2001:db8::7%eth0", AWAY),
            ]
        ),
    ],
)
def test_a_mistake_is_told_with_the_fix(workdir: Path, written: Any, mistakes: list[str]) -> None:
    with pytest.raises(stack_file.ConfigError) as caught:
        load(workdir, written)
    found = caught.value.messages
    assert len(found) == len(mistakes), found
    for seen, expected in zip(sorted(found), sorted(mistakes), strict=True):
        separator = "" if expected.startswith(":") else "."
        assert seen.startswith(f"clusters.b.ingress{separator}{expected}")


def messages(directory: Path, raw: dict[str, Any]) -> list[str]:
    try:
        stack_file.parse({**raw, "kubeconfig": "kubeconfig"}, directory, {})
    except stack_file.ConfigError as error:
        return error.messages
    return []


def test_clusters_behind_one_address_need_ports_of_their_own(workdir: Path) -> None:
    def behind(**ports: int) -> list[str]:
        here = {
            name: {"ingress": {"addresses": ["nat.example", f"{name}.example"], "port": port}}
            for name, port in ports.items()
        }
        return messages(workdir, stack("abc", **here))

    assert behind(a=1443, b=2443, c=3443) == []
    assert behind(a=1443, b=2443, c=1443) == [
        "clusters.c.ingress: nat.example with port 1443 is that of cluster 'a', too; "
        "give each cluster its own port there"
    ]


def test_a_network_policy_wants_ip_addresses_of_linked_clusters(workdir: Path) -> None:
    def peers(**addresses: str) -> list[str]:
        here = {name: {"ingress": {"addresses": [found]}} for name, found in addresses.items()}
        raw = stack("abc", a={"networkPolicy": ["shop"]}, **here)
        return messages(workdir, {**raw, "links": [["a", "b"]]})

    assert peers(b="192.0.2.7", c="c.example") == [], "a and c are not linked"
    assert peers(b="b.example") == [
        "clusters.a.networkPolicy: its peer 'b' has the host name b.example among its "
        "ingress.addresses; a NetworkPolicy takes IP addresses only: list those there, or remove "
        "this"
    ]


def test_the_page_of_bookinfo_wants_port_80(workdir: Path) -> None:
    from tests.unit.support.stacks import FULL

    clusters = {**FULL["clusters"], "a": {**FULL["clusters"]["a"], "ingress": NODES}}
    assert messages(workdir, {**FULL, "clusters": clusters}) == [
        "bookinfo.frontend: 'a' has no address with port 80: its ingress is a NodePort; "
        "name another cluster"
    ]
