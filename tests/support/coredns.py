"""The built CoreDNS in a network of its own, and a small client to ask it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

ASK = """
import socket, struct, sys
server, port, name, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
family = socket.AF_INET6 if ":" in server else socket.AF_INET
labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">2H", kind, 1)
client = socket.socket(family, socket.SOCK_DGRAM)
client.settimeout(2)
client.sendto(query, (server, port))
answer = client.recv(512)
_, flags, _, count = struct.unpack(">4H", answer[:8])
size = {1: 4, 28: 16}[kind]
form = {1: socket.AF_INET, 28: socket.AF_INET6}[kind]
print(flags & 15, *[socket.inet_ntop(form, answer[-size:])] * count)
"""
KINDS = {"A": 1, "AAAA": 28}


class CoreDns:
    """One run of CoreDNS. Its ports are on a loopback that nobody else has."""

    def __init__(self, binary: Path, corefile: Path) -> None:
        self._log = corefile.with_suffix(".log")
        start = 'ip link set lo up && exec "$0" -conf "$1"'
        self._process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", start, str(binary), str(corefile)],
            stdout=self._log.open("w"),
            stderr=subprocess.STDOUT,
        )

    def started(self) -> bool:
        """Wait until it serves, or has refused its Corefile; tell which."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if re.search(r"^CoreDNS-\d", self.log(), re.MULTILINE):
                return True
            if self._process.poll() is not None:
                return False
            time.sleep(0.05)
        raise AssertionError(f"CoreDNS neither serves nor ends: {self.log()}")

    def log(self) -> str:
        """Return what it has printed."""
        return self._log.read_text()

    def ask(self, name: str, kind: str, server: str = "127.0.0.1", port: int = 1053) -> str:
        """Return the code of the answer (0: no error, 3: no such name) and its addresses."""
        enter = ["nsenter", "--net", "--target", str(self._process.pid), sys.executable, "-c", ASK]
        asked = [server, str(port), name, str(KINDS[kind])]
        done = subprocess.run([*enter, *asked], capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(10)
