"""What the proxies of a cluster serve and trust, asked of the proxies themselves.

The clock does not tell it: a sidecar keeps its certificate for half of its life, and an old proxy
may not know of bundles at all (istio/istio, tests/integration/security/cacert_rotation, asks too).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from components.kubectl import Kubectl, KubectlError
from components.trust import certificates

# Every pod that istiod injects has it, gateways too, which lack `security.istio.io/tlsMode`.
SELECTOR = "service.istio.io/canonical-name"
CONTAINER = "istio-proxy"
AT_ONCE = 8
_REQUEST = ("pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets")


@dataclass(frozen=True)
class Proxy:
    """One proxy and its trust."""

    name: str
    """`NAMESPACE/POD`."""
    signer: str
    """Fingerprint of the root that its certificate comes from; empty: unknown."""
    roots: frozenset[str]
    """Fingerprints of the roots that it trusts."""
    issuer: str = ""
    """Fingerprint of the CA that has signed its certificate; empty: unknown."""
    problem: str = ""
    """Why it could not be asked; empty: it was."""


def ask(kubectl: Kubectl, known_roots: str) -> list[Proxy]:
    """Ask all running proxies of a cluster.

    Args:
        kubectl: for that cluster.
        known_roots: PEM of all roots that a certificate may come from.

    Raises:
        KubectlError: the cluster's pods cannot be listed.
    """
    pods = [pod["metadata"] for pod in kubectl.list_everywhere("pods", SELECTOR) if _runs(pod)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda pod: _ask_one(kubectl, pod, known_roots), pods))


def _runs(pod: Mapping[str, Any]) -> bool:
    # One that is to start yet will fetch what is current; one that ends is asked by nobody.
    return (
        pod.get("status", {}).get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        and any(
            container["name"] == CONTAINER
            for kind in ("containers", "initContainers")
            for container in pod["spec"].get(kind, ())
        )
    )


def _ask_one(kubectl: Kubectl, pod: Mapping[str, str], known_roots: str) -> Proxy:
    name = f"{pod['namespace']}/{pod['name']}"
    try:
        dump = kubectl.execute(pod["namespace"], pod["name"], CONTAINER, *_REQUEST)
        return parse(name, dump, known_roots)
    except LookupError:
        return Proxy(name, "", frozenset(), problem="it has no certificate yet")
    except (KubectlError, ValueError) as error:
        return Proxy(name, "", frozenset(), problem=str(error))


def parse(name: str, dump: str, known_roots: str) -> Proxy:
    """Read Envoy's dump of its secrets (private keys are redacted in it).

    Args:
        name: the proxy's name.
        dump: what `config_dump?resource=dynamic_active_secrets` answers.
        known_roots: PEM of all roots that the certificate may come from.

    Raises:
        LookupError: the proxy has no certificate yet.
        ValueError: one of its certificates cannot be read.
    """
    secrets = {item["name"]: item["secret"] for item in json.loads(dump).get("configs", [])}
    chain = _pem(secrets["default"]["tls_certificate"]["certificate_chain"])
    trusted = _pem(secrets["ROOTCA"]["validation_context"]["trusted_ca"])
    bundle = certificates.roots_bundle([trusted, known_roots])
    facts = certificates.facts(chain)
    if not facts:
        raise LookupError("an empty chain")
    return Proxy(
        name,
        certificates.root_of(chain, bundle),
        frozenset(certificates.fingerprints(trusted)),
        facts[1].fingerprint if facts[1:] else "",
    )


def _pem(source: Mapping[str, str]) -> str:
    return base64.b64decode(source["inline_bytes"]).decode("ascii")


def names_of(proxies: Iterable[Proxy], most: int = 5) -> str:
    """Return the names of some proxies for a message."""
    names = sorted(proxy.name for proxy in proxies)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
