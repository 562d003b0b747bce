"""lab/cluster/kubeconfig.py: the lab's contexts come and go, the user's stay."""

from __future__ import annotations

import base64
import copy
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import instance
from lab.cluster import kubeconfig
from lab.commands import owner
from lab.errors import LabError
from lab.instance import Instance

SECTIONS = ("clusters", "users", "contexts")

USERS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": True},
    "clusters": [{"name": "work", "cluster": {"server": "https://work"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
}


def document(name: str, server: str = "https://127.0.0.1:1") -> dict[str, Any]:
    """What the lab adds for a cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def names(path: Path, section: str = "contexts") -> list[str]:
    return [entry["name"] for entry in read(path)[section]]


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A kubeconfig of the user's."""
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(USERS))
    path.chmod(0o644)
    return path


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of labs, in a folder of the test."""
    for module in (instance, owner):
        monkeypatch.setattr(module, "STATE_ROOT", tmp_path / "state")
    return tmp_path / "state"


def test_a_document_is_self_contained(tmp_path: Path) -> None:
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (tmp_path / name).write_text(f"content of {name}")
    cluster = Instance("dev").plan(["a"])[0]
    made = kubeconfig.document(cluster, tmp_path, "admin", "https://127.0.0.1:16400")
    assert made["current-context"] == "lab-a"
    assert [made[section][0]["name"] for section in SECTIONS] == ["lab-a"] * 3
    assert made["contexts"][0]["context"] == {"cluster": "lab-a", "user": "lab-a"}
    data = made["users"][0]["user"] | made["clusters"][0]["cluster"]
    decoded = {k: base64.b64decode(v).decode() for k, v in data.items() if k.endswith("-data")}
    assert decoded == {
        "certificate-authority-data": "content of ca.crt",
        "client-certificate-data": "content of admin.crt",
        "client-key-data": "content of admin.key",
    }
    assert yaml.safe_load(kubeconfig.dump(made)) == made


def test_a_user_without_rights_has_a_context_of_its_own(tmp_path: Path) -> None:
    for name in ("ca.crt", "deployer.crt", "deployer.key"):
        (tmp_path / name).write_text(f"content of {name}")
    cluster = Instance("dev").plan(["a"])[0]
    made = kubeconfig.document(cluster, tmp_path, "deployer", "https://127.0.0.1:16400")
    assert made["current-context"] == "lab-a-deployer"
    context = {"cluster": "lab-a-deployer", "user": "lab-a-deployer"}
    assert made["contexts"] == [{"name": "lab-a-deployer", "context": context}]
    assert made["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:16400"
    key = made["users"][0]["user"]["client-key-data"]
    assert base64.b64decode(key) == b"content of deployer.key"


def test_the_contexts_of_all_users_go_with_the_lab(state: Path, users: Path) -> None:
    lab = Instance("dev")
    lab.record(lab.plan(["a", "root"]))
    owner.claim(lab, users)
    contexts = [name for cluster in lab.clusters() for name in cluster.contexts.values()]
    assert contexts == ["lab-a", "lab-a-deployer", "lab-root", "lab-root-deployer"]
    kubeconfig.add(users, [document(name) for name in contexts])
    present = owner.read(lab)
    assert present is not None
    owner.forget_contexts(lab, present)
    assert read(users) == USERS


def test_a_new_file_is_private_and_its_first_context_is_current(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/kubeconfig"
    kubeconfig.add(path, [document("lab-a"), document("lab-b")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(path) == ["lab-a", "lab-b"]
    assert read(path)["current-context"] == "lab-a"
    assert [entry.name for entry in path.parent.iterdir()] == ["kubeconfig"]


def test_the_users_entries_and_current_context_are_kept(users: Path) -> None:
    kubeconfig.add(users, [document("lab-a")])
    merged = read(users)
    for section in SECTIONS:
        assert merged[section][0] == USERS[section][0]
        assert names(users, section)[1:] == ["lab-a"]
    assert merged["current-context"] == "work"
    assert merged["preferences"] == {"colors": True}
    assert stat.S_IMODE(users.stat().st_mode) == 0o600, "it has a private key now"


def test_adding_again_replaces(users: Path) -> None:
    kubeconfig.add(users, [document("lab-a", "https://old"), document("lab-b")])
    kubeconfig.add(users, [document("lab-a", "https://new"), document("lab-b")])
    assert sorted(names(users)) == ["lab-a", "lab-b", "work"]
    servers = {entry["name"]: entry["cluster"]["server"] for entry in read(users)["clusters"]}
    assert servers["lab-a"] == "https://new"


def test_adding_and_removing_gives_back_the_users_file(users: Path) -> None:
    kubeconfig.add(users, [document("lab-a"), document("lab-root")])
    kubeconfig.remove(users, {"lab-a", "lab-root"})
    assert read(users) == USERS


def test_removing_takes_only_what_it_is_told(users: Path) -> None:
    kubeconfig.add(users, [document("lab-a"), document("lab-aa")])
    kubeconfig.remove(users, {"lab-a"})
    assert names(users) == ["work", "lab-aa"]


def test_no_current_context_is_left_pointing_nowhere(tmp_path: Path, users: Path) -> None:
    content = copy.deepcopy(USERS)
    content["current-context"] = "lab-a"
    users.write_text(yaml.safe_dump(content))
    kubeconfig.add(users, [document("lab-a")])
    assert read(users)["current-context"] == "lab-a"
    kubeconfig.remove(users, {"lab-a"})
    assert "current-context" not in read(users)


def test_a_file_that_only_had_ours_is_deleted_with_the_folder_if_that_is_ours(
    tmp_path: Path,
) -> None:
    for folder, gone in ((".lab", True), ("theirs", False)):
        path = tmp_path / folder / "kubeconfig"
        kubeconfig.add(path, [document("lab-a")])
        kubeconfig.remove(path, {"lab-a"})
        assert not path.exists()
        assert path.parent.exists() != gone
    path = tmp_path / ".lab/kubeconfig"
    kubeconfig.add(path, [document("lab-a")])
    (tmp_path / ".lab/state").mkdir()
    kubeconfig.remove(path, {"lab-a"})
    assert (tmp_path / ".lab/state").is_dir(), "something else is in there"


def test_removing_from_no_file_does_nothing(tmp_path: Path) -> None:
    kubeconfig.remove(tmp_path / "none", {"lab-a"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "apiVersion: v1\nclusters: null\n", "contexts: []\n"])
def test_an_empty_kubeconfig_is_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    kubeconfig.add(path, [document("lab-a")])
    assert names(path) == ["lab-a"]


@pytest.mark.parametrize("text", ["- a list\n", "just text\n", "a: [unclosed\n"])
def test_a_file_that_is_no_kubeconfig_is_refused_and_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(LabError, match=str(path)):
        kubeconfig.add(path, [document("lab-a")])
    assert path.read_text() == text


def test_a_link_stays_a_link(tmp_path: Path, users: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(users)  # as where dot files are kept in a repository
    kubeconfig.add(link, [document("lab-a")])
    assert link.is_symlink()
    assert names(users) == ["work", "lab-a"]
    kubeconfig.remove(link, {"lab-a"})
    assert link.is_symlink()
    assert read(users) == USERS


def test_a_move_to_another_kubeconfig_takes_the_contexts_out_of_the_first(
    tmp_path: Path, state: Path, users: Path
) -> None:
    lab = Instance("dev")
    clusters = lab.plan(["a"])
    lab.record(clusters)
    owner.claim(lab, users)
    kubeconfig.add(users, [document("lab-a")])
    owner.claim(lab, tmp_path / "other")
    assert read(users) == USERS


def test_a_kubeconfig_that_is_another_labs_is_refused(state: Path, users: Path) -> None:
    one, other = Instance("one"), Instance("other")
    owner.claim(one, users)
    with pytest.raises(LabError, match=f"{users} is lab 'one''s: .* --kubeconfig") as error:
        owner.claim(other, users)  # contexts are named by cluster: each would take the other's
    assert "\n" not in str(error.value)
    assert owner.read(other) is None
    assert not other.dir.exists()
    owner.claim(one, users)
    owner.claim(other, users.with_name("elsewhere"))
