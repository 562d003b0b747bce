"""How many objects there are, and what a change of the configuration leaves alone."""

from __future__ import annotations

import pytest

from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import service, stack

PER_CLUSTER = 15
"""Namespaces x2, mark, cacerts, CRDs, charts x4, wait for istiod, addresses, clean-up, strict mTLS,
policy, Gateway.

One more as soon as it exposes HTTP.
"""
PER_DNS = 8
PER_LINK = 14
PER_ROOT_CA = 6
"""Namespace, mark, guard of keys, self-signed Issuer, root Certificate, Issuer; and two per mesh
cluster.
"""
GUARD = "TrustPhase trust-phase"
"""Knows which clusters are linked; nothing else changes with it."""
OWNERSHIP = "OwnershipGuard ownership-guard"
"""Knows which clusters there are; nothing else changes with it."""


def counts(run: Run) -> dict[str, int]:
    return {name: len(run.children(name)) for name in run.components}


@pytest.mark.parametrize("services", [0, 1, 10, 200])
def test_the_objects_are_the_same_however_many_services_there_are(
    program: ProgramRunner, services: int
) -> None:
    exposes = [service(f"s{i}", 80 + i) for i in range(services)]
    found = counts(program(stack("ab", b={"exposes": exposes})))
    assert found == {
        "a": PER_CLUSTER,
        "b": PER_CLUSTER + bool(services),
        "a_b": PER_LINK,
        "a-dns": PER_DNS,
        "b-dns": PER_DNS,
        "root-ca": PER_ROOT_CA + 2 * 2,
    }


@pytest.mark.parametrize("names", ["ab", "abc", "abcde"])
def test_objects_grow_linearly_in_links(program: ProgramRunner, names: str) -> None:
    found = counts(program(stack(names)))
    links = {name: count for name, count in found.items() if "_" in name}
    assert len(links) == len(names) * (len(names) - 1) // 2
    assert set(links.values()) == {PER_LINK}
    assert {found[name] for name in names} == {PER_CLUSTER}, "peers cost a cluster no object"
    assert {found[f"{name}-dns"] for name in names} == {PER_DNS}
    assert found["root-ca"] == PER_ROOT_CA + 2 * len(names)


def test_a_cluster_without_links_gets_istio_and_nothing_of_a_link(
    program: ProgramRunner,
) -> None:
    config = stack("ab")
    config["links"] = []
    del config["rootCa"]
    run = program(config)
    assert counts(run) == {"a": PER_CLUSTER - 1, "b": PER_CLUSTER - 1}, "no cacerts, no DNS"
    assert set(run.providers) == {"a", "b"}
    assert not run.kind("TrustPhase"), "there is no trust to guard"


def changes(before: Run, after: Run) -> set[str]:
    """Return the objects and providers that are in both and differ."""
    assert set(before.providers) <= set(after.providers)
    for name, provider in before.providers.items():
        assert provider.same(after.providers[name])
    assert set(before.objects) <= set(after.objects), "an addition removed something"
    return {key for key, o in before.objects.items() if not o.same(after[key])}


def test_a_new_cluster_changes_only_what_its_peers_know_of_it(program: ProgramRunner) -> None:
    exposing = {"exposes": [service("web", 80, allow=["b"])]}
    before, after = program(stack("ab", a=exposing)), program(stack("abc", a=exposing))
    assert changes(before, after) == {
        f"{kind} {cluster}-{suffix}"
        for cluster in "ab"
        for kind, suffix in (
            ("AuthorizationPolicy", "link-policy"),  # the new peer's egress gateway may speak
            ("Deployment", "dns-deployment"),  # its zone is mounted
        )
    } | {GUARD, OWNERSHIP}
    new = set(after.objects) - set(before.objects)
    assert {key for key in new if not after[key].parent} == {"Identity c-identity"}
    owners = {after[key].parent for key in new} - {""}
    assert owners == {"c", "c-dns", "a_c", "b_c", "root-ca"}
    from_root = [key for key in new if after[key].parent == "root-ca"]
    assert len(from_root) == 2, "its Certificate and the Secret that is read"


def test_a_new_link_changes_only_its_two_ends(program: ProgramRunner) -> None:
    before, after = stack("abc"), stack("abc")
    before["links"] = [["a", "b"], ["b", "c"]]
    after["links"] = [["a", "b"], ["b", "c"], ["a", "c"]]
    one, other = program(before), program(after)
    assert changes(one, other) == {
        f"{kind} {cluster}-{suffix}"
        for cluster in "ac"
        for kind, suffix in (
            ("AuthorizationPolicy", "link-policy"),
            ("Deployment", "dns-deployment"),
        )
    } | {GUARD}
    assert {other[key].parent for key in set(other.objects) - set(one.objects)} == {"a_c"}


def test_a_newly_exposed_service_changes_two_objects_and_its_port_at_the_callers(
    program: ProgramRunner,
) -> None:
    before = program(stack("abc", a={"exposes": [service("web", 80)]}))
    after = program(stack("abc", a={"exposes": [service("web", 80), service("api", 81)]}))
    assert changes(before, after) == {
        "ServiceEntry a_b-b-to-a-services",
        "ServiceEntry a_c-c-to-a-services",
        "AuthorizationPolicy a-link-policy",  # a list of what is allowed
        "VirtualService a-exposed-services",  # and one of where it goes
    }
    assert set(after.objects) == set(before.objects)


def test_a_tcp_service_is_two_objects_for_itself_and_one_for_each_port_at_the_callers(
    program: ProgramRunner,
) -> None:
    """A ServiceEntry and a VirtualService each; the first one also brings the other's ingress."""

    def found(*exposes: dict[str, object]) -> Run:
        return program(stack("abc", a={"exposes": list(exposes)}))

    web, db = service("web", 80), service("db", 1, protocol="tcp", allow=["b"])
    second, cache = {**db, "port": 2}, {**db, "service": "cache"}
    none, one, two, three = (
        found(web),
        found(web, db),
        found(web, db, second),
        found(web, db, second, cache),
    )
    assert set(one.objects) - set(none.objects) == {
        "VirtualService a-expose-db.shop.1",
        "VirtualService a_b-b-to-a-db.shop.1",
        "ServiceEntry a_b-b-to-a-db.shop",
        "ServiceEntry a_b-b-to-a-ingress-tcp",
        "DestinationRule a_b-b-to-a-ingress-tcp",
    }
    assert changes(none, one) == {
        "AuthorizationPolicy a-link-policy",
        "Gateway a-exposed-services",
        "Gateway a_b-b-to-a-egress",
        "DestinationRule a_b-b-to-a-egress",
        "ConfigMap a_b-b-to-a-dns-zone",
    }, "c, which may not call it, does not change"
    assert len(two.objects) - len(one.objects) == 2, "a VirtualService on either side"
    assert len(three.objects) - len(two.objects) == 3, "and a ServiceEntry at the caller"
