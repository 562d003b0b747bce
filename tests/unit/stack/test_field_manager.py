"""The one name under which all is applied: on whatever is made, and on nothing that is read."""

from __future__ import annotations

from components.names import FIELD_MANAGER
from components.objects import SKIP_AWAIT
from stack.field_manager import ANNOTATION
from tests.unit.support.recorder import Run


def test_every_kubernetes_object_has_the_name(full: Run) -> None:
    made = [r for r in full.registrations if r.type.startswith("kubernetes:") and not r.read]
    charts = {"a-base", "a-istiod", "a-ingressgateway", "root-ca-cert-manager"}
    assert charts <= {r.parent for r in made}, "those of charts as well"
    assert {r.provider for r in made} == set(full.providers)
    without = [
        r.key
        for r in made
        if r.inputs["metadata"].get("annotations", {}).get(ANNOTATION) != FIELD_MANAGER
    ]
    assert without == [], "the provider would make up a name that the next run does not know"


def test_annotations_that_an_object_has_stay(full: Run) -> None:
    issuer = full["Issuer root-ca-root-ca-issuer"].inputs["metadata"]
    assert {"pulumi.com/waitFor", ANNOTATION} <= set(issuer["annotations"])
    for service in full.registrations:
        if service.parent == "a-istiod" and service.kind == "Service":
            annotations = service.inputs["metadata"]["annotations"]
            assert annotations == {**SKIP_AWAIT, ANNOTATION: FIELD_MANAGER}


def test_what_is_read_and_what_is_no_object_is_left_alone(full: Run) -> None:
    others = [r for r in full.registrations if r.read or not r.type.startswith("kubernetes:")]
    assert {"Secret", "IstioCluster", "ClusterMark"} <= {r.kind for r in others}
    assert not [r.key for r in others if ANNOTATION in str(r.inputs)]
