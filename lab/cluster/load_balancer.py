"""LoadBalancer Services get an address on the inter-cluster network, and give it back."""

import asyncio
import json
from typing import Any

import httpx

from lab.cluster import api
from lab.instance import Cluster
from lab.machine import namespaces

Json = dict[str, Any]

HOST_NAME = "lab/host-name"
"""Annotation of a Service with `loadBalancerIP`: the host name to show in place of the address."""

_RETRY = 1.0
_WATCH = 60  # seconds, after which everything is looked at again anyway


class LoadBalancer:
    """Hands out a cluster's addresses; its only memory is the cluster and the node's interface."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.first_http: str | None = None
        self._client = httpx.AsyncClient(
            base_url=api.address(cluster),
            verify=api.tls(cluster),
            timeout=httpx.Timeout(10, read=_WATCH + 10),
            trust_env=False,
        )

    async def run(self) -> None:
        """Reconcile whenever a Service changes, until killed."""
        while True:
            try:
                version = await self._reconcile()
                await self._change_after(version)
            except (httpx.HTTPError, OSError, ValueError) as error:
                print(f"load balancer: {type(error).__name__} {error}", flush=True)
                await asyncio.sleep(_RETRY)

    async def _change_after(self, version: str) -> None:
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(_WATCH)}
        async with self._client.stream("GET", "/api/v1/services", params=query) as response:
            response.raise_for_status()
            async for _ in response.aiter_lines():
                return

    async def _reconcile(self) -> str:
        response = await self._client.get("/api/v1/services")
        response.raise_for_status()
        listed = response.json()
        wanting = [item for item in listed["items"] if _is_ours(item)]
        given = {_key(item): address for item in wanting if (address := self._address(item))}
        for item in wanting:
            if _key(item) not in given:
                wish = _wish(item)
                free = [a for a in self._pool() if a not in given.values()]
                free = [a for a in free if a == wish] if wish else free
                if not free:
                    print(f"load balancer: no address left for {_key(item)}", flush=True)
                    if _shown(item):
                        await self._publish(item, [])
                    continue
                given[_key(item)] = free[0]
                await self._interface("add", free[0])
                await self._publish(item, [_entry(item, free[0])])
        await self._align(set(given.values()))
        http = [given[_key(item)] for item in wanting if _key(item) in given and _has_http(item)]
        self.first_http = min(http, key=self._pool().index, default=None)
        return str(listed["metadata"]["resourceVersion"])

    def _pool(self) -> list[str]:
        return self.cluster.load_balancer_addresses

    def _address(self, service: Json) -> str | None:
        """Return what a Service has already, None when that is nothing or not what it wants."""
        if wish := _wish(service):
            kept = wish in self._pool() and _shown(service) == [_entry(service, wish)]
            return wish if kept else None
        for entry in _shown(service):
            if entry.get("ip") in self._pool():
                return str(entry["ip"])
        return None

    async def _publish(self, service: Json, entries: list[Json]) -> None:
        metadata = service["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}/status"
        response = await self._client.patch(
            path,
            content=json.dumps({"status": {"loadBalancer": {"ingress": entries}}}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        if response.status_code != httpx.codes.NOT_FOUND:  # deleted meanwhile
            response.raise_for_status()

    async def _align(self, wanted: set[str]) -> None:
        """Make the node's interface have exactly the addresses that Services have."""
        shown = json.loads(await self._ip("-json", "address", "show", "dev", "eth0"))
        present = {entry["local"] for entry in shown[0]["addr_info"]} & set(self._pool())
        for address in wanted - present:
            await self._interface("add", address)
        for address in present - wanted:
            await self._interface("delete", address)

    async def _interface(self, verb: str, address: str) -> None:
        await self._ip("address", verb, f"{address}/32", "dev", "eth0")

    async def _ip(self, *words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "nsenter",
            f"--net={namespaces.network(self.cluster)}",
            "ip",
            *words,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return output.decode()


def _is_ours(service: Json) -> bool:
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and "loadBalancerClass" not in spec


def _shown(service: Json) -> list[Json]:
    return service["status"].get("loadBalancer", {}).get("ingress") or []


def _wish(service: Json) -> str | None:
    return service["spec"].get("loadBalancerIP") or None


def _entry(service: Json, address: str) -> Json:
    """What the status shows; a host name hides the address, so that must be known by the wish."""
    host_name = service["metadata"].get("annotations", {}).get(HOST_NAME)
    return {"hostname": host_name} if host_name and _wish(service) else {"ip": address}


def _has_http(service: Json) -> bool:
    return any(port["port"] == 80 for port in service["spec"].get("ports", []))


def _key(service: Json) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"
