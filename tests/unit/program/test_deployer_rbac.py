"""The deployer's rights in docs/rbac: no more than what is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components import names
from components.dns import platforms, remote_dns
from components.ownership.look import MARK
from components.trust import root_ca

DIRECTORY = Path(__file__).parents[3] / "docs" / "rbac"
NAMES = {
    "mesh": "istio-multicluster-deployer",
    "root": "istio-multicluster-deployer-root",
    "rotation": "istio-multicluster-deployer-rotation",
}
READ = {"get", "list", "watch"}
RBAC = "rbac.authorization.k8s.io"


def documents(file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    role, binding = yaml.safe_load_all((DIRECTORY / f"{file}.yaml").read_text())
    return role, binding


def rights(file: str, group: str, resource: str) -> dict[str, set[str] | None]:
    """Return each verb for a resource with the names it is limited to; None: all names."""
    found: dict[str, set[str] | None] = {}
    for rule in documents(file)[0]["rules"]:
        if group in rule["apiGroups"] and resource in rule["resources"]:
            for verb in rule["verbs"]:
                assert verb not in found, f"{file}: {verb} {resource} must be stated once"
                found[verb] = set(rule["resourceNames"]) if "resourceNames" in rule else None
    return found


def granted(file: str) -> set[tuple[str, str]]:
    return {
        (group, resource)
        for rule in documents(file)[0]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_files_are_those_that_are_documented() -> None:
    assert {path.stem for path in DIRECTORY.glob("*")} == set(NAMES)


@pytest.mark.parametrize("file", NAMES)
def test_a_file_is_one_role_and_its_binding_to_the_deployer(file: str) -> None:
    role, binding = documents(file)
    assert (role["kind"], role["metadata"]) == ("ClusterRole", {"name": NAMES[file]})
    assert (binding["kind"], binding["metadata"]) == ("ClusterRoleBinding", {"name": NAMES[file]})
    assert binding["roleRef"] == {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAMES[file]}
    assert binding["subjects"] == [{"apiGroup": RBAC, "kind": "User", "name": "deployer"}]


@pytest.mark.parametrize("file", NAMES)
def test_nothing_is_granted_by_a_wildcard(file: str) -> None:
    for rule in documents(file)[0]["rules"]:
        assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
        assert rule.get("resourceNames") != [], "an empty list means every name"
        for values in rule.values():
            assert not any("*" in value for value in values), rule


def test_the_key_of_the_root_cannot_be_read() -> None:
    secrets = rights("root", "", "secrets")
    assert set(secrets) == {"get"}
    assert secrets["get"] == {root_ca.cluster_ca_secret(name, "root-ca") for name in "abc"}
    assert "root-ca" not in secrets["get"]


def test_on_the_root_cluster_nothing_can_run_nor_grant_rights() -> None:
    resources = {("", "namespaces"), ("", "secrets"), ("", "configmaps")}
    issuing = {("cert-manager.io", "certificates"), ("cert-manager.io", "issuers")}
    assert granted("root") == resources | issuing
    assert rights("root", "", "namespaces")["delete"] == {"istio-root-ca"}
    marks = rights("root", "", "configmaps")
    assert set(marks) == {"create", "get", "update", "delete"}
    assert {*map(frozenset, (marks[verb] or () for verb in ("get", "update", "delete")))} == {
        frozenset({MARK})
    }


def test_a_shell_in_pods_needs_the_rotation() -> None:
    assert granted("rotation") == {("", "pods"), ("", "pods/exec")}
    assert set(rights("rotation", "", "pods")) == {"get", "list"}
    assert set(rights("rotation", "", "pods/exec")) == {"create"}
    for file in ("mesh", "root"):
        assert not any("/" in resource for _, resource in granted(file)), "no subresources"
    assert set(rights("mesh", "", "pods")) == READ


def test_roles_are_bound_and_escalated_by_name_only() -> None:
    roles, bindings = (
        rights("mesh", RBAC, "clusterroles"),
        rights("mesh", RBAC, "clusterrolebindings"),
    )
    made = {
        f"istio-multicluster:{remote_dns.NAME}",
        *(
            f"{role}-{names.SYSTEM_NAMESPACE}"
            for role in (
                "istio-reader-clusterrole",
                "istiod-clusterrole",
                "istiod-gateway-controller",
            )
        ),
    }
    for verb in ("bind", "escalate", "patch", "delete"):
        assert roles[verb] == made
    assert set(bindings) == {*READ, "create", "patch", "delete"}
    assert bindings["patch"] == bindings["delete"] == made
    for kind in ("roles", "rolebindings"):
        assert not {"bind", "escalate", "update"} & set(rights("mesh", RBAC, kind))


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        ("", "namespaces"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        (RBAC, "clusterroles"),
        (RBAC, "clusterrolebindings"),
    ],
)
def test_what_belongs_to_the_whole_cluster_is_changed_by_name_only(
    group: str, resource: str
) -> None:
    for verb, limited in rights("mesh", group, resource).items():
        assert verb in {*READ, "create"} or limited, f"{verb} {resource}"


def test_only_the_config_maps_of_the_clusters_dns_and_the_mark_are_replaced() -> None:
    edited = {MARK, *(layout.config_map for layout in platforms.LAYOUTS.values())}
    assert rights("mesh", "", "configmaps")["update"] == edited
