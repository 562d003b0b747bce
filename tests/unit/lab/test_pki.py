"""lab/cluster/pki.py: certificates are made once, and say who their users are."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from lab import instance
from lab.cluster import pki
from lab.commands import startup
from lab.instance import Cluster, Instance


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster with all its certificates."""
    monkeypatch.setattr(instance, "STATE_ROOT", tmp_path)
    (made,) = Instance("unit").plan(["a"])
    pki.ensure(made)
    return made


def content(cluster: Cluster) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cluster.path(pki.DIR).iterdir()}


def certificate(cluster: Cluster, user: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((cluster.path(pki.DIR) / f"{user}.crt").read_bytes())


def names(found: x509.Certificate, kind: x509.ObjectIdentifier) -> list[str | bytes]:
    return [attribute.value for attribute in found.subject.get_attributes_for_oid(kind)]


def test_the_administrator_is_in_the_masters_group_and_the_deployer_in_none(
    cluster: Cluster,
) -> None:
    admin, deployer = certificate(cluster, "admin"), certificate(cluster, "deployer")
    assert names(admin, NameOID.ORGANIZATION_NAME) == ["system:masters"]
    assert names(deployer, NameOID.ORGANIZATION_NAME) == []
    assert names(deployer, NameOID.COMMON_NAME) == ["deployer"]
    for issued in (admin, deployer):
        issued.verify_directly_issued_by(certificate(cluster, "ca"))


def test_certificates_are_made_once(cluster: Cluster) -> None:
    before = content(cluster)
    pki.ensure(cluster)
    assert content(cluster) == before


@pytest.mark.parametrize("left", [[], ["deployer.crt"]])
def test_a_lab_of_before_gets_the_deployer_and_keeps_all_else(
    cluster: Cluster, left: list[str]
) -> None:
    for name in {"deployer.crt", "deployer.key"} - set(left):  # the key is written last
        (cluster.path(pki.DIR) / name).unlink()
    before = content(cluster)
    pki.ensure(cluster)
    after = content(cluster)
    assert {name for name in after if after[name] != before.get(name)} == {
        "deployer.crt",
        "deployer.key",
    }
    certificate(cluster, "deployer").verify_directly_issued_by(certificate(cluster, "ca"))


def test_all_files_are_private(cluster: Cluster) -> None:
    assert {path.stat().st_mode & 0o077 for path in cluster.path(pki.DIR).iterdir()} == {0}


def test_the_kubeconfig_gets_both_users_the_administrator_first(cluster: Cluster) -> None:
    documents = startup._contexts(cluster)
    assert [made["current-context"] for made in documents] == ["lab-a", "lab-a-deployer"]
    keys = [made["users"][0]["user"]["client-key-data"] for made in documents]
    assert keys[0] != keys[1]
