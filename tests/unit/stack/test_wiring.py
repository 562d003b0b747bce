"""Settings become the arguments of components: all of them, in the right place, secrets as such."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pytest

from components.cluster.istio_cluster import IstioCluster
from components.model import CaCerts, RemoteCluster
from components.ownership.claim import Claim
from components.ownership.cluster_mark import ClusterMarkArgs
from config.settings import Settings
from stack import wiring
from tests.support import pki
from tests.unit.support import issued
from tests.unit.support.parsing import parse
from tests.unit.support.stacks import FULL

MARK = ClusterMarkArgs(
    "5tack-1d", "o/p/s", "b", "istio-gateways", "uid", {"kubeconfig": None, "context": "ctx-b"}
)
CLAIM = Claim(MARK, frozenset())
CA = CaCerts("certificate", "the key", "chain", "root")


@pytest.fixture
def settings(workdir: Path) -> Settings:
    return parse(workdir, FULL)


def brought(settings: Settings, **files: CaCerts[str]) -> Settings:
    """Return the settings of a user with certificates of an own PKI."""
    clusters = {
        name: replace(cluster, cacerts=files.get(name))
        for name, cluster in settings.clusters.items()
    }
    return replace(settings, root_ca=None, clusters=clusters)


def revoking(settings: Settings, *serials: str) -> Settings:
    assert settings.root_ca
    return replace(settings, root_ca=replace(settings.root_ca, revoked=serials))


def test_a_link_of_two_clusters_goes_both_ways(settings: Settings) -> None:
    ends: Any = {"a": SimpleNamespace(), "b": SimpleNamespace()}
    link = wiring.cluster_link(settings, ("a", "b"), ends, ends)
    assert link.directions == [(ends["a"], ends["b"]), (ends["b"], ends["a"])]


def test_a_link_to_another_stack_goes_one_way(settings: Settings) -> None:
    here, there = cast("IstioCluster", SimpleNamespace()), remote("d")
    link = wiring.cluster_link(settings, ("a", "d"), {"a": here}, {"a": here, "d": there})
    assert link.directions == [(here, there)]


def remote(name: str) -> RemoteCluster:
    return RemoteCluster(
        cluster_name=name,
        ingress_port=15443,
        exposes=(),
        ingress_addresses=("192.0.2.4",),
        ingress_spiffe_id=f"spiffe://{name}.remote/ns/istio-gateways/sa/istio-ingressgateway",
        trust_domain=f"{name}.remote",
    )


def test_the_guard_is_told_nothing_that_has_no_use(settings: Settings) -> None:
    guard = wiring.trust_phase(settings, {}, {})
    assert (guard.remote, guard.with_list, guard.removed) == (None, None, ())
    more = replace(settings, peers={"d": "o/p/s"}, removed=("e",))
    listed: Any = SimpleNamespace()  # an Output would be waited for by the next test's program
    guard = wiring.trust_phase(more, {}, {"d": remote("d")}, listed)
    assert (guard.with_list, guard.removed) == (listed, ("e",))
    assert guard.remote
    assert guard.remote["trust"] == {"d": {"roots": [], "signer": ""}}


def test_a_clusters_arguments_are_its_own_and_what_it_knows_of_its_peers(
    settings: Settings,
) -> None:
    told = replace(settings, caller_identity=True)
    args = wiring.istio_cluster(told, "b", CLAIM, None, None, None, {})
    assert args.access == {"kubeconfig": "kubeconfig", "context": "ctx-b"}
    assert args.trust_domain == "b.example"
    assert args.link_port == 15444
    assert args.callers == {"a": "a.remote"}, "c is not linked to b"
    assert [item.service for item in args.exposes] == ["details", "reviews"]
    assert args.caller_identity is True
    assert args.warn_days == settings.warn_days


def test_the_root_cluster_is_reached_by_its_own_context(settings: Settings) -> None:
    assert settings.root_ca
    args = wiring.root_ca(settings, settings.root_ca, CLAIM, None)
    assert args.access == {"kubeconfig": "kubeconfig", "context": "ctx-root"}
    assert list(args.clusters) == ["a", "b", "c"]
    assert args.issuing.revoked == ("c0ffee",)


def test_a_key_that_the_user_brings_is_a_secret_from_here_on(settings: Settings) -> None:
    async def key_is_secret() -> bool:
        cas = wiring.cacerts(brought(settings, a=CA))
        assert {name for name, ca in cas.items() if ca} == {"a"}
        ca = cas["a"]
        assert ca
        assert (ca.ca_cert, ca.cert_chain, ca.root_cert) == ("certificate", "chain", "root")
        assert ca.ca_crl is None
        assert isinstance(ca.ca_key, pulumi.Output)
        return await ca.ca_key.is_secret()

    assert asyncio.run(key_is_secret())


def test_without_lists_there_is_no_revocation(settings: Settings) -> None:
    assert settings.root_ca
    without = replace(settings, root_ca=replace(settings.root_ca, revoked=None))
    assert wiring.revocation(without, "a") is None
    assert wiring.revocation(brought(settings, a=CA), "a") is None
    assert wiring.revocation(brought(settings), "a") is None


def test_a_set_of_revoked_cas_is_told_from_every_other(settings: Settings) -> None:
    def told(*serials: str) -> str | None:
        (one,) = {wiring.revocation(revoking(settings, *serials), name) for name in "abc"}
        return one

    sets = [(), ("0a",), ("0b",), ("0a", "0b"), ("0a0b",)]
    assert len({told(*serials) for serials in sets}) == len(sets)
    assert None not in {told(*serials) for serials in sets}, "an empty list is a list"
    assert told("0a", "0b") == told("0b", "0a")


def test_of_the_users_lists_the_entries_count_and_not_the_signatures(settings: Settings) -> None:
    root = issued.ca("root-ca")

    def told(*serials: int) -> str | None:
        lists = pki.crl(root, revoked=serials)
        return wiring.revocation(brought(settings, a=replace(CA, ca_crl=lists)), "a")

    assert told() is not None
    assert told(10, 11) == told(11, 10), "issued anew, it ends no connection"
    assert len({told(), told(10), told(10, 11)}) == 3
    with_ours = wiring.revocation(revoking(settings, "a"), "a")
    assert told(10) == with_ours, "the same, wherever it stands"


def test_the_guard_knows_every_cluster_with_a_ca_and_who_uses_lists(settings: Settings) -> None:
    ca = issued.ca("a.root-ca").pem
    files = CaCerts(ca, "key", ca, issued.ca("root-ca").pem)
    lists = replace(files, ca_crl=issued.crl("root-ca", ()))
    mine = brought(settings, a=lists, b=files)

    async def uses_lists() -> dict[str, bool]:
        wanted: Any = wiring.trust_phase(mine, wiring.cacerts(mine), {}).wanted
        return {name: (await trust.future())["revocation"] for name, trust in wanted.items()}

    assert asyncio.run(uses_lists()) == {"a": True, "b": False}
    args = wiring.trust_phase(mine, {}, {})
    assert args.linked == {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    assert args.access["c"] == {"kubeconfig": "kubeconfig", "context": "ctx-c"}
