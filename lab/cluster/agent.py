"""The host's door to one cluster: `python -m lab.cluster.agent INSTANCE CLUSTER`.

It forwards 127.0.0.1:API_PORT to the API server and 127.0.0.1:HTTP_PORT to port 80 of the first
load balancer address, and hands out the addresses (load_balancer.py).
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from lab.cluster.load_balancer import LoadBalancer
from lab.instance import Cluster, Instance
from lab.machine import namespaces

Target = tuple[str, int]


async def serve(cluster: Cluster) -> None:
    """Forward and hand out addresses until killed."""
    api = await _forward(cluster.api_port, namespaces.network(cluster), lambda: ("127.0.0.1", 6443))
    servers = [api.serve_forever()]
    if cluster.has_node:
        balancer = LoadBalancer(cluster)

        def first_address() -> Target | None:
            return (balancer.first_http, 80) if balancer.first_http else None

        # From the inter-cluster network, like any client of another cluster.
        http = await _forward(cluster.http_port, namespaces.lan(cluster.instance), first_address)
        servers += [http.serve_forever(), balancer.run()]
    await asyncio.gather(*servers)


async def _forward(port: int, netns: Path, target: Callable[[], Target | None]) -> asyncio.Server:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = target()
        try:
            if there is not None:
                far_reader, far_writer = await _connect(netns, there)
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        except OSError as error:
            print(f"port {port} to {there}: {error}", flush=True)
        finally:
            writer.close()

    return await asyncio.start_server(accept, "127.0.0.1", port)


async def _connect(
    netns: Path, target: Target
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with namespaces.inside(netns):  # a socket stays in the namespace where it was made
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        async with asyncio.timeout(10):
            await asyncio.get_running_loop().sock_connect(connection, target)
    except BaseException:
        connection.close()
        raise
    return await asyncio.open_connection(sock=connection)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end; then say so to the other side, which may still have something to say."""
    with contextlib.suppress(OSError):  # either side may be gone
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def main() -> None:
    """Serve the cluster named on the command line."""
    instance, name = sys.argv[1:]
    cluster = next(item for item in Instance(instance).clusters() if item.name == name)
    asyncio.run(serve(cluster))


if __name__ == "__main__":
    main()
