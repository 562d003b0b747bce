"""`images`: what pods can run, and the digest of each, to be named as REPOSITORY@DIGEST too.

The node is asked, not the archives: they may have been made anew since they were imported.
"""

from lab.cluster import node
from lab.errors import LabError
from lab.instance import Instance
from lab.machine.processes import Process


def digests(instance: Instance) -> dict[str, str]:
    """The digest of each image of an instance by name, REPOSITORY:TAG; all nodes have the same.

    Raises:
        LabError: no node of the instance runs.
    """
    for cluster in instance.clusters():
        if cluster.has_node and Process(cluster, "containerd").pid is not None:
            return parse(node.list_images(cluster))
    raise LabError(
        f"no node of lab {instance.name!r} runs: "
        f"`python -m lab up --instance {instance.name}` starts it"
    )


def parse(listing: str) -> dict[str, str]:
    """Names and digests out of what `ctr images ls` prints; names that are digests are left out."""
    rows = [line.split() for line in listing.splitlines()[1:]]
    return {
        name: digest
        for name, _kind, digest, *_ in rows
        if "@" not in name and not name.startswith("sha256:")
    }
