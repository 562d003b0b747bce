"""What is secret is told to the engine as such, and goes nowhere else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest

import config

from .conftest import ProgramRunner
from .recorder import ROOT_CERT, Run, pem, private_key
from .stacks import stack

FILES = ("ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem")


def write_pki(directory: Path, names: str, key: str = "", root: str = ROOT_CERT) -> None:
    """Write the files that a user brings."""
    for name in names:
        (directory / name).mkdir(parents=True)
        certificate = pem("CERTIFICATE", name)
        contents = (certificate, key or private_key(name), certificate + root, root)
        for file, text in zip(FILES, contents, strict=True):
            (directory / name / file).write_text(text)


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
                assert "PRIVATE KEY" not in json.dumps(o.inputs), key
        for component in run.components.values():
            assert "PRIVATE KEY" not in json.dumps(component.inputs)


def test_exports_hold_no_key_and_nothing_that_has_to_be_secret(full: Run, brought: Run) -> None:
    for run in (full, brought):
        assert "PRIVATE KEY" not in json.dumps(run.exports)
        assert run.export_secrets == frozenset(), "a reader of the stack needs no passphrase"
        assert {c["rootFingerprint"] for c in run.exports["clusters"].values()} == {
            "48:13:49:4D:13:7E:16:31:BB:A3:01:D5:AC:AB:6E:7B:B7:AA:74:CE:11:85:D4:56:56:5E:F5:1D:"
            "73:76:77:B2"
        }, "the SHA-256 of the root, the same on all"


def test_of_the_root_cluster_only_the_cluster_cas_are_read(full: Run) -> None:
    reads = {key: o for key, o in full.objects.items() if o.read}
    assert {o.inputs["id"] for o in reads.values()} == {
        f"istio-root-ca/cluster-ca-{name}" for name in "abc"
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


@pytest.mark.parametrize("issued", [True, False])
def test_the_ca_is_an_output_that_knows_that_it_is_secret(
    workdir: Path, try_program: ProgramRunner, monkeypatch: pytest.MonkeyPatch, issued: bool
) -> None:
    """What users of the component can do with the value, not only what goes to the engine."""
    values: list[tuple[str, pulumi.Output[str]]] = []
    real = k8s.core.v1.Secret.__init__

    def spy(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        for file, value in (kwargs.get("string_data") or {}).items():
            values.append((file, pulumi.Output.from_input(value)))

    monkeypatch.setattr(k8s.core.v1.Secret, "__init__", spy)
    write_pki(workdir / "pki", "abc")
    run = try_program({**stack("abc"), **({} if issued else {"rootCa": {"directory": "pki"}})})
    assert run.error is None
    secret = [file for file, value in values if asyncio.run(value.is_secret())]
    # What is read from the root cluster is secret as a whole; files are the user's own.
    assert sorted(secret) == sorted(3 * (FILES if issued else ["ca-key.pem"]))


def test_messages_about_certificates_do_not_quote_them(
    workdir: Path, try_program: ProgramRunner
) -> None:
    write_pki(workdir / "pki", "a", key="not ascii: \N{KEY} hunter2")
    write_pki(workdir / "pki", "b", root=pem("CERTIFICATE", "another root"))
    run = try_program({**stack("ab"), "rootCa": {"directory": "pki"}})
    text = f"{run.error!r} {run.error} {run.error.__cause__!r} {run.error.__context__!r}"
    assert "ca-key.pem cannot be read (it is not a PEM file)" in text
    for leak in ("hunter2", "PRIVATE KEY", body("b"), "BEGIN"):
        assert leak not in text


def test_a_key_is_left_out_when_settings_are_printed(workdir: Path) -> None:
    write_pki(workdir / "pki", "ab")
    raw = {**stack("ab"), "rootCa": {"directory": "pki"}, "kubeconfig": "kubeconfig"}
    settings = config.parse(raw, workdir, {})
    assert settings.clusters["a"].cacerts.ca_key == private_key("a")
    assert body("a") not in repr(settings)


@pytest.mark.parametrize("cluster", ["a", "b"])
def test_a_file_without_a_certificate_is_a_mistake_of_the_configuration(
    workdir: Path, try_program: ProgramRunner, cluster: str
) -> None:
    write_pki(workdir / "pki", "ab", root="")
    run = try_program({**stack("ab"), "rootCa": {"directory": "pki"}})
    assert isinstance(run.error, config.ConfigError)
    assert f"pki/{cluster}/root-cert.pem" in str(run.error)
    assert run.registrations == []
