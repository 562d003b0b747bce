"""The lab itself, on this machine: an instance of its own comes up, is broken, repaired, removed.

The tests of this file run in their order, each on what the one before has left.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import yaml

from lab import cgroups
from lab.instance import CHECKOUT, PROJECT, STATE_ROOT, Cluster, Instance
from lab.processes import Process, processes
from tests.support.wait import until
from tools import build

INSTANCE = "labtest"
NAMES = ("x", "root")
LAB = Instance(INSTANCE)

pytestmark = pytest.mark.timeout(300)

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
    assert members() == {}
    assert not cgroups.exists(LAB.cgroup)
    assert not LAB.dir.exists()
    # Others on this machine may change something for a moment: what is the lab's would stay.
    until(lambda: Host.now().changes(before), lambda found: not found, 10, "the host has changed")


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


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine without the instance; it is removed at the end whatever happens."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root: run these tests with sudo")
    made = Machine(tmp_path_factory.mktemp("lab"))
    first = made.lab("down", "--force")  # of a run that was killed
    assert first.returncode == 0, first.stderr
    made.before = Host.now()
    try:
        yield made
    finally:
        last = made.lab("down", "--force")
        assert last.returncode == 0, last.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout of the project: what the lab needs of it."""
    target = tmp_path_factory.mktemp("copy") / "checkout"
    for folder in ("lab", "tools"):
        shutil.copytree(
            CHECKOUT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return target


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


def test_up_ends_when_all_is_ready(machine: Machine) -> None:
    done = machine.up(*NAMES)
    assert done.returncode == 0, done.stderr
    assert [found.name for found in LAB.clusters()] == ["root", "x"]
    dead = [name for name, pid in pids().items() if pid is None]
    assert dead == []
    shown = machine.lab("status")
    assert shown.returncode == 0
    assert f"export KUBECONFIG={machine.kubeconfig}" in shown.stdout
    for name in NAMES:
        (row,) = [line for line in shown.stdout.splitlines() if f"lab-{name}" in line]
        count = len(processes(cluster(name)))
        assert f"127.0.0.1:{cluster(name).api_port}" in row
        assert f"{count} of {count}" in row
        assert row.rstrip().endswith("ready")


def test_kubectl_reaches_every_cluster_through_the_kubeconfig(machine: Machine) -> None:
    assert machine.kubeconfig.stat().st_mode & 0o077 == 0
    content = yaml.safe_load(machine.kubeconfig.read_text())
    assert sorted(item["name"] for item in content["contexts"]) == ["lab-root", "lab-x"]
    nodes = json.loads(machine.ask("lab-x", "get", "nodes", "--output=json"))["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["node-x"]
    assert machine.ask("lab-root", "get", "nodes", "--output=name") == ""
    issuers = machine.ask("lab-root", "get", "clusterissuers", "--output=name")
    assert issuers == "", "cert-manager's resources are served"
    pods = machine.ask("lab-x", "get", "pods", "--all-namespaces", "--output=json")
    phases = {pod["status"]["phase"] for pod in json.loads(pods)["items"]}
    assert phases == {"Running"}, "CoreDNS, with logs that the API server can fetch"
    logs = machine.ask("lab-x", "logs", "--namespace=kube-system", "deployment/coredns")
    assert "CoreDNS" in logs


def test_while_it_runs_the_host_differs_only_in_what_the_readme_says(machine: Machine) -> None:
    changes = Host.now().changes(machine.before)
    # Sockets and namespaces of its own; the host's links, firewall, files and settings untouched.
    assert set(changes) == {"mounts", "cgroups", "networks"}
    now = Host.now()
    for mount in now.mounts - machine.before.mounts:
        assert Path(mount.split()[1]).is_relative_to(LAB.dir)
    for group in now.cgroups - machine.before.cgroups:
        assert f"/{LAB.cgroup}" in group
    assert int(machine.inotify()) >= 1024


def test_everything_that_runs_is_in_a_cgroup_of_the_instance() -> None:
    # `down` finds only what is in there. Probes come and go, so the two may differ for a moment.
    def elsewhere() -> dict[int, str]:
        found = members()
        inside = set(cgroups.pids(LAB.cgroup))
        return {pid: words for pid, words in found.items() if pid not in inside}

    until(elsewhere, lambda found: not found, 10, "these are in no cgroup of the instance")


def test_up_again_is_harmless(machine: Machine) -> None:
    before, config = pids(), machine.kubeconfig.read_text()
    uid = machine.ask("lab-x", "get", "namespace", "default", "--output=jsonpath={.metadata.uid}")
    done = machine.up(*NAMES)
    assert done.returncode == 0, done.stderr
    assert pids() == before, "no process was started again"
    assert machine.kubeconfig.read_text() == config
    again = machine.ask("lab-x", "get", "namespace", "default", "--output=jsonpath={.metadata.uid}")
    assert again == uid


@pytest.mark.parametrize("command", ["up", "down"])
def test_another_checkout_is_refused_with_whose_it_is(
    machine: Machine, copy: Path, command: str
) -> None:
    before = pids()
    done = machine.lab(command, cwd=copy)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, "one line"
    assert f"lab '{INSTANCE}' belongs to the checkout {CHECKOUT} (user " in done.stderr
    assert "--force" in done.stderr
    assert pids() == before
    assert not (copy / ".lab").exists()


def test_another_checkout_may_look(machine: Machine, copy: Path) -> None:
    shown = machine.lab("status", cwd=copy)
    assert shown.returncode == 0
    assert f"of {CHECKOUT} (user" in shown.stdout


@pytest.mark.parametrize(
    ("name", "program"), [("x", "kubelet"), ("x", "containerd"), ("root", "agent")]
)
def test_what_was_killed_is_seen_by_status_and_repaired_by_up(
    machine: Machine, name: str, program: str
) -> None:
    before = pids()
    victim = Process(cluster(name), program)
    assert victim.pid is not None
    kill(victim.pid)
    shown = machine.lab("status")
    assert shown.returncode == 1
    assert f"dead: {name}: {program}" in shown.stdout
    assert shown.stdout.count("dead: ") == 1
    assert machine.up(*NAMES).returncode == 0
    after = pids()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {f"{name} {program}"}, "what is alive is left alone"
    assert machine.lab("status").returncode == 0


def test_down_after_everything_was_killed_leaves_nothing(machine: Machine) -> None:
    kill_everything()
    assert machine.lab("status").returncode == 1
    done = machine.lab("down")
    assert (done.returncode, done.stdout) == (0, f"lab '{INSTANCE}' is removed\n"), done.stderr
    assert_nothing_is_left(machine.before)
    assert not machine.kubeconfig.exists(), "it had the lab's contexts only"
    others = STATE_ROOT.exists() and any(path.is_dir() for path in STATE_ROOT.iterdir())
    assert STATE_ROOT.exists() == others, "the last lab takes the folder of all with it"
    if not (others or machine.any_lab):
        assert machine.inotify() == machine.limit


def test_down_of_a_running_lab_leaves_nothing_but_the_users_contexts(machine: Machine) -> None:
    users = {"name": "mine", "context": {"cluster": "mine", "user": "mine"}}
    machine.kubeconfig.write_text(yaml.safe_dump({"contexts": [users], "current-context": "mine"}))
    assert machine.up("x").returncode == 0
    assert len(yaml.safe_load(machine.kubeconfig.read_text())["contexts"]) == 2
    assert members()
    assert machine.lab("down").returncode == 0
    assert_nothing_is_left(machine.before)
    left = yaml.safe_load(machine.kubeconfig.read_text())
    assert (left["contexts"], left["clusters"], left["users"]) == ([users], [], [])
    assert left["current-context"] == "mine"
    machine.kubeconfig.unlink()


def test_down_of_a_lab_whose_up_was_killed_half_way_leaves_nothing(machine: Machine) -> None:
    line = [sys.executable, "-m", "lab", "up", "--instance", INSTANCE]
    line += ["--kubeconfig", str(machine.kubeconfig), "x"]
    with subprocess.Popen(line, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as started:
        until(
            lambda: [Process(found, "containerd").pid for found in LAB.clusters()],
            any,
            60,
            "containerd is not started",
        )
        started.kill()
    assert machine.lab("down").returncode == 0
    assert_nothing_is_left(machine.before)
    assert not machine.kubeconfig.exists()


def test_down_of_nothing_is_well(machine: Machine) -> None:
    done = machine.lab("down")
    assert (done.returncode, done.stdout) == (0, f"there is no lab '{INSTANCE}'\n")
