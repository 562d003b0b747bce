"""Files, not binaries, that come with the pinned Go modules: charts, CRDs, templates."""

import shutil
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tools import cache, gomodule
from tools.families import CERT_MANAGER_MODULE, FAMILIES, ISTIO_MODULE, Family
from tools.progress import step

# Name as published -> folder in Istio's module.
CHARTS = {"base": "base", "istiod": "istio-control/istio-discovery", "gateway": "gateway"}


def charts(console: Console | None = None) -> Path:
    """A folder with Istio's charts `base`, `istiod` and `gateway`, laid out as published."""

    def copy(source: Path, target: Path) -> None:
        for name, folder in CHARTS.items():
            _copy_tree(source / "manifests/charts" / folder, target / name)

    return _entry(FAMILIES["istio"], ISTIO_MODULE, "charts", copy, console)


def envoy_bootstrap(console: Console | None = None) -> Path:
    """The template from which pilot-agent writes Envoy's first configuration."""
    name = "envoy_bootstrap.json"

    def copy(source: Path, target: Path) -> None:
        shutil.copyfile(source / "tools/packaging/common" / name, target / name)

    return _entry(FAMILIES["istio"], ISTIO_MODULE, "bootstrap", copy, console) / name


def cert_manager_crds(console: Console | None = None) -> Path:
    """A folder with cert-manager's CustomResourceDefinitions, ready for `kubectl apply -f`."""

    def copy(source: Path, target: Path) -> None:
        for path in sorted((source / "deploy/crds").glob("crd-*.yaml")):
            (target / path.name).write_text(_without_helm(path.read_text()))

    return _entry(FAMILIES["cert-manager"], CERT_MANAGER_MODULE, "crds", copy, console)


def _entry(
    family: Family,
    module: str,
    what: str,
    copy: Callable[[Path, Path], None],
    console: Console | None,
) -> Path:
    """A cache entry; `copy` takes the module's folder and the entry's."""
    sums = [family.directory / "go.mod", family.directory / "go.sum"]
    key = cache.digest([*sums, Path(__file__)])
    kind = f"{family.name}-{what}"
    entry = cache.path_of(kind, family.version, key)
    if entry.is_dir():
        return entry
    with step(console, f"{family.name} {family.version} {what}") as work:

        def make(target: Path) -> None:
            folder = gomodule.workspace(family, target / "work")
            copy(gomodule.module_dir(module, folder, work.say), target)
            shutil.rmtree(folder)

        return cache.entry(kind, family.version, key, make, work.announce)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy files without their modes: in the Go module cache everything is read-only."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copied = target / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)


def _without_helm(text: str) -> str:
    """Drop the lines that are Helm's, all of them labels; what remains is plain YAML."""
    plain = "".join(line for line in text.splitlines(keepends=True) if "{{" not in line)
    return plain.replace("\n  labels:\nspec:", "\nspec:")
