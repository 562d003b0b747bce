"""Processes: started detached, each in a cgroup of its own, which is how they are found again.

There is no race between starting and recording: a process joins its cgroup and writes its id
before it becomes the program, whatever happens to `lab up` meanwhile.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.instance import CHECKOUT, Cluster
from lab.machine import cgroups, namespaces

_JOIN = 'echo $$ > "$1" && echo $$ > "$2" && shift 2 && exec "$@"'
_START_TIMEOUT = 20.0
_RUN_TIMEOUT = 300.0


@dataclass(frozen=True)
class Process:
    """A long-running program of a cluster."""

    cluster: Cluster
    name: str

    @property
    def log(self) -> Path:
        """Its standard output and error."""
        return self.cluster.path(f"/var/log/{self.name}.log")

    @property
    def cgroup(self) -> str:
        """Its cgroup."""
        return f"{self.cluster.cgroup}/{self.name}"

    @property
    def _pid_file(self) -> Path:
        return self.cluster.dir / "pids" / self.name

    @property
    def pid(self) -> int | None:
        """Its id while it is alive: what was recorded counts only if its cgroup has it."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if cgroups.has_process(self.cgroup, pid) else None

    def start(self, command: Sequence[str | Path], *, inside: bool = True) -> None:
        """Start it unless it is alive, `inside` the cluster's namespaces or on the host."""
        if self.pid is not None:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        self._pid_file.unlink(missing_ok=True)
        enter = namespaces.enter(self.cluster) if inside else []
        procs = cgroups.make_leaf(self.cgroup)
        with self.log.open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", *_joined(procs, self._pid_file), *enter, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                cwd=CHECKOUT,
                check=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._pid_file.exists() or not self._pid_file.read_text():
            if time.monotonic() > deadline:
                raise LabError(
                    f"{self.name} of cluster {self.cluster.name} did not start: {self.log}"
                )
            time.sleep(0.01)

    def explain(self) -> str:
        """The last lines of its log, and where the rest is."""
        return f"{tail(self.log)}\n  all of it: {self.log}"


def processes(cluster: Cluster, *names: str) -> list[Process]:
    """Some processes of a cluster; without names, all that it should have."""
    everywhere = ["etcd", "kube-apiserver", "kube-controller-manager", "agent"]
    on_node = ["kube-scheduler", "containerd", "kubelet", "upstream-dns"]
    on_node += ["kube-proxy", "network-policies"]
    expected = everywhere + (on_node if cluster.has_node else ["cert-manager"])
    return [Process(cluster, name) for name in names or expected]


def environment() -> dict[str, str]:
    """The same for every program, whoever starts the lab: no proxy, no locale, no kubeconfig."""
    return {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def run(
    cluster: Cluster,
    command: Sequence[str | Path],
    *,
    stdin: Path | bytes = b"",
    inside: bool = True,
) -> str:
    """Run a short program to its end and return its output; `down` finds it too."""
    enter = namespaces.enter(cluster) if inside else []
    procs = cgroups.make_leaf(tools_cgroup(cluster))
    words = [*_joined(procs, Path("/dev/null")), *enter, *command]
    source = stdin.open("rb") if isinstance(stdin, Path) else None
    try:
        done = subprocess.run(
            words,
            stdin=source,
            input=stdin if isinstance(stdin, bytes) else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            timeout=_RUN_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"`{_brief(command)}` took more than {_RUN_TIMEOUT:.0f} s") from None
    finally:
        if source:
            source.close()
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        raise LabError(f"`{_brief(command)}` failed:\n{_indent(output.splitlines()[-15:])}")
    return output


def tools_cgroup(cluster: Cluster) -> str:
    """The cgroup of short programs."""
    return f"{cluster.cgroup}/tools"


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return "  (no log)"
    return _indent(text.splitlines()[-lines:])


def _joined(procs: Path, pid_file: Path) -> list[str]:
    return ["sh", "-c", _JOIN, "sh", str(procs), str(pid_file)]


def _indent(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines) or "  (no output)"


def _brief(command: Sequence[str | Path]) -> str:
    return " ".join([Path(command[0]).name, *map(str, command[1:])])
