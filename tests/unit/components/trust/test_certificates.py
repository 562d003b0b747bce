"""Facts about certificates, and several roots in one file."""

from __future__ import annotations

import ssl

import pytest

from components.trust import certificates
from tests.support import pki
from tests.support.pki import key, make
from tests.unit.support.cas import (
    DAY,
    LISTS,
    MIDDLE,
    NOW,
    OTHER_ROOT,
    ROOT,
    SAME_NAME,
    UNDER_MIDDLE,
    A,
    cluster_ca,
    serial,
)


class TestFacts:
    """What is worth telling of certificates that are good."""

    def test_of_each_certificate_in_order(self) -> None:
        first, second = certificates.facts(A.pem + ROOT.pem)
        assert (first.subject, second.subject) == ("CN=a", "CN=root")
        assert first.serial == serial(A)
        assert first.fingerprint == certificates.fingerprint(A.pem)
        assert first.not_before == A.certificate.not_valid_before_utc
        assert first.not_after == A.certificate.not_valid_after_utc
        assert certificates.facts("") == []

    def test_a_name_stays_on_one_line(self) -> None:
        assert certificates.facts(make("a\nb").pem)[0].subject == "'CN=a\\nb'"

    def test_what_is_malformed_is_not_quoted(self) -> None:
        body = A.pem.splitlines()[1]
        with pytest.raises(ValueError, match="cannot be read") as caught:
            certificates.facts(A.pem.replace(body, body[:-4], 1))
        assert body[:20] not in repr(caught.value)
        assert caught.value.__suppress_context__

    def test_the_root_of_a_chain(self) -> None:
        roots = OTHER_ROOT.pem + SAME_NAME.pem + ROOT.pem
        expected = certificates.fingerprint(ROOT.pem)
        assert certificates.root_of(A.pem, roots) == expected
        assert certificates.root_of(UNDER_MIDDLE.pem + MIDDLE.pem, roots) == expected
        assert certificates.root_of(A.pem + ROOT.pem, roots) == expected
        assert certificates.root_of(ROOT.pem, roots) == expected

    @pytest.mark.parametrize(
        ("chain", "roots"),
        [(A.pem, SAME_NAME.pem), (A.pem, ""), ("", ROOT.pem), (UNDER_MIDDLE.pem, ROOT.pem)],
    )
    def test_a_chain_without_a_root(self, chain: str, roots: str) -> None:
        assert certificates.root_of(chain, roots) == ""

    def test_a_chain_that_goes_in_circles_ends(self) -> None:
        one = make("one", make("two", key=key("two")), key=key("one"))
        two = make("two", make("one", key=key("one")), key=key("two"))
        assert certificates.root_of(one.pem + two.pem, ROOT.pem) == ""

    def test_the_key_is_told_apart_from_the_certificate(self) -> None:
        again, other = cluster_ca(), make("a", ROOT)
        assert certificates.fingerprint(A.pem) != certificates.fingerprint(again.pem)
        assert certificates.key_fingerprint(A.pem) == certificates.key_fingerprint(again.pem)
        assert certificates.key_fingerprint(A.pem) != certificates.key_fingerprint(other.pem)
        with pytest.raises(ValueError, match="no certificate"):
            certificates.key_fingerprint("")

    def test_the_end_of_a_revocation_list(self) -> None:
        end = (NOW + 5 * DAY).replace(microsecond=0)
        assert certificates.crl_ends(pki.crl(ROOT, end=end) + LISTS) == end
        for none in ("", A.pem):
            with pytest.raises(ValueError, match="no revocation list"):
                certificates.crl_ends(none)


class TestRoots:
    """Several roots in one file."""

    def test_the_same_set_is_the_same_bytes(self) -> None:
        bundle = certificates.roots_bundle([ROOT.pem, OTHER_ROOT.pem])
        assert bundle == certificates.roots_bundle(
            [f"{OTHER_ROOT.pem}{ROOT.pem}".strip(), ROOT.pem]
        )
        windows = ROOT.pem.replace("\n", "\r\n")
        assert bundle == certificates.roots_bundle([f"comment\n{windows}", OTHER_ROOT.pem])
        assert bundle.endswith("-----END CERTIFICATE-----\n")
        ssl.create_default_context().load_verify_locations(cadata=bundle)

    def test_it_holds_each_once_in_the_order_of_the_fingerprints(self) -> None:
        bundle = certificates.roots_bundle([ROOT.pem + OTHER_ROOT.pem, ROOT.pem])
        found = [one.fingerprint for one in certificates.facts(bundle)]
        assert found == certificates.fingerprints(ROOT.pem + OTHER_ROOT.pem + ROOT.pem)
        assert found == sorted(found)
        assert len(found) == 2

    def test_one_root_is_itself(self) -> None:
        assert certificates.roots_bundle([ROOT.pem]) == ROOT.pem
        assert certificates.roots_bundle([]) == ""
