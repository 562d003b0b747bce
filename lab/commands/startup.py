"""`up`: start what is not alive, all clusters at once, and wait until they are Ready."""

import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from lab.cluster import addons, control_plane, kubeconfig, network_policies, node, pki
from lab.cluster.api import Api, address
from lab.commands import owner
from lab.commands.board import Board, Row
from lab.instance import Cluster, Instance
from lab.machine import cgroups, host_limits, namespaces, preflight
from lab.machine.processes import Process, processes, tools_cgroup
from lab.software import binaries

_API_TIMEOUT = 120.0
_END_TIMEOUT = 10.0
_CONTAINERD_TIMEOUT = 60.0
_NODE_TIMEOUT = 120.0
_ADDON_TIMEOUT = 180.0


@dataclass(frozen=True)
class _Parts:
    """What clusters are made of."""

    binaries: Mapping[str, Path]
    images: list[Path]


def up(instance: Instance, names: Iterable[str], config: Path, console: Console) -> list[Cluster]:
    """Bring up these clusters of an instance, and whichever others it has; return all."""
    preflight.check_machine()
    with owner.working(instance):
        owner.refuse_others(instance)
        clusters = instance.plan(names)
        preflight.check_ports(clusters)
        owner.claim(instance, config)
        instance.record(clusters)
        host_limits.raise_limit()
        parts = _Parts(
            binaries=binaries.ensure(clusters, console),
            images=binaries.ensure_images(clusters, console),
        )
        namespaces.ensure_lan(instance)
        _start_all(clusters, parts, console)
        kubeconfig.add(config, [entry for cluster in clusters for entry in _contexts(cluster)])
    return clusters


def _start_all(clusters: list[Cluster], parts: _Parts, console: Console) -> None:
    jobs: list[Future[None]] = []
    with Board(console) as board, ThreadPoolExecutor(max_workers=2 * len(clusters)) as pool:
        try:
            for cluster in clusters:
                row = board.row(cluster.name)
                jobs.append(pool.submit(_start, cluster, parts, row, board, pool))
            wait(jobs, return_when=FIRST_EXCEPTION)
            for job in jobs:
                if job.done():
                    job.result()
        except BaseException:
            board.cancelled.set()
            for cluster in clusters:  # nobody waits for an image any more
                cgroups.kill(tools_cgroup(cluster), _END_TIMEOUT)
            raise


def _start(
    cluster: Cluster, parts: _Parts, row: Row, board: Board, pool: ThreadPoolExecutor
) -> None:
    row.say("making namespaces and certificates")
    namespaces.ensure(cluster, parts.binaries.values())
    pki.ensure(cluster)
    control_plane.start_api(cluster, parts.binaries)
    Process(cluster, "agent").start(
        [sys.executable, "-m", "lab.cluster.agent", cluster.instance.name, cluster.name],
        inside=False,
    )
    imported: Future[None] | None = None
    if cluster.has_node:
        node.start_containerd(cluster)
        images_row = board.row(f"{cluster.name}, images")
        imported = pool.submit(_import_images, cluster, parts.images, images_row)
    api = Api(cluster)
    needed = processes(cluster, "etcd", "kube-apiserver", "agent")
    row.wait("the API server", api.ready, _API_TIMEOUT, needed)
    control_plane.start_controllers(cluster, parts.binaries)
    if imported is None:
        _finish_root(cluster, parts, api, row)
    else:
        _finish_node(cluster, parts, api, row, imported)
    row.say("ready", done=True)


def _import_images(cluster: Cluster, images: list[Path], row: Row) -> None:
    needed = processes(cluster, "containerd")
    row.wait("containerd", lambda: node.containerd_answers(cluster), _CONTAINERD_TIMEOUT, needed)
    count = node.import_images(cluster, images, row.say)
    row.say(f"{count} imported, {len(images) - count} already there", done=True)


def _finish_node(
    cluster: Cluster, parts: _Parts, api: Api, row: Row, imported: Future[None]
) -> None:
    node.start_kubelet(cluster, parts.binaries)
    row.say("creating CoreDNS")
    addons.apply_coredns(cluster, api, parts.binaries["kubectl"])
    needed = processes(cluster, "kubelet", "containerd", "kube-proxy", "kube-controller-manager")
    row.wait("the node", lambda: api.node_ready(cluster.node_name), _NODE_TIMEOUT, needed)
    network_policies.start(cluster, api, parts.binaries)
    row.say("importing images")
    imported.result()
    needed += processes(cluster, "kube-scheduler", "network-policies")
    enforced = partial(network_policies.enforced, cluster)
    row.wait("network policies", enforced, _ADDON_TIMEOUT, needed)
    row.wait("CoreDNS", lambda: addons.coredns_ready(api), _ADDON_TIMEOUT, needed)


def _finish_root(cluster: Cluster, parts: _Parts, api: Api, row: Row) -> None:
    row.say("creating cert-manager's resource definitions")
    addons.apply_cert_manager_crds(cluster, api, parts.binaries["kubectl"])
    needed = processes(cluster, "kube-apiserver")
    row.wait("their API", lambda: addons.cert_manager_served(api), _ADDON_TIMEOUT, needed)
    addons.start_cert_manager(cluster, parts.binaries)
    needed = processes(cluster, "cert-manager", "kube-controller-manager")
    row.wait("cert-manager", lambda: addons.cert_manager_ready(cluster), _ADDON_TIMEOUT, needed)


def _contexts(cluster: Cluster) -> list[kubeconfig.Json]:
    folder, server = cluster.path(pki.DIR), address(cluster)
    return [kubeconfig.document(cluster, folder, user, server) for user in cluster.contexts]
