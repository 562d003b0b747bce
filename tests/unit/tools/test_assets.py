"""tools/assets.py: charts as they are published, out of modules that have them in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools import assets, gomodule
from tools.families import CERT_MANAGER, CERT_MANAGER_MODULE, ISTIO_MODULE

CHART = """\
apiVersion: v1
name: cert-manager
# The version and appVersion fields are set automatically by the release tool
version: v0.1.0
appVersion: v0.1.0
kubeVersion: ">= 1.21.0-0"
annotations:
  artifacthub.io/prerelease: "{{IS_PRERELEASE}}"
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o444)  # as in the Go module cache
    return folder


@pytest.fixture
def charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The charts of modules that have as little as possible."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    chart = "deploy/charts/cert-manager"
    modules = {
        ISTIO_MODULE: {
            f"manifests/charts/{folder}/Chart.yaml": name for name, folder in assets.CHARTS.items()
        },
        CERT_MANAGER_MODULE: {
            f"{chart}/Chart.template.yaml": CHART,
            f"{chart}/README.template.md": "{{RELEASE_VERSION}}",
            f"{chart}/signkey_annotation.txt": "key",
            f"{chart}/values.yaml": "installCRDs: false\n",
            f"{chart}/templates/_helpers.tpl": "{{/* helpers */}}",
            f"{chart}/templates/deployment.yaml": "kind: Deployment\n",
            "deploy/crds/README.md": "text",
            "deploy/crds/crd-b.yaml": "kind: B\n",
            "deploy/crds/crd-a.yaml": "kind: A\nlabels: {{ .Release.Name }}\n",
        },
    }
    for name, files in modules.items():
        write(tmp_path / name, files)
    monkeypatch.setattr(gomodule, "module_dir", lambda module, folder, say: tmp_path / module)
    return assets.charts()


def test_the_charts_of_both_modules_are_in_one_folder(charts: Path) -> None:
    assert {path.name for path in charts.iterdir()} == {*assets.CHARTS, "cert-manager"}
    for name in assets.CHARTS:
        assert (charts / name / "Chart.yaml").read_text() == name
    assert assets.charts() == charts


def test_cert_managers_chart_has_what_helm_reads_and_no_templates_of_its_release(
    charts: Path,
) -> None:
    chart = charts / "cert-manager"
    files = {str(path.relative_to(chart)) for path in chart.rglob("*") if path.is_file()}
    templates = {f"templates/{name}" for name in ("_helpers.tpl", "crds.yaml", "deployment.yaml")}
    assert files == {"Chart.yaml", "values.yaml", *templates}
    described = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert (described["version"], described["appVersion"]) == (f"v{CERT_MANAGER}",) * 2
    assert described["annotations"] == {"artifacthub.io/prerelease": "false"}
    assert described["kubeVersion"] == ">= 1.21.0-0"


def test_the_crds_are_one_template_that_a_value_asks_for(charts: Path) -> None:
    assert (charts / "cert-manager/templates/crds.yaml").read_text() == (
        "{{- if .Values.installCRDs }}\n"
        "kind: A\nlabels: {{ .Release.Name }}\n"
        "---\n"
        "kind: B\n"
        "{{- end }}\n"
    )
