"""Whose a cluster is: stacks that would take each other's, contexts that lead elsewhere.

Real engine, provider and API servers; three of these without nodes, and what controllers would
write is written by the tests. So nothing here is about traffic. Each test starts with the clusters
of stack `test`, and leaves them so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from pulumi.automation import CommandError

from components.confirmations import REBUILT, TAKE_OVER
from components.ownership.look import MARK
from tests.support.apiservers import ApiServers, tools
from tests.support.bare_mesh import GATEWAYS, BareMesh
from tests.support.controllers import Controllers
from tests.support.stack import Stack

SPARE = "spare"
UNCHANGED = {"same"}


class Mesh(BareMesh):
    """Two clusters with a stack, and one more cluster."""

    def __init__(self, servers: ApiServers, base: Path) -> None:
        super().__init__(servers, base, [SPARE])
        self.stack = self.new_stack("test")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    base = tmp_path_factory.mktemp("ownership")
    with ApiServers(base / "api", tools()) as servers, Controllers(servers.clusters):
        mesh = Mesh(servers, base)
        mesh.stack.up()
        yield mesh


@pytest.fixture
def mesh(made: Mesh) -> Iterator[Mesh]:
    """Hand out the clusters; afterwards they and the state are as before."""
    before = made.uids(), made.stack.urns()
    yield made
    made.stack.use_environment()
    made.stack.configure(made.config())
    assert (made.uids(), made.stack.urns()) == before


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
    return next(each for each in stack.urns() if each.endswith(f"::{name}"))


def test_a_copied_stack_file_takes_nothing_and_destroys_nothing(mesh: Mesh) -> None:
    second = mesh.new_stack("second")
    stack_id = mesh.mark("b")["stackId"]
    whose = f"belongs to stack organization/istio-multicluster/test (ID {stack_id}) since"
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
    put_right = lead_elsewhere(mesh)
    try:
        said = "leads to another cluster than before"
        refused(mesh.stack, said, runs=[mesh.stack.destroy, mesh.stack.refresh])
    finally:
        put_right()
    # A refresh runs all its steps side by side: what it has forgotten is found again.
    mesh.stack.up()
    assert set(mesh.stack.preview()) == UNCHANGED


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
        assert mesh.mark("a")["stack"] == "organization/istio-multicluster/other"
    finally:
        mesh.stack.rename("test")
        mesh.stack.up()


def test_a_lost_state_is_taken_over_and_a_state_moves_to_another_backend(mesh: Mesh) -> None:
    clusters = mesh.uids()
    second = mesh.new_stack("new-backend")
    stack_id = mesh.mark("a")["stackId"]
    refused(second, f"`{TAKE_OVER}={stack_id} pulumi up` takes its clusters over")
    second.use_environment(**{TAKE_OVER: stack_id})
    second.up()
    assert mesh.uids() == clusters, "no object is replaced"
    second.use_environment()
    assert set(second.preview()) == UNCHANGED
    # A change of something that the first stack had made: it is no conflict of field managers.
    config = mesh.config()
    config["clusters"]["a"]["replicas"] = 2
    second.configure(config)
    second.up()
    second.configure(mesh.config())
    second.up()
    refused(mesh.stack, f"(ID {mesh.mark('a')['stackId']}) since")
    mesh.stack.stack.import_stack(second.stack.export_stack())
    assert set(mesh.stack.preview()) == UNCHANGED
    assert mesh.uids() == clusters


def test_an_old_state_from_a_backup_catches_up(mesh: Mesh) -> None:
    before = mesh.stack.stack.export_stack()
    config = mesh.config()
    config["clusters"]["b"]["exposes"] = [
        {"service": "db", "namespace": "apps", "port": 5432, "protocol": "tcp"}
    ]
    mesh.stack.configure(config)
    mesh.stack.up()
    now = mesh.uids()
    mesh.stack.stack.import_stack(before)
    mesh.stack.up()  # it makes what is there already
    assert set(mesh.stack.preview()) == UNCHANGED
    after = mesh.stack.stack.export_stack()
    mesh.stack.configure(mesh.config())
    mesh.stack.up()
    mesh.stack.stack.import_stack(after)
    mesh.stack.up(refresh=True)  # it has what is gone
    assert set(mesh.stack.preview()) == UNCHANGED
    assert mesh.uids() == now


def test_what_was_there_before_is_used_and_left(mesh: Mesh) -> None:
    spare = mesh.servers.clusters[SPARE]
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "istio-gateways", "labels": {"theirs": "1"}},
    }
    spare.call("POST", "/api/v1/namespaces", namespace)
    stack = mesh.new_stack("beside", {**mesh.config(spare=SPARE), "links": []})
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
    refused(made.stack, f"`{REBUILT}=b={uid[:8]} pulumi up --refresh` fills it")
    made.stack.use_environment(**{REBUILT: f"b={uid[:8]}"})
    made.stack.up(refresh=True)
    made.stack.use_environment()
    assert set(made.stack.preview()) == UNCHANGED
    mark = made.mark(SPARE)
    assert (mark["cluster"], mark["stack"]) == ("b", "organization/istio-multicluster/test")
    after = {key: uid for key, uid in made.uids().items() if key.startswith("a ")}
    assert after == before, "nothing on the others is replaced"
