"""Texts of the cluster's DNS in each layout, and a handler that edits them in a fake cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.dns import corefile
from components.dns.cluster_dns import ClusterDnsHandler
from components.dns.platforms import LAYOUTS
from tests.unit.support.fake_kubectl import FakeKubectl

ADDRESS = "10.96.7.7"
COREFILE = ".:53 {\r\n    errors\n}"
IMPORTING = (
    ".:53 {\n    import /etc/coredns/custom/*.override\n}\nimport /etc/coredns/custom/*.server\n"
)
STUBS = '{"corp":  ["10.0.0.2"]}'
TEXTS = {"coredns": COREFILE, "coredns-custom": "# theirs\r\n", "kube-dns": STUBS}
HANDLER = ClusterDnsHandler()

modes = pytest.mark.parametrize("mode", LAYOUTS)


def props(mode: str, address: str = ADDRESS) -> dict[str, Any]:
    return {"mode": mode, "address": address, "kubeconfig": None, "context": "ctx"}


def current(kubectl: FakeKubectl, mode: str) -> str:
    layout = LAYOUTS[mode]
    data = kubectl.data(layout.config_map)
    assert data is not None, f"there is no ConfigMap {layout.config_map}"
    return data[layout.key]


def put(kubectl: FakeKubectl, mode: str, text: str, **further: str) -> None:
    if mode == "coredns-custom":
        kubectl.put("coredns", {"Corefile": IMPORTING})
    kubectl.put(LAYOUTS[mode].config_map, {LAYOUTS[mode].key: text, **further})


def has_edit(mode: str, text: str, address: str = ADDRESS) -> bool:
    if mode != "kube-dns":
        return corefile.stub_server(address) in text
    stubs: dict[str, list[str]] = json.loads(text)
    return stubs.get("remote") == [address]


def edited_by_hand(mode: str, text: str) -> str:
    """What somebody else makes of a text: an entry more."""
    if mode != "kube-dns":
        return f"{text}\nexample:53 {{\n}}\n"
    return json.dumps({**json.loads(text), "example": ["10.0.0.3"]})
