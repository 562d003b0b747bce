"""Each defence of the boundary is taken away in the running clusters: its test has to fail then.

A test that goes on passing without what it is about guards nothing. `make mutations`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from components import names
from tests.e2e import test_boundary as boundary
from tests.e2e import test_calls as calls
from tests.e2e import test_protocols as protocols
from tests.e2e.conftest import Mesh
from tests.support.wait import until

pytestmark = pytest.mark.usefixtures("stolen_certificates")

GATEWAYS = ("-n", "istio-gateways")
POLICY = ("authorizationpolicy", "link-port", *GATEWAYS)
Spec = dict[str, Any]


def strangers_only(spec: Spec) -> None:
    """Keep the rule against strangers, and drop what peers may not call."""
    del spec["rules"][1:]


def peers_only(spec: Spec) -> None:
    """Drop the rule against strangers."""
    del spec["rules"][0]


def no_claims(spec: Spec) -> None:
    """Drop the rules about the header with the caller's identity."""
    spec["rules"] = [rule for rule in spec["rules"] if names.CALLER_HEADER not in str(rule)]


def any_identity(spec: Spec) -> None:
    """Take whoever has a certificate of the root for the remote ingress gateway."""
    del spec["trafficPolicy"]["tls"]["subjectAltNames"]


def any_caller(spec: Spec) -> None:
    """Shake hands with whoever has a certificate of the root."""
    for server in spec["servers"]:
        server["tls"].pop("subjectAltNames", None)


def http_1(spec: Spec) -> None:
    """Speak HTTP/1.1 whatever the client speaks."""
    policies = [
        spec.get("trafficPolicy", {}),
        *(s["trafficPolicy"] for s in spec.get("subsets", [])),
    ]
    for policy in policies:
        for settings in (policy, *policy.get("portLevelSettings", [])):
            settings.get("connectionPool", {}).pop("http", None)


def no_header(spec: Spec) -> None:
    """Let the workload's own header through."""
    for hop in spec["http"]:
        hop.pop("headers", None)


@dataclass(frozen=True)
class Mutation:
    """A defence, and the test that is about it."""

    cluster: str
    thing: tuple[str, ...]
    change: Callable[[Spec], None]
    test: Callable[[Mesh], None]


PRIVATE = "private.apps.svc.b.remote:8080"

MUTATIONS = [
    Mutation(
        "b",
        POLICY,
        strangers_only,
        lambda mesh: boundary.test_no_spelling_of_a_host_opens_what_is_not_exposed_to_the_caller(
            mesh, PRIVATE, "--http1.1"
        ),
    ),
    Mutation(
        "b",
        POLICY,
        strangers_only,
        lambda mesh: boundary.test_the_sni_opens_nothing(mesh, "private.apps.svc.b.remote"),
    ),
    Mutation("b", POLICY, strangers_only, calls.test_only_the_clusters_on_its_list_reach_a_service),
    Mutation(
        "b", POLICY, peers_only, calls.test_a_workload_that_is_not_the_egress_gateway_is_refused
    ),
    Mutation(
        "b",
        POLICY,
        no_claims,
        lambda mesh: boundary.test_a_peer_speaks_for_its_own_workloads_only(mesh, "nobody"),
    ),
    Mutation(
        "a",
        POLICY,
        no_claims,
        boundary.test_north_south_traffic_cannot_claim_to_be_a_remote_caller,
    ),
    Mutation(
        "a",
        ("virtualservice", "b-services", *GATEWAYS),
        no_header,
        boundary.test_a_caller_cannot_name_another_workload_as_the_caller,
    ),
    Mutation(
        "a",
        ("destinationrule", "b-ingress", *GATEWAYS),
        any_identity,
        boundary.test_an_impostor_with_a_certificate_of_the_same_root_is_not_talked_to,
    ),
    Mutation(
        "b",
        ("gateway.networking.istio.io", "exposed-services", *GATEWAYS),
        any_caller,
        lambda mesh: protocols.test_the_egress_gateway_reaches_what_its_cluster_may_call(
            mesh, "8084.vault.apps.tcp.b.remote", ""
        ),
    ),
    Mutation(
        "b",
        ("gateway.networking.istio.io", "exposed-services", *GATEWAYS),
        any_caller,
        protocols.test_a_workload_that_is_not_the_egress_gateway_reaches_no_tcp_service,
    ),
    Mutation(
        "a",
        ("destinationrule", "b-egress", *GATEWAYS),
        http_1,
        protocols.test_grpc_is_not_turned_into_http_1,
    ),
    Mutation(
        "a",
        ("destinationrule", "b-ingress", *GATEWAYS),
        http_1,
        protocols.test_grpc_is_not_turned_into_http_1,
    ),
    Mutation(
        "a",
        ("networkpolicy", "remote-ingresses", "-n", "locked"),
        lambda spec: spec.update(policyTypes=["Ingress"], egress=[], ingress=[{}]),
        boundary.test_a_network_policy_leaves_the_egress_gateway_as_the_only_way,
    ),
]


@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda m: f"{m.thing[1]} {m.change.__name__.strip('<>')}"
)
def test_mutation_is_noticed(mesh: Mesh, mutation: Mutation) -> None:
    kube = mesh.clusters[mutation.cluster]
    before = kube.get(*mutation.thing)["spec"]
    mutated = json.loads(json.dumps(before))
    mutation.change(mutated)
    assert mutated != before

    def put(spec: Spec) -> None:
        patch = [{"op": "replace", "path": "/spec", "value": spec}]
        kube.run("patch", *mutation.thing, "--type=json", "-p", json.dumps(patch))

    def passes() -> bool:
        try:
            mutation.test(mesh)
        except AssertionError:
            return False
        return True

    put(mutated)
    try:
        until(passes, lambda passed: not passed, 30, "the test passes without its defence")
    finally:
        put(before)
    until(passes, bool, 60, "the test fails with its defence back in place")
