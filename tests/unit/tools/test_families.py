"""tools/families.py and the go.mod files: one version, stated in two places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lab import instance
from lab.cluster import node
from lab.instance import Instance
from lab.machine.processes import Process
from tools import build, gomodule
from tools.families import (
    CERT_MANAGER_MODULE,
    FAMILIES,
    ISTIO,
    ISTIO_MODULE,
    KUBERNETES,
    PROVIDER_MODULE,
    PULUMI_KUBERNETES,
    Family,
)
from tools.process import ToolError
from tools.progress import Step

from . import CHECKOUT

OWN = {"bookinfo", "pause"}
"""Families whose code is here: their version is only a name."""

PSEUDO = {"istio", "pulumi-kubernetes"}
"""Families pinned by commit: the tags of their repositories are no module versions."""

MODULES = {
    "coredns": "github.com/coredns/coredns",
    "kube-router": "github.com/cloudnativelabs/kube-router/v2",
    "pulumi-kubernetes": PROVIDER_MODULE,
    "talk": "google.golang.org/grpc",
}
"""Families with a main of our own, which requires the module directly."""

ALL = [pytest.param(family, id=family.name) for family in FAMILIES.values()]
UPSTREAM = [param for param in ALL if param.id not in OWN]


def required(family: Family) -> dict[str, str]:
    """Module -> version, as go.mod has them."""
    text = (family.directory / "go.mod").read_text()
    pattern = r"^\s*(?:require )?([\w./-]+\.[\w./-]+) (v\d\S+)(?: // indirect)?$"
    return dict(re.findall(pattern, text, re.MULTILINE))


def module(family: Family) -> str:
    """The module that has the family's packages: the longest that they begin with."""
    if family.name in MODULES:
        return MODULES[family.name]
    found = {
        max((name for name in required(family) if f"{package}/".startswith(f"{name}/")), key=len)
        for package in family.binaries.values()
    }
    assert len(found) == 1, "a family is one module"
    return found.pop()


@pytest.mark.parametrize("family", UPSTREAM)
def test_the_version_of_the_table_is_that_of_go_mod(family: Family) -> None:
    pinned = required(family)[module(family)]
    if family.name in PSEUDO:
        assert re.fullmatch(r"v\d+\.\d+\.\d+-(0\.)?\d{14}-[0-9a-f]{12}", pinned)
    else:
        assert pinned == f"v{family.version}"


def test_kubernetes_staging_modules_are_of_the_same_release() -> None:
    text = (FAMILIES["kubernetes"].directory / "go.mod").read_text()
    replaced = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert len(replaced) > 20
    release = re.sub(r"^1\.", "v0.", KUBERNETES)
    for name, by, version in replaced:
        assert (by, version) == (name, release)


def test_the_provider_is_of_the_version_of_its_python_package() -> None:
    pins = (CHECKOUT / "requirements.txt").read_text()
    assert f"\npulumi-kubernetes=={PULUMI_KUBERNETES} \\\n" in pins


def test_istio_is_of_the_version_that_the_program_installs_by_default() -> None:
    assert f'section.text("version", "{ISTIO}")' in (CHECKOUT / "config" / "istio.py").read_text()
    dev = yaml.safe_load((CHECKOUT / "Pulumi.dev.yaml").read_text())["config"]
    assert dev["istio-multicluster:istio"].get("version", ISTIO) == ISTIO


@pytest.mark.parametrize("family", ALL)
def test_a_family_with_dependencies_has_their_sums(family: Family) -> None:
    modules = required(family)
    sums = family.directory / "go.sum"
    assert bool(modules) == (family.name not in OWN)
    if not modules:
        assert not sums.exists()
        return
    lines = [line.split() for line in sums.read_text().splitlines()]
    assert all(len(line) == 3 and line[2].startswith("h1:") for line in lines)
    hashed = {(name, version.removesuffix("/go.mod")) for name, version, _ in lines}
    assert (module(family), modules[module(family)]) in hashed


@pytest.mark.parametrize("family", UPSTREAM)
def test_go_mod_names_every_package_as_a_tool_or_has_a_main(family: Family) -> None:
    text = (family.directory / "go.mod").read_text()
    tools = set(re.findall(r"^(?:tool )?\s*([\w./-]+/[\w./-]+)$", text, re.MULTILINE))
    for package in family.binaries.values():
        if package == ".":
            assert (family.directory / "main.go").is_file()
        else:
            assert package in tools, "else `go mod tidy` drops what it needs"


@pytest.mark.parametrize("family", ALL)
def test_no_binary_of_a_family_takes_the_place_of_another(family: Family) -> None:
    given = {package.rpartition("/")[2]: name for name, package in family.binaries.items()}
    assert len(given) == len(family.binaries), "`-o` names a folder: all are there with Go's names"
    assert all(given.get(name, name) == name for name in family.binaries), "when one is renamed"


@pytest.mark.parametrize("family", ALL)
def test_no_go_mod_replaces_by_a_local_folder(family: Family) -> None:
    text = (family.directory / "go.mod").read_text()
    assert not re.search(r"=>\s*[./]", text), "the key of the cache would not cover it"


def test_names_and_binaries_are_unique() -> None:
    binaries = [name for family in FAMILIES.values() for name in family.binaries]
    assert len(set(binaries)) == len(binaries)
    assert all(name == family.name for name, family in FAMILIES.items())


def test_the_readme_names_every_family() -> None:
    table = (CHECKOUT / "tools/README.md").read_text()
    assert [name for name in FAMILIES if f"`{name}`" not in table] == []


def test_the_modules_of_assets_are_pinned() -> None:
    assert ISTIO_MODULE in required(FAMILIES["istio"])
    assert CERT_MANAGER_MODULE in required(FAMILIES["cert-manager"])


def test_a_version_set_in_a_binary_is_that_of_the_family() -> None:
    kubernetes = FAMILIES["kubernetes"]
    assert f"-X k8s.io/component-base/version.gitVersion=v{KUBERNETES}" in kubernetes.ldflags
    major, minor, _ = KUBERNETES.split(".")
    assert f"-X k8s.io/component-base/version.gitMajor={major} " in kubernetes.ldflags
    assert kubernetes.variables["k8s.io/client-go/pkg/version.gitMinor"] == minor


def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Family:
    """A family whose sources are in a folder of the test."""
    folder = tmp_path / "go" / name
    folder.mkdir(parents=True)
    for source in FAMILIES[name].sources:
        (folder / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr("tools.families.MODULES", folder.parent)
    return FAMILIES[name]


def test_the_key_depends_on_sources_flags_and_go_but_not_on_tests_or_prose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gomodule, "go_version", lambda: ("go1.26.0", "linux", "amd64"))
    at_home = build._key(FAMILIES["coredns"])
    family = copied(tmp_path, monkeypatch, "coredns")
    first = build._key(family)
    assert first == at_home, "wherever its folder is"
    for name in ("README.md", "main_test.go"):
        (family.directory / name).write_text("text")
    assert build._key(family) == first
    keys = {first}
    for name in ("go.mod", "go.sum", "main.go"):
        with (family.directory / name).open("a") as file:
            file.write("\n// changed\n")
        keys.add(build._key(family))
    monkeypatch.setattr(gomodule, "go_version", lambda: ("go1.26.1", "linux", "amd64"))
    keys.add(build._key(family))
    assert len(keys) == 5


def test_families_of_one_folder_have_keys_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gomodule, "go_version", lambda: ("go1.26.0", "linux", "amd64"))
    one, other = FAMILIES["kubectl"], FAMILIES["kubernetes"]
    assert one.directory == other.directory
    assert build._key(one) != build._key(other)


@pytest.mark.parametrize("name", ["cert-manager", "kubernetes", "etcd", "bookinfo"])
def test_what_go_builds_gets_the_names_of_the_table(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go(command: list[str], **_: object) -> None:
        output = command[command.index("-o") + 1]
        for package in command[command.index("-o") + 4 :]:
            file = Path(output, package.rpartition("/")[2]) if output[-1] == "/" else Path(output)
            file.write_text(package)

    monkeypatch.setattr(build, "run", go)
    family = FAMILIES[name]
    build._compile(family, tmp_path, tmp_path, 1, Step(Console(quiet=True), "x"))
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == family.binaries


def test_a_workspace_is_a_copy(tmp_path: Path) -> None:
    family = FAMILIES["bookinfo"]
    folder = gomodule.workspace(family, tmp_path / "work")
    assert {path.name for path in folder.iterdir()} == {
        "tmp",
        *(path.name for path in family.sources),
    }
    assert gomodule.environment(folder)["GOTMPDIR"] == str(folder / "tmp")
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_without_go_the_message_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gomodule.go_version.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match=r"Go 1\.26 or newer .* https://go\.dev/dl/"):
        gomodule.go_version()


def test_the_go_that_the_message_asks_for_is_that_of_every_go_mod() -> None:
    stated = {
        line for f in FAMILIES.values() for line in (f.directory / "go.mod").read_text().split("\n")
    }
    assert {line for line in stated if line.startswith("go ")} == {"go 1.26.0"}


def directives(corefile: str) -> set[str]:
    """The plugins that a Corefile of one server names."""
    found, depth = set(), 0
    for line in corefile.splitlines():
        if depth == 1 and line.strip(" }"):
            found.add(line.split()[0])
        depth += line.count("{") - line.count("}")
    return found


def test_coredns_has_every_plugin_that_the_labs_corefiles_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = yaml.safe_load_all((CHECKOUT / "lab/cluster/coredns.yaml").read_text())
    (clusters,) = [item["data"]["Corefile"] for item in documents if item["kind"] == "ConfigMap"]
    monkeypatch.setattr(instance, "STATE_ROOT", tmp_path)
    monkeypatch.setattr(Process, "start", lambda process, command: None)
    cluster = Instance("unit").plan(["a"])[0]
    node._start_upstream_dns(cluster, {"coredns": Path("coredns")})
    (upstream,) = cluster.dir.rglob("*.Corefile")
    named = directives(clusters) | directives(upstream.read_text())
    assert {"kubernetes", "template"} <= named
    main = (FAMILIES["coredns"].directory / "main.go").read_text()
    built = set(re.findall(r"coredns/plugin/(\w+)\"", main))
    assert {"metrics" if name == "prometheus" else name for name in named} - built == set()
