"""The DNS server behind a cluster's own: it knows no names, and says so at once.

The lab's clusters reach no other network. With nobody behind it, CoreDNS takes 2 s per name to
find that out; and if it were itself behind it, its `loop` plugin would end it.
"""

import asyncio
import socket

from lab import namespaces
from lab.instance import Cluster

_SIZE = 4096
_HEADER = 12
_NO_SUCH_NAME = 3


async def serve(cluster: Cluster) -> None:
    """Answer on the node's address until cancelled."""
    with namespaces.inside(namespaces.network(cluster)):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setblocking(False)
    server.bind((cluster.address, 53))
    loop = asyncio.get_running_loop()
    while True:
        query, client = await loop.sock_recvfrom(server, _SIZE)
        if response := answer(query):
            await loop.sock_sendto(server, response, client)


def answer(query: bytes) -> bytes | None:
    """The response to a query: its header as a response, and the question again."""
    if len(query) < _HEADER or query[2] & 0x80:  # a response
        return None
    end = _HEADER
    while end < len(query) and query[end]:
        end += 1 + query[end]
    end += 5  # the root label, type and class
    if end > len(query):
        return None
    flags = bytes([query[2] | 0x80, 0x80 | _NO_SUCH_NAME])
    counts = bytes([0, 1, 0, 0, 0, 0, 0, 0])
    return query[:2] + flags + counts + query[_HEADER:end]
