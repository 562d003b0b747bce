"""Helm values of Istio's charts. Pure functions: plain data in, plain data out.

Three layers make a chart's values, the later one wins: this project's defaults, the user's
`istio.values`, and what the links depend on and nobody may change (trust domain, link port).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components import names
from components.charts.helm import Values, merge

SECCOMP = {"type": "RuntimeDefault"}


def istiod_values(
    user: Mapping[str, Any],
    *,
    trust_domain: str,
    plugged: bool,
    replicas: int,
    images: Mapping[str, str | None],
    dns_capture: bool = False,
) -> Values:
    """Return the values of the chart `istiod`.

    Args:
        user: the user's own values.
        trust_domain: the cluster's trust domain.
        plugged: whether there is a Secret `cacerts`. istiod reads it at its start only if it is
            there, and signs with a root of its own if not: so its pods are made to need it.
        replicas: the least number of istiod pods; above 1 the chart adds a PodDisruptionBudget.
        images: `hub`, `tag`, `istiod` and `proxy`; each may be None for the chart's own.
        dns_capture: whether sidecars answer DNS queries for hosts of the mesh themselves.
    """
    defaults: Values = {
        "autoscaleMin": replicas,
        "replicaCount": replicas,
        "seccompProfile": SECCOMP,
        # No port without TLS, and no debug interface on one: proxies use 15012.
        "extraContainerArgs": ["--grpcAddr="],
        "env": {"ENABLE_DEBUG_ON_HTTP": "false"},
    }
    ours: Values = {
        "meshConfig": {
            "trustDomain": trust_domain,
            # With it and ISTIO_MULTIROOT_MESH a proxy takes a bundle of roots and a new one while
            # it runs. Both have to be there before a root is rotated.
            "defaultConfig": {"proxyMetadata": {"PROXY_CONFIG_XDS_AGENT": "true"}},
        },
        "env": {"ISTIO_MULTIROOT_MESH": "true"},
    }
    if dns_capture:
        metadata = {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}
        ours = merge(ours, {"meshConfig": {"defaultConfig": metadata}})
    if plugged:
        ours |= _mounted(
            user,
            {"name": "cacerts-required", "secret": {"secretName": "cacerts"}},
            "/etc/cacerts-required",
        )
    return merge(defaults, _images(images), user, ours)


def _mounted(user: Mapping[str, Any], volume: Values, path: str) -> Values:
    """Return the values that mount a volume beside the user's own."""
    mount = {"name": volume["name"], "mountPath": path, "readOnly": True}
    return {
        "volumes": [*(user.get("volumes") or ()), volume],
        "volumeMounts": [*(user.get("volumeMounts") or ()), mount],
    }


def _images(images: Mapping[str, str | None]) -> Values:
    """Return the values that say which images; one with a slash is taken as it is."""
    values: Values = {}
    if images["hub"]:
        values["global"] = {"hub": images["hub"], "tag": images["tag"]}
    if images["istiod"]:
        values["image"] = images["istiod"]
    if images["proxy"]:
        proxies = {"proxy": {"image": images["proxy"]}, "proxy_init": {"image": images["proxy"]}}
        values = merge(values, {"global": proxies})
    return values


def gateway_values(
    user: Mapping[str, Any],
    *,
    service: Mapping[str, Any],
    replicas: int,
    secrets: bool,
    revocation: str | None = None,
) -> Values:
    """Return the values of the chart `gateway`.

    Args:
        user: the user's own values.
        service: type, annotations and ports of the Service; the user's values cannot change type
            and ports, and the chart's own would open 80 and 443.
        replicas: the least number of pods; above 1 the chart adds a PodDisruptionBudget.
        secrets: whether it may read Secrets of its namespace, which only certificates for
            north-south traffic (`credentialName`) need.
        revocation: tells what is revoked, if lists are used; another value restarts the
            pods, which ends the connections that were made before. Pods do not start without the
            revocation lists then.
    """
    defaults: Values = {
        "service": service,
        "replicaCount": replicas,
        "autoscaling": {"minReplicas": replicas},
        "podDisruptionBudget": {"minAvailable": 1},
        "rbac": {"enabled": secrets},
        # The chart's own and the profile, without which a restricted namespace takes no pod.
        "securityContext": {
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
            "seccompProfile": SECCOMP,
        },
    }
    ours: Values = {"service": {key: service[key] for key in ("type", "ports")}}
    if revocation:
        ours["podAnnotations"] = {"istio-multicluster/revocation": revocation}
        # Istio's injection mounts the lists in sidecars only, not in gateways.
        ours |= _mounted(
            user,
            {"name": names.REVOCATION_LISTS, "configMap": {"name": names.REVOCATION_LISTS}},
            "/var/run/secrets/istio/crl",
        )
    return merge(defaults, user, ours)


def service_port(name: str, port: int) -> Values:
    """Return one TCP port of a gateway's Service; the pods listen on the same number."""
    return {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}


def egress_ports(link_port: int) -> list[Values]:
    """Return the ports of the egress gateway's Service: the links', and nothing else."""
    return [service_port("tls", link_port)]


def ingress_ports(
    link_port: int, http_ports: Sequence[int], node_port: int | None = None
) -> list[Values]:
    """Return the ports of the ingress gateway's Service.

    Args:
        link_port: where other clusters' egress gateways come in.
        http_ports: further ports for ordinary north-south traffic; 443 is named for TLS.
        node_port: the node port of the link port; None: whatever the cluster gives it, if any.
    """
    http = [service_port(f"https-{p}" if p == 443 else f"http-{p}", p) for p in http_ports]
    status = service_port("status-port", names.STATUS_PORT)  # health checks of load balancers
    link = service_port("tls", link_port)
    if node_port:
        link["nodePort"] = node_port
    return [status, link, *http]
