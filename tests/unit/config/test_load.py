"""Reading the stack file and the kubeconfig; defaults; all mistakes together, before anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.model import CertManager, Ingress, Root, RootCa
from config import stack_file
from config.kubeconfig import Kubeconfig, KubeconfigError
from config.settings import RemoteDns
from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import PROJECT, PROJECT_DIR
from tests.unit.support.stacks import service, stack, write_kubeconfig


def parse(directory: Path, **further: Any) -> stack_file.Settings:
    return stack_file.parse({**stack("ab"), "kubeconfig": "kubeconfig", **further}, directory, {})


BAD = {
    "clusters": {
        "a": {"context": "nope", "linkPort": 0},
        "b": {"context": "ctx-b", "exposes": [service("web", 0), service("web", 0)]},
    },
    "links": [["a", "b"], ["b", "a"], ["a", "z"]],
    "istio": {"verison": "1"},
    "unknwon": 1,
}


def test_all_mistakes_are_reported_in_one_error_and_nothing_is_registered(
    try_program: ProgramRunner,
) -> None:
    run = try_program(BAD)
    assert isinstance(run.error, stack_file.ConfigError)
    text = str(run.error)
    assert text.startswith("10 mistakes in the configuration of this stack:\n  - ")
    for path in (
        "clusters.a.context: 'nope'",
        "clusters.a.linkPort: 0",
        "clusters.b.exposes[0].port: 0",
        "clusters.b.exposes[1].port: 0",
        "clusters.b.exposes[1]: ",
        "links[1]: ",
        "links[2]: there is no cluster 'z'",
        "rootCa: is missing",
        "istio.verison: ",
        "unknwon: ",
    ):
        assert f"  - {PROJECT}:{path}" in text, "the path is the one to search the file for"
    assert run.registrations == [], "not even a provider"
    assert run.exports == {}


@pytest.mark.parametrize("key", ["clusters", "links", "istio", "rootCa", "remoteDns", "bookinfo"])
def test_a_text_in_place_of_a_structure_is_a_mistake_like_any_other(
    try_program: ProgramRunner, key: str
) -> None:
    run = try_program({**stack("ab"), key: "some text", "unknwon": "1"})
    assert isinstance(run.error, stack_file.ConfigError), "other mistakes would not be shown"
    assert f"{PROJECT}:{key}: 'some text'" in str(run.error)
    assert run.registrations == []


def test_one_mistake_is_not_called_several() -> None:
    assert str(stack_file.ConfigError(["x"])).startswith("1 mistake in ")


def test_the_least_configuration_works(program: ProgramRunner) -> None:
    run = program(
        {
            "clusters": {"a": {"context": "ctx-a"}, "b": {"context": "ctx-b"}},
            "links": "all",
            "rootCa": {"context": "ctx-root"},
        }
    )
    assert set(run.components) == {"a", "b", "a-dns", "b-dns", "a_b", "root-ca"}


def test_every_default_is_the_documented_one(workdir: Path) -> None:
    settings = parse(workdir)
    cluster = settings.clusters["a"]
    assert cluster == stack_file.Cluster(
        name="a",
        context="ctx-a",
        trust_domain="a.remote",
        link_port=15443,
        http_ports=(),
        dns="coredns",
        replicas=1,
        exposes=(),
        peers=("b",),
        cacerts=None,
        ingress=Ingress("LoadBalancer", (), 15443, 600),
        unreachable=False,
        network_policy=(),
    )
    assert settings.root_ca == RootCa(
        context="ctx-root",
        clusters=(),
        namespace="istio-root-ca",
        roots=(Root("root-ca"),),
        lifetime_days=90,
        renew_before_days=30,
        cert_manager=None,
        revoked=None,
        openssl_image="docker.io/alpine/openssl:3.5.4",
    )
    assert settings.warn_days == 14
    image = "docker.io/coredns/coredns:1.15.0"
    wanted = RemoteDns(image, 2, "240.0.0.1", "241.0.0.0/8")
    assert settings.remote_dns == wanted, "no cluster can own these"
    assert settings.istio.repository == "https://istio-release.storage.googleapis.com/charts"
    assert settings.istio.hub is None
    assert settings.bookinfo is None
    assert settings.links == (("a", "b"),)


def test_by_default_every_linked_cluster_may_call(workdir: Path) -> None:
    clusters = stack("abc", a={"exposes": [service("web"), service("api", allow=["b"])]})
    settings = parse(workdir, clusters=clusters["clusters"], links=[["a", "c"], ["b", "a"]])
    assert [e.allow for e in settings.clusters["a"].exposes] == [("b", "c"), ("b",)]
    assert settings.clusters["b"].peers == ("a",)
    assert settings.links == (("a", "b"), ("a", "c")), "sorted"


def test_every_value_arrives_where_it_belongs(workdir: Path) -> None:
    values = {"base": {"x": 1}, "istiod": {"y": 2}, "gateway": {"z": 3}}
    settings = parse(
        workdir,
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
    assert settings.istio == stack_file.Istio(
        "1.0",
        "oci://r",
        "h",
        "r/pilot@sha256:1",
        "r/proxyv2@sha256:2",
        {"x": 1},
        {"y": 2},
        {"z": 3},
    )
    assert settings.caller_identity is True
    roots = (Root("new"), Root("old", "ours.example", "Issuer"))
    cert_manager = CertManager("1", "charts", {"x": 1})
    assert settings.root_ca == RootCa("ctx-root", (), "ca", roots, 9, 2, cert_manager, None, "o")
    assert settings.warn_days == 1
    wanted = RemoteDns("i", 3, "198.18.0.1", "198.19.0.0/16", "100::1")
    assert settings.remote_dns == wanted


def test_settings_cannot_be_changed_by_accident(workdir: Path) -> None:
    with pytest.raises(AttributeError):
        parse(workdir).links = ()  # type: ignore[misc]


def declared() -> dict[str, Any]:
    return yaml.safe_load((PROJECT_DIR / "Pulumi.yaml").read_text())["config"]


def test_pulumi_yaml_declares_exactly_the_keys_that_the_program_knows() -> None:
    assert set(declared()) == {f"{PROJECT}:{key}" for key in stack_file.KEYS}
    for key, entry in declared().items():
        assert entry["description"], key


def test_the_stack_of_the_lab_has_no_mistake(workdir: Path) -> None:
    written = yaml.safe_load((PROJECT_DIR / "Pulumi.dev.yaml").read_text())["config"]
    raw = {key.removeprefix(f"{PROJECT}:"): value for key, value in written.items()}
    lab = workdir / raw["kubeconfig"]
    lab.parent.mkdir(parents=True)
    write_kubeconfig(lab, [f"lab-{name}-deployer" for name in ("a", "b", "root")])
    settings = stack_file.parse(raw, workdir, {})
    assert sorted(settings.clusters) == ["a", "b"]
    assert settings.bookinfo.frontend == "a"


class TestKubeconfig:
    """Which file is read, and what the provider is told."""

    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".kube").mkdir()
        write_kubeconfig(tmp_path / ".kube/config", ["of-home"])
        write_kubeconfig(tmp_path / "one", ["one"])
        write_kubeconfig(tmp_path / "two", ["two", "one"])
        return tmp_path

    def test_the_configured_file_wins(self, home: Path) -> None:
        found = Kubeconfig.read("one", home, {"KUBECONFIG": str(home / "two")})
        assert found == Kubeconfig("one", ("one",)), "relative, the same in every checkout"

    def test_a_tilde_is_the_home(self, home: Path) -> None:
        found = Kubeconfig.read("~/two", Path("/nowhere"), {})
        assert found == Kubeconfig(str(home / "two"), ("one", "two"))

    def test_without_any_it_is_the_default(self, home: Path) -> None:
        assert Kubeconfig.read("", home, {}) == Kubeconfig(None, ("of-home",))

    def test_the_variable_names_one_file(self, home: Path) -> None:
        found = Kubeconfig.read("", home, {"KUBECONFIG": str(home / "two") + os.pathsep})
        assert found == Kubeconfig(None, ("one", "two")), "None: the provider reads the variable"

    def test_several_files_are_a_mistake_told_with_all_others(self, home: Path) -> None:
        listed = os.pathsep.join(str(home / name) for name in ("one", "two"))
        with pytest.raises(stack_file.ConfigError) as caught:
            stack_file.parse({**stack("ab"), "zzz": 1}, home, {"KUBECONFIG": listed})
        first, second = caught.value.messages
        assert first == (
            "kubeconfig: KUBECONFIG lists 2 files; name one readable kubeconfig file"
        ), "the provider takes the variable for one path"
        assert second.startswith("zzz: ")

    def test_a_variable_that_names_a_missing_file_is_a_mistake(self, home: Path) -> None:
        with pytest.raises(KubeconfigError, match="missing cannot be read"):
            Kubeconfig.read("", home, {"KUBECONFIG": str(home / "missing")})
