"""What is secret is told to the engine as such, and goes nowhere else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import textwrap
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest

from tests.support import pki
from tests.unit.conftest import ProgramRunner
from tests.unit.support import issued
from tests.unit.support.parsing import parse
from tests.unit.support.recorder import Run, private_key
from tests.unit.support.stacks import stack

FILES = ("ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem")
ROOT = issued.ca(issued.ROOT_NAME)
PRIVATE = [issued.ca(f"{name}.{issued.ROOT_NAME}").key_pem for name in "abc"] + [ROOT.key_pem]


def write_pki(directory: Path, names: str, root: pki.Ca = ROOT) -> None:
    """Write the files that a user brings; a cluster has the same key as from the recorder."""
    for name in names:
        key = issued.ca(f"{name}.{issued.ROOT_NAME}").key
        pki.write_one(directory / name, pki.make(name, root, key=key, path_length=0), root)


def holds_key(text: str) -> bool:
    """Tell whether a text holds a private key in any form of PEM, or a part of one of ours."""
    return "PRIVATE KEY" in text or any(key.splitlines()[1] in text for key in PRIVATE)


@pytest.fixture
def brought(workdir: Path, try_program: ProgramRunner) -> Run:
    """A run with certificates from files."""
    write_pki(workdir / "pki", "ab")
    run = try_program({**stack("ab"), "rootCa": {"directory": "pki"}})
    assert run.error is None
    return run


def body(cluster: str) -> str:
    """Return the part of the key that no encoding of line ends can hide."""
    return private_key(cluster).splitlines()[1]


@pytest.mark.parametrize("cluster", ["a", "b", "c"])
def test_an_issued_key_reaches_the_engine_encrypted_and_in_one_place(
    full: Run, cluster: str
) -> None:
    holders = [key for key, o in full.objects.items() if body(cluster) in json.dumps(o.inputs)]
    assert holders == [f"Secret {cluster}-cacerts"]
    secret = full[holders[0]]
    assert secret.secrets & {"stringData", "stringData.ca-key.pem"}
    assert secret.inputs["stringData"]["ca-key.pem"] == private_key(cluster)
    assert secret.provider == cluster


def test_a_key_from_a_file_reaches_the_engine_encrypted_and_in_one_place(brought: Run) -> None:
    for cluster in "ab":
        holders = [k for k, o in brought.objects.items() if body(cluster) in json.dumps(o.inputs)]
        assert holders == [f"Secret {cluster}-cacerts"]
        assert brought[holders[0]].secrets & {"stringData", "stringData.ca-key.pem"}
        assert set(brought[holders[0]].inputs["stringData"]) == set(FILES)


def test_certificates_from_files_need_no_root_cluster(brought: Run) -> None:
    assert set(brought.providers) == {"a", "b"}
    assert not [o for o in brought.objects.values() if o.read]


def test_nothing_but_kubernetes_secrets_holds_anything_private(full: Run, brought: Run) -> None:
    for run in (full, brought):
        for key, o in run.objects.items():
            if o.kind != "Secret":
                assert not holds_key(json.dumps(o.inputs)), key
        for component in run.components.values():
            assert not holds_key(json.dumps(component.inputs))


@pytest.mark.parametrize("kind", ["TrustPhase", "RevocationList", "Revocation"])
def test_what_a_dynamic_provider_is_told_of_trust_is_no_secret(full: Run, kind: str) -> None:
    found = full.kind(kind)
    assert found
    for key, o in found.items():
        assert o.secrets == frozenset(), f"{key}: a preview could not show what changes"


def test_exports_hold_no_key_and_nothing_that_has_to_be_secret(full: Run, brought: Run) -> None:
    for run in (full, brought):
        assert not holds_key(json.dumps(run.exports))
        assert run.export_secrets == frozenset(), "a reader of the stack needs no passphrase"
        for name, cluster in run.exports["clusters"].items():
            (root,) = cluster["trust"]["roots"]
            assert root["fingerprint"] == fingerprint(ROOT.pem), "the same on all"
            assert cluster["trust"]["signer"] == root["fingerprint"]
            files = run[f"Secret {name}-cacerts"].inputs["stringData"]
            assert cluster["trust"]["clusterCa"]["fingerprint"] == fingerprint(files["ca-cert.pem"])


def fingerprint(certificate: str) -> str:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    return ":".join(textwrap.wrap(digest, 2))


def test_of_the_root_cluster_only_the_cluster_cas_are_read(full: Run) -> None:
    reads = {key: o for key, o in full.objects.items() if o.read}
    assert {o.inputs["id"] for o in reads.values()} == {
        f"istio-root-ca/{name}.root-ca" for name in "abc"
    }, "the root's own Secret is never read, so its key is in no state"
    for o in reads.values():
        assert o.provider == "root_ca"
        assert "data" in o.secret_outputs, "the engine keeps what was read encrypted"


def test_the_roots_secret_is_named_by_its_issuer_alone(full: Run) -> None:
    mentions = {
        key for key, o in full.objects.items() if '"secretName": "root-ca"' in json.dumps(o.inputs)
    }
    assert mentions == {
        "Certificate root-ca-root-ca-certificate",
        "Issuer root-ca-root-ca-issuer",
    }


@pytest.mark.parametrize("issued_here", [True, False])
def test_the_ca_is_an_output_that_knows_that_it_is_secret(
    workdir: Path, try_program: ProgramRunner, monkeypatch: pytest.MonkeyPatch, issued_here: bool
) -> None:
    """What users of the component can do with the value, not only what goes to the engine."""
    values: list[pulumi.Output[Any]] = []
    real = k8s.core.v1.Secret.__init__

    def spy(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        if "string_data" in kwargs:
            values.append(pulumi.Output.from_input(kwargs["string_data"]))

    monkeypatch.setattr(k8s.core.v1.Secret, "__init__", spy)
    write_pki(workdir / "pki", "abc")
    run = try_program({**stack("abc"), **({} if issued_here else {"rootCa": {"directory": "pki"}})})
    assert run.error is None
    assert [asyncio.run(value.is_secret()) for value in values] == [True] * 3


def test_messages_about_certificates_do_not_quote_them(
    workdir: Path, try_program: ProgramRunner
) -> None:
    write_pki(workdir / "pki", "a")
    (workdir / "pki/a/ca-key.pem").write_text("not ascii: \N{KEY} hunter2")
    write_pki(workdir / "pki", "b", root=issued.ca("another"))
    write_pki(workdir / "pki", "c")
    run = try_program({**stack("abc"), "rootCa": {"directory": "pki"}})
    assert run.error
    text = f"{run.error!r} {run.error} {run.error.__cause__!r} {run.error.__context__!r}"
    assert "ca-key.pem cannot be read (it is not a PEM file)" in text
    assert "root-cert.pem differs from that of 'b', to which 'c' is linked" in text
    assert not holds_key(text)
    for leak in ("hunter2", "BEGIN"):
        assert leak not in text


def test_a_key_is_left_out_when_settings_are_printed(workdir: Path) -> None:
    write_pki(workdir / "pki", "ab")
    settings = parse(workdir, {**stack("ab"), "rootCa": {"directory": "pki"}})
    cacerts = settings.clusters["a"].cacerts
    assert cacerts
    assert cacerts.ca_key == private_key("a")
    assert body("a") not in repr(settings)


@pytest.mark.parametrize("cluster", ["a", "b"])
def test_a_file_without_a_certificate_is_a_mistake_of_the_configuration(
    workdir: Path, try_program: ProgramRunner, cluster: str
) -> None:
    write_pki(workdir / "pki", "ab")
    (workdir / "pki" / cluster / "root-cert.pem").write_text("")
    run = try_program({**stack("ab"), "rootCa": {"directory": "pki"}})
    assert isinstance(run.error, pulumi.RunError)
    assert f"pki/{cluster}/root-cert.pem" in str(run.error)
    assert run.registrations == []
