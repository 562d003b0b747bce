"""What the tests of the lab compare: the host before an instance, and after it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from lab.instance import PROJECT, Instance
from lab.machine import cgroups

INSTANCE = "labtest"
LAB = Instance(INSTANCE)

# What the kubelet and kube-proxy would set for the whole machine.
SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_max",
)

# Where programs of a cluster have their files, sockets and mounts on an ordinary node.
FOLDERS = ("/etc", "/opt", "/run", "/run/netns", "/var/lib", "/var/lib/cni", "/var/log")
THEIRS = ("cni", "containerd", "cri", "etcd", "kube", "netns", "nri", "pods", "runc", "xtables")


@dataclass(frozen=True)
class Host:
    """What a lab could leave on the host. Other labs may come and go meanwhile: they are left out.

    Likewise what is systemd's: its slices change at any time.
    """

    mounts: frozenset[str]
    cgroups: frozenset[str]
    links: frozenset[str]
    networks: frozenset[str]
    firewall: str
    files: frozenset[str]
    settings: frozenset[tuple[str, str]]

    @classmethod
    def now(cls) -> Host:
        """The host as it is."""
        return cls(
            mounts=frozenset(mounts()),
            cgroups=frozenset(groups()),
            links=frozenset(link["ifname"] for link in json.loads(output("ip", "-json", "link"))),
            networks=frozenset(networks()),
            firewall=output("nft", "--stateless", "list", "ruleset"),
            files=frozenset(files()),
            settings=frozenset(settings()),
        )

    def changes(self, before: Host) -> dict[str, object]:
        """What was not there `before`, and what is gone; empty if all is as it was.

        Cgroups and network namespaces that are gone do not count: others end, too.
        """
        found: dict[str, object] = {}
        for field in fields(self):
            now, then = getattr(self, field.name), getattr(before, field.name)
            if isinstance(now, str):
                changed: object = now if now != then else ""
            else:
                changed = sorted(
                    now - then if field.name in ("cgroups", "networks") else now ^ then
                )
            if changed:
                found[field.name] = changed
        return found


def output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def is_other_lab(path: str) -> bool:
    """Whether a path or cgroup belongs to a lab that is not this test's."""
    mine = (f"{PROJECT}-{INSTANCE}", str(LAB.dir))
    return PROJECT in path and not any(own in path for own in mine)


def mounts() -> Iterator[str]:
    """Every mount on the host: what is mounted where."""
    for line in Path("/proc/mounts").read_text().splitlines():
        source, target, kind, *_ = line.split()
        if not is_other_lab(target):
            yield f"{source} {target} {kind}"


def groups() -> Iterator[str]:
    """Every cgroup of every hierarchy."""
    for folder, below, _ in os.walk(cgroups.MOUNT):
        below[:] = [name for name in below if not name.endswith((".slice", ".scope", ".service"))]
        if not is_other_lab(folder):
            yield folder


def networks() -> Iterator[str]:
    """Every network namespace that a process is in."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if not is_other_lab((folder / "cgroup").read_text()):
                yield str((folder / "ns/net").readlink())


def files() -> Iterator[str]:
    for name in FOLDERS:
        with contextlib.suppress(OSError):
            for path in Path(name).iterdir():
                if any(part in f"{path.parent.name}/{path.name}" for part in THEIRS):
                    yield str(path)


def settings() -> Iterator[tuple[str, str]]:
    for name in SETTINGS:
        with contextlib.suppress(OSError):
            yield name, Path("/proc/sys", name).read_text().strip()
