"""From a cluster CA to its root, and the revocation lists on the way."""

from __future__ import annotations

from tests.support import pki
from tests.support.pki import make
from tests.unit.support.cas import (
    DAY,
    FUTURE,
    LISTS,
    MIDDLE,
    NOW,
    OTHER_ROOT,
    PAST,
    ROOT,
    RSA_ROOT,
    SAME_NAME,
    UNDER_MIDDLE,
    A,
    cacerts,
    date,
    problems,
    refused,
    serial,
)


class TestChain:
    """The way from the cluster CA to a root."""

    def test_it_begins_with_the_cluster_ca(self) -> None:
        assert problems({**cacerts(UNDER_MIDDLE), "cert_chain": MIDDLE.pem}) == [
            "cert-chain.pem does not begin with the certificate of ca-cert.pem; "
            "put that first, then those between it and the root"
        ]

    def test_one_is_missing(self) -> None:
        assert refused(UNDER_MIDDLE) == [
            "cert-chain.pem does not lead to root-cert.pem: "
            f"CN=a (serial {serial(UNDER_MIDDLE)}) is signed by CN=middle, which is in neither; "
            "add it, or put it into root-cert.pem if it is the root"
        ]

    def test_a_root_of_the_same_name_with_another_key(self) -> None:
        assert problems(cacerts(UNDER_MIDDLE, MIDDLE, roots=(SAME_NAME,))) == [
            "cert-chain.pem does not lead to root-cert.pem: the CN=root in root-cert.pem did not "
            f"sign CN=middle (serial {serial(MIDDLE)}); put the one there that did"
        ]

    def test_an_intermediate_of_the_same_name_with_another_key(self) -> None:
        middle = make("middle", ROOT)
        (said,) = problems(cacerts(UNDER_MIDDLE, middle))
        assert "the CN=middle in cert-chain.pem did not sign CN=a" in said

    def test_it_ends_in_a_root_that_is_not_trusted(self) -> None:
        assert problems(cacerts(A, ROOT, roots=(OTHER_ROOT,))) == [
            "cert-chain.pem does not lead to root-cert.pem: "
            f"it ends at CN=root (serial {serial(ROOT)}); put its root into root-cert.pem"
        ]


class TestRevocationLists:
    """ca-crl.pem, which is all or nothing: Envoy wants a list of each CA of the chain."""

    def test_no_list(self) -> None:
        assert problems(cacerts(A, crl=A.pem)) == [
            "ca-crl.pem holds no revocation list; put PEM lists there, or leave it out"
        ]

    def test_unreadable(self) -> None:
        broken = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
        assert problems(cacerts(A, crl=LISTS + broken)) == [
            "ca-crl.pem holds a revocation list that cannot be read; put it there anew, as PEM"
        ]

    def test_each_ca_of_the_chain_needs_one(self) -> None:
        fix = "add one: with a list of one CA, peers refuse each other CA that has none"
        crl = pki.crl(MIDDLE) + pki.crl(OTHER_ROOT)
        assert problems(cacerts(UNDER_MIDDLE, MIDDLE, crl=crl)) == [
            f"ca-crl.pem holds no list signed by CN=a (serial {serial(UNDER_MIDDLE)}); {fix}",
            f"ca-crl.pem holds no list signed by CN=root (serial {serial(ROOT)}); {fix}",
        ]

    def test_one_of_the_same_name_is_not_its_own(self) -> None:
        (said,) = problems(cacerts(A, crl=pki.crl(SAME_NAME) + pki.crl(A)))
        assert "no list signed by CN=root" in said

    def test_ended(self) -> None:
        crl = pki.crl(MIDDLE, begin=NOW - 9 * DAY, end=PAST) + LISTS
        assert problems(cacerts(A, crl=crl)) == [
            f"ca-crl.pem holds the list of CN=middle, which ended on {date(PAST)}; issue a new list"
        ], "it may be the one that another cluster's CA needs"

    def test_old_signature(self) -> None:
        crl = pki.old_crl(RSA_ROOT, "SHA1") + LISTS
        assert problems(cacerts(A, crl=crl)) == [
            "ca-crl.pem holds the list of CN=rsa-root, which is signed with SHA1; "
            "sign it with RSA or ECDSA and SHA-256 or longer"
        ]

    def test_not_begun(self) -> None:
        crl = pki.crl(ROOT, begin=FUTURE) + pki.crl(A)
        assert problems(cacerts(A, crl=crl)) == [
            f"ca-crl.pem holds the list of CN=root, which is not valid before {date(FUTURE)}; "
            "wait, or set this machine's clock"
        ]
