"""Ends the plugin of dynamic resources when the Pulumi CLI that started it has died.

Pulumi starts each plugin in a process group of its own, and when it is killed nobody tells them:
one in Python would wait for ever, or go on with what it does into the next run. A kubectl that it
has started ends by itself.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from functools import cache

INTERVAL_SECONDS = 2.0
PLUGIN = os.path.join("pulumi", "dynamic", "__main__.py")


@cache
def watch() -> None:
    """Watch the engine from now on, if this process is the plugin.

    One that nobody has asked anything yet has loaded nothing of this program, and waits on.
    """
    if sys.argv[0].endswith(PLUGIN) and len(sys.argv) > 1:
        host, _, port = sys.argv[1].rpartition(":")
        if port.isdigit():
            threading.Thread(target=_watch, args=(host, int(port)), daemon=True).start()


def _watch(host: str, port: int) -> None:
    while listening(host, port):
        time.sleep(INTERVAL_SECONDS)
    os._exit(1)


def listening(host: str, port: int) -> bool:
    """Tell whether somebody listens there; whatever is not a plain no counts as yes."""
    try:
        with socket.create_connection((host, port), timeout=INTERVAL_SECONDS):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
