"""What the tests of rotation share: change the trust of the stack, and see what proxies have."""

from __future__ import annotations

import base64
import copy
import functools
from collections.abc import Iterable
from typing import Any

import pytest
from pulumi.automation import CommandError

from components.kubectl import Kubectl
from components.trust import certificates, proxies
from tests.conftest import CLUSTERS
from tests.e2e.conftest import Mesh
from tests.support import workloads
from tests.support.kube import Kube
from tests.support.load import Result
from tests.support.wait import at_once, until

URL = "http://echo.apps.svc.b.remote:7777/echo"
SEEN = "http://echo.apps.svc.b.remote:7777/debug?env=dump"
OLD, NEW = "root-ca", "root-2"
ISTIOD = ("istio-system", "app=istiod")
# By itself kubelet refreshes a Secret in a pod after up to 90 s; istiod looks at it at once.
RELOAD_SECONDS = 180


def up(mesh: Mesh, **root_ca: Any) -> dict[str, int]:
    """Change the configuration of the root CA and run `up`."""
    config = copy.deepcopy(mesh.config)
    config["rootCa"] |= root_ca
    mesh.stack.configure(config)
    return mesh.stack.up()


def ask(mesh: Mesh, cluster: str) -> list[proxies.Proxy]:
    """Ask all proxies of a cluster what they trust."""
    kube = mesh.clusters[cluster]
    roots = [root_bundle(other) for other in mesh.clusters.values()]
    access = Kubectl(str(kube.kubeconfig), kube.context)
    return proxies.ask(access, certificates.roots_bundle(roots))


def secret(kube: Kube, key: str) -> str:
    """Return one file of a cluster's `cacerts`."""
    data = kube.get("secret", "cacerts", "-n", "istio-system")["data"]
    return base64.b64decode(data[key]).decode()


def root_bundle(kube: Kube) -> str:
    return secret(kube, "root-cert.pem")


def wait_for_bundle(mesh: Mesh) -> None:
    """Wait until every proxy trusts what its cluster's Secret says."""
    for kube in mesh.clusters.values():
        kube.refresh_volumes(*ISTIOD)
    for name, kube in mesh.clusters.items():
        wanted = frozenset(certificates.fingerprints(root_bundle(kube)))

        def all_have_it(seen: list[proxies.Proxy], wanted: frozenset[str] = wanted) -> bool:
            return all(proxy.roots == wanted for proxy in seen)

        what = f"not every proxy of {name} has the bundle"
        until(functools.partial(ask, mesh, name), all_have_it, RELOAD_SECONDS, what)


def restart(mesh: Mesh, *namespaces: str, clusters: Iterable[str] = CLUSTERS) -> None:
    """Restart all workloads of these namespaces, in each cluster one after the other.

    Args:
        mesh: the clusters.
        namespaces: where.
        clusters: which of them, side by side.
    """

    def one_cluster(name: str) -> None:
        kube = mesh.clusters[name]
        for namespace in namespaces:
            kube.run("rollout", "restart", "-n", namespace, "deployment")
            for item in kube.get("deployments", "-n", namespace)["items"]:
                kube.wait_for_rollout(namespace, item["metadata"]["name"])

    at_once(one_cluster, clusters)


def no_request_failed(result: Result, what: str) -> None:
    print(
        f"\n{what}: {result.requests} requests, {result.failed} failed, longest "
        f"{result.longest_seconds:.2f} s"
    )
    assert result.requests > 500
    assert result.failed == 0, result.codes


def istiod_root(kube: Kube) -> str:
    """Return the root that istiod itself hands out."""
    data = kube.get("configmap", "istio-ca-root-cert", "-n", workloads.NAMESPACE)["data"]
    return str(data["root-cert.pem"])


def refused(mesh: Mesh, roots: list[str], *words: str) -> None:
    with pytest.raises(CommandError) as error:
        up(mesh, roots=roots)
    for word in words:
        assert word in str(error.value)
