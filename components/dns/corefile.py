"""Texts that DNS servers read: our own Corefile, and the edit of the cluster's. Pure functions.

An edit can be taken back: whatever else somebody wrote into the text meanwhile stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from components import names

PORT = 1053
"""Where our CoreDNS listens: not 53, so that it needs no capability; its Service maps 53 to it."""

TTL_SECONDS = 60

LAMEDUCK_SECONDS = 10
"""How long a pod that is to end still answers: until no node sends it queries any more."""

BEGIN = f"# BEGIN istio-multicluster: {names.SUFFIX}"
END = f"# END istio-multicluster: {names.SUFFIX}"

# Line ends as an editor may have left them.
_BLOCK = re.compile(rf"{re.escape(BEGIN)}\r?\n.*?{re.escape(END)}(\r?\n|$)", re.DOTALL)


def zone_config_map(cluster: str) -> str:
    """Return the name of the ConfigMap that holds a linked cluster's zone."""
    return f"core-dns-{cluster}"


def _virtual_addresses(virtual: Mapping[str, str]) -> str:
    """Return what answers names that have an address of their own.

    Templates of one server answer in the order of the file, each for its own zone.
    """
    return "".join(
        f"""    template IN A {host} {{
        answer "{{{{ .Name }}}} {TTL_SECONDS} IN A {address}"
    }}
    template ANY ANY {host} {{
        rcode NOERROR
    }}
"""
        for host, address in sorted(virtual.items())
    )


def zone_server(
    cluster: str, address: str, virtual: Mapping[str, str], *, address6: str | None = None
) -> str:
    """Return the server block of a linked zone: the dummy addresses, and NODATA for the rest.

    NXDOMAIN for AAAA would make resolvers give up on the name altogether.

    Args:
        cluster: the linked cluster's name.
        address: the answer to A.
        address6: the answer to AAAA; empty: NODATA.
        virtual: host name to address, of the services other than HTTP, which have their own.
    """
    dummies = {"A": address, "AAAA": address6}
    answers = "".join(
        f"""    template IN {kind} {{
        answer "{{{{ .Name }}}} {TTL_SECONDS} IN {kind} {dummy}"
    }}
"""
        for kind, dummy in dummies.items()
        if dummy
    )
    return f"""{names.zone(cluster)}:{PORT} {{
    errors
{_virtual_addresses(virtual)}{answers}\
    template ANY ANY {{
        rcode NOERROR
    }}
    prometheus :9153
}}
"""


def server_config() -> str:
    """Return the Corefile of our CoreDNS.

    Names below the suffix that are in no linked zone do not exist, and are said so at once. All
    other names work too, so that a pod may name this server as its only one where the cluster's own
    DNS cannot be changed (`dns: none`).
    """
    return f"""import /etc/coredns-zones/*.server

{names.SUFFIX}:{PORT} {{
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
    prometheus :9153
}}

.:{PORT} {{
    errors
    health {{
        lameduck {LAMEDUCK_SECONDS}s
    }}
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }}
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    reload 5s 2s
    loadbalance
}}
"""


def stub_server(address: str) -> str:
    """Return the block that makes the cluster's own CoreDNS ask ours, between two markers."""
    return f"""{BEGIN}
{names.SUFFIX}:53 {{
    errors
    cache 30
    forward . {address}
}}
{END}
"""


def without_stub_server(text: str) -> str:
    """Return a Corefile without our server block, everything else byte for byte."""
    return _BLOCK.sub("", text)


def with_stub_server(text: str, address: str) -> str:
    """Return a Corefile with our server block in front (a block that is there is replaced)."""
    return stub_server(address) + without_stub_server(text)


def without_stub_domain(text: str) -> str:
    """Return kube-dns' `stubDomains` without our zone; a text without it comes back as it is."""
    domains = stub_domains(text)
    if names.SUFFIX not in domains:
        return text
    del domains[names.SUFFIX]
    return json.dumps(domains)


def with_stub_domain(text: str, address: str) -> str:
    """Return kube-dns' `stubDomains` with our zone; a text that has it comes back as it is."""
    domains = stub_domains(text)
    if domains.get(names.SUFFIX) == [address]:
        return text
    return json.dumps({**domains, names.SUFFIX: [address]})


def stub_domains(text: str) -> dict[str, Any]:
    """Return kube-dns' `stubDomains` as what it says: domain to name servers."""
    try:
        return dict(json.loads(text or "{}"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"`stubDomains` of kube-dns is not a JSON object: {text!r}") from error
