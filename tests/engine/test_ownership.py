"""Whose a cluster is: stacks that would take each other's, contexts that lead elsewhere.

Real engine, provider and API servers; three of these without nodes, and what controllers would
write is written by the tests. So nothing here is about traffic. Each test starts with the clusters
of stack `test`, and leaves them so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError

from components.ownership.look import MARK
from components.ownership.rules import VARIABLE
from tests.support import dev, pki
from tests.support.apiservers import ApiServer, ApiServers, tools
from tests.support.controllers import Controllers
from tests.support.stack import Stack

CLUSTERS = ("a", "b")
SPARE = "spare"
UNCHANGED = {"same"}
GATEWAYS = "/api/v1/namespaces/istio-gateways"


class Mesh:
    """The stack, its clusters, and one more cluster."""

    def __init__(self, servers: ApiServers, base: Path) -> None:
        self.servers = servers
        self.base = base
        self.certificates = base / "certificates"
        pki.write(self.certificates, [*CLUSTERS, "bb"])
        self.stack = self.another("test")

    def another(self, name: str, config: dict[str, Any] | None = None) -> Stack:
        """Return a stack with the same stack file, and a backend of its own."""
        directory = self.base / name
        directory.mkdir()
        return Stack(directory, self.servers.kubeconfig, config or self.config())

    def config(self, **contexts: str) -> dict[str, Any]:
        """Return a stack file; by name of a cluster, the cluster that its context leads to."""
        contexts = contexts or {name: name for name in CLUSTERS}
        return {
            "clusters": {
                name: {"context": self.servers.clusters[at].context}
                for name, at in contexts.items()
            },
            "rootCa": {"directory": str(self.certificates), "warnDays": 0},
            "istio": dev.settings()["istio"],
        }

    def uids(self) -> dict[str, str]:
        """Return the UIDs of all that would be others if they were deleted and made anew."""
        return {
            f"{name} {item['metadata']['name']}": item["metadata"]["uid"]
            for name in CLUSTERS
            for path in ("/api/v1/namespaces", f"{GATEWAYS}/services", f"{GATEWAYS}/configmaps")
            for item in self.servers.clusters[name].items(path)
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    base = tmp_path_factory.mktemp("ownership")
    with ApiServers(base / "api", tools()) as servers, Controllers(servers.clusters):
        servers.add([*CLUSTERS, SPARE])
        mesh = Mesh(servers, base)
        mesh.stack.up()
        yield mesh


@pytest.fixture
def mesh(made: Mesh) -> Iterator[Mesh]:
    """Hand out the clusters; afterwards all is as before and the stack finds nothing to do."""
    before = made.uids()
    yield made
    made.stack.use_environment()
    made.stack.configure(made.config())
    assert set(made.stack.preview()) == UNCHANGED
    assert made.uids() == before


def refused(stack: Stack, *words: str, target: str = "", destroy: bool = True) -> None:
    """Check that whatever is asked of a stack ends before anything is done, and says why."""
    runs: list[Any] = [stack.preview, stack.up, lambda: stack.up(target=[target])]
    if destroy:
        runs += [stack.destroy, stack.refresh]
    for run in runs if target else [runs[0], runs[1], *runs[3:]]:
        stack.output.clear()
        with pytest.raises(CommandError) as error:
            run()
        said = "\n".join([str(error.value), *stack.output])
        for word in words:
            assert word in said
        assert "Traceback" not in said


def urn(stack: Stack, name: str) -> str:
    """Return the URN of a resource."""
    resources = stack.stack.export_stack().deployment["resources"]  # type: ignore[index]
    return next(str(r["urn"]) for r in resources if r["urn"].endswith(f"::{name}"))


def test_a_copied_stack_file_takes_nothing_and_destroys_nothing(mesh: Mesh) -> None:
    second = mesh.another("second")
    mark = mesh.servers.clusters["b"].call("GET", f"{GATEWAYS}/configmaps/{MARK}")["data"]
    whose = f"belongs to stack organization/istio-multicluster/test (ID {mark['stackId']}) since"
    refused(second, "nothing has been changed", f"clusters.b.context: context 'bare-b' {whose}", destroy=False)
    second.destroy()  # it has made nothing, so there is nothing to refuse


def test_swapped_contexts(mesh: Mesh) -> None:
    mesh.stack.configure(mesh.config(a="b", b="a"))
    refused(
        mesh.stack,
        "context 'bare-b' leads to cluster b of this stack, not to cluster a",
        target=urn(mesh.stack, "a-link-policy"),
        destroy=False,
    )


def test_another_cluster_behind_a_context(mesh: Mesh) -> None:
    mesh.stack.configure(mesh.config(a="a", b=SPARE))
    refused(
        mesh.stack,
        "leads to another cluster than before: its namespace kube-system has UID",
        target=urn(mesh.stack, "b-link-policy"),
        destroy=False,
    )
    names = [i["metadata"]["name"] for i in mesh.servers.clusters[SPARE].items("/api/v1/namespaces")]
    assert not [name for name in names if name.startswith("istio-")]


def test_another_cluster_in_the_kubeconfig(mesh: Mesh) -> None:
    """What the state knows is a context: another cluster behind it is what refresh would meet."""
    file = mesh.stack.directory / "kubeconfig"
    good = file.read_text()
    ports = {name: str(mesh.servers.clusters[name].port) for name in ("b", SPARE)}
    file.write_text(good.replace(f":{ports['b']}\n", f":{ports[SPARE]}\n"))
    try:
        refused(mesh.stack, "leads to another cluster than before")
    finally:
        file.write_text(good)


def test_two_names_for_one_cluster(mesh: Mesh) -> None:
    mesh.stack.configure(mesh.config(a="a", b="b", bb="b"))
    refused(mesh.stack, "leads to the same cluster as clusters.b.context", destroy=False)


def test_a_cluster_is_not_renamed(mesh: Mesh) -> None:
    mesh.stack.configure({**mesh.config(a="a", bb="b"), "removed": ["b"]})
    refused(mesh.stack, "is cluster b of this stack: a cluster keeps its name", destroy=False)


def test_a_stack_that_was_renamed_goes_on(mesh: Mesh) -> None:
    mark = f"{GATEWAYS}/configmaps/{MARK}"
    mesh.stack.stack.workspace  # the rename is the CLI's
    mesh.stack.rename("other")
    try:
        assert set(mesh.stack.up()) == {"same", "update"}
        data = mesh.servers.clusters["a"].call("GET", mark)["data"]
        assert data["stack"] == "organization/istio-multicluster/other"
    finally:
        mesh.stack.rename("test")
        mesh.stack.up()


def test_a_lost_state_is_taken_over_and_nothing_is_replaced(mesh: Mesh) -> None:
    kept = mesh.stack
    lost = mesh.another("lost")
    refused(lost, "ISTIO_MULTICLUSTER_TAKE_OVER=", destroy=False)
    own = mesh.servers.clusters["a"].call("GET", f"{GATEWAYS}/configmaps/{MARK}")["data"]["stackId"]
    assert own
    assert VARIABLE in "\n".join(lost.output)
    assert kept is mesh.stack


def test_what_was_there_before_is_used_and_left(mesh: Mesh) -> None:
    spare: ApiServer = mesh.servers.clusters[SPARE]
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "istio-gateways", "labels": {"theirs": "1"}},
    }
    spare.call("POST", "/api/v1/namespaces", namespace)
    stack = mesh.another("beside", {**mesh.config(spare=SPARE), "links": []})
    stack.up()
    stack.destroy()
    left = spare.call("GET", "/api/v1/namespaces/istio-gateways")["metadata"]
    assert left["labels"] == {"theirs": "1", "kubernetes.io/metadata.name": "istio-gateways"}
    assert "deletionTimestamp" not in left
    names = [item["metadata"]["name"] for item in spare.items(f"{GATEWAYS}/configmaps")]
    assert MARK not in names, "destroy takes the mark off"
    spare.call("DELETE", "/api/v1/namespaces/istio-gateways")
