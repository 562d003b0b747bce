"""`status`: what is alive, and where to reach it."""

from rich.console import Console
from rich.table import Table

from lab.cluster import addons
from lab.cluster.api import Api
from lab.commands import owner
from lab.instance import Cluster, Instance
from lab.machine.processes import processes


def status(instance: Instance, console: Console) -> bool:
    """Show an instance; return whether all of it is well."""
    found = owner.read(instance)
    clusters = instance.clusters()
    if found is None or not clusters:
        console.print(f"no lab {instance.name!r} here: `python -m lab up` starts one")
        return False
    console.print(
        f"lab {instance.name!r} of {found.checkout} (user {found.user}, since {found.started})",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"export KUBECONFIG={found.kubeconfig}", highlight=False, soft_wrap=True)
    table = Table("cluster", "context", "API server", "port 80", "alive", "state", box=None)
    all_dead: list[str] = []
    states: list[str] = []
    for cluster in clusters:
        dead = [process.name for process in processes(cluster) if process.pid is None]
        state = _state(cluster)
        states.append(state)
        all_dead += [f"{cluster.name}: {name}" for name in dead]
        table.add_row(
            cluster.name,
            cluster.context,
            f"127.0.0.1:{cluster.api_port}",
            f"127.0.0.1:{cluster.http_port}" if cluster.has_node else "-",
            f"{len(processes(cluster)) - len(dead)} of {len(processes(cluster))}",
            state if state == "ready" else f"[red]{state}",
        )
    console.print(table)
    for line in all_dead:
        console.print(f"[red]dead: {line}", highlight=False)
    well = not all_dead and all(state == "ready" for state in states)
    if not well:
        again = f"`python -m lab up --instance {instance.name}` starts what is dead; logs: "
        console.print(again, end="", highlight=False)
        console.print(f"{instance.dir}/clusters/*/var/log", highlight=False, soft_wrap=True)
    return well


def _state(cluster: Cluster) -> str:
    try:
        api = Api(cluster, timeout=2)
    except OSError:
        return "not made yet"
    if not api.ready():
        return "API server does not answer"
    if not cluster.has_node:
        return "ready"
    if not api.node_ready(cluster.node_name):
        return "node is not Ready"
    return "ready" if addons.coredns_ready(api) else "CoreDNS is not Ready"
