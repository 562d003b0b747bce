"""Helm values and chart locations of Istio. Pure functions: plain data in, plain data out.

Three layers make a chart's values, the later one wins: this project's defaults, the user's
`istio.values`, and what the links depend on and nobody may change (trust domain, link port).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import Input

from . import names

Values = dict[str, Any]

TIMEOUT_SECONDS = 600
"""Longest wait for a chart's objects to become ready, the same as Pulumi's own for a Deployment."""


def merge(*layers: Mapping[str, Any]) -> Values:
    """Merge mappings deeply; where two disagree the later one wins."""
    merged: Values = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(old, Mapping) and isinstance(value, Mapping)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def location(repository: str, chart: str, version: str) -> Values:
    """Return the arguments that make a Helm Release or Chart find a chart.

    Args:
        repository: an `https://` repository, an `oci://` prefix, or a directory of charts.
        chart: the published name of the chart.
        version: its version; a chart in a directory is taken as it is.
    """
    if repository.startswith("oci://"):
        return {"chart": f"{repository}/{chart}", "version": version}
    if "://" in repository:
        return {"chart": chart, "version": version, "repository_opts": {"repo": repository}}
    return {"chart": f"{repository}/{chart}"}


def istiod_values(
    user: Mapping[str, Any],
    *,
    trust_domain: str,
    root_fingerprint: Input[str],
    replicas: int,
    hub: str,
    version: str,
) -> Values:
    """Return the values of the chart `istiod`.

    Args:
        user: the user's own values.
        trust_domain: the cluster's trust domain.
        root_fingerprint: of the root in `cacerts`, `none` without: istiod reads the Secret at its
            start only if it is there, so one that appears later has to restart it.
        replicas: the least number of istiod pods; above 1 the chart adds a PodDisruptionBudget.
        hub: image registry and prefix, empty for the chart's own.
        version: image tag, used when `hub` is set.
    """
    defaults: Values = {"autoscaleMin": replicas, "replicaCount": replicas}
    images = {"global": {"hub": hub, "tag": version}} if hub else {}
    ours = {
        "meshConfig": {"trustDomain": trust_domain},
        "podAnnotations": {"istio-multicluster/root-fingerprint": root_fingerprint},
    }
    return merge(defaults, images, user, ours)


def gateway_values(user: Mapping[str, Any], *, service: Mapping[str, Any], replicas: int) -> Values:
    """Return the values of the chart `gateway`.

    Args:
        user: the user's own values.
        service: type, annotations and ports of the Service; the user's values cannot change the
            ports, and the chart's own would open 80 and 443.
        replicas: the least number of pods; above 1 the chart adds a PodDisruptionBudget.
    """
    defaults: Values = {
        "service": service,
        "replicaCount": replicas,
        "autoscaling": {"minReplicas": replicas},
        "podDisruptionBudget": {"minAvailable": 1},
    }
    return merge(defaults, user, {"service": {"ports": service["ports"]}})


def service_port(name: str, port: int) -> Values:
    """Return one TCP port of a gateway's Service; the pods listen on the same number."""
    return {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}


def egress_ports(link_port: int) -> list[Values]:
    """Return the ports of the egress gateway's Service: the links', and nothing else."""
    return [service_port("tls", link_port)]


def ingress_ports(link_port: int, http_ports: Sequence[int]) -> list[Values]:
    """Return the ports of the ingress gateway's Service.

    Args:
        link_port: where other clusters' egress gateways come in.
        http_ports: further ports for ordinary north-south traffic; 443 is named for TLS.
    """
    further = [service_port(f"https-{p}" if p == 443 else f"http-{p}", p) for p in http_ports]
    status = service_port("status-port", names.STATUS_PORT)  # health checks of load balancers
    return [status, service_port("tls", link_port), *further]
