"""The plugin of dynamic resources ends when its CLI has died."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from components import orphan
from tests.unit.support.recorder import PROJECT_DIR


def test_somebody_listens_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert orphan.listening(*address)
    assert not orphan.listening(*address)


PLUGIN = f"""
import sys, time
sys.argv = ["/x/{orphan.PLUGIN}", "127.0.0.1:%d"]
from components import orphan
orphan.INTERVAL_SECONDS = 0.05
orphan.watch()
print("watching", flush=True)
time.sleep(20)
print("never", flush=True)
"""


def test_the_plugin_ends_with_its_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = [sys.executable, "-c", PLUGIN % server.getsockname()[1]]
        plugin = subprocess.Popen(program, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True)
        assert plugin.stdout
        assert plugin.stdout.readline() == "watching\n"
        with pytest.raises(subprocess.TimeoutExpired):
            plugin.wait(0.3)
    assert plugin.wait(10) == 1
    assert plugin.stdout.read() == ""
