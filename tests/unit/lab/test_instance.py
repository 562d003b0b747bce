"""Instances, their owners and the host's limits: what is whose, and that nothing is used twice."""

from __future__ import annotations

import ipaddress
import json
import os
import stat
from itertools import combinations
from pathlib import Path

import pytest

from lab import instance
from lab.commands import owner
from lab.errors import LabError
from lab.instance import DEFAULT_CLUSTERS, MAX_CLUSTERS, Cluster, Instance, write_private
from lab.machine import host_limits


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's state, in a folder of the test."""
    root = tmp_path / "state"
    root.mkdir()
    for module in (instance, owner, host_limits):
        monkeypatch.setattr(module, "STATE_ROOT", root)
    monkeypatch.setattr(host_limits, "_ORIGINAL", root / "inotify-max-user-instances")
    monkeypatch.setattr(host_limits, "_SETTING", tmp_path / "max_user_instances")
    return root


def all_clusters(lab: Instance) -> list[Cluster]:
    """As many clusters as fit."""
    others = [f"c{number}" for number in range(MAX_CLUSTERS - len(DEFAULT_CLUSTERS))]
    return lab.plan([*DEFAULT_CLUSTERS, *others])


@pytest.mark.parametrize(
    "name",
    ["", "A", "1a", "-a", "a-", "a_b", "a/b", "..", "a b", "a\n", "ä", "a" * 21, "a.b"],
)
def test_a_name_that_cannot_be_part_of_paths_and_hosts_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="cannot be the name of instance"):
        Instance(name)
    with pytest.raises(LabError, match="cannot be the name of cluster"):
        Instance("dev").plan([name])


def test_a_name_whose_context_would_be_another_clusters_users_is_refused() -> None:
    (cluster,) = Instance("dev").plan(["a"])
    assert cluster.contexts == {"admin": "lab-a", "deployer": "lab-a-deployer"}
    with pytest.raises(LabError, match="'a-deployer' cannot be the name of cluster"):
        Instance("dev").plan(["a-deployer"])
    Instance("a-deployer").plan(["deployer"])


@pytest.mark.parametrize("name", ["a", "a1", "a-b", "a" * 20])
def test_other_names_are_allowed(name: str) -> None:
    assert Instance(name).plan([name])[0].name == name


def test_the_ports_that_the_readme_promises() -> None:
    for name, api, http in (("dev", 16400, 16450), ("test", 16500, 16550)):
        clusters = Instance(name).plan(["a", "b", "root", "c", "d"])
        assert [cluster.name for cluster in clusters] == ["a", "b", "root", "c", "d"]
        assert [cluster.api_port for cluster in clusters] == [api + n for n in range(5)]
        assert [cluster.http_port for cluster in clusters] == [http + n for n in range(5)]


def test_no_port_is_used_twice_in_an_instance_or_by_the_two_known_ones() -> None:
    ports = [
        port
        for name in ("dev", "test", "labtest")
        for cluster in all_clusters(Instance(name))
        for port in (cluster.api_port, cluster.http_port)
    ]
    assert len(set(ports)) == len(ports)


def test_ports_of_other_instances_follow_from_the_name_and_are_not_ephemeral() -> None:
    firsts = {Instance(f"i{number}").first_port for number in range(500)}
    assert len(firsts) > 90, "spread: two instances seldom meet"
    assert all(17000 <= first < 27000 and first % 100 == 0 for first in firsts)
    assert max(firsts) + 100 <= 32768, "Linux takes ports for outgoing connections from there on"
    assert Instance("x").first_port == Instance("x").first_port


def test_no_address_is_used_twice_and_all_are_of_the_network() -> None:
    clusters = all_clusters(Instance("dev"))
    assert len(clusters) == MAX_CLUSTERS
    addresses = [instance.LAN_GATEWAY, *(cluster.address for cluster in clusters)]
    for cluster in clusters:
        assert len(cluster.load_balancer_addresses) == 16
        addresses += cluster.load_balancer_addresses
    assert len(set(addresses)) == len(addresses)
    network = ipaddress.ip_network(f"{instance.LAN}.0/24")
    hosts = set(map(str, network.hosts()))
    assert set(addresses) <= hosts, "neither the network's own address nor broadcast"


def test_the_networks_do_not_overlap() -> None:
    cidrs = (instance.POD_CIDR, instance.SERVICE_CIDR, f"{instance.LAN}.0/24")
    networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))
    services = networks[1]
    assert ipaddress.ip_address(instance.API_SERVICE_IP) == services[1], "Kubernetes' choice"
    assert ipaddress.ip_address(instance.DNS_SERVICE_IP) in services


def test_everything_of_an_instance_has_its_name() -> None:
    one, other = Instance("one"), Instance("one-two")
    assert one.dir != other.dir
    assert not other.dir.is_relative_to(one.dir), "removing one would remove the other"
    assert one.cgroup == "istio-multicluster-lab-one"
    assert one.default_kubeconfig != other.default_kubeconfig
    assert Instance("dev").default_kubeconfig == instance.CHECKOUT / ".lab/kubeconfig"


def test_a_cluster_keeps_its_place_whatever_is_added_later() -> None:
    lab = Instance("dev")
    lab.record(lab.plan(["x", "b"]))
    before = {cluster.name: cluster.index for cluster in lab.clusters()}
    assert before == {"x": 3, "b": 1}, "a, b and root have places of their own"
    lab.record(lab.plan(["y", "a", "x"]))
    after = {cluster.name: cluster.index for cluster in lab.clusters()}
    assert after == {"a": 0, "b": 1, "x": 3, "y": 4}
    assert [cluster.index for cluster in lab.clusters()] == [0, 1, 3, 4], "in order"


def test_a_plan_alone_makes_nothing(state: Path) -> None:
    Instance("dev").plan(["a"])
    assert list(state.iterdir()) == []
    assert Instance("dev").clusters() == []


def test_one_cluster_too_many_is_refused() -> None:
    lab = Instance("dev")
    lab.record(all_clusters(lab))
    with pytest.raises(LabError, match=f"no room for cluster 'more'.* {MAX_CLUSTERS} clusters"):
        lab.plan(["more"])


def test_only_root_has_no_node() -> None:
    clusters = Instance("dev").plan([*DEFAULT_CLUSTERS, "rooted"])
    assert [cluster.name for cluster in clusters if not cluster.has_node] == ["root"]


def test_paths_inside_a_cluster_stay_below_its_folder() -> None:
    cluster = Instance("dev").plan(["a"])[0]
    assert cluster.write("/var/lib/x/y", "text") == "/var/lib/x/y"
    file = cluster.dir / "var/lib/x/y"
    assert file.read_text() == "text"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "keys are written this way"


def test_a_file_is_replaced_as_a_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old, readable by all")
    path.chmod(0o644)
    with path.open() as reader:
        write_private(path, b"new")
        assert reader.read() == "old, readable by all", "who reads it has one or the other"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".*")) == []


def test_what_a_killed_write_left_does_not_make_the_next_one_public(tmp_path: Path) -> None:
    left = tmp_path / ".file.tmp"
    left.touch()
    left.chmod(0o644)
    write_private(tmp_path / "file", "secret")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def other_checkout(lab: Instance, config: Path) -> None:
    """Make the instance somebody else's."""
    lab.dir.mkdir(parents=True, exist_ok=True)
    record = {
        "checkout": "/their/checkout",
        "user": "them",
        "started": "2026-01-02 03:04:05",
        "kubeconfig": str(config),
    }
    (lab.dir / "owner.json").write_text(json.dumps(record))


def test_who_claims_an_instance_is_its_owner(tmp_path: Path) -> None:
    lab = Instance("dev")
    assert owner.read(lab) is None
    owner.claim(lab, tmp_path / "kubeconfig")
    first = owner.read(lab)
    assert first is not None
    assert first.is_us
    assert first.kubeconfig == str(tmp_path / "kubeconfig")
    assert stat.S_IMODE(lab.dir.stat().st_mode) == 0o700, "keys are below"
    owner.refuse_others(lab)
    owner.claim(lab, tmp_path / "kubeconfig")
    assert owner.read(lab) == first, "since when does not change"


def test_another_checkouts_instance_is_refused_with_whose_it_is_and_what_to_do(
    tmp_path: Path,
) -> None:
    lab = Instance("dev")
    other_checkout(lab, tmp_path / "theirs")
    before = (lab.dir / "owner.json").read_text()
    with pytest.raises(LabError) as error:
        owner.claim(lab, tmp_path / "ours")
    text = str(error.value)
    assert "\n" not in text
    for part in (
        "'dev'",
        "/their/checkout",
        "them",
        "2026-01-02 03:04:05",
        "--instance",
        "--force",
    ):
        assert part in text
    assert (lab.dir / "owner.json").read_text() == before


def test_a_damaged_record_is_no_owner(tmp_path: Path) -> None:
    lab = Instance("dev")
    lab.dir.mkdir()
    for content in ("", "{", '{"checkout": "x"}', "[]"):
        (lab.dir / "owner.json").write_text(content)
        assert owner.read(lab) is None
    owner.claim(lab, tmp_path / "kubeconfig")
    assert owner.read(lab) is not None


def test_one_at_a_time_works_on_an_instance() -> None:
    name = f"u{os.getpid()}"  # the lock is the machine's, not this test's
    with owner.working(Instance(name)):
        with (
            pytest.raises(LabError, match=f"another .* is at work on lab '{name}'"),
            owner.working(Instance(name)),
        ):
            pass
        with owner.working(Instance(f"{name}-x")):
            pass
    with owner.working(Instance(name)):
        pass


def setting(value: int | None = None) -> int:
    """What stands for the host's limit."""
    if value is not None:
        host_limits._SETTING.write_text(f"{value}\n")
    return int(host_limits._SETTING.read_text())


def test_the_hosts_limit_is_raised_once_and_set_back_after_the_last_instance(state: Path) -> None:
    setting(128)
    for name in ("one", "two"):
        (state / name).mkdir()
        host_limits.raise_limit()
    assert setting() == host_limits.WANTED
    (state / "one").rmdir()
    host_limits.restore_limit()
    assert setting() == host_limits.WANTED, "the other one still needs it"
    (state / "two").rmdir()
    host_limits.restore_limit()
    assert setting() == 128
    assert not state.exists()
    host_limits.restore_limit()  # nothing to do


def test_a_higher_limit_of_the_host_is_left_alone(state: Path) -> None:
    setting(8192)
    host_limits.raise_limit()
    assert setting() == 8192
    host_limits.restore_limit()
    assert setting() == 8192


def test_a_limit_that_somebody_else_changed_is_left_alone(state: Path) -> None:
    setting(128)
    host_limits.raise_limit()
    setting(4096)
    host_limits.restore_limit()
    assert setting() == 4096
    assert not state.exists()
