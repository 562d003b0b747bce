"""The lab itself, on this machine: an instance of its own comes up, is broken, repaired, removed.

The tests of this file run in their order, each on what the one before has left.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab.instance import CHECKOUT, STATE_ROOT
from lab.machine import cgroups
from lab.machine.processes import Process, processes
from tests.lab.host import INSTANCE, LAB, Host
from tests.lab.machine import (
    Machine,
    assert_nothing_is_left,
    cluster,
    kill,
    kill_everything,
    members,
    pids,
)
from tests.support.wait import until

NAMES = ("x", "root")

pytestmark = pytest.mark.timeout(300)


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
    contexts = ["lab-root", "lab-root-deployer", "lab-x", "lab-x-deployer"]
    assert sorted(item["name"] for item in content["contexts"]) == contexts
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
    assert len(yaml.safe_load(machine.kubeconfig.read_text())["contexts"]) == 3
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
