"""Where objects go: provider, parent, name, order."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Any

import pytest

from config import stack_file
from config.settings import Settings
from tests.unit.conftest import ProgramRunner
from tests.unit.support import dependencies
from tests.unit.support.recorder import PROJECT, UNKNOWN, Run
from tests.unit.support.stacks import FULL, stack

LINKS = {"a_b": ("a", "b"), "a_c": ("a", "c")}


def test_every_object_names_a_provider_of_the_program(full: Run) -> None:
    assert set(full.providers) == {"a", "b", "c", "root_ca"}
    stray = {
        o.key: o.provider
        for o in full.registrations
        if not o.type.startswith(("pulumi:providers:", f"{PROJECT}:"))
        and o.provider not in full.providers
        and not o.dynamic
    }
    assert stray == {}, "the default provider would write into whatever context is current"


@pytest.mark.parametrize("cluster", ["a", "b", "c"])
@pytest.mark.parametrize("component", ["{}", "{}-dns"])
def test_children_of_a_cluster_are_on_its_provider(full: Run, cluster: str, component: str) -> None:
    children = full.children(component.format(cluster))
    assert len(children) > 5
    for key, child in children.items():
        if child.dynamic:
            assert child.inputs["context"] == f"ctx-{cluster}", key
        else:
            assert child.provider == cluster, key


@pytest.mark.parametrize("link", LINKS)
def test_each_child_of_a_link_is_on_its_sources_provider(full: Run, link: str) -> None:
    first, second = LINKS[link]
    for source, target in ((first, second), (second, first)):
        prefix = f"{link}-{source}-to-{target}-"
        direction = [c for c in full.children(link).values() if c.name.startswith(prefix)]
        assert len(direction) == 7, "ServiceEntry x2, DestinationRule x2, Gateway, route, zone"
        assert {child.provider for child in direction} == {source}
    assert len(full.children(link)) == 14


def test_the_root_ca_is_on_its_own_provider(full: Run) -> None:
    for key, child in full.children("root-ca").items():
        if child.dynamic:
            assert child.inputs["context"] == "ctx-root", key
        else:
            assert child.provider == "root_ca", key
    assert full.providers["root_ca"].inputs["context"] == "ctx-root"


def test_bookinfo_stands_where_the_configuration_says(full: Run) -> None:
    where = {
        key.removeprefix("Deployment bookinfo-"): child.provider
        for key, child in full.children("bookinfo").items()
        if child.kind == "Deployment"
    }
    front, back = dict.fromkeys(("productpage-v1", "ratings-v1"), "a"), "b"
    assert where == {
        **front,
        "details-v1": back,
        **{f"reviews-v{version}": back for version in (1, 2, 3)},
    }
    accounts = {key: child.provider for key, child in full.kind("ServiceAccount").items()}
    assert accounts["ServiceAccount bookinfo-reviews-account"] == "b"
    assert full["Gateway bookinfo-gateway"].provider == "a"


def test_providers_never_replace_and_never_delete_secrets(full: Run) -> None:
    for name, provider in full.providers.items():
        inputs = provider.inputs
        assert inputs["clusterIdentifier"] == name, "another kubeconfig would replace everything"
        assert inputs["enableSecretMutable"] == "true", "a replaced cacerts leaves a gap"
        assert inputs["enableConfigMapMutable"] == "true"
        assert inputs["kubeconfig"] == "kubeconfig"
        expected = "ctx-root" if name == "root_ca" else f"ctx-{name}"
        assert inputs["context"] == expected


def test_every_object_is_a_child_of_a_component_and_bears_its_name(full: Run) -> None:
    guards = {"TrustPhase trust-phase", "OwnershipGuard ownership-guard"}
    known = {f"Identity {name}-identity" for name in ("stack", "a", "b", "c", "root_ca")}
    at_once = {key for key, o in full.objects.items() if o.parent == ""}
    assert at_once == guards | known, "they are about all clusters, or before any component"
    for key, o in full.objects.items():
        if key in at_once:
            continue
        assert o.parent in full.components, f"{key} has no component as its parent"
        assert o.name.startswith(f"{o.parent}-"), f"{key} is outside its component's name space"


def test_no_two_objects_of_a_cluster_have_one_name(full: Run) -> None:
    wanted = [
        (o.provider, o.object_name) for o in full.objects.values() if not o.read and not o.dynamic
    ]
    assert len(wanted) == len(set(wanted)), "one would overwrite the other"


def test_names_do_not_depend_on_the_order_within_a_pair_or_of_pairs(
    full: Run, program: ProgramRunner
) -> None:
    one = program({**FULL, "links": [["a", "b"], ["c", "a"]]})
    other = program({**FULL, "links": [["a", "c"], ["b", "a"]]})
    assert one.dump() == other.dump()
    assert set(one.objects) == set(full.objects)


def test_links_are_the_same_in_whatever_order_components_are_given_them(
    try_program: ProgramRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_sorted = try_program(stack("abc")).dump()
    parse = stack_file.parse

    def swapped(*args: Any) -> Settings:
        settings = parse(*args)
        return replace(settings, links=tuple(pair[::-1] for pair in reversed(settings.links)))

    monkeypatch.setattr(stack_file, "parse", swapped)
    assert try_program(stack("abc")).dump() == as_sorted


def test_the_order_of_the_clusters_in_the_stack_file_changes_nothing(
    program: ProgramRunner,
) -> None:
    assert program(stack("abc")).dump() == program(stack("cba")).dump()


def waits_for(run: Run, key: str) -> Set[str]:
    """Return the Pulumi names of all that an object waits for, also through others."""
    return dependencies.names(dependencies.also_through_others(run, run[key]))


def test_istiod_starts_after_its_ca_and_the_crds(full: Run) -> None:
    objects = {r.kind: r for r in full.registrations if r.parent == "a-istiod"}
    first = {"a-cacerts", "a-crds", "a-istio-system", "a-istiod-leftovers"}
    assert first <= {"a-istio-system", *objects["Deployment"].depends_on}
    others = {r.name for kind, r in objects.items() if kind != "Deployment"}
    assert others <= objects["Deployment"].depends_on, "it reads its ConfigMaps once"
    assert "a-cacerts" not in objects["ConfigMap"].depends_on, "nothing is to be late for no reason"


def test_a_clusters_trust_changes_only_after_all_proxies_were_asked(full: Run) -> None:
    for cluster in "abc":
        assert "trust-phase" in full[f"Secret {cluster}-cacerts"].depends_on


@pytest.mark.parametrize("gateway", ["a-ingressgateway", "a-egressgateway"])
def test_gateways_restart_when_the_revocation_list_is_there(full: Run, gateway: str) -> None:
    assert "a-revocation" in full[f"Chart {gateway}"].depends_on
    assert {"a-cacerts", "a-istiod-ready", "a-istio-gateways"} <= waits_for(
        full, "Revocation a-revocation"
    ), "istiod writes it, into a namespace that is there"


def test_cert_manager_answers_before_anything_is_asked_of_it(full: Run) -> None:
    for key, o in full.objects.items():
        if "cert-manager.io" in o.inputs.get("apiVersion", ""):
            assert "root-ca-cert-manager-ready" in waits_for(full, key), key


@pytest.mark.parametrize("gateway", ["a-ingressgateway", "a-egressgateway"])
def test_gateways_start_after_istiod_whose_webhook_makes_their_pods(
    full: Run, gateway: str
) -> None:
    assert "a-istiod-ready" in waits_for(full, f"Chart {gateway}")


def test_every_istio_object_waits_for_istiod_and_its_crds(full: Run) -> None:
    for key, o in full.objects.items():
        if "istio.io" in o.inputs.get("apiVersion", ""):
            assert f"{o.provider}-istiod-ready" in waits_for(full, key), (
                f"{key}: CRDs may be missing"
            )


def test_every_namespaced_object_waits_for_its_namespace(full: Run) -> None:
    made = {
        (o.provider, o.inputs["metadata"]["name"]): o.name for o in full.kind("Namespace").values()
    }
    early = []
    for key, o in full.objects.items():
        metadata = o.inputs.get("metadata", o.inputs)
        namespace = made.get((o.provider, metadata.get("namespace")))
        if namespace and namespace not in waits_for(full, key):
            early.append(key)
    assert early == [], "on a fresh cluster these race with their namespace"


def test_the_cluster_dns_is_told_only_once_ours_answers(full: Run) -> None:
    assert "a-dns-deployment" in waits_for(full, "ClusterDns a-dns-cluster-dns")


def test_pods_of_bookinfo_start_when_sidecars_can_be_injected(full: Run) -> None:
    for key, o in full.kind("Deployment").items():
        if o.parent == "bookinfo":
            assert f"{o.provider}-istiod-ready" in waits_for(full, key), key


def test_a_first_preview_shows_all_and_reads_nothing(program: ProgramRunner, full: Run) -> None:
    preview = program(FULL, preview=True)
    assert set(preview.objects) == set(full.objects), "a reviewer would miss objects"
    assert {o.inputs["id"] for o in preview.objects.values() if o.read} == {UNKNOWN}, (
        "a Secret that cert-manager has yet to issue cannot be read"
    )
