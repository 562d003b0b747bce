"""A chart: rendered without its cluster, its objects Pulumi's own."""

from __future__ import annotations

from typing import Any

import pytest

from components.charts import helm
from components.charts.rendered_chart import KUBE_VERSION, RenderedChartArgs, template_options
from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import Run
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


def test_the_gateways_address_is_that_of_its_service(program: ProgramRunner) -> None:
    run = program(stack("ab"), addresses={"a": [{"ip": "192.0.2.9"}, {"hostname": "lb.example"}]})
    assert run.exports["clusters"]["a"]["ingressAddresses"] == ["192.0.2.9", "lb.example"]
