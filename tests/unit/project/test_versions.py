"""docs/versions.md says what was tried together: the versions that are pinned, wherever that is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.software import images
from tests.unit.support.recorder import PROJECT_DIR
from tools.families import ISTIO, PULUMI
from tools.onpath import PROBES, parse

from . import locks

WORKFLOWS = sorted((PROJECT_DIR / ".github/workflows").glob("*.yml"))
PYTHON = (PROJECT_DIR / ".github/python-version").read_text().strip()


def table() -> dict[str, str]:
    """The document's table: what -> version."""
    text = (PROJECT_DIR / "docs/versions.md").read_text()
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in text.splitlines() if line[:1] == "|"]
    header, _, *body = rows
    assert header == ["what", "version", "pinned in"]
    found = {what: version for what, version, _ in body}
    assert len(found) == len(body)
    return found


def required(family: str, module: str) -> str:
    """The version of a module in a tool's go.mod, without the `v`."""
    (path,) = PROJECT_DIR.glob(f"tools/**/{family}/go.mod")
    pattern = rf"^\s*(?:require )?{re.escape(module)} v(\S+)"
    version: str
    (version,) = re.findall(pattern, path.read_text(), re.MULTILINE)
    return version


def at_commit(version: str, pseudo: str) -> str:
    """A release whose module is pinned by commit: its tag is no module version."""
    return f"{version} (commit {pseudo.rpartition('-')[2]})"


def pinned() -> dict[str, str]:
    """What the table has to say."""
    users = {name: pin.version for name, pin in locks.read(locks.USERS).items()}
    return {
        "Pulumi, command line": required("pulumi", "github.com/pulumi/pulumi/pkg/v3"),
        "Pulumi, Python SDK": users["pulumi"],
        "Pulumi's Kubernetes provider and its Python SDK": at_commit(
            users["pulumi-kubernetes"],
            required("pulumi-kubernetes", "github.com/pulumi/pulumi-kubernetes/provider/v4"),
        ),
        "Python": PYTHON,
        "Kubernetes, `kubectl`": required("kubernetes", "k8s.io/kubernetes"),
        "etcd": required("etcd", "go.etcd.io/etcd/server/v3"),
        "CoreDNS": required("coredns", "github.com/coredns/coredns"),
        "kube-router, for network policies": required(
            "kube-router", "github.com/cloudnativelabs/kube-router/v2"
        ),
        "Istio": at_commit(ISTIO, required("istio", "istio.io/istio")),
        "Envoy": images.ENVOY_VERSION,
        "cert-manager": required("cert-manager", "github.com/cert-manager/cert-manager"),
    }


def test_the_table_has_what_is_pinned() -> None:
    assert table() == pinned()


def test_the_table_says_where_each_is_pinned() -> None:
    text = (PROJECT_DIR / "docs/versions.md").read_text()
    places = re.findall(r"`([\w./-]+)`", "".join(re.findall(r"\|[^|\n]+\|$", text, re.MULTILINE)))
    assert len(places) >= len(table())
    assert [place for place in places if not (PROJECT_DIR / place).is_file()] == []


def test_pulumi_is_the_tested_version_or_a_newer_one_everywhere() -> None:
    assert (PROJECT_DIR / ".github/pulumi-version").read_text().strip() == PULUMI
    project = yaml.safe_load((PROJECT_DIR / "Pulumi.yaml").read_text())
    assert project["requiredPulumiVersion"] == f">={PULUMI} <4.0.0"
    assert PROBES["pulumi"].least == parse(PULUMI), "else the lab takes one that is refused"


def steps(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_is_pinned(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    python = [step["with"] for job in jobs for step in steps(job, "actions/setup-python")]
    assert python == [{"python-version-file": ".github/python-version"}]
    pulumi = [step["with"] for job in jobs for step in steps(job, "pulumi/actions")]
    assert pulumi == [{"pulumi-version-file": ".github/pulumi-version"}] * len(pulumi)
    installs = re.findall(r"pip install .*", path.read_text())
    locked = "pip install --require-hashes --requirement requirements.txt"
    assert installs == [locked] * len(pulumi)
    assert bool(pulumi) == (path.stem != "ci"), "the tests build their own"
