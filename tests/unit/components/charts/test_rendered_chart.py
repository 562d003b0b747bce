"""A chart: rendered without its cluster, its objects Pulumi's own."""

from __future__ import annotations

from typing import Any

import pytest

from components.charts import helm
from components.charts.rendered_chart import KUBE_VERSION, RenderedChartArgs, template_options
from tests.unit.conftest import ProgramRunner
from tests.unit.support import charts
from tests.unit.support.dependencies import direct, identity
from tests.unit.support.recorder import Registration, Run
from tests.unit.support.stacks import stack


def options(repository: str) -> dict[str, Any]:
    location = helm.location(repository, "gateway", "1.2.3")
    return template_options(
        RenderedChartArgs(
            release="istio-ingressgateway",
            namespace="istio-gateways",
            location=location,
            values={"replicaCount": 2},
            after=[],
        )
    )


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("oci://r/charts", {"chart": "oci://r/charts/gateway", "version": "1.2.3"}),
        (
            "https://r",
            {"chart": "gateway", "version": "1.2.3", "fetch_opts": {"repo": "https://r"}},
        ),
        (".lab/charts", {"path": ".lab/charts/gateway"}),
    ],
)
def test_a_chart_is_rendered_from_each_kind_of_repository_and_no_cluster_is_asked(
    repository: str, expected: dict[str, Any]
) -> None:
    assert options(repository) == {
        **expected,
        "release_name": "istio-ingressgateway",
        "namespace": "istio-gateways",
        "values": {"replicaCount": 2},
        "kube_version": KUBE_VERSION,
        "api_versions": ["v1"],
    }


def test_its_objects_wait_for_what_the_chart_waits_for(full: Run) -> None:
    for role in ("ingressgateway", "egressgateway"):
        name = f"a-{role}:istio-gateways/istio-{role}"
        (service,) = (r for r in full.registrations if (r.name, r.kind) == (name, "Service"))
        assert service.kind == "Service"
        assert service.provider == "a", "a component does not hand its provider to all of them"
        assert service.depends_on == full[f"Chart a-{role}"].depends_on
        assert "a-istiod-ready" in service.depends_on, (
            "istiod's webhook puts the proxy into its pods"
        )


def of_chart(run: Run, chart: str, *kinds: str) -> list[Registration]:
    """Return objects of a chart; of these kinds, if there are any."""
    return [r for r in run.registrations if r.parent == chart and (not kinds or r.kind in kinds)]


def test_bindings_come_after_roles(full: Run) -> None:
    roles = {identity(r) for r in of_chart(full, "a-istiod", "Role", "ClusterRole")}
    bindings = of_chart(full, "a-istiod", "RoleBinding", "ClusterRoleBinding")
    assert (len(roles), len(bindings)) == (2, 2)
    for binding in bindings:
        assert roles <= direct(binding), "a role that is not there yet may be bound by nobody"
    rest = of_chart(full, "a-istiod", "ConfigMap", "Service", "Role", "ClusterRole")
    assert len(rest) == 4
    for item in rest:
        assert item.depends_on == full["Chart a-istiod"].depends_on, "nothing else waits"


@pytest.mark.parametrize("chart", ["a-istiod", "a-ingressgateway", "root-ca-cert-manager"])
def test_workloads_come_after_all_else(full: Run, chart: str) -> None:
    objects = of_chart(full, chart)
    (workload,) = (r for r in objects if r.kind == "Deployment")
    others = {identity(r) for r in objects if r is not workload}
    assert others
    assert others <= direct(workload)


def test_istiod_itself_says_when_its_validation_may_refuse(full: Run) -> None:
    kind = "ValidatingWebhookConfiguration"
    (validating,) = of_chart(full, "a-base", kind)
    hooks = validating.inputs["webhooks"]
    assert hooks
    for hook in hooks:
        assert "failurePolicy" not in hook, "each up would undo what istiod has written"
        assert {"name", "clientConfig"} <= set(hook), "all else is as the chart has it"
    (injector,) = of_chart(full, "a-istiod", "MutatingWebhookConfiguration")
    (theirs,) = of_chart(full, "root-ca-cert-manager", kind)
    for item in (injector, theirs):
        assert all("failurePolicy" in hook for hook in item.inputs["webhooks"]), item.key


def test_a_crd_that_nobody_else_applies_is_an_object_that_stays(
    try_program: ProgramRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = charts.rendered
    novelty = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "novelties.istio.io"},
    }
    monkeypatch.setattr(charts, "rendered", lambda options: [*rendered(options), novelty])
    run = try_program({"clusters": {"a": {"context": "ctx-a"}}, "links": []})
    assert run.error is None
    (made,) = of_chart(run, "a-base", "CustomResourceDefinition")
    assert made.name == "a-base:novelties.istio.io"
    assert made.retain_on_delete, "with it would go all objects of its kind"
    assert "novelties" not in run["Crds a-crds"].inputs["manifest"]


def test_the_gateways_address_is_that_of_its_service(program: ProgramRunner) -> None:
    run = program(stack("ab"), addresses={"a": [{"ip": "192.0.2.9"}, {"hostname": "lb.example"}]})
    assert run.exports["clusters"]["a"]["ingressAddresses"] == ["192.0.2.9", "lb.example"]
