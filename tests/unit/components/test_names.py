"""names.py, and certificates.py with files that are none: plain data in, plain data out."""

from __future__ import annotations

import base64
import hashlib

import pytest

from components import names
from components.model import CaCerts
from components.trust import certificates
from tests.unit.support.recorder import pem


def test_names_follow_from_the_clusters_name_alone() -> None:
    assert names.trust_domain("b") == "b.remote"
    assert names.zone("b") == "svc.b.remote"
    assert names.service_host("web", "shop", "b") == "web.shop.svc.b.remote"
    assert names.local_host("web", "shop") == "web.shop.svc.cluster.local"
    assert names.ingress_host("b") == "ingress.b.remote"
    assert names.spiffe_id("b.remote", "x") == "spiffe://b.remote/ns/istio-gateways/sa/x"
    assert names.spiffe_id("d", "x") == f"spiffe://{names.principal('d', 'x')}"


def test_the_sni_of_a_link_is_matched_by_the_zone_of_its_target() -> None:
    prefix, dot, rest = names.link_sni("b").partition(".")
    assert prefix
    assert dot + rest == f".{names.zone('b')}"


def test_the_ingress_host_is_in_no_zone() -> None:
    assert not names.ingress_host("b").endswith(names.zone("b")), "it would be routed to itself"


def test_link_names_are_order_free_and_never_meet() -> None:
    assert names.link_name("a", "b") == names.link_name("b", "a") == "a_b"
    assert names.link_name("a-b", "c") != names.link_name("a", "b-c")


def test_the_default_ports_are_none_of_the_proxys_own() -> None:
    assert names.DEFAULT_LINK_PORT not in names.RESERVED_PORTS
    assert names.STATUS_PORT in names.RESERVED_PORTS


CHAIN = pem("CERTIFICATE", "ca") + pem("CERTIFICATE", "between")


def test_cert_managers_secret_becomes_istios() -> None:
    data = {"tls.crt": CHAIN, "tls.key": "key", "ca.crt": "root"}
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    assert certificates.cacerts_of_tls_secret(encoded) == CaCerts(
        ca_cert=pem("CERTIFICATE", "ca"), ca_key="key", cert_chain=CHAIN, root_cert="root"
    )


@pytest.mark.parametrize("text", ["", "text", pem("PRIVATE KEY", "x")])
def test_what_is_no_certificate_is_not_taken_for_one(text: str) -> None:
    assert certificates.pem_certificates(text) == []


def test_the_fingerprint_is_that_of_the_first_certificate() -> None:
    digest = certificates.fingerprint(f"comment\n{CHAIN}")
    assert digest.replace(":", "").lower() == hashlib.sha256(b"ca").hexdigest()
    assert digest.count(":") == 31
