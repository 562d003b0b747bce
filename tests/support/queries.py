"""DNS queries without end from a client pod, beside whatever a test does meanwhile."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import workloads
from tests.support.kube import Kube
from tests.support.wait import until

CLIENTS = 4
FILE = "/tmp/answers"


@contextmanager
def queries(kube: Kube, name: str, kind: str, server: str = "") -> Iterator[Counter[str]]:
    """Ask from before the block begins until it ends; then the counter has the answers.

    Each query is one packet, and is waited for 2 s: a client that asks again would hide a loss.

    Args:
        kube: the cluster.
        name: what is asked for.
        kind: `A` or `AAAA`.
        server: whom; the cluster's own DNS by default.
    """
    answers: Counter[str] = Counter()
    at = f"@{server}" if server else ""
    ask = f"dig +short +tries=1 +time=2 {at} {name} {kind} 2>&1 | tr '\\n' ' '; echo"
    loops = "".join(
        f"(while [ -e {FILE}.on ]; do {ask}; sleep 0.02; done >{FILE}.{client}) & "
        for client in range(CLIENTS)
    )
    kube.shell(workloads.PLAIN, f"rm -f {FILE}.*", check=True)
    script = f"touch {FILE}.on; {loops} wait"
    target = ["-n", workloads.PLAIN, "deploy/client", "-c", "client", "--", "sh", "-c", script]
    command = ["kubectl", "--kubeconfig", str(kube.kubeconfig), "--context", kube.context, "exec"]
    process = subprocess.Popen([*command, *target])
    try:
        until(lambda: kube.shell(workloads.PLAIN, f"cat {FILE}.*"), bool, 60, "nobody asks")
        yield answers
    finally:
        kube.shell(workloads.PLAIN, f"rm -f {FILE}.on", check=True)
        process.wait(60)
    answers.update(line.strip() for line in _read(kube).splitlines())


def _read(kube: Kube) -> str:
    return kube.shell(workloads.PLAIN, f"cat {FILE}.*", check=True)
