"""The section `rootCa`: every mistake in it, and what comes of good ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.model import CertManager, Root
from config import stack_file
from config.settings import Settings
from tests.unit.support.stacks import stack, write_kubeconfig

DIGITS = "use at most 63 lower-case letters, digits and '-', a letter or digit at both ends"
FILES = "ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem"
FINGERPRINT = ":".join(["AB"] * 32)


def cert_manager(**keys: Any) -> dict[str, Any]:
    return {"context": "ctx-root", **keys}


MISTAKES: list[tuple[Any, list[str]]] = [
    # The source.
    (
        {},
        [
            "rootCa: is missing, and linked clusters need a shared root of trust; "
            "set `context` of a cluster that runs cert-manager, `stack` of one that does, or "
            "`directory` of certificates"
        ],
    ),
    (
        {"context": "nope"},
        ["rootCa.context: 'nope' is not in the kubeconfig; it has: ctx-a, ctx-b, ctx-root"],
    ),
    ({"context": ""}, ["rootCa.context: is missing; name a context of the kubeconfig"]),
    ({"directory": ""}, [f"rootCa.directory: is missing; name one with {FILES} per cluster"]),
    (
        cert_manager(directory="pki"),
        ["rootCa.directory: stands beside `context`; keep one source of certificates"],
    ),
    (
        cert_manager(directory="pki", certificates={"a": "x"}),
        [
            "rootCa.directory: stands beside `context`; keep one source of certificates",
            "rootCa.certificates: stands beside `context`; keep one source of certificates",
        ],
    ),
    (cert_manager(root=["x"]), ["rootCa.root: is an unknown key; did you mean 'roots'?"]),
    # cert-manager.
    (
        cert_manager(lifetimeDays=9, renewBeforeDays=9),
        [
            "rootCa.renewBeforeDays: 9 is too long; "
            "renew before the end of the 9 days of rootCa.lifetimeDays"
        ],
    ),
    (cert_manager(namespace="-x"), [f"rootCa.namespace: '-x' is not valid; {DIGITS}"]),
    (
        cert_manager(warnDays=-1),
        ["rootCa.warnDays: -1 is not a number of days; give a whole number from 0 to 3650"],
    ),
    (
        cert_manager(certManager="v1.18.2"),
        [
            "rootCa.certManager: 'v1.18.2' is not valid; "
            "write `true`, or a mapping of version, repository and values"
        ],
    ),
    (
        cert_manager(certManager={"verison": "1"}),
        ["rootCa.certManager.verison: is an unknown key; did you mean 'version'?"],
    ),
    # Roots.
    *(
        (
            cert_manager(roots=roots),
            [
                f"rootCa.roots: has {len(roots)} entries; "
                "name one root, or two while one takes the place of the other"
            ],
        )
        for roots in ([], ["x", "y", "z"])
    ),
    (
        cert_manager(roots="root-ca"),
        ["rootCa.roots: 'root-ca' is not a list; write `- item` lines under it"]
        + [
            "rootCa.roots: has 0 entries; "
            "name one root, or two while one takes the place of the other"
        ],
    ),
    (
        cert_manager(roots=["x", "x"]),
        ["rootCa.roots[1]: 'x' is another root's name too; give each its own"],
    ),
    (cert_manager(roots=["X_1"]), [f"rootCa.roots[0]: 'X_1' is not valid; {DIGITS}"]),
    (cert_manager(roots=[7]), [f"rootCa.roots[0]: 7 is not valid; {DIGITS}"]),
    *(
        (
            cert_manager(roots=[name]),
            [
                f"rootCa.roots[0]: {name!r} could be an Issuer that the program makes for another "
                "root; choose another name"
            ],
        )
        for name in ("self-signed", "x-self-signed")
    ),
    (
        cert_manager(roots=["x", {}]),
        [
            "rootCa.roots[1].name: is missing; name the root",
            "rootCa.roots[1].issuer: is missing; "
            "name the cert-manager issuer; a root without one is its name alone",
        ],
    ),
    (
        cert_manager(roots=[{"name": "x", "issuer": "Y/", "kind": "Vault", "group": "z"}]),
        [
            "rootCa.roots[0].issuer: 'Y/' is not valid; give the name of a cert-manager issuer",
            "rootCa.roots[0].kind: 'Vault' is unknown; use one of ClusterIssuer, Issuer",
            "rootCa.roots[0].group: is an unknown key; known: name, issuer, kind",
        ],
    ),
    (
        cert_manager(roots=["x", {"name": "y", "issuer": "x-self-signed", "kind": "Issuer"}]),
        [
            "rootCa.roots[1].issuer: 'x-self-signed' is an Issuer that the program makes itself; "
            "name one of yours, or write the root's name alone"
        ],
    ),
    # Revocation.
    (
        cert_manager(revoked="ab"),
        ["rootCa.revoked: 'ab' is not a list; write `- item` lines under it"],
    ),
    (
        cert_manager(revoked=[12, 1e5, True]),
        [
            f"rootCa.revoked[{i}]: {value} is not a text; "
            "quote it: YAML takes its digits for a number"
            for i, value in enumerate(("12", "100000.0", "True"))
        ],
    ),
    (
        cert_manager(revoked=["", "0x1", "a:b", "00", "xyz"]),
        [
            f"rootCa.revoked[{i}]: {value!r} is not a serial number; "
            "write the hex digits that `openssl x509 -noout -serial` prints"
            for i, value in enumerate(("", "0x1", "a:b", "00", "xyz"))
        ],
    ),
    (
        cert_manager(revoked=[FINGERPRINT]),
        [
            f"rootCa.revoked[0]: '{FINGERPRINT}' has 64 hex digits; "
            "a serial number has at most 40: this may be a fingerprint"
        ],
    ),
    (
        cert_manager(revoked=["ab", "00:AB"]),
        ["rootCa.revoked: 'ab' is listed twice; remove one of the two"],
    ),
    *(
        (
            cert_manager(roots=["x", {"name": "y", "issuer": "z"}], revoked=revoked),
            [
                "rootCa.revoked: stands beside a root with an issuer: "
                "the program cannot sign for the user's issuer; remove one of the two"
            ],
        )
        for revoked in ([], ["ab"])
    ),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project")
    write_kubeconfig(path / "kubeconfig", ["ctx-root", "ctx-b", "ctx-a"])
    return path


def parse(directory: Path, root_ca: Any, **further: Any) -> Settings:
    raw = {**stack("ab"), "kubeconfig": "kubeconfig", "rootCa": root_ca, **further}
    return stack_file.parse(raw, directory, {})


def mistakes(directory: Path, root_ca: Any, **further: Any) -> list[str]:
    with pytest.raises(stack_file.ConfigError) as caught:
        parse(directory, root_ca, **further)
    return [message.replace(str(directory), "DIR") for message in caught.value.messages]


@pytest.mark.parametrize(("root_ca", "messages"), MISTAKES, ids=[m[1][0][:60] for m in MISTAKES])
def test_the_message_has_path_value_and_fix(
    root_ca: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, root_ca) == messages


class TestCertManager:
    """What is told to cert-manager."""

    @pytest.mark.parametrize("value", [None, False])
    def test_it_runs_there_already(self, directory: Path, value: Any) -> None:
        assert parse(directory, cert_manager(certManager=value)).root_ca.cert_manager is None

    @pytest.mark.parametrize("value", [True, {}])
    def test_it_is_to_be_installed(self, directory: Path, value: Any) -> None:
        found = parse(directory, cert_manager(certManager=value)).root_ca.cert_manager
        assert found == CertManager("v1.18.2", "https://charts.jetstack.io", {})

    def test_the_first_root_signs(self, directory: Path) -> None:
        roots = [{"name": "new", "issuer": "vault"}, "old"]
        found = parse(directory, cert_manager(roots=roots)).root_ca.roots
        assert found == (Root("new", "vault", "ClusterIssuer"), Root("old"))

    @pytest.mark.parametrize(
        ("written", "found"),
        [
            (None, None),
            ([], ()),
            (["00:0A:Bc", "12", "7e5"], ("12", "7e5", "abc")),
            (["f" * 40], ("f" * 40,)),
        ],
    )
    def test_revoked_serial_numbers(self, directory: Path, written: Any, found: Any) -> None:
        assert parse(directory, cert_manager(revoked=written)).root_ca.revoked == found

    @pytest.mark.parametrize("key", ["namespace", "roots", "certManager", "revoked"])
    def test_without_a_source_nothing_is_told(self, directory: Path, key: str) -> None:
        assert parse(directory, {}, links=[]).root_ca is None
        assert mistakes(directory, {key: []}, links=[]) == [
            f"rootCa.{key}: means nothing without `context`: it is for cert-manager; "
            "remove it, or use `context`"
        ]
