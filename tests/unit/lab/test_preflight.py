"""lab/machine/preflight.py: what is missing is said in one line, with what to do about it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab import instance
from lab.errors import LabError
from lab.instance import Cluster, Instance
from lab.machine import cgroups, preflight
from lab.machine.processes import Process


class Machine:
    """A machine that lacks nothing, until a test takes something away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.lacks: set[str] = set()
        self.broken = ""
        self.stderr = ""
        self.probes: list[str] = []
        (tmp_path / "ptp").touch()
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(preflight, "_CNI", tmp_path / "ptp")
        monkeypatch.setattr(preflight, "_has", lambda name: name not in self.lacks)
        monkeypatch.setattr(preflight, "_has_filesystem", lambda name: name not in self.lacks)
        monkeypatch.setattr(cgroups, "missing_controllers", lambda: [])
        monkeypatch.setattr(subprocess, "run", self.run)

    def run(self, words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        assert words[:2] == ["unshare", "--net"], "nothing is tried in the host's own network"
        self.probes.append(words[-1])
        failed = self.broken == words[-1]
        return subprocess.CompletedProcess(words, int(failed), "", self.stderr)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def refusal() -> str:
    """Why the machine is refused, which is one line."""
    with pytest.raises(LabError) as error:
        preflight.check_machine()
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_machine_that_has_all_is_accepted_after_all_probes(machine: Machine) -> None:
    preflight.check_machine()
    assert machine.probes == list(preflight._FEATURES.values())


def test_without_root_the_message_says_sudo(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root: run it again with sudo" in refusal()
    assert machine.probes == []


def test_elsewhere_than_on_linux_the_message_says_so_first(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs Linux, and this is darwin" in refusal(), "sudo would not help"


def test_all_missing_programs_are_named_at_once_by_package(machine: Machine) -> None:
    machine.lacks = {"containerd", "ctr", "nft", "ip"}
    text = refusal()
    assert text.endswith("run `apt-get install containerd iproute2 nftables`"), "each once"
    assert machine.probes == [], "the probes need programs"


@pytest.mark.parametrize("program", sorted(preflight._PACKAGES))
def test_every_program_is_asked_for(machine: Machine, program: str) -> None:
    machine.lacks = {program}
    assert f"`apt-get install {preflight._PACKAGES[program]}`" in refusal()


def test_missing_cni_plugins_are_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_CNI", Path("/nowhere/ptp"))
    assert "`apt-get install containernetworking-plugins`" in refusal()


@pytest.mark.parametrize("feature", preflight._FEATURES)
def test_a_missing_feature_is_named_with_the_kernels_words(machine: Machine, feature: str) -> None:
    machine.broken = preflight._FEATURES[feature]
    machine.stderr = "RTNETLINK answers:\n  Operation not supported\n"
    text = refusal()
    assert f"lacks {feature}: RTNETLINK answers: Operation not supported" in text
    machine.stderr = ""
    assert "exit code 1" in refusal(), "silence is not shown as the reason"


def test_missing_overlayfs_is_named(machine: Machine) -> None:
    machine.lacks = {"overlay"}
    assert "modprobe overlay" in refusal()


def test_missing_cgroup_controllers_are_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "missing_controllers", lambda: ["cpuset", "pids"])
    assert "the cgroup controllers cpuset, pids are not available" in refusal()


def test_programs_are_looked_for_where_the_lab_runs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert preflight._has("sh"), "the lab's own PATH counts, not the caller's"
    assert not preflight._has("no-such-program")


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Cluster]:
    """A cluster with a node and one without, at ports that are free now."""
    monkeypatch.setattr(instance, "STATE_ROOT", tmp_path)
    for first in range(20000, 32000, 100):
        monkeypatch.setitem(instance._PORTS, "ports", first)
        made = Instance("ports").plan(["a", "root"])
        if all(preflight._is_free(c.api_port) and preflight._is_free(c.http_port) for c in made):
            return made
    pytest.skip("no free ports")


def listen(port: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_free_ports_are_accepted_and_stay_free(clusters: list[Cluster]) -> None:
    preflight.check_ports(clusters)  # does not raise
    for cluster in clusters:
        listen(cluster.api_port).close()  # does not raise


def test_a_port_in_use_is_named_with_its_purpose_and_how_to_see_whose_it_is(
    clusters: list[Cluster],
) -> None:
    a, root = clusters
    for port, what in (
        (a.api_port, "API server of cluster a"),
        (a.http_port, "port 80 of cluster a"),
        (root.api_port, "API server of cluster root"),
    ):
        with listen(port), pytest.raises(LabError) as error:
            preflight.check_ports(clusters)
        text = str(error.value)
        assert "\n" not in text
        assert f"127.0.0.1:{port} is in use, and the {what} needs it" in text
        assert f"`ss -ltnp 'sport = {port}'`" in text
        assert "--instance" in text


def test_a_port_of_ours_is_not_in_the_way(
    clusters: list[Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Process, "pid", property(lambda process: 1))
    with listen(clusters[0].api_port):
        preflight.check_ports(clusters)  # does not raise


def test_a_cluster_without_a_node_needs_no_port_80(clusters: list[Cluster]) -> None:
    with listen(clusters[1].http_port):
        preflight.check_ports(clusters)  # does not raise


def test_connections_that_have_just_ended_do_not_hold_a_port(clusters: list[Cluster]) -> None:
    port = clusters[0].api_port
    with listen(port) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # first: so this side is in TIME_WAIT
        client.close()
    assert preflight._is_free(port), "`down` and at once `up`"
