"""Settings become the arguments of components: all of them, in the right place, secrets as such."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components.cluster.istio_cluster import IstioClusterArgs, IstioInstall
from components.dns.remote_dns import RemoteDnsArgs
from components.link.cluster_link import ClusterLinkArgs
from components.trust.root_ca import Root, RootCaArgs
from config.settings import CaCerts, RootCa, Settings
from stack import wiring
from tests.support import pki
from tests.unit.support import issued
from tests.unit.support.parsing import parse
from tests.unit.support.stacks import FULL

CA = CaCerts("certificate", "the key", "chain", "root")


@pytest.fixture
def settings(workdir: Path) -> Settings:
    return parse(workdir, FULL)


def brought(settings: Settings, **files: CaCerts) -> Settings:
    """Return the settings of a user with certificates of an own PKI."""
    clusters = {
        name: replace(cluster, cacerts=files.get(name))
        for name, cluster in settings.clusters.items()
    }
    return replace(settings, root_ca=None, clusters=clusters)


def revoking(settings: Settings, *serials: str) -> Settings:
    assert settings.root_ca
    return replace(settings, root_ca=replace(settings.root_ca, revoked=serials))


def declared(kind: Any) -> set[str]:
    return set(kind.__annotations__)


def test_every_component_gets_what_it_declares_and_nothing_else(settings: Settings) -> None:
    ends: Any = {"a": SimpleNamespace(), "b": SimpleNamespace()}
    link: Any = wiring.cluster_link(settings, ("a", "b"), ends, {})
    assert link["directions"] == [(ends["a"], ends["b"]), (ends["b"], ends["a"])]
    cluster: Any = wiring.istio_cluster(settings, "a", None, None, {})
    root: Any = wiring.root_ca(settings)
    assert set(link) == declared(ClusterLinkArgs)
    assert set(cluster) == declared(IstioClusterArgs)
    assert set(cluster["istio"]) == declared(IstioInstall)
    assert set(wiring.remote_dns(settings, "a", {})) == declared(RemoteDnsArgs)
    guard = wiring.trust_phase(settings, {}, {})
    assert (guard.abroad, guard.listed, guard.removed) == (None, None, ())
    more = replace(settings, peers={"d": "o/p/s"}, removed=("e",))
    listed: Any = SimpleNamespace()  # an Output would be waited for by the next test's program
    guard = wiring.trust_phase(more, {}, {}, listed)
    assert guard.abroad == {"links": {"a": [], "b": [], "c": []}, "trust": {}}
    assert (guard.listed, guard.removed) == (listed, ("e",))
    assert set(root) == declared(RootCaArgs)
    assert [set(item) for item in root["roots"]] == [declared(Root)]
    assert set(root["cert_manager"]) == {"version", "repository", "values"}


def test_a_clusters_arguments_are_its_own_and_what_it_knows_of_its_peers(
    settings: Settings,
) -> None:
    args = wiring.istio_cluster(replace(settings, caller_identity=True), "b", None, None, {})
    assert args["access"] == {"kubeconfig": "kubeconfig", "context": "ctx-b"}
    assert args["trust_domain"] == "b.example"
    assert args["link_port"] == 15444
    assert args["peers"] == {"a": "a.remote"}, "c is not linked to b"
    assert [item["service"] for item in args["exposes"]] == ["details", "reviews"]
    assert args["caller_identity"] is True
    assert args["warn_days"] == settings.warn_days


def test_the_root_cluster_is_reached_by_its_own_context(settings: Settings) -> None:
    args = wiring.root_ca(settings)
    assert args["access"] == {"kubeconfig": "kubeconfig", "context": "ctx-root"}
    assert list(args["clusters"]) == ["a", "b", "c"]
    assert args["revoked"] == ("c0ffee",)


def test_a_key_that_the_user_brings_is_a_secret_from_here_on(settings: Settings) -> None:
    async def found() -> tuple[dict[str, Any], bool]:
        cas: Any = wiring.cacerts(brought(settings, a=CA))
        assert {name for name, ca in cas.items() if ca} == {"a"}
        key: pulumi.Output[str] = cas["a"].pop("ca_key")
        return cas["a"], await key.is_secret()

    assert asyncio.run(found()) == (
        {"ca_cert": "certificate", "cert_chain": "chain", "root_cert": "root", "ca_crl": ""},
        True,
    )


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
    assert args.peers == {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    assert args.access["c"] == {"kubeconfig": "kubeconfig", "context": "ctx-c"}


def test_settings_are_copied(settings: Settings) -> None:
    assert isinstance(settings.root_ca, RootCa)
    assert settings.root_ca.cert_manager
    wiring.root_ca(settings)["cert_manager"]["values"]["mine"] = 1  # type: ignore[index]
    assert settings.root_ca.cert_manager.values == {}
