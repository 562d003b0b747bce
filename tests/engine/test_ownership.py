"""Whose a cluster is: stacks that would take each other's, contexts that lead elsewhere.

Real engine, provider and API servers; three of these without nodes, and what controllers would
write is written by the tests. So nothing here is about traffic. Each test starts with the clusters
of stack `test`, and leaves them so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.automation import CommandError

from components.ownership.look import MARK
from components.ownership.rules import VARIABLE
from tests.support import dev, pki
from tests.support.apiservers import ApiServers, tools
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
        pki.write(self.certificates, [*CLUSTERS, "bb", SPARE])
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


def refused(stack: Stack, *words: str, runs: Sequence[Callable[[], object]] = ()) -> None:
    """Check that `preview` and `up`, and more if given, end before anything is done and say why."""
    for run in (stack.preview, stack.up, *runs):
        stack.output.clear()
        with pytest.raises(CommandError) as error:
            run()
        said = "\n".join([str(error.value), *stack.output])
        for word in words:
            assert word in said
        # Pulumi's plugin for dynamic resources puts one before each message of its own.
        assert "Traceback" not in said or run in runs


def urn(stack: Stack, name: str) -> str:
    """Return the URN of a resource."""
    resources = stack.stack.export_stack().deployment["resources"]  # type: ignore[index]
    return next(str(r["urn"]) for r in resources if r["urn"].endswith(f"::{name}"))


def test_a_copied_stack_file_takes_nothing_and_destroys_nothing(mesh: Mesh) -> None:
    second = mesh.another("second")
    mark = mesh.servers.clusters["b"].call("GET", f"{GATEWAYS}/configmaps/{MARK}")["data"]
    whose = f"belongs to stack organization/istio-multicluster/test (ID {mark['stackId']}) since"
    refused(second, f"clusters.a.context: context 'bare-a' {whose}", f"context 'bare-b' {whose}")
    second.destroy()  # it has made nothing, so there is nothing to refuse


def test_swapped_contexts(mesh: Mesh) -> None:
    mesh.stack.configure(mesh.config(a="b", b="a"))
    target = urn(mesh.stack, "a-link-policy")
    said = "context 'bare-b' leads to cluster b of this stack, not to cluster a"
    refused(mesh.stack, said, runs=[lambda: mesh.stack.up(target=[target])])


def test_another_cluster_behind_a_context(mesh: Mesh) -> None:
    mesh.stack.configure(mesh.config(a="a", b=SPARE))
    target = urn(mesh.stack, "b-link-policy")
    said = "leads to another cluster than before: its namespace kube-system has UID"
    refused(mesh.stack, said, runs=[lambda: mesh.stack.up(target=[target])])
    spare = mesh.servers.clusters[SPARE].items("/api/v1/namespaces")
    assert not [n for n in (i["metadata"]["name"] for i in spare) if n.startswith("istio-")]


def lead_elsewhere(mesh: Mesh) -> Callable[[], object]:
    """Let the context of b lead to the spare cluster; return what puts it right."""
    file = mesh.stack.directory / "kubeconfig"
    good = file.read_text()
    ports = {name: mesh.servers.clusters[name].port for name in ("b", SPARE)}
    file.write_text(good.replace(f":{ports['b']}\n", f":{ports[SPARE]}\n"))
    return lambda: file.write_text(good)


def test_another_cluster_in_the_kubeconfig_is_neither_refreshed_nor_destroyed(mesh: Mesh) -> None:
    before = mesh.stack.stack.export_stack()
    put_right = lead_elsewhere(mesh)
    try:
        said = "leads to another cluster than before"
        refused(mesh.stack, said, runs=[mesh.stack.destroy, mesh.stack.refresh])
    finally:
        put_right()
    # A refresh runs all its steps side by side: what it has forgotten is put back.
    mesh.stack.stack.import_stack(before)


def test_two_names_for_one_cluster(mesh: Mesh) -> None:
    file = mesh.stack.directory / "kubeconfig"
    good = file.read_text()
    known = yaml.safe_load(good)
    (b,) = (item for item in known["contexts"] if item["name"] == "bare-b")
    known["contexts"].append({**b, "name": "alias"})
    file.write_text(yaml.safe_dump(known))
    config = mesh.config()
    mesh.stack.configure({**config, "clusters": {**config["clusters"], "bb": {"context": "alias"}}})
    try:
        refused(mesh.stack, "context 'alias' leads to the same cluster as clusters.b.context")
    finally:
        file.write_text(good)


def test_a_cluster_is_not_renamed(mesh: Mesh) -> None:
    mesh.stack.configure({**mesh.config(a="a", bb="b"), "removed": ["b"]})
    refused(mesh.stack, "is cluster b of this stack: a cluster keeps its name")


def test_a_stack_that_was_renamed_goes_on(mesh: Mesh) -> None:
    mesh.stack.rename("other")
    try:
        assert set(mesh.stack.up()) == {"same", "update"}
        mark = mesh.servers.clusters["a"].call("GET", f"{GATEWAYS}/configmaps/{MARK}")
        assert mark["data"]["stack"] == "organization/istio-multicluster/other"
    finally:
        mesh.stack.rename("test")
        mesh.stack.up()


def test_what_was_there_before_is_used_and_left(mesh: Mesh) -> None:
    spare = mesh.servers.clusters[SPARE]
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "istio-gateways", "labels": {"theirs": "1"}},
    }
    spare.call("POST", "/api/v1/namespaces", namespace)
    stack = mesh.another("beside", {**mesh.config(spare=SPARE), "links": []})
    stack.up()
    assert set(stack.preview()) == UNCHANGED
    stack.destroy()
    left = spare.call("GET", "/api/v1/namespaces/istio-gateways")["metadata"]
    assert left["labels"] == {"theirs": "1", "kubernetes.io/metadata.name": "istio-gateways"}
    assert "deletionTimestamp" not in left
    names = [item["metadata"]["name"] for item in spare.items(f"{GATEWAYS}/configmaps")]
    assert MARK not in names, "destroy takes the mark off"
    assert "istio-system" not in [i["metadata"]["name"] for i in spare.items("/api/v1/namespaces")]
    spare.call("DELETE", "/api/v1/namespaces/istio-gateways")


def test_a_cluster_that_was_built_anew_is_filled(made: Mesh) -> None:
    """The last of all: the spare cluster takes the place of b."""
    before = {key: uid for key, uid in made.uids().items() if key.startswith("a ")}
    lead_elsewhere(made)
    spare = made.servers.clusters[SPARE]
    uid = spare.call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    refused(made.stack, f"`{VARIABLE}=b={uid[:8]} pulumi up --refresh` fills it")
    made.stack.use_environment(**{VARIABLE: f"b={uid[:8]}"})
    made.stack.up(refresh=True)
    made.stack.use_environment()
    assert set(made.stack.preview()) == UNCHANGED
    mark = spare.call("GET", f"{GATEWAYS}/configmaps/{MARK}")["data"]
    assert (mark["cluster"], mark["stack"]) == ("b", "organization/istio-multicluster/test")
    after = {key: uid for key, uid in made.uids().items() if key.startswith("a ")}
    assert after == before, "nothing on the others is replaced"
