"""Constant load from a client pod, beside whatever a test does meanwhile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.kube import Kube
from tests.support.wait import until

QPS = 50


@dataclass
class Result:
    """What became of the requests."""

    requests: int = 0
    failed: int = 0
    longest_seconds: float = 0
    """The longest that one request had to wait: the longest gap that a caller saw."""
    codes: dict[str, int] | None = None


@contextmanager
def load(kube: Kube, namespace: str, url: str) -> Iterator[Result]:
    """Send requests from before the block begins until it ends; the result is filled in then."""
    result = Result()
    target = ["-n", namespace, "deploy/client", "-c", "client"]
    # A file, because the connection of `kubectl exec` would end with the block.
    run = f"fortio load -quiet -json /tmp/load.json -qps {QPS} -c 4 -t 0 {url}"
    command = ["kubectl", "--kubeconfig", str(kube.kubeconfig), "--context", kube.context]
    kube.shell(namespace, "rm -f /tmp/load.*", check=True)
    script = f"{run} >/tmp/load.log 2>&1 & echo $! >/tmp/load.pid; wait"
    process = subprocess.Popen([*command, "exec", *target, "--", "sh", "-c", script])
    # Once it has a connection it also heeds the signal that ends it.
    connected = "ls -l /proc/$(cat /tmp/load.pid)/fd | grep -c socket:"
    try:
        until(
            lambda: kube.shell(namespace, connected),
            lambda seen: seen not in ("", "0"),
            60,
            f"there is no load on {url}",
        )
        yield result
    finally:
        stop = "kill -INT $(cat /tmp/load.pid)"
        kube.run("exec", *target, "--", "sh", "-c", stop, check=False)
        process.wait(60)
    said = json.loads(kube.shell(namespace, "cat /tmp/load.json", check=True))
    result.codes = {str(code): count for code, count in said["RetCodes"].items()}
    result.requests = sum(result.codes.values())
    result.failed = result.requests - result.codes.get("200", 0)
    result.longest_seconds = said["DurationHistogram"]["Max"]
