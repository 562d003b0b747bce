"""lab/cluster/load_balancer.py: addresses of Services, against an API server in memory."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab import instance
from lab.cluster.load_balancer import LoadBalancer
from lab.instance import Instance


class World:
    """Services of a cluster and addresses of its node; stands in for both."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.interface = {"192.168.77.5", "10.0.0.1"}
        """The node's own address, and one that is none of the pool."""
        self.patches: list[str] = []
        self.answer: dict[str, httpx.Response] = {}

    def add(self, name: str, *ports: int, kind: str = "LoadBalancer", **spec: Any) -> None:
        namespace, _, short = name.partition("/")
        self.services[name] = {
            "metadata": {"namespace": namespace, "name": short},
            "spec": {"type": kind, "ports": [{"port": port} for port in ports], **spec},
            "status": {"loadBalancer": {}},
        }

    def address(self, name: str) -> str | None:
        ingress = self.services[name]["status"]["loadBalancer"].get("ingress", [])
        return ingress[0]["ip"] if ingress else None

    @property
    def addresses(self) -> dict[str, str]:
        """Of the Services that have one."""
        return {name: found for name in self.services if (found := self.address(name))}

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "GET":
            items = list(self.services.values())
            return httpx.Response(200, json={"metadata": {"resourceVersion": "7"}, "items": items})
        _, _, _, _, namespace, _, name, status = path.split("/")
        assert status == "status", "the only part that is ours"
        assert request.headers["content-type"] == "application/merge-patch+json"
        key = f"{namespace}/{name}"
        self.patches.append(key)
        if key in self.answer:
            return self.answer.pop(key)
        self.services[key]["status"] = json.loads(request.content)["status"]
        return httpx.Response(200, json={})

    async def ip(self, *words: str) -> str:
        if "show" in words:
            return json.dumps([{"addr_info": [{"local": item} for item in sorted(self.interface)]}])
        _, verb, address, *_ = words
        host, _, length = address.partition("/")
        assert length == "32", "else the node would have a route per address"
        if verb == "add":
            self.interface.add(host)
        else:
            self.interface.remove(host)
        return ""


class Lab:
    """A load balancer and its world."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lab.cluster.load_balancer.api.tls", lambda cluster: True)
        self.cluster = Instance("dev").plan(["x"])[0]
        self.pool = self.cluster.load_balancer_addresses
        self.world = World()
        self.restart()
        monkeypatch.setattr(LoadBalancer, "_ip", lambda _, *words: self.world.ip(*words))

    def restart(self) -> None:
        """Forget all but the cluster."""
        self.balancer = LoadBalancer(self.cluster)
        transport = httpx.MockTransport(self.world.handle)
        self.balancer._client = httpx.AsyncClient(transport=transport, base_url="https://api")

    def reconcile(self) -> None:
        assert asyncio.run(self.balancer._reconcile()) == "7"

    @property
    def held(self) -> set[str]:
        """What of the pool the node's interface has."""
        return self.world.interface & set(self.pool)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    monkeypatch.setattr(instance, "STATE_ROOT", tmp_path)
    return Lab(monkeypatch)


def test_every_service_gets_an_address_of_its_own_and_the_node_has_it(lab: Lab) -> None:
    for number in range(16):
        lab.world.add(f"ns/s{number}", 80)
    lab.reconcile()
    assert sorted(lab.world.addresses.values()) == sorted(lab.pool), "none twice, all used"
    assert lab.held == set(lab.pool)


def test_services_of_one_name_in_two_namespaces_are_two(lab: Lab) -> None:
    lab.world.add("one/s", 80)
    lab.world.add("two/s", 80)
    lab.reconcile()
    assert len(set(lab.world.addresses.values())) == 2


def test_an_address_stays_and_is_not_published_again(lab: Lab) -> None:
    lab.world.add("ns/b", 80)
    lab.reconcile()
    lab.world.add("ns/a", 80)
    before = lab.world.address("ns/b")
    lab.reconcile()
    lab.reconcile()
    assert lab.world.address("ns/b") == before
    assert lab.world.patches == ["ns/b", "ns/a"], "every patch is a change that wakes it again"


def test_addresses_are_kept_over_a_restart(lab: Lab) -> None:
    for name in ("ns/a", "ns/b", "ns/c"):
        lab.world.add(name, 80)
    lab.reconcile()
    del lab.world.services["ns/a"]
    before = lab.world.addresses
    lab.restart()
    lab.world.add("ns/d", 80)
    lab.reconcile()
    after = lab.world.addresses
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == 3
    assert lab.held == set(after.values())


def test_a_released_address_leaves_the_node_and_is_used_again(lab: Lab) -> None:
    for number in range(16):
        lab.world.add(f"ns/s{number}", 80)
    lab.reconcile()
    freed = lab.world.address("ns/s7")
    lab.world.add("ns/late", 80)
    lab.reconcile()
    assert lab.world.address("ns/late") is None, "the pool is used up"
    assert freed in lab.held
    del lab.world.services["ns/s7"]
    lab.reconcile()
    assert lab.world.address("ns/late") == freed
    del lab.world.services["ns/late"]
    lab.reconcile()
    assert freed not in lab.held


def test_a_service_that_stops_being_a_load_balancer_releases_its_address(lab: Lab) -> None:
    lab.world.add("ns/s", 80)
    lab.reconcile()
    lab.world.services["ns/s"]["spec"]["type"] = "ClusterIP"
    lab.reconcile()
    assert lab.held == set()


def test_a_full_pool_does_not_stop_the_others(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(18):
        lab.world.add(f"ns/s{number:02}", 80)
    lab.reconcile()
    assert len(lab.world.addresses) == 16
    assert capsys.readouterr().out.count("no address left for ns/s1") == 2
    assert lab.balancer.first_http == lab.pool[0]


def test_other_services_and_other_addresses_are_left_alone(lab: Lab) -> None:
    lab.world.add("ns/inside", 80, kind="ClusterIP")
    lab.world.add("ns/classy", 80, loadBalancerClass="somebody.else/lb")
    others = set(lab.world.interface)
    lab.reconcile()
    assert lab.world.patches == []
    assert lab.world.interface == others
    assert lab.balancer.first_http is None


def test_an_address_of_another_pool_is_replaced(lab: Lab) -> None:
    lab.world.add("ns/s", 80)
    lab.world.services["ns/s"]["status"]["loadBalancer"] = {"ingress": [{"ip": "192.0.2.1"}]}
    lab.reconcile()
    assert lab.world.address("ns/s") == lab.pool[0]


def test_a_service_gets_the_address_that_it_asks_for(lab: Lab) -> None:
    wish = lab.pool[7]
    lab.world.add("ns/first", 80)
    lab.world.add("ns/s", 80, loadBalancerIP=wish)
    lab.reconcile()
    assert lab.world.addresses == {"ns/first": lab.pool[0], "ns/s": wish}
    lab.restart()
    lab.reconcile()
    assert lab.world.patches == ["ns/first", "ns/s"]
    lab.world.services["ns/s"]["spec"]["loadBalancerIP"] = lab.pool[8]
    lab.reconcile()
    assert lab.world.address("ns/s") == lab.pool[8]
    assert lab.held == {lab.pool[0], lab.pool[8]}


def test_a_service_that_asks_for_what_nobody_has_stays_pending(lab: Lab) -> None:
    lab.world.add("ns/s", 80)
    lab.reconcile()
    lab.world.services["ns/s"]["spec"]["loadBalancerIP"] = "192.0.2.1"
    for _ in range(2):
        lab.reconcile()
        assert lab.world.address("ns/s") is None
    assert lab.world.patches == ["ns/s", "ns/s"], "told once"
    assert lab.held == set()
    del lab.world.services["ns/s"]["spec"]["loadBalancerIP"]
    lab.reconcile()
    assert lab.world.address("ns/s") == lab.pool[0]


def test_a_host_name_stands_in_for_the_address(lab: Lab) -> None:
    lab.world.add("ns/s", 80, loadBalancerIP=lab.pool[3])
    annotations = lab.world.services["ns/s"]["metadata"]["annotations"] = {}
    annotations["lab/host-name"] = "s.lab.test"
    lab.reconcile()
    lab.restart()
    lab.reconcile()
    status = lab.world.services["ns/s"]["status"]["loadBalancer"]
    assert status == {"ingress": [{"hostname": "s.lab.test"}]}
    assert lab.held == {lab.pool[3]}
    assert lab.world.patches == ["ns/s"]
    del annotations["lab/host-name"]
    lab.reconcile()
    assert lab.world.addresses == {"ns/s": lab.pool[3]}


def test_the_node_gets_back_an_address_that_it_lost(lab: Lab) -> None:
    lab.world.add("ns/s", 80)
    lab.reconcile()
    lab.world.interface.discard(lab.pool[0])  # a new namespace after a reboot
    lab.reconcile()
    assert lab.held == {lab.pool[0]}
    assert lab.world.patches == ["ns/s"]


def test_the_door_on_port_80_is_the_first_address_with_that_port(lab: Lab) -> None:
    lab.world.add("ns/a", 15443)
    lab.world.add("ns/b", 443, 80)
    lab.world.add("ns/c", 80)
    lab.reconcile()
    assert lab.balancer.first_http == lab.world.address("ns/b") == lab.pool[1]
    del lab.world.services["ns/b"]
    lab.reconcile()
    assert lab.balancer.first_http == lab.pool[2]
    del lab.world.services["ns/c"]
    lab.reconcile()
    assert lab.balancer.first_http is None


def test_first_is_by_number_not_by_text(lab: Lab) -> None:
    assert lab.pool[0] == "192.168.77.64"
    pool = ["192.168.77.96", "192.168.77.100"]
    lab.balancer._pool = lambda: pool  # type: ignore[method-assign]
    for number in range(2):
        lab.world.add(f"ns/s{number}", 80)
    lab.reconcile()
    assert lab.balancer.first_http == pool[0]


def test_a_service_that_is_deleted_meanwhile_is_no_error(lab: Lab) -> None:
    lab.world.add("ns/gone", 80)
    lab.world.add("ns/stays", 80)
    lab.world.answer["ns/gone"] = httpx.Response(404, json={})
    lab.reconcile()
    assert lab.world.address("ns/stays") == lab.pool[1]
    del lab.world.services["ns/gone"]
    lab.reconcile()
    assert lab.held == {lab.pool[1]}


def test_a_failed_publication_is_made_up_for(lab: Lab) -> None:
    lab.world.add("ns/s", 80)
    lab.world.answer["ns/s"] = httpx.Response(500, json={})
    with pytest.raises(httpx.HTTPStatusError):
        lab.reconcile()
    lab.reconcile()
    assert lab.world.address("ns/s") == lab.pool[0]
    assert lab.held == {lab.pool[0]}


def test_errors_are_said_and_it_goes_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes: list[BaseException] = [
        httpx.ConnectError("refused"),
        OSError("no nsenter"),
        ValueError("no JSON"),
        asyncio.CancelledError(),
    ]

    async def reconcile() -> str:
        raise outcomes.pop(0)

    monkeypatch.setattr("lab.cluster.load_balancer._RETRY", 0.0)
    monkeypatch.setattr(lab.balancer, "_reconcile", reconcile)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(lab.balancer.run())
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "load balancer: ConnectError refused",
        "load balancer: OSError no nsenter",
        "load balancer: ValueError no JSON",
    ]
