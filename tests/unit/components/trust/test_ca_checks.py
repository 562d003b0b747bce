"""Why istiod or a peer would refuse a cluster CA, case by case, on real certificates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from components.trust import certificates
from tests.support import pki
from tests.support.pki import Ca, key, make
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
    cluster_ca,
    date,
    problems,
    refused,
    refused_with,
    serial,
    with_path_lengths,
)

GOOD: dict[str, Callable[[], dict[str, str]]] = {
    "P-256 under the root": lambda: cacerts(A),
    "RSA 2048": lambda: cacerts(cluster_ca(RSA_ROOT, "2048"), roots=(RSA_ROOT,)),
    "P-384": lambda: cacerts(cluster_ca(kind="P-384")),
    "keys of PKCS 1": lambda: {
        **cacerts(cluster_ca(kind="2048")),
        "ca_key": pki.key_pem(key("a", "2048"), form=PrivateFormat.TraditionalOpenSSL),
    },
    "keys of SEC 1": lambda: {
        **cacerts(A),
        "ca_key": pki.key_pem(key("a"), form=PrivateFormat.TraditionalOpenSSL),
    },
    "one between": lambda: cacerts(UNDER_MIDDLE, MIDDLE),
    "the root in the chain": lambda: cacerts(UNDER_MIDDLE, MIDDLE, ROOT),
    "out of order": lambda: cacerts(UNDER_MIDDLE, ROOT, MIDDLE),
    "text around the blocks": lambda: {**cacerts(A), "cert_chain": f"subject=a\n{A.pem}end\n"},
    "no newline at the end": lambda: {k: v.strip() for k, v in cacerts(A).items()},
    "two roots": lambda: cacerts(A, roots=(OTHER_ROOT, ROOT)),
    "two roots of one name": lambda: cacerts(A, roots=(SAME_NAME, ROOT)),
    "the intermediate is what is trusted": lambda: cacerts(UNDER_MIDDLE, roots=(MIDDLE,)),
    "no key usage at all": lambda: cacerts(cluster_ca(usages=None)),
    "extended key usage for both ends": lambda: cacerts(
        cluster_ca(
            extended=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
        )
    ),
    "path lengths that suffice": lambda: with_path_lengths(2, 1),
    "outlives its issuer": lambda: cacerts(cluster_ca(end=NOW + 300 * DAY)),
    "issued just now, by a clock ahead": lambda: cacerts(
        cluster_ca(begin=NOW + timedelta(minutes=1))
    ),
    "no CRL key": lambda: {k: v for k, v in cacerts(A).items() if k != "ca_crl"},
    "revocation lists": lambda: cacerts(A, crl=LISTS),
    "lists of other clusters": lambda: cacerts(A, crl=pki.crl(MIDDLE) + LISTS),
    "it is in a list": lambda: cacerts(
        A, crl=pki.crl(ROOT, revoked=[A.certificate.serial_number]) + pki.crl(A)
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_istio_takes_is_taken(name: str) -> None:
    assert problems(GOOD[name]()) == []


class TestFiles:
    """What is in the files at all."""

    @pytest.mark.parametrize(
        ("field", "file"),
        [
            ("ca_cert", "ca-cert.pem"),
            ("cert_chain", "cert-chain.pem"),
            ("root_cert", "root-cert.pem"),
        ],
    )
    def test_a_file_without_a_certificate(self, field: str, file: str) -> None:
        said = [f"{file} holds no certificate; put a PEM certificate there"]
        assert refused_with({field: ""}, A) == said
        assert refused_with({field: "some text"}, A) == said

    def test_a_block_that_does_not_begin_a_line_is_none_to_istiod(self) -> None:
        assert refused(A, root_cert=f" {ROOT.pem}") == [
            "root-cert.pem holds no certificate; put a PEM certificate there"
        ]
        (said,) = refused(A, ca_key=f" {A.key_pem}")
        assert "ca-key.pem holds no private key" in said

    @pytest.mark.parametrize("body", ["AAAA", "not base64!"])
    def test_a_certificate_that_is_none(self, body: str) -> None:
        broken = f"{A.pem}-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
        assert refused(A, cert_chain=broken) == [
            "cert-chain.pem holds a certificate that cannot be read; put it there anew, as PEM"
        ]

    @pytest.mark.parametrize(
        ("field", "file"), [("root_cert", "root-cert.pem"), ("cert_chain", "cert-chain.pem")]
    )
    def test_a_private_key_in_a_file_that_pods_read(self, field: str, file: str) -> None:
        text = cacerts(A)[field] + A.key_pem
        assert refused_with({field: text}, A) == [
            f"{file} holds a private key; keep that in ca-key.pem alone, others are public"
        ]

    def test_all_of_it_at_once(self) -> None:
        assert len(problems(dict.fromkeys(cacerts(A), "x"))) == 5


class TestCertificates:
    """What holds for each certificate from the cluster CA to its root."""

    def test_expired(self) -> None:
        begin = NOW - 9 * DAY
        assert refused(cluster_ca(begin=begin, end=PAST)) == [
            f"ca-cert.pem expired on {date(PAST)}; issue it again"
        ]
        middle = make("middle", ROOT, key=key("middle"), begin=begin, end=PAST)
        assert refused(cluster_ca(middle), middle) == [
            f"cert-chain.pem holds CN=middle (serial {serial(middle)}), "
            f"which expired on {date(PAST)}; issue it again"
        ]
        root = make("old", key=key("other root"), begin=begin, end=PAST)
        assert problems(cacerts(A, roots=(ROOT, root))) == [
            f"root-cert.pem holds CN=old (serial {serial(root)}), "
            f"which expired on {date(PAST)}; issue it again"
        ], "also a root that signed nothing here"

    def test_not_yet_valid(self) -> None:
        assert refused(cluster_ca(begin=FUTURE)) == [
            f"ca-cert.pem is not valid before {date(FUTURE)}; wait, or set this machine's clock"
        ]

    def test_a_root_in_the_chain_is_told_once(self) -> None:
        root = make("root", key=key("root"), begin=NOW - 9 * DAY, end=PAST)
        (said,) = problems(cacerts(A, root, roots=(root,)))
        assert said.startswith("root-cert.pem holds CN=root ")

    def test_no_ca(self) -> None:
        leaf = cluster_ca(ca=False, path_length=None)
        assert problems(cacerts(leaf), path_length=False) == [
            "ca-cert.pem is no CA (CA:false); issue it with basicConstraints CA:true"
        ]
        root = make("root", key=key("root"), ca=False)
        (said,) = problems(cacerts(A, roots=(root,)))
        assert said.startswith("root-cert.pem holds CN=root ")
        assert "which is no CA (CA:false)" in said

    def test_key_usage(self) -> None:
        assert refused(cluster_ca(usages=["digital_signature", "crl_sign"])) == [
            "ca-cert.pem may not sign certificates (its key usage lacks keyCertSign); "
            "issue it with keyCertSign and cRLSign"
        ]

    def test_key_usage_for_lists_is_needed_with_lists_only(self) -> None:
        ca = cluster_ca(usages=["key_cert_sign"])
        assert refused(ca) == []
        assert problems(cacerts(ca, crl=LISTS)) == [
            "ca-cert.pem may not sign revocation lists (its key usage lacks cRLSign); "
            "issue it with keyCertSign and cRLSign"
        ]

    def test_extended_key_usage(self) -> None:
        assert refused(cluster_ca(extended=[ExtendedKeyUsageOID.SERVER_AUTH])) == [
            "ca-cert.pem is not for TLS (its extended key usage lacks serverAuth or clientAuth); "
            "issue it without extended key usage"
        ]

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("1024", "an RSA key with 1024 bits"),
            ("P-224", "an ECDSA key on secp224r1"),
            ("Ed25519", "a key of a kind that Istio does not take (Ed25519)"),
        ],
    )
    def test_weak_and_unknown_keys(self, kind: str, said: str) -> None:
        fix = "; use RSA with 2048 bits or more, or ECDSA on P-256, P-384 or P-521"
        assert refused(cluster_ca(kind=kind)) == [f"ca-cert.pem has {said}{fix}"]
        root = make("weak", key=key("weak", kind))
        (first, *rest) = problems(cacerts(A, roots=(ROOT, root)))
        assert (
            first == f"root-cert.pem holds CN=weak (serial {serial(root)}), which has {said}{fix}"
        )
        assert len(rest) == (kind == "Ed25519"), "and it has a signature of that kind"

    def test_a_key_that_the_library_does_not_know(self) -> None:
        root = pki.unknown_key(OTHER_ROOT)
        assert problems(cacerts(A, roots=(ROOT, root))) == [
            f"root-cert.pem holds CN=other-root (serial {serial(root)}), which has a key of a kind "
            "that Istio does not take (unknown); "
            "use RSA with 2048 bits or more, or ECDSA on P-256, P-384 or P-521"
        ]
        with pytest.raises(ValueError, match="no certificate with a key"):
            certificates.key_fingerprint(root.pem)

    def test_a_signature_of_an_unknown_kind(self) -> None:
        root = make("ed", key=key("weak", "Ed25519"))
        said = problems(cacerts(cluster_ca(root), roots=(root,)))
        assert said[0] == (
            "ca-cert.pem is signed with the algorithm 1.3.101.112; "
            "sign it with RSA or ECDSA and SHA-256 or longer"
        )

    @pytest.mark.parametrize("algorithm", ["SHA1", "MD5"])
    def test_old_signatures(self, algorithm: str) -> None:
        def again(ca: Ca) -> Ca:
            return pki.old_signature(ca, key("rsa root", "2048"), algorithm)

        said = f"is signed with {algorithm}; sign it with RSA or ECDSA and SHA-256 or longer"
        ca = again(cluster_ca(RSA_ROOT))
        assert problems(cacerts(ca, roots=(RSA_ROOT,))) == [f"ca-cert.pem {said}"]
        middle = again(make("middle", RSA_ROOT, key=key("middle")))
        assert problems(cacerts(cluster_ca(middle), middle, roots=(RSA_ROOT,))) == [
            f"cert-chain.pem holds CN=middle (serial {serial(middle)}), which {said}"
        ]
        root = again(RSA_ROOT)
        assert problems(cacerts(cluster_ca(root), roots=(root,))) == [
            f"root-cert.pem holds CN=rsa-root (serial {serial(root)}), which {said}"
        ]


class TestPathLength:
    """How many CAs may follow."""

    FIX = "issue it with pathlen:0, as it signs workloads' only"

    @pytest.mark.parametrize(("length", "said"), [(None, "no path length"), (1, "path length 1")])
    def test_of_a_users_own_cluster_ca_it_is_0(self, length: int | None, said: str) -> None:
        (found,) = refused(cluster_ca(path_length=length))
        assert found.startswith("ca-cert.pem has ")
        assert found.endswith(f"{said}; {self.FIX}")

    @pytest.mark.parametrize("length", [None, 0, 1])
    def test_of_an_issued_one_it_may_be_any(self, length: int | None) -> None:
        assert refused(cluster_ca(path_length=length), path_length=False) == []

    @pytest.mark.parametrize("insist", [True, False])
    def test_above_it_has_to_suffice(self, insist: bool) -> None:
        files = with_path_lengths(root=1, middle=0)
        middle = certificates.facts(files["cert_chain"])[1].serial
        root = certificates.facts(files["root_cert"])[0].serial
        assert problems(files, insist) == [
            f"cert-chain.pem holds CN=middle (serial {middle}), which has the path length 0, "
            "with 1 CA below it; issue it with pathlen:1 or more, or without",
            f"root-cert.pem holds CN=root (serial {root}), which has the path length 1, "
            "with 2 CAs below it; issue it with pathlen:2 or more, or without",
        ]


class TestKey:
    """The private key."""

    FIX = "put the private key of ca-cert.pem there, PEM"

    def test_of_another_certificate(self) -> None:
        assert refused(A, ca_key=ROOT.key_pem) == [
            f"ca-key.pem does not belong to ca-cert.pem; {self.FIX}"
        ]

    @pytest.mark.parametrize(
        "form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["new", "old"]
    )
    def test_encrypted(self, form: PrivateFormat) -> None:
        assert refused(A, ca_key=pki.key_pem(key("a"), b"secret", form)) == [
            "ca-key.pem is encrypted; istiod knows no passphrase: put it there decrypted"
        ]

    @pytest.mark.parametrize("text", ["", "text", A.pem])
    def test_none(self, text: str) -> None:
        assert refused(A, ca_key=text) == [f"ca-key.pem holds no private key; {self.FIX}"]

    def test_cut_off(self) -> None:
        lines = A.key_pem.splitlines()
        assert refused(A, ca_key="\n".join([lines[0], lines[1][:-4], lines[-1]])) == [
            f"ca-key.pem cannot be read; {self.FIX}"
        ]

    def test_after_parameters_as_openssl_ecparam_writes_it(self) -> None:
        before = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        assert refused(A, ca_key=before + A.key_pem) == [
            "ca-key.pem begins with EC PARAMETERS; remove that block: istiod reads only one"
        ]

    @pytest.mark.parametrize("change", ["ca_key", "ca_cert", "cert_chain", "root_cert", "ca_crl"])
    def test_no_message_quotes_it(self, change: str) -> None:
        body = A.key_pem.splitlines()[1]
        torn = A.key_pem.replace("-----END", "----END").replace(body, f"{body}\n{body}")
        said = "\n".join(refused_with({change: torn}, A))
        assert said
        assert body not in said
        assert "BEGIN" not in said
