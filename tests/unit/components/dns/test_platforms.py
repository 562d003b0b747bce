"""What the edit of the cluster's DNS refuses, and how a Corefile is read for that."""

from __future__ import annotations

import pytest

from components.dns.corefile import stub_server
from components.dns.corefile_reader import CorefileError, read
from components.dns.platforms import LAYOUTS, RefusedError

ADDRESS = "10.96.7.7"
COREFILE = ".:53 {\n    errors\n}\n"
IMPORTING = f"{COREFILE}import /etc/coredns/custom/*.server\n"
AKS = f"{COREFILE}import custom/*.server\n"
OURS = stub_server(ADDRESS)

REFUSED = {
    "a server block of somebody else's": (
        "coredns",
        {"coredns": {"Corefile": f"{COREFILE}\nremote:53 {{\n}}\n"}},
        "ConfigMap kube-system/coredns has a server block for remote already, and "
        "CoreDNS refuses a zone that is there twice: remove that block, or set `dns` of this "
        "cluster to none",
    ),
    "a Corefile that is broken already": (
        "coredns",
        {"coredns": {"Corefile": ".:53 {\n"}},
        "CoreDNS cannot read ConfigMap kube-system/coredns as it is (the brace of "
        "line 1 is never closed), so it would never see the edit: mend it",
    ),
    "a Corefile for another port": (
        "coredns",
        {"coredns": {"Corefile": ".:5353 {\n}\n"}},
        "no server block in ConfigMap kube-system/coredns is for port 53, where "
        "ours would be: set `dns` of this cluster to none and forward the zone by hand",
    ),
    "no Corefile in the map": (
        "coredns",
        {"coredns": {}},
        "no server block in ConfigMap kube-system/coredns is for port 53, where "
        "ours would be: set `dns` of this cluster to none and forward the zone by hand",
    ),
    "a Corefile that imports nothing": (
        "coredns-custom",
        {"coredns": {"Corefile": COREFILE}},
        "the Corefile in ConfigMap kube-system/coredns does not import "
        "custom/*.server, so it would not read ConfigMap coredns-custom: set `dns` of this cluster "
        "to coredns",
    ),
    "no Corefile that could import": (
        "coredns-custom",
        {"coredns": None},
        "no server block in ConfigMap kube-system/coredns is for port 53, where "
        "ours would be: set `dns` of this cluster to none and forward the zone by hand",
    ),
    "another custom server for the zone": (
        "coredns-custom",
        {"coredns": {"Corefile": IMPORTING}, "coredns-custom": {"x.server": "Remote. {\n}\n"}},
        "ConfigMap kube-system/coredns-custom, key x.server has a server block for "
        "remote already, and CoreDNS refuses a zone that is there twice: remove that block, or set "
        "`dns` of this cluster to none",
    ),
    "the zone in the Corefile beside custom servers": (
        "coredns-custom",
        {"coredns": {"Corefile": f"{IMPORTING}a b remote {{\n}}\n"}},
        "ConfigMap kube-system/coredns has a server block for remote already, and "
        "CoreDNS refuses a zone that is there twice: remove that block, or set `dns` of this "
        "cluster to none",
    ),
    "a stub domain of somebody else's": (
        "kube-dns",
        {"kube-dns": {"stubDomains": '{"remote": ["10.0.0.2"]}'}},
        "`stubDomains` in ConfigMap kube-system/kube-dns sends remote to "
        '["10.0.0.2"] already: remove that entry, or set `dns` of this cluster to none',
    ),
}


@pytest.mark.parametrize(("mode", "maps", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_with_a_way_out(
    mode: str, maps: dict[str, dict[str, str] | None], message: str
) -> None:
    layout = LAYOUTS[mode]
    with pytest.raises(RefusedError) as caught:
        layout.check(maps.get(layout.config_map) or {}, maps.get("coredns") or {}, {ADDRESS})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("mode", "data", "main"),
    [
        ("coredns", {"Corefile": COREFILE}, {}),
        ("coredns", {"Corefile": OURS + COREFILE}, {}),
        ("coredns", {"Corefile": f"{COREFILE}b.remote remote:5353 tls://remote {{\n}}\n"}, {}),
        ("coredns", {"Corefile": "{$ZONE}:{$PORT} {\n}\n"}, {}),
        ("coredns-custom", {}, {"Corefile": IMPORTING}),
        ("coredns-custom", {}, {"Corefile": AKS}),
        ("coredns-custom", {"istio-multicluster.server": OURS}, {"Corefile": AKS}),
        ("coredns-custom", {"x.override": "remote {\n}"}, {"Corefile": AKS}),  # not a server
        ("kube-dns", {}, {}),
        ("kube-dns", {"stubDomains": f'{{"remote": ["{ADDRESS}"], "x": []}}'}, {}),
    ],
)
def test_what_can_work_is_not_refused(
    mode: str, data: dict[str, str], main: dict[str, str]
) -> None:
    LAYOUTS[mode].check(data, main or data, {ADDRESS})  # does not raise


@pytest.mark.parametrize(
    ("text", "keys", "imports"),
    [
        ("", [], []),
        ("# .:53 {\n", [], []),
        ("a b,\nd {\n  remote {\n  }\n}\ne {\n}", ["a", "b", "d", "e"], []),
        ('. {\n  template IN A {\n    answer "} {\\" #"\n  }\n}\nx {\n}', [".", "x"], []),
        ("(snip) {\n  errors\n}\n. {\n  import snip\n}\nimport a b\n", ["."], ["a", "b"]),
        (".:53\nerrors\nremote {\n}\n", [".:53"], []),  # without braces: to the end
        (". # {\n{\n}", ["."], []),
    ],
)
def test_a_corefile_is_read_as_coredns_reads_it(
    text: str, keys: list[str], imports: list[str]
) -> None:
    assert (read(text).keys, read(text).imports) == (keys, imports)


def test_a_corefile_whose_brace_is_never_closed_is_not_read() -> None:
    with pytest.raises(CorefileError) as caught:
        read("\n. {\n  x {\n}\n")
    assert str(caught.value) == "the brace of line 2 is never closed"
