"""Cgroups: how the lab knows its processes. One leaf per process, pods in a subtree of their own.

Works with cgroup v2 and with v1, where every controller has a tree of its own: the lab's own
processes join only one of them (the one that tracks), pods get a subtree in each.
"""

import os
import signal
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lab.errors import LabError

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuset", "memory", "pids")  # what the kubelet insists on
OPTIONAL = ("hugetlb", "io")  # what it insists on where the root has it, and what runc can use


@cache
def unified() -> bool:
    """Whether the machine has cgroup v2 only."""
    return (MOUNT / "cgroup.controllers").is_file()


@cache
def hierarchies() -> dict[str, Path]:
    """Every hierarchy's root, by the name of its (first) controller or `unified`."""
    found = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found["unified"] = Path(mount)
        elif kind == "cgroup":
            found |= {option: Path(mount) for option in options.split(",") if option != "rw"}
    return found


def missing_controllers() -> list[str]:
    """The controllers that the kubelet needs and this machine does not offer."""
    if unified():
        offered = set((MOUNT / "cgroup.controllers").read_text().split())
    else:
        offered = set(hierarchies())
    return [name for name in CONTROLLERS if name not in offered]


def tracker() -> Path:
    """The hierarchy whose membership tells which process is whose."""
    roots = hierarchies()
    for name in ("freezer", "pids", "unified"):
        if not unified() and name in roots:
            return roots[name]
    return MOUNT


def make_leaf(path: str) -> Path:
    """Make the cgroup of one process; return the file that a process writes its id to."""
    leaf = tracker() / path
    leaf.mkdir(parents=True, exist_ok=True)
    return leaf / "cgroup.procs"


def make_pods(path: str) -> None:
    """Make the cgroup below which a kubelet keeps its pods."""
    for root in set(hierarchies().values()):
        (root / path).mkdir(parents=True, exist_ok=True)
    if unified():
        parents = list(Path(path).parents)[::-1]  # from the root down
        for parent in parents:
            _enable_controllers(MOUNT / parent)


def _enable_controllers(group: Path) -> None:
    offered = (group / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{name}" for name in (*CONTROLLERS, *OPTIONAL) if name in offered)
    try:
        (group / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        raise LabError(
            f"cannot enable the cgroup controllers {wanted} in {group} ({error.strerror}): in a "
            "container, first move the processes of the root cgroup to a child, such as /init"
        ) from None


def pids(path: str) -> list[int]:
    """The processes in a cgroup and below."""
    found: list[int] = []
    for group in _below(tracker() / path):
        try:
            found += map(int, (group / "cgroup.procs").read_text().split())
        except OSError:
            continue  # gone, or a group of threads
    return found


def has_process(path: str, pid: int) -> bool:
    """Whether the process is in exactly this cgroup."""
    try:
        return str(pid) in (tracker() / path / "cgroup.procs").read_text().split()
    except OSError:
        return False


def kill(path: str, timeout: float) -> None:
    """Kill everything in a cgroup and below, and wait until it is gone.

    What has left its cgroup holds nothing any more, even if init has yet to collect it.
    """
    deadline = time.monotonic() + timeout
    while left := pids(path):
        if time.monotonic() > deadline:
            raise LabError(
                f"processes {left} do not end though killed; see `ps -p` for their state"
            )
        for pid in left:
            _kill(pid)
        time.sleep(0.02)


def remove(path: str, timeout: float) -> None:
    """Remove a cgroup and all below it from every hierarchy."""
    deadline = time.monotonic() + timeout
    for root in {*hierarchies().values(), MOUNT}:
        for group in _below(root / path):
            while group.exists():
                try:
                    group.rmdir()
                except OSError as error:  # busy as long as a killed process is being cleared away
                    if time.monotonic() > deadline:
                        raise LabError(f"cannot remove the cgroup {group}: {error}") from None
                    time.sleep(0.02)


def exists(path: str) -> bool:
    """Whether any hierarchy has this cgroup."""
    return any((root / path).exists() for root in {*hierarchies().values(), MOUNT})


def _below(top: Path) -> Iterator[Path]:
    """A cgroup's descendants before itself."""
    for folder, _, _ in os.walk(top, topdown=False):
        yield Path(folder)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
