"""The stack's life with the real engine, provider and API servers, step after step.

The tests of this file run in their order, each on what the one before has left.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.automation import CommandError

from config.own_certificates import KEYS_OF_FILES
from tests.conftest import Lab
from tests.support import pki
from tests.support.kube import Kube
from tests.support.stack import Stack
from tests.support.wait import until

CONFIG: dict[str, Any] = {
    "clusters": {
        "a": {
            "context": "lab-a",
            "exposes": [{"service": "echo", "namespace": "apps", "port": 8080}],
        },
        "b": {"context": "lab-b", "dns": "kube-dns"},
    },
    "links": "all",
    "rootCa": {"context": "lab-root"},
}

LINK_OBJECTS = ("ingress", "services", "egress", "dns-zone")
UNCHANGED = {"same", "read"}  # issued cluster CAs are read from the root cluster


class Life:
    """The stack and its clusters, with what they held before."""

    def __init__(self, lab: Lab, stack: Stack) -> None:
        self.stack = stack
        self.config = {**CONFIG, "istio": lab.istio}
        self.clusters = {name: Kube(lab.kubeconfig, f"lab-{name}") for name in ("a", "b", "root")}
        self.before = {name: kube.snapshot() for name, kube in self.clusters.items()}

    def is_as_before(self, name: str) -> None:
        """Check what a cluster holds; what its own controllers clean up takes a moment."""
        before = self.before[name]

        def differences() -> dict[str, Any]:
            now = self.clusters[name].snapshot()
            return {
                key: (before.get(key), now.get(key))
                for key in {*before, *now}
                if before.get(key) != now.get(key)
            }

        until(differences, lambda found: not found, 60, f"cluster {name} must be as it was")


@pytest.fixture(scope="module")
def life(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    stack = Stack(tmp_path_factory.mktemp("engine"), lab.kubeconfig, {**CONFIG, "istio": lab.istio})
    made = Life(lab, stack)
    yield made
    made.stack.configure(made.config)
    stack.destroy()


def test_bad_configuration_is_reported_whole_and_makes_nothing(life: Life) -> None:
    clusters = {**life.config["clusters"], "C": {"context": "nowhere"}}
    life.stack.configure({**life.config, "clusters": clusters, "links": [["a", "z"]]})
    with pytest.raises(CommandError) as error:
        life.stack.up()
    for part in ("clusters.C", "'nowhere'", "links[0]", "3 mistakes"):
        assert part in str(error.value), f"{part} must be in what the user sees"
    assert "Traceback" not in str(error.value)
    life.stack.configure(life.config)
    life.is_as_before("a")


def test_the_first_preview_shows_the_link(life: Life) -> None:
    changes = life.stack.preview()
    assert set(changes) <= {"create", "same"}, "the stack itself is there, nothing else"
    shown = "\n".join(life.stack.output)
    for direction in ("a_b-a-to-b", "a_b-b-to-a"):
        for suffix in LINK_OBJECTS:
            assert f"{direction}-{suffix}" in shown, "a reviewer must see every object of a link"


def test_up_makes_everything_at_once(life: Life) -> None:
    assert life.stack.up().keys() <= {"create", "same"}
    addresses = life.stack.outputs()["clusters"]["a"]["ingressAddresses"]
    assert addresses, "the ingress address is an output"


@pytest.mark.parametrize("seed", [0, 1])
def test_up_again_changes_nothing(life: Life, seed: int) -> None:
    life.stack.use_hash_seed(seed)
    assert set(life.stack.up()) <= UNCHANGED


def test_refresh_finds_no_drift(life: Life) -> None:
    # The first refresh writes down what identifies the Secrets that are read, and nothing else.
    assert life.stack.refresh().get("update", 0) == len(life.config["clusters"])
    assert set(life.stack.refresh()) <= UNCHANGED


def test_clusters_share_the_root_and_not_the_ca(life: Life) -> None:
    clusters = life.stack.outputs()["clusters"]
    assert clusters["a"]["trust"]["roots"] == clusters["b"]["trust"]["roots"]
    assert clusters["a"]["trust"]["clusterCa"] != clusters["b"]["trust"]["clusterCa"]
    cas = {
        name: life.clusters[name].get("secret", "cacerts", "-n", "istio-system")["data"]
        for name in ("a", "b")
    }
    assert cas["a"]["root-cert.pem"] == cas["b"]["root-cert.pem"]
    assert cas["a"]["ca-cert.pem"] != cas["b"]["ca-cert.pem"]


def test_no_private_key_is_readable_in_state_or_output(life: Life) -> None:
    no_private_key_is_readable(life)


def no_private_key_is_readable(life: Life) -> None:
    text = life.stack.state() + "\n".join(life.stack.output)
    assert "PRIVATE KEY" not in text
    decoded = [
        base64.b64decode(run[start : start + (len(run) - start) // 4 * 4])
        for run in re.findall(r"[A-Za-z0-9+/]{64,}", text)
        for start in range(4)
    ]
    assert decoded, "there is base64 in the state, certificates for one"
    assert not any(b"PRIVATE KEY" in item for item in decoded)


def test_kube_dns_mode_writes_a_stub_domain(life: Life) -> None:
    data = life.clusters["b"].get("configmap", "kube-dns", "-n", "kube-system")["data"]
    assert set(json.loads(data["stubDomains"])) == {"remote"}


def test_an_edit_of_the_corefile_that_is_lost_is_found_and_repaired(life: Life) -> None:
    kube = life.clusters["a"]
    before = life.before["a"]["ConfigMap/kube-system/coredns"]["data"]
    patch = json.dumps({"data": before})
    kube.run("patch", "configmap", "coredns", "-n", "kube-system", "--patch", patch)
    assert life.stack.refresh().get("update") == 1
    assert life.stack.up().get("update") == 1
    corefile = kube.get("configmap", "coredns", "-n", "kube-system")["data"]["Corefile"]
    assert "remote:53" in corefile


def test_what_is_no_longer_exposed_is_refused_before_its_route_goes(life: Life) -> None:
    clusters = {**life.config["clusters"], "a": {"context": "lab-a"}}
    life.stack.configure({**life.config, "clusters": clusters})
    life.stack.up()
    steps = life.stack.steps
    assert steps.index(("update", "a-link-policy")) < steps.index(("delete", "a-exposed-services"))
    life.stack.configure(life.config)
    life.stack.up()
    steps = life.stack.steps
    assert steps.index(("update", "a-link-policy")) < steps.index(("create", "a-exposed-services"))


def test_removing_the_link_removes_its_objects_and_nothing_else(life: Life) -> None:
    life.stack.configure({**life.config, "links": []})
    changes = life.stack.up()
    assert not changes.keys() & {"create", "replace"}
    kinds = "serviceentries,destinationrules,virtualservices,gateways.networking.istio.io"
    left = life.clusters["a"].get(kinds, "-n", "istio-gateways")["items"]
    assert {item["metadata"]["name"] for item in left} <= {"exposed-services"}


def test_the_roots_key_is_not_deleted_unless_it_is_named(life: Life) -> None:
    urns = life.stack.urns()
    elsewhere = {**CONFIG["rootCa"], "namespace": "elsewhere"}
    for run, config in (
        (life.stack.preview, {**life.config, "rootCa": elsewhere}),
        (life.stack.stack.destroy, life.config),
    ):
        life.stack.configure(config)
        with pytest.raises(CommandError, match="holds the key of the root"):
            run()
    assert life.stack.urns() == urns
    namespace = life.clusters["root"].get("namespace", "istio-root-ca")
    assert "deletionTimestamp" not in namespace["metadata"]


def test_destroy_leaves_the_clusters_as_they_were(life: Life) -> None:
    life.stack.configure(life.config)
    life.stack.up()
    life.stack.destroy()
    for name in life.clusters:
        life.is_as_before(name)


def test_up_works_after_destroy_also_with_certificates_of_the_users_own(life: Life) -> None:
    root = pki.write(life.stack.directory / "pki", ["a", "b"])
    life.stack.configure({**life.config, "rootCa": {"directory": "pki"}})
    assert life.stack.up().keys() <= {"create", "same"}
    for name in ("a", "b"):
        served = life.clusters[name].get("configmap", "istio-ca-root-cert", "-n", "default")
        assert served["data"]["root-cert.pem"].strip() == root.strip(), "istiod uses the given CA"


def test_the_same_certificates_as_secrets_of_the_stack_change_nothing(life: Life) -> None:
    life.stack.configure({**life.config, "rootCa": {}})
    for name in ("a", "b"):
        for file, key in KEYS_OF_FILES.items():
            if (path := life.stack.directory / "pki" / name / file).exists():
                life.stack.configure_secret(f"rootCa.certificates.{name}.{key}", path.read_text())
    assert set(life.stack.up()) <= UNCHANGED
    no_private_key_is_readable(life)
