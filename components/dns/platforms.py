"""How each kind of cluster DNS keeps its configuration, and what is to be refused in it.

Pure functions over the data of ConfigMaps: `cluster_dns.py` reads and writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from components import names
from components.dns import corefile
from components.dns.corefile_reader import CorefileError, read
from components.errors import ComponentError

NAMESPACE = "kube-system"

Data = Mapping[str, str]

COREFILE = "Corefile"
COREFILE_MAP = "coredns"

CUSTOM_SERVERS = "custom/*.server"
"""What a Corefile imports where ConfigMap `coredns-custom` is read: AKS, k3s (`/etc/coredns/…`)."""


class RefusedError(ComponentError):
    """The edit is not made, because the DNS server would not take it; the message says why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a kind of cluster DNS keeps its configuration, and how it is edited."""

    config_map: str
    key: str
    with_ours: Callable[[str, str], str]
    """Text and address to the text that sends our zone to that address."""
    without_ours: Callable[[str], str]
    """Text to the text without what is ours."""
    empty: str
    """What is left of a text in which there was nothing but ours."""
    check: Callable[[Data, Data, Collection[str]], None]
    """Raises when the edit cannot work. Takes the data of the ConfigMap, that of ConfigMap
    `coredns`, and the addresses that are or were ours."""
    needs_main: bool = False
    """Whether the check needs the data of ConfigMap `coredns` beside that of its own."""


def _check_corefile(data: Data, _main: Data, _addresses: Collection[str]) -> None:
    _check_main(COREFILE_MAP, corefile.without_stub_server(data.get(COREFILE) or ""))


def _check_custom(data: Data, main: Data, _addresses: Collection[str]) -> None:
    imports = _check_main(COREFILE_MAP, main.get(COREFILE) or "")
    if not any(path.endswith(CUSTOM_SERVERS) for path in imports):
        raise RefusedError(
            f"the Corefile in ConfigMap {NAMESPACE}/{COREFILE_MAP} does not import "
            f"{CUSTOM_SERVERS}, so it would not read ConfigMap {CUSTOM.config_map}: set `dns` of "
            "this cluster to coredns"
        )
    for key in sorted(data):
        if key.endswith(".server"):
            _check_zone(f"{CUSTOM.config_map}, key {key}", corefile.without_stub_server(data[key]))


def _check_main(where: str, text: str) -> Collection[str]:
    """Check the text that the DNS server starts with; return what it imports."""
    imports, listens = _check_zone(where, text)
    if not listens:
        raise RefusedError(
            f"no server block in ConfigMap {NAMESPACE}/{where} is for port 53, where ours would "
            "be: set `dns` of this cluster to none and forward the zone by hand"
        )
    return imports


def _check_zone(where: str, text: str) -> tuple[Collection[str], bool]:
    try:
        corefile_blocks = read(text)
    except CorefileError as error:
        raise RefusedError(
            f"CoreDNS cannot read ConfigMap {NAMESPACE}/{where} as it is ({error}), so it would "
            "never see the edit: mend it"
        ) from error
    if corefile_blocks.serves(names.SUFFIX):
        raise RefusedError(
            f"ConfigMap {NAMESPACE}/{where} has a server block for {names.SUFFIX} already, and "
            "CoreDNS refuses a zone that is there twice: remove that block, or set `dns` of this "
            "cluster to none"
        )
    return corefile_blocks.imports, corefile_blocks.listens()


def _check_stub_domains(data: Data, _main: Data, addresses: Collection[str]) -> None:
    servers = corefile.stub_domains(data.get(STUBS.key) or "").get(names.SUFFIX)
    if servers is not None and servers not in [[address] for address in addresses]:
        raise RefusedError(
            f"`stubDomains` in ConfigMap {NAMESPACE}/{STUBS.config_map} sends {names.SUFFIX} to "
            f"{json.dumps(servers)} already: remove that entry, or set `dns` of this cluster to "
            "none"
        )


MAIN = Layout(
    COREFILE_MAP,
    COREFILE,
    corefile.with_stub_server,
    corefile.without_stub_server,
    "",
    _check_corefile,
)
CUSTOM = Layout(
    "coredns-custom",
    "istio-multicluster.server",
    corefile.with_stub_server,
    corefile.without_stub_server,
    "",
    _check_custom,
    needs_main=True,
)
STUBS = Layout(
    "kube-dns",
    "stubDomains",
    corefile.with_stub_domain,
    corefile.without_stub_domain,
    "{}",
    _check_stub_domains,
)

CAPTURE = "istio"
"""The mode in which sidecars answer for the linked zones, and the cluster's DNS has no part."""

LAYOUTS = {
    "coredns": MAIN,  # kubeadm, kind
    "coredns-custom": CUSTOM,  # AKS, k3s
    "kube-dns": STUBS,  # the seed; GKE
}
"""Layout by mode. The modes `CAPTURE` and `none` edit nothing."""

MODES = (*LAYOUTS, CAPTURE, "none")
