"""tools/onpath.py: the user's own binaries are used where they fit, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import cache, onpath
from tools.families import FAMILIES, KUBERNETES, PULUMI, PULUMI_KUBERNETES
from tools.onpath import PROBES, Probe, find, parse

MAJOR, MINOR = (int(part) for part in KUBERNETES.split(".")[:2])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the user's: no program on PATH but the shell's, no plugins, no cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    return tmp_path


def install(folder: Path, name: str, output: str, code: int = 0) -> Path:
    """A program that prints this, whatever it is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{output}'\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.226.0", (3, 226, 0)),
        ("etcd Version: 3.5.9\nGit SHA: bdbbde998\nGo Version: go1.19.9", (3, 5, 9)),
        ("1.7\n", (1, 7, 0)),
        ("v1.37.2-rc.1+abc", (1, 37, 2)),
        ("resource-kubernetes-v4.25.0", (4, 25, 0)),
        ("devel", ()),
        ("", ()),
    ],
)
def test_a_version_is_the_first_thing_that_looks_like_one(
    text: str, version: tuple[int, ...]
) -> None:
    assert parse(text) == version


def test_a_probe_compares_numbers_not_text() -> None:
    probe = Probe([], (3, 5), (3, 38))
    fitting = [(3, 5, 0), (3, 5), (3, 10, 1), (3, 38, 99)]
    unfit = [(3, 4, 99), (2, 9, 0), (3, 39, 0), (4, 0, 0), ()]
    assert [probe.fits(version) for version in fitting] == [True] * len(fitting)
    assert [probe.fits(version) for version in unfit] == [False] * len(unfit)
    assert Probe([], (3, 5)).fits((99, 0)), "no upper limit"


def test_kubectl_fits_within_one_minor_version_of_the_clusters() -> None:
    minors = [minor for minor in range(100) if PROBES["kubectl"].fits((MAJOR, minor, 9))]
    assert minors == [MINOR - 1, MINOR, MINOR + 1], "Kubernetes' own rule"


@pytest.mark.parametrize("name", sorted(PROBES))
def test_every_probe_is_of_a_binary_that_is_built_and_its_own_version_fits(name: str) -> None:
    family = next(family for family in FAMILIES.values() if name in family.binaries)
    assert PROBES[name].fits(parse(family.version))


def kubectl_json(version: str) -> str:
    # With another version before that of the client, as newer clients may have.
    return f'{{"kustomizeVersion": "v5.9.9", "clientVersion": {{"gitVersion": "v{version}"}}}}'


@pytest.mark.parametrize(
    ("name", "fitting", "unfit"),
    [
        ("pulumi", f"v{PULUMI}", "v3.258.9"),
        ("etcd", "etcd Version: 3.6.1", "etcd Version: 3.4.30"),
        ("actionlint", "1.7.0", "1.6.27"),
        ("kubectl", kubectl_json(KUBERNETES), kubectl_json(f"{MAJOR}.{MINOR - 2}.0")),
    ],
)
def test_only_a_fitting_binary_on_path_is_used(
    home: Path, name: str, fitting: str, unfit: str
) -> None:
    assert find(name) is None
    install(home / "bin", name, unfit)
    assert find(name) is None
    path = install(home / "bin", name, fitting)
    assert find(name) == path
    install(home / "bin", name, fitting, code=1)
    assert find(name) is None, "what fails to tell its version may fail at its work"


def test_what_does_not_run_is_not_used(home: Path) -> None:
    broken = home / "bin/etcd"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    assert find("etcd") is None


def test_a_kubectl_that_prints_no_json_is_not_used(home: Path) -> None:
    install(home / "bin", "kubectl", "{ warning: a wrapper script")
    assert find("kubectl") is None


def test_only_programs_with_a_probe_are_taken_from_path(home: Path) -> None:
    install(home / "bin", "kubelet", KUBERNETES)
    assert find("kubelet") is None, "the lab's node must be of the pinned version"


def test_our_own_bin_folder_on_path_is_not_the_users(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = cache.root() / "bin/1-key"
    install(ours, "etcd", "3.7.0")
    monkeypatch.setenv("PATH", f"{ours}:{home / 'bin'}")
    assert find("etcd") is None, "else a change of versions would find yesterday's"
    users = install(home / "bin", "etcd", "3.7.0")
    assert find("etcd") == users


PROVIDER = "pulumi-resource-kubernetes"


def test_the_newest_fitting_plugin_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = home / ".pulumi/plugins"
    install(plugins / "resource-kubernetes-v4.9.0", PROVIDER, "")
    assert find(PROVIDER) is None, "older than the pinned one"
    pinned = install(plugins / f"resource-kubernetes-v{PULUMI_KUBERNETES}", PROVIDER, "")
    assert find(PROVIDER) == pinned
    newest = install(plugins / "resource-kubernetes-v4.100.0", PROVIDER, "")
    assert find(PROVIDER) == newest, "by number, not by text"
    install(plugins / "resource-kubernetes-v5.0.0.partial", PROVIDER, "")
    (plugins / "resource-kubernetes-v6.0.0").mkdir()
    assert find(PROVIDER) == newest, "neither half of a download nor an empty folder"
    monkeypatch.setenv("PULUMI_HOME", str(home / "elsewhere"))
    assert find(PROVIDER) is None


def test_a_provider_on_path_is_used_where_it_fits(home: Path) -> None:
    install(home / "bin", PROVIDER, "4.9.0")
    assert find(PROVIDER) is None
    path = install(home / "bin", PROVIDER, PULUMI_KUBERNETES)
    assert find(PROVIDER) == path


def test_the_language_host_is_looked_for_beside_the_real_binary(home: Path) -> None:
    real = install(home / "opt", "pulumi", "")
    link = home / "bin/pulumi"
    link.symlink_to(real)
    assert not onpath.has_language_host(link)
    install(home / "opt", "pulumi-language-python", "")
    assert onpath.has_language_host(link)
