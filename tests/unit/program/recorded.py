"""What the program registered for some stacks when it was last recorded, a line per resource.

A change of structure changes none of these lines, a change of behaviour those of the resources that
it is about. `python -m tests.unit.recorded` records anew, and with a directory as its argument
writes there in full what each line stands for: so two versions are compared by `diff -r`.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import Run, run_program
from tests.unit.support.stacks import FULL, service, stack, write_kubeconfig

DIRECTORY = Path(__file__).with_name("recorded")

ORG = "organization/istio-multicluster"
POLICY = {
    "timeout": "2s",
    "retries": {"attempts": 3, "perTryTimeout": "500ms", "retryOn": "5xx,reset"},
    "outlierEjection": {"consecutiveErrors": 3, "interval": "1s", "ejectionTime": "60s"},
    "maxConnections": 7,
    "maxPendingRequests": 8,
    "maxRequests": 9,
}
OPEN_TO_ALL = [
    service("web", 80),
    service("web", 8080, protocol="http2"),
    service("web", 9090, protocol="grpc"),
    service("db", 5432, protocol="tcp"),
    service("db", 5433, protocol="tls", address="241.1.2.3"),
    service("api", 80, policy=POLICY),
]
EVERY_PROTOCOL = [*OPEN_TO_ALL, service("private", 5432, protocol="tcp", allow=["c"])]


def _global(weight: int | None, **further: Any) -> dict[str, Any]:
    exposes = [service("twin", 80, **{"global": True})]
    share = {} if weight is None else {"weight": weight}
    exposes.append(service("split", 8080, **{"global": True}, **share))
    return {"exposes": exposes, **further}


def _peers(program: ProgramRunner) -> Run:
    """Link a cluster to those of two other stacks, one of which is not up."""
    theirs = stack("b", b={"exposes": [*OPEN_TO_ALL, service("twin", 80, **{"global": True})]})
    peer = {"a": {"stack": f"{ORG}/a"}}
    exported = program({**theirs, "peers": peer}).exports
    mine = stack("a", a={"exposes": [service("twin", 80, **{"global": True}), service("db", 1)]})
    peers = {name: {"stack": f"{ORG}/{name}"} for name in "bc"}
    stacks = {f"{ORG}/b": copy.deepcopy(exported)}
    return program({**mine, "peers": peers}, stacks=stacks)


def _root_stack(program: ProgramRunner) -> Run:
    """Take the cluster CAs of a stack from another one."""
    issuing = program({"rootCa": {"context": "ctx-root", "clusters": ["a", "b"]}})
    root = f"{ORG}/root"
    config = {**stack("ab"), "rootCa": {"stack": root}}
    return program(config, stacks={root: copy.deepcopy(issuing.exports)})


def _of(config: Mapping[str, Any], **options: Any) -> Callable[[ProgramRunner], Run]:
    return lambda program: program(config, **options)


STACKS: Mapping[str, Callable[[ProgramRunner], Run]] = {
    "full": _of(FULL, addresses={"b": [{"hostname": "lb.b.example"}]}),
    "full-preview": _of(FULL, preview=True),
    "peers": _peers,
    "protocols": _of(
        {**stack("abc", a={"exposes": EVERY_PROTOCOL}, b={"dns": "istio"}), "callerIdentity": True}
    ),
    "global-services": _of(
        {
            **stack(
                "abc",
                a=_global(90, locality="eu/1"),
                b=_global(10, locality="eu/2"),
                c={"dns": "istio", "locality": "us"},
            ),
            "callerIdentity": True,
            "remoteDns": {"address6": "100::1", "replicas": 1},
        }
    ),
    "policy": _of(
        stack(
            "ab",
            a={
                "exposes": [
                    service("web", 80, policy=POLICY),
                    service("api", 80, policy={"retries": {"attempts": 0}}),
                    service("twin", 80, policy=POLICY, **{"global": True}),
                    service("db", 5432, protocol="tcp", policy={"maxConnections": 1}),
                ]
            },
        )
    ),
    "ingress": _of(
        stack(
            "ab",
            a={"ingress": {"service": "NodePort", "nodePort": 31443, "addresses": ["192.0.2.9"]}},
            b={"ingress": {"addresses": ["lb.example"], "port": 443}, "dns": "coredns-custom"},
        )
    ),
    "root-issuing": _of({"rootCa": {"context": "ctx-root", "clusters": ["a", "b"]}}),
    "root-rotating": _of(
        {
            **stack("ab"),
            "rootCa": {"context": "ctx-root", "roots": ["old", {"name": "new", "issuer": "corp"}]},
        }
    ),
    "root-stack": _root_stack,
    "unreachable": _of(
        stack(
            "abc",
            a={"exposes": [service("web", 80)]},
            b={"exposes": [service("web", 80)], "networkPolicy": ["shop"], "unreachable": True},
        )
    ),
    "no-links": _of({"clusters": {"a": {"context": "ctx-a"}}, "links": []}),
}
"""A stack for each thing that can be configured."""


def digests(run: Run) -> str:
    """Return a line for each resource of a run, with the digest of all that was asked for it."""
    return "".join(
        f"{hashlib.sha256(line.encode()).hexdigest()[:16]} {key}\n"
        for key, line in run.lines().items()
    )


def _readable(run: Run) -> str:
    return "".join(
        f"{key}\n{json.dumps(json.loads(line), indent=1, sort_keys=True)}\n"
        for key, line in run.lines().items()
    )


def main() -> None:
    """Record every stack; with a directory as the argument, write the whole of each there."""
    with tempfile.TemporaryDirectory() as directory:
        write_kubeconfig(Path(directory) / "kubeconfig")
        target = Path(sys.argv[1]).absolute() if sys.argv[1:] else DIRECTORY
        os.chdir(directory)
        os.environ["HOME"] = directory
        os.environ.pop("KUBECONFIG", None)

        def program(config: Mapping[str, Any], **options: Any) -> Run:
            run = run_program({"kubeconfig": "kubeconfig", **config}, **options)
            if run.error:
                raise run.error
            return run

        target.mkdir(exist_ok=True)
        for name, make in STACKS.items():
            run = make(program)
            (target / f"{name}.txt").write_text(
                digests(run) if target == DIRECTORY else _readable(run)
            )


if __name__ == "__main__":
    main()
