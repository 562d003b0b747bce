"""The stack file as a whole: unknown keys on every level, defaults, and where each value goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.model import CertManager, Ingress, Istio, Root, RootCa
from config import stack_file
from config.problems import ConfigError
from config.settings import Cluster, RemoteDns
from tests.unit.support.parsing import (
    PROJECT,
    Mistakes,
    each,
    mistakes,
    parse,
    with_a,
    with_exposes,
    with_keys,
)
from tests.unit.support.recorder import PROJECT_DIR
from tests.unit.support.stacks import service

MISTAKES: Mistakes = [
    (with_keys(clutsers=1), ["clutsers: is an unknown key; did you mean 'clusters'?"]),
    (
        with_keys(zzz=1),
        [
            "zzz: is an unknown key; "
            "known: kubeconfig, clusters, peers, links, removed, rootCa, callerIdentity, istio, "
            "remoteDns, bookinfo"
        ],
    ),
    (with_a(linkport=1), ["clusters.a.linkport: is an unknown key; did you mean 'linkPort'?"]),
    (
        with_exposes(service("web", portt=1)),
        ["clusters.a.exposes[0].portt: is an unknown key; did you mean 'port'?"],
    ),
    (
        with_keys(istio={"verison": "1", "values": {"gatway": {}}}, remoteDns={"adress": "x"}),
        [
            "istio.values.gatway: is an unknown key; did you mean 'gateway'?",
            "istio.verison: is an unknown key; did you mean 'version'?",
            "remoteDns.adress: is an unknown key; did you mean 'address'?",
        ],
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages


def test_one_mistake_is_not_called_several() -> None:
    assert str(ConfigError(["x"], PROJECT)).startswith("1 mistake in ")


def test_keys_in_messages_are_of_the_project_whatever_its_name(directory: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(directory, with_keys(rootCa={"certificates": {}}, zzz=1), project="mesh")
    text = str(caught.value)
    assert "\n  - mesh:zzz: is an unknown key; " in text
    assert "`pulumi config set --path --secret mesh:rootCa.certificates.a.KEY < FILE`" in text
    assert PROJECT not in text


@pytest.mark.parametrize(
    ("text", "meant"),
    [("all", "all"), ("true", True), ("[a]", "[a]"), ('{"a": [1]}', {"a": [1]}), ("", "")],
)
def test_a_text_stands_for_a_structure_if_it_is_one(text: str, meant: Any) -> None:
    assert stack_file.structure(text) == meant


def test_every_default_is_the_documented_one(workdir: Path) -> None:
    settings = parse(workdir, with_keys())
    cluster = settings.clusters["a"]
    assert cluster == Cluster(
        name="a",
        context="ctx-a",
        trust_domain="a.remote",
        link_port=15443,
        http_ports=(),
        dns="coredns",
        replicas=1,
        exposes=(),
        linked=("b",),
        cacerts=None,
        ingress=Ingress(
            service="LoadBalancer", addresses=(), port=15443, node_port=None, wait_seconds=600
        ),
        unreachable=False,
        network_policy=(),
    )
    assert settings.root_ca == RootCa(
        context="ctx-root",
        clusters=(),
        namespace="istio-root-ca",
        roots=(Root(name="root-ca"),),
        lifetime_days=90,
        renew_before_days=30,
        cert_manager=None,
        revoked=None,
        openssl_image="docker.io/alpine/openssl:3.5.4",
    )
    assert settings.warn_days == 14
    image = "docker.io/coredns/coredns:1.15.0"
    assert settings.remote_dns == RemoteDns(
        image=image,
        replicas=2,
        address="240.0.0.1",
        address6=None,
        virtual_range="241.0.0.0/8",
    ), "no cluster can own these"
    assert settings.istio.repository == "https://istio-release.storage.googleapis.com/charts"
    assert settings.istio.hub is None
    assert settings.bookinfo is None
    assert settings.links == (("a", "b"),)


def test_every_value_arrives_where_it_belongs(workdir: Path) -> None:
    values = {"base": {"x": 1}, "istiod": {"y": 2}, "gateway": {"z": 3}}
    written = with_keys(
        callerIdentity=True,
        istio={
            "version": "1.0",
            "repository": "oci://r",
            "hub": "h",
            "images": {"istiod": "r/pilot@sha256:1", "proxy": "r/proxyv2@sha256:2"},
            "values": values,
        },
        rootCa={
            "context": "ctx-root",
            "namespace": "ca",
            "roots": ["new", {"name": "old", "issuer": "ours.example", "kind": "Issuer"}],
            "lifetimeDays": 9,
            "renewBeforeDays": 2,
            "certManager": {"version": "1", "repository": "charts", "values": {"x": 1}},
            "opensslImage": "o",
            "warnDays": 1,
        },
        remoteDns={
            "image": "i",
            "replicas": 3,
            "address": "198.18.0.1",
            "address6": "0100:0::1",
            "virtualRange": "198.19.0.0/16",
            "knownCidrs": ["10.0.0.0/8", "fd00::/8"],
        },
    )
    settings = parse(workdir, written)
    assert settings.istio == Istio(
        version="1.0",
        repository="oci://r",
        hub="h",
        istiod_image="r/pilot@sha256:1",
        proxy_image="r/proxyv2@sha256:2",
        base_values={"x": 1},
        istiod_values={"y": 2},
        gateway_values={"z": 3},
    )
    assert settings.caller_identity is True
    assert settings.root_ca == RootCa(
        context="ctx-root",
        clusters=(),
        namespace="ca",
        roots=(
            Root(name="new"),
            Root(name="old", issuer="ours.example", issuer_kind="Issuer"),
        ),
        lifetime_days=9,
        renew_before_days=2,
        cert_manager=CertManager(version="1", repository="charts", values={"x": 1}),
        revoked=None,
        openssl_image="o",
    )
    assert settings.warn_days == 1
    assert settings.remote_dns == RemoteDns(
        image="i",
        replicas=3,
        address="198.18.0.1",
        address6="100::1",
        virtual_range="198.19.0.0/16",
    )


def test_settings_cannot_be_changed_by_accident(workdir: Path) -> None:
    settings = parse(workdir, with_keys())
    with pytest.raises(AttributeError):
        settings.links = ()  # type: ignore[misc]


def declared() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((PROJECT_DIR / "Pulumi.yaml").read_text())["config"]
    return config


def test_pulumi_yaml_declares_exactly_the_keys_that_the_program_knows() -> None:
    assert set(declared()) == {f"{PROJECT}:{key}" for key in stack_file.KEYS}
    for key, entry in declared().items():
        assert entry["description"], key
