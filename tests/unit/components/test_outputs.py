"""Outputs for other stacks: what is written is read, and so is what earlier versions wrote."""

from __future__ import annotations

from typing import Any

import pytest

from components import outputs
from components.model import CaCerts, ExposedPort, OutlierEjection, Retries, TrafficPolicy
from tests.unit.support.exposing import exposed

POLICY = TrafficPolicy(
    timeout="2s",
    retries=Retries(3, "5xx,reset", per_try_timeout="500ms"),
    outlier_ejection=OutlierEjection(3, interval="1s", ejection_time="60s"),
    max_connections=7,
    max_pending_requests=8,
    max_requests=9,
)
WRITTEN = {
    "timeout": "2s",
    "retries": {"attempts": 3, "perTryTimeout": "500ms", "retryOn": "5xx,reset"},
    "outlierEjection": {"consecutiveErrors": 3, "interval": "1s", "ejectionTime": "60s"},
    "maxConnections": 7,
    "maxPendingRequests": 8,
    "maxRequests": 9,
}
EARLIER = {
    "timeout": "2s",
    "retries": {"attempts": 3, "per_try_timeout": "500ms", "retry_on": "5xx,reset"},
    "outlier_ejection": {"consecutive_errors": 3, "interval": "1s", "ejection_time": "60s"},
    "max_connections": 7,
    "max_pending_requests": 8,
    "max_requests": 9,
}
CLUSTER: dict[str, Any] = {
    "ingressAddresses": ["192.0.2.1"],
    "ingressPort": 15443,
    "ingressSpiffeId": "spiffe://b.remote/ns/istio-gateways/sa/istio-ingressgateway",
    "egressSpiffeId": "spiffe://b.remote/ns/istio-gateways/sa/istio-egressgateway",
    "exposes": [],
    "trust": {},
}


@pytest.mark.parametrize(
    "port",
    [
        exposed("web", 80),
        exposed("web", 80, policy=POLICY),
        exposed("web", 80, policy=TrafficPolicy(retries=Retries(0, "reset"))),
        exposed("web", 80, policy=TrafficPolicy()),
        exposed("db", 5432, protocol="tcp", address="241.0.0.5", allow=("a", "b")),
        exposed("web", 80, is_global=True),
        exposed("web", 80, is_global=True, weight=0),
    ],
)
def test_an_exposed_port_is_read_as_it_was_written(port: ExposedPort) -> None:
    assert outputs.port_from_output(outputs.port_to_output(port)) == port


def test_all_keys_are_camel_case() -> None:
    assert outputs.port_to_output(exposed("web", 80, policy=POLICY))["policy"] == WRITTEN


@pytest.mark.parametrize("written", [WRITTEN, EARLIER])
def test_a_policy_of_an_earlier_version_is_read_too(written: dict[str, Any]) -> None:
    output = {**outputs.port_to_output(exposed("web", 80)), "policy": written}
    assert outputs.port_from_output(output).policy == POLICY


@pytest.mark.parametrize("key", ["global", "is_global"])
def test_a_global_service_of_an_earlier_version_is_read_too(key: str) -> None:
    output = {**outputs.port_to_output(exposed("web", 80)), key: True, "weight": 3}
    assert outputs.port_from_output(output) == exposed("web", 80, is_global=True, weight=3)


@pytest.mark.parametrize("key", ["service", "namespace", "port", "protocol", "address", "allow"])
def test_what_every_exposed_port_has_is_missed(key: str) -> None:
    output = outputs.port_to_output(exposed("web", 80))
    del output[key]
    with pytest.raises(outputs.UnreadableError, match=rf"no 'exposes\[\].{key}'"):
        outputs.cluster_from_output("b", {**CLUSTER, "exposes": [output]})


def test_a_cluster_without_a_ca_has_no_trust() -> None:
    cluster = outputs.cluster_from_output("b", CLUSTER)
    assert (cluster.roots, cluster.signer, cluster.locality) == ((), None, None)
    assert cluster.trust_domain == "b.remote"


@pytest.mark.parametrize("lists", ["lists", None])
def test_a_cluster_ca_is_read_as_it_was_written(lists: str | None) -> None:
    ca = CaCerts("certificate", "key", "chain", "root", lists)
    output = outputs.cacerts_to_output(ca)
    assert set(output) == {"caCert", "caKey", "certChain", "rootCert", "caCrl"}
    assert outputs.cacerts_from_output(output) == ca


def test_a_cluster_ca_of_an_earlier_version_is_read_too() -> None:
    earlier = {"ca_cert": "1", "ca_key": "2", "cert_chain": "3", "root_cert": "4", "ca_crl": "5"}
    assert outputs.cacerts_from_output(earlier) == CaCerts("1", "2", "3", "4", "5")
