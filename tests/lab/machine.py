"""The instance of the tests of the lab: its command line, its processes, what is left of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from lab.instance import CHECKOUT, STATE_ROOT, Cluster
from lab.machine import cgroups
from lab.machine.processes import Process, processes
from tests.lab.host import INSTANCE, LAB, Host, is_other_lab, output
from tests.support.wait import until
from tools import build


class Machine:
    """This machine before the instance was made, and the lab's command line on it."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.kubectl = build.ensure(["kubectl"])["kubectl"]
        self.limit = self.inotify()
        self.any_lab = STATE_ROOT.exists()
        self.before = Host.now()

    def lab(
        self, command: str, *words: str, cwd: Path = CHECKOUT
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the lab in a checkout."""
        line = [sys.executable, "-m", "lab", command, "--instance", INSTANCE, *words]
        done = subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)
        print(f"$ lab {command} {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def up(self, *names: str) -> subprocess.CompletedProcess[str]:
        """Bring the instance up, with its kubeconfig in the test's folder."""
        return self.lab("up", "--kubeconfig", str(self.kubeconfig), *names)

    def ask(self, context: str, *words: str) -> str:
        """The output of kubectl with the instance's kubeconfig, and nothing else of the user's."""
        line = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", f"--context={context}"]
        return output(*line, *words)

    @staticmethod
    def inotify() -> str:
        return Path("/proc/sys/fs/inotify/max_user_instances").read_text()


def members() -> dict[int, str]:
    """The processes of the instance, by their cgroup or by traces of it; zombies are none.

    One that has left its cgroup still has the instance's folder on its command line, or among the
    mounts of a namespace that is not the host's.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            group = (folder / "cgroup").read_text()
            mounted = str(LAB.dir) in (folder / "mountinfo").read_text()
            is_host = (folder / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
        except OSError:
            continue  # it has ended meanwhile
        strayed = str(LAB.dir) in words or (mounted and not is_host)
        if state not in "ZX" and (LAB.cgroup in group or (strayed and not is_other_lab(group))):
            found[int(folder.name)] = words
    return found


def assert_nothing_is_left(before: Host) -> None:
    assert not cgroups.exists(LAB.cgroup), "it would exist as long as a process is in there"
    assert not LAB.dir.exists()
    # Others on this machine may change something for a moment: what is the lab's would stay. The
    # commands of another lab that starts have this one's mounts in their copies of the host's.
    until(members, lambda found: not found, 10, "processes are left")
    until(lambda: Host.now().changes(before), lambda found: not found, 10, "the host has changed")


def everything() -> list[Process]:
    """Every process that the instance should have."""
    return [process for cluster in LAB.clusters() for process in processes(cluster)]


def pids() -> dict[str, int | None]:
    return {f"{p.cluster.name} {p.name}": p.pid for p in everything()}


def cluster(name: str) -> Cluster:
    return next(cluster for cluster in LAB.clusters() if cluster.name == name)


def kill(pid: int) -> None:
    """End a process the hard way, and wait until it holds nothing any more."""
    group = Path(f"/proc/{pid}/cgroup").read_text()
    os.kill(pid, signal.SIGKILL)
    until(members, lambda found: pid not in found, 20, f"process {pid} is alive")
    assert LAB.cgroup in group, "it was one of ours"


def kill_everything() -> None:
    """End every process of the instance the hard way, pods included, in no order."""

    def left() -> list[int]:
        found = cgroups.pids(LAB.cgroup)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    until(left, lambda found: not found, 20, "some are alive")
