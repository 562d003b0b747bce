"""Files, not binaries, that come with the pinned Go modules: charts, CRDs, templates."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from tools import cache, gomodule
from tools.families import CERT_MANAGER, CERT_MANAGER_MODULE, FAMILIES, ISTIO_MODULE, Family
from tools.progress import step

# Name as published -> folder in Istio's module.
CHARTS = {"base": "base", "istiod": "istio-control/istio-discovery", "gateway": "gateway"}


def charts(console: Console | None = None) -> Path:
    """A folder with Istio's charts and `cert-manager`, laid out as published."""
    sources = [_istio_charts(console), _cert_manager_chart(console)]

    def make(target: Path) -> None:
        for source in sources:
            _copy_tree(source, target)

    # The parts are in the cache: their paths stand for their content.
    return cache.entry("charts", "1", cache.digest([*map(str, sources), Path(__file__)]), make)


def _istio_charts(console: Console | None) -> Path:
    """A folder with `base`, `istiod` and `gateway`."""

    def copy(source: Path, target: Path) -> None:
        for name, folder in CHARTS.items():
            _copy_tree(source / "manifests/charts" / folder, target / name)

    return _entry(FAMILIES["istio"], ISTIO_MODULE, "charts", copy, console)


def _cert_manager_chart(console: Console | None) -> Path:
    """A folder with the chart, as the module's make/manifests.mk makes it of two folders."""

    def copy(source: Path, target: Path) -> None:
        chart = target / "cert-manager"
        _copy_tree(source / "deploy/charts/cert-manager", chart)
        template = chart / "Chart.template.yaml"
        (chart / "Chart.yaml").write_text(_released(template.read_text()))
        for extra in (template, chart / "README.template.md", chart / "signkey_annotation.txt"):
            extra.unlink()
        crds = [path.read_text() for path in sorted((source / "deploy/crds").glob("crd-*.yaml"))]
        (chart / "templates/crds.yaml").write_text(_optional(crds))

    return _entry(FAMILIES["cert-manager"], CERT_MANAGER_MODULE, "chart", copy, console)


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


def _released(template: str) -> str:
    """Chart.yaml of a release; what tells who has signed it is left out, as nobody has."""
    text = re.sub(r"^(version|appVersion): .*", rf"\1: v{CERT_MANAGER}", template, flags=re.M)
    return text.replace("{{IS_PRERELEASE}}", "false")


def _optional(crds: Sequence[str]) -> str:
    """The chart's template with the CRDs, which the value `installCRDs` asks for."""
    return "{{- if .Values.installCRDs }}\n" + "---\n".join(crds) + "{{- end }}\n"


def _without_helm(text: str) -> str:
    """Drop the lines that are Helm's, all of them labels; what remains is plain YAML."""
    plain = "".join(line for line in text.splitlines(keepends=True) if "{{" not in line)
    return plain.replace("\n  labels:\nspec:", "\nspec:")
