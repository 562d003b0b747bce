"""Three clusters of three owners, and a root CA of a fourth: a stack and a kubeconfig for each.

The tests of this file run in their order, each on what the one before has left. Sidecars answer for
the linked zones, so that no DNS server has to notice anything first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.automation import CommandError

from components.confirmations import REMOVED
from tests.conftest import CLUSTERS, Lab
from tests.support import pki, workloads
from tests.support.kube import Kube
from tests.support.stack import Stack
from tests.support.wait import at_once, until

ORG = "organization/istio-multicluster"
ROOT = "root"
UNCHANGED = {"same", "read"}


def config_of(name: str) -> dict[str, Any]:
    """Return the stack file of a cluster's owner."""
    others = [other for other in CLUSTERS if other != name]
    echo = {"service": "echo", "namespace": workloads.NAMESPACE, "port": 8080}
    return {
        "clusters": {name: {"context": f"lab-{name}", "dns": "istio", "exposes": [echo]}},
        "peers": {other: {"stack": f"{ORG}/{other}"} for other in others},
        "rootCa": {"stack": f"{ORG}/{ROOT}"},
    }


class Owner:
    """One cluster with its stack, in a directory that knows of no other cluster."""

    def __init__(self, name: str, config: dict[str, Any], base: Path, lab: Lab) -> None:
        self.name = name
        self.kube = Kube(lab.kubeconfig, f"lab-{name}")
        self.config = {**config, "istio": lab.istio}
        directory = base / name
        directory.mkdir()
        own = self.kube.run("config", "view", "--minify", "--flatten").stdout
        kubeconfig = directory.with_suffix(".kubeconfig")
        kubeconfig.write_text(own)
        self.stack = Stack(directory, kubeconfig, self.config, name=name, state=base / "state")

    def up(self, **further: Any) -> dict[str, int]:
        """Configure anew, with what is given, and update."""
        self.config |= further
        self.stack.configure(self.config)
        self.stack.output.clear()
        return self.stack.up()

    def without(self, peer: str) -> dict[str, Any]:
        """Return the peers but one."""
        return {name: item for name, item in self.config["peers"].items() if name != peer}

    def call(self, target: str, port: int = 8080) -> str:
        """Call the target's server from a pod with a sidecar."""
        url = f"http://echo.apps.svc.{target}.remote:{port}/debug?env=dump"
        script = (
            f"curl -s -m 10 -o /tmp/body -w '%{{http_code}} ' '{url}'; "
            "grep -o 'CLUSTER=[a-z]*' /tmp/body; rm -f /tmp/body"
        )
        return " ".join(self.kube.shell(workloads.NAMESPACE, script).split())

    def links(self) -> set[str]:
        """Return the clusters that this one has objects for."""
        found = self.kube.get("serviceentries", "-n", "istio-gateways")["items"]
        return {item["metadata"]["name"].partition("-")[0] for item in found}


Owners = dict[str, Owner]


def together(owners: Iterable[Owner]) -> None:
    """Update several stacks at a time, as their owners would."""
    at_once(Owner.up, owners)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for those of all owners, and for the backend that they share."""
    return tmp_path_factory.mktemp("stacks")


@pytest.fixture(scope="module")
def root(lab: Lab, base: Path) -> Iterator[Owner]:
    config = {"rootCa": {"context": f"lab-{ROOT}", "clusters": [*CLUSTERS]}}
    made = Owner(ROOT, config, base, lab)
    yield made
    made.stack.destroy()


@pytest.fixture(scope="module")
def owners(lab: Lab, base: Path, root: Owner) -> Iterator[Owners]:
    made = {name: Owner(name, config_of(name), base, lab) for name in CLUSTERS}
    yield made
    for owner in made.values():
        owner.kube.run(
            "delete", "namespace", workloads.NAMESPACE, "--ignore-not-found", timeout=120
        )
        owner.stack.use_environment(**{REMOVED: owner.name})
    at_once(lambda owner: owner.stack.destroy(), made.values())


def test_no_stack_has_another_clusters_kubeconfig(owners: Owners, root: Owner) -> None:
    for name, owner in {**owners, ROOT: root}.items():
        known = yaml.safe_load((owner.stack.directory / "kubeconfig").read_text())
        assert [context["name"] for context in known["contexts"]] == [f"lab-{name}"]
        assert len(known["clusters"]) == len(known["users"]) == 1


def test_a_root_that_is_not_up_yet_is_told(owners: Owners, root: Owner) -> None:
    with pytest.raises(CommandError) as error:
        owners["a"].stack.preview()
    assert f"rootCa.stack: stack '{ORG}/{ROOT}' has no cacerts.a" in str(error.value)
    assert root.up().keys() <= {"create", "read", "same"}


def test_a_peer_that_is_not_up_yet_is_a_message_and_the_cluster_is_made(owners: Owners) -> None:
    a = owners["a"]
    assert a.up().keys() <= {"create", "same"}
    said = "\n".join(a.stack.output)
    for peer in "bc":
        assert f"istio-multicluster:peers.{peer}.stack: stack '{ORG}/{peer}' has no outputs" in said
        assert f"{peer} is not linked yet; run `pulumi up` for that stack" in said
    assert a.stack.outputs()["peers"]["b"] == {"stack": f"{ORG}/b", "linked": False}
    assert a.links() == set()


def test_every_cluster_calls_every_other_once_all_stacks_are_up(owners: Owners) -> None:
    together([owners["b"], owners["c"]])
    together([*owners.values()])
    for name, owner in owners.items():
        objects = workloads.server(name), [workloads.service("echo", 8080, 7777)]
        owner.kube.apply(*objects[0], *objects[1], workloads.client(workloads.NAMESPACE))
    for owner in owners.values():
        owner.kube.wait_for_deployments(workloads.NAMESPACE)
    for name, owner in owners.items():
        for target in owners.keys() - {name}:
            until(
                lambda owner=owner, target=target: owner.call(target),  # type: ignore[misc]
                lambda seen, target=target: seen == f"200 CLUSTER={target}",  # type: ignore[misc]
                30,
                f"{name} must reach {target}",
            )


def test_up_again_changes_nothing(owners: Owners, root: Owner) -> None:
    assert set(owners["a"].up()) <= UNCHANGED
    assert set(root.up()) <= UNCHANGED


def test_keys_are_readable_in_no_state(root: Owner) -> None:
    text = root.stack.state()
    assert text.count("ingressSpiffeId") >= len(CLUSTERS), "it is the state of all"
    assert "PRIVATE KEY" not in text


def test_what_a_peer_exposes_is_seen_by_the_next_up(owners: Owners) -> None:
    a, b = owners["a"], owners["b"]
    (cluster,) = b.config["clusters"].values()
    cluster["exposes"].append({**cluster["exposes"][0], "port": 7777})
    assert b.up().keys() <= {*UNCHANGED, "update"}
    changes = a.up()
    assert changes.keys() <= {*UNCHANGED, "update"}
    assert changes["update"] == 1, "the ports of the zone"
    until(
        lambda: a.call("b", 7777),
        lambda seen: seen == "200 CLUSTER=b",
        30,
        "the port that b exposes by now must answer",
    )


def test_a_peer_under_another_root_is_refused_by_a_preview(owners: Owners) -> None:
    a = owners["a"]
    pki.write(a.stack.directory / "other", ["a"])
    a.stack.configure({**a.config, "rootCa": {"directory": "other"}})
    with pytest.raises(CommandError) as error:
        a.stack.preview()
    assert "peer b does not trust root" in str(error.value)


def test_a_cluster_that_others_import_from_is_not_destroyed(owners: Owners) -> None:
    c = owners["c"]
    before = c.stack.urns()
    with pytest.raises(CommandError) as error:
        c.stack.destroy()
    text = "cluster c is not destroyed: a and b of another stack import from it"
    assert text in str(error.value)
    assert c.stack.urns() == before
    assert owners["a"].call("c") == "200 CLUSTER=c"


def test_it_is_destroyed_when_it_is_named_and_its_peers_are_told(owners: Owners) -> None:
    a, c = owners["a"], owners["c"]
    c.stack.use_environment(**{REMOVED: "c"})
    c.stack.destroy()
    assert len(c.stack.urns()) <= 1
    a.stack.configure(a.config)
    with pytest.raises(CommandError) as error:
        a.stack.preview()
    assert f"peers.c.stack: stack '{ORG}/c' has no outputs, and c is linked" in str(error.value)
    assert "Traceback" not in str(error.value)
    assert a.up(peers=a.without("c")).keys() <= {*UNCHANGED, "update", "delete"}
    assert a.links() == {"b"}
    assert a.call("b") == "200 CLUSTER=b"


def test_a_stack_that_leaves_all_its_peers_needs_one_up_only(owners: Owners) -> None:
    a = owners["a"]
    assert a.up(peers={}).keys() <= {*UNCHANGED, "update", "delete"}
    assert a.links() == set()
