"""A cluster CA on its way into its cluster: refused, warned about, told of."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.cluster import cacerts_secret
from components.model import CaCerts, cacerts_of_files
from components.trust import certificates
from tests.support import pki
from tests.unit.conftest import ProgramRunner
from tests.unit.support import issued
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import stack

DAY = timedelta(days=1)
NOW = datetime.now(UTC)
GOOD = issued.tls_secret("a.root-ca")


def cacerts(secret: str = "a.root-ca", end: datetime = issued.END) -> CaCerts[str]:
    made, root = issued.ca(secret, end), issued.ca("root-ca")
    return CaCerts(made.pem, made.key_pem, made.pem, root.pem)


def expired(secret: str) -> dict[str, str]:
    return issued.tls_secret(secret, end=NOW - DAY)


@pytest.mark.parametrize(
    ("files", "reasons"),
    [
        pytest.param(
            {**GOOD, "tls.key": issued.ca("b.root-ca").key_pem},
            ["ca-key.pem does not belong to ca-cert.pem"],
            id="another's key",
        ),
        pytest.param({**GOOD, "tls.key": ""}, ["ca-key.pem holds no private key"], id="no key"),
        pytest.param(
            {**GOOD, "ca.crt": issued.ca("another").pem},
            ["cert-chain.pem does not lead to root-cert.pem"],
            id="another's root",
        ),
        pytest.param(expired("a.root-ca"), ["ca-cert.pem expired on"], id="expired"),
        pytest.param(
            {**expired("a.root-ca"), "tls.key": "hunter2"},
            ["ca-cert.pem expired on", "ca-key.pem holds no private key"],
            id="two reasons",
        ),
    ],
)
def test_a_ca_that_istiod_or_a_peer_would_refuse_stops_the_program(
    try_program: ProgramRunner, files: dict[str, str], reasons: list[str]
) -> None:
    run = try_program(stack("ab"), secrets={"a.root-ca": files})
    assert isinstance(run.error, pulumi.RunError), "no traceback for the user"
    text = str(run.error)
    assert text.startswith("the CA of cluster a:\n  - ")
    for reason in reasons:
        assert f"\n  - {reason}" in text
    assert text.count("\n") == len(reasons), text
    assert "Secret a-cacerts" not in run.objects
    everything = f"{text} {run.error!r} {run.error.__cause__!r} {run.error.__context__!r}"
    for name in ("a.root-ca", "b.root-ca"):
        assert issued.ca(name).key_pem.splitlines()[1] not in everything
    assert "hunter2" not in everything
    assert "BEGIN" not in everything


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the program has warned of."""
    found: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_, **__: found.append(text))
    return found


@pytest.mark.parametrize(
    ("days", "warn_days", "warns"),
    [(10, None, True), (20, None, False), (20, 30, True), (10, 5, False), (1, 0, False)],
)
def test_a_ca_that_ends_soon_is_told_at_every_run(
    try_program: ProgramRunner, warned: list[str], days: int, warn_days: int | None, warns: bool
) -> None:
    config: dict[str, Any] = stack("ab")
    if warn_days is not None:
        config["rootCa"]["warnDays"] = warn_days
    end = (NOW + days * DAY).replace(microsecond=0)
    soon = issued.tls_secret("b.root-ca", end)
    assert try_program(config, secrets={"b.root-ca": soon}).error is None
    assert len(warned) == int(warns)
    for text in warned:
        assert text.startswith(f"cluster b: its cluster CA {SUBJECT_B} ends in ")
        assert f"on {end:%Y-%m-%d} (rootCa.warnDays is {warn_days or 14})" in text


SUBJECT_B = "CN=b,OU=root-ca,O=istio-multicluster"


@pytest.mark.parametrize(
    ("left", "warns"),
    [(14 * DAY, False), (14 * DAY - timedelta(seconds=1), True), (DAY / 2, True), (-DAY, True)],
)
def test_the_last_day_without_a_warning(left: timedelta, warns: bool) -> None:
    found = cacerts_secret.warnings("a", cacerts(end=NOW + 900 * DAY), issued.END - left, 14)
    kinds = [text.partition(" its ")[2].partition(" CN")[0] for text in found]
    assert kinds == ["cluster CA", *(["root"] if warns else [])]


def test_a_warning_says_what_to_do() -> None:
    root, ca = issued.ca("root-ca"), issued.ca("a.root-ca")
    now = issued.END - DAY
    of_ca, of_root = cacerts_secret.warnings("a", cacerts(), now, 14)
    assert "cert-manager has to renew it" in of_ca
    assert "docs/rotation.md" in of_root
    for text, subject in ((of_ca, ca), (of_root, root)):
        assert subject.certificate.subject.rfc4514_string() in text
        assert "in 1 days" in text


def test_each_of_two_roots_is_looked_at() -> None:
    bundle = certificates.roots_bundle([issued.ca("root-ca").pem, issued.ca("short", NOW).pem])
    (text,) = cacerts_secret.warnings("a", replace(cacerts(), root_cert=bundle), NOW - DAY, 14)
    assert "its root CN=short," in text


def test_the_secret_has_exactly_what_there_is() -> None:
    files = CaCerts(ca_cert="1", ca_key="2", cert_chain="3", root_cert="4")
    four = {"ca-cert.pem": "1", "ca-key.pem": "2", "cert-chain.pem": "3", "root-cert.pem": "4"}
    assert cacerts_secret.secret_data(files) == four, "istiod reads an empty list"
    assert cacerts_of_files({**four, "ca-crl.pem": ""}) == files
    assert cacerts_secret.secret_data(replace(files, ca_crl="5")) == {**four, "ca-crl.pem": "5"}
    assert list(cacerts_secret.secret_data(files)) == sorted(four)


def test_lists_of_the_users_own_reach_the_cluster_that_has_them(
    workdir: Path, try_program: ProgramRunner
) -> None:
    root = pki.make("root")
    for name in "ab":
        ca = pki.make(name, root, path_length=0)
        pki.write_one(workdir / "pki" / name, ca, root)
        if name == "a":
            lists = pki.crl(root, revoked=[10]) + pki.crl(ca)
            (workdir / "pki" / name / "ca-crl.pem").write_text(lists)
    run = try_program({**stack("ab"), "rootCa": {"directory": "pki"}})
    assert run.error is None
    assert run["Secret a-cacerts"].inputs["stringData"]["ca-crl.pem"] == lists
    assert run["Revocation a-revocation"].inputs["crl"] == lists
    assert "podAnnotations" in run["Chart a-ingressgateway"].inputs["values"]
    assert "ca-crl.pem" not in run["Secret b-cacerts"].inputs["stringData"]
    assert "Revocation b-revocation" not in run.objects
    wanted = run["TrustPhase trust-phase"].inputs["wanted"]
    assert [wanted[name]["revocation"] for name in "ab"] == [True, False]


def openssl(pem: str) -> dict[str, str]:
    """Return what openssl tells of a certificate."""
    command = ["openssl", "x509", "-noout", "-serial", "-subject", "-fingerprint", "-sha256"]
    command += ["-nameopt", "RFC2253", "-enddate"]
    done = subprocess.run(command, input=pem, capture_output=True, text=True, check=True)
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    told = {key.lower(): value for key, value in lines.items()}  # versions differ in case
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(told["notafter"]), UTC)
    return {
        "serial": told["serial"].lower().lstrip("0"),
        "subject": told["subject"],
        "fingerprint": told["sha256 fingerprint"],
        "expires": end.isoformat(),
    }


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_a_stack_tells_of_its_trust_what_openssl_would(program: ProgramRunner) -> None:
    root_ca = {"context": "ctx-root", "roots": ["old", "new"]}
    run = program({**stack("ab"), "rootCa": root_ca})
    roots = {name: openssl(issued.ca(name).pem) for name in ("old", "new")}
    for cluster in "ab":
        assert run.exports["clusters"][cluster]["trust"] == {
            "clusterCa": openssl(issued.ca(f"{cluster}.old").pem),
            "roots": sorted(roots.values(), key=lambda told: told["fingerprint"]),
            "signer": roots["old"]["fingerprint"],
        }


def test_a_cluster_without_a_ca_tells_of_no_trust(program: ProgramRunner) -> None:
    run = program({"clusters": {"a": {"context": "ctx-a"}}, "links": []})
    assert run.exports["clusters"]["a"]["trust"] == {}
    assert "Secret a-cacerts" not in run.objects


def test_the_guard_is_told_the_same_as_the_stack(full: Run) -> None:
    wanted = full["TrustPhase trust-phase"].inputs["wanted"]
    for cluster, told in full.exports["clusters"].items():
        assert wanted[cluster]["signer"] == told["trust"]["signer"]
        assert wanted[cluster]["roots"] == [root["fingerprint"] for root in told["trust"]["roots"]]
        assert certificates.fingerprints(wanted[cluster]["bundle"]) == wanted[cluster]["roots"]
        assert wanted[cluster]["revocation"] is True
