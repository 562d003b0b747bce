"""Certificate authorities that tests start from; keys are made once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from components.model import CaCerts
from components.trust import certificates
from tests.support import pki
from tests.support.pki import Ca, key, make

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
PAST, FUTURE = NOW - DAY, NOW + DAY

ROOT = make("root", key=key("root"))
OTHER_ROOT = make("other-root", key=key("other root"))
SAME_NAME = make("root", key=key("other root"))
RSA_ROOT = make("rsa-root", key=key("rsa root", "2048"))
MIDDLE = make("middle", ROOT, key=key("middle"))


def cacerts(ca: Ca, *above: Ca, roots: tuple[Ca, ...] = (ROOT,), crl: str = "") -> dict[str, str]:
    """Return the files of a cluster CA.

    Args:
        ca: the cluster CA.
        above: those between it and the root.
        roots: what root-cert.pem holds.
        crl: what ca-crl.pem holds.
    """
    return {
        "ca_cert": ca.pem,
        "ca_key": ca.key_pem,
        "cert_chain": "".join(one.pem for one in (ca, *above)),
        "root_cert": "".join(one.pem for one in roots),
        "ca_crl": crl,
    }


def cluster_ca(by: Ca = ROOT, kind: str = "P-256", **options: Any) -> Ca:
    """Return a cluster CA, a good one but for the options (of `make`)."""
    return make("a", by, key=key("a", kind), **{"path_length": 0, **options})


def problems(files: dict[str, str], path_length: bool = True) -> list[str]:
    return certificates.problems(CaCerts(**files), NOW, path_length=path_length)


def refused(*ca: Ca, path_length: bool = True, **changes: str) -> list[str]:
    return refused_with(changes, *ca, path_length=path_length)


def refused_with(changes: Mapping[str, str], *ca: Ca, path_length: bool = True) -> list[str]:
    return problems({**cacerts(*ca), **changes}, path_length)


def serial(ca: Ca) -> str:
    return f"{ca.certificate.serial_number:x}"


def date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def with_path_lengths(root: int, middle: int) -> dict[str, str]:
    """Return the files of a cluster CA, an intermediate and a root."""
    top = make("root", key=key("root"), path_length=root)
    between = make("middle", top, key=key("middle"), path_length=middle)
    return cacerts(cluster_ca(between), between, roots=(top,))


A = cluster_ca()
UNDER_MIDDLE = cluster_ca(MIDDLE)
LISTS = pki.crl(ROOT) + pki.crl(A)
