"""What a lab offers to who deploys into it: images by digest, and a user without any rights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.cluster.pki import DIR
from lab.instance import CHECKOUT, Instance
from tests.support.kube import Kube
from tests.support.wait import until
from tests.support.workloads import SERVER_IMAGE
from tools import env

INSTANCE = "labusers"

pytestmark = pytest.mark.timeout(300)


def lab(command: str, *words: str) -> str:
    """The output of a command of the lab, which has to succeed."""
    line = [sys.executable, "-m", "lab", command, "--instance", INSTANCE, *words]
    done = subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"lab {command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of an instance of one cluster."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root: run these tests with sudo")
    os.environ |= dict(env.values(["kubectl"]))
    path = tmp_path_factory.mktemp("users") / "kubeconfig"
    lab("down", "--force")  # of a run that was killed
    try:
        lab("up", "--kubeconfig", str(path), "x")
        yield path
    finally:
        lab("down", "--force")


@pytest.fixture(scope="module")
def admin(kubeconfig: Path) -> Kube:
    return Kube(kubeconfig, "lab-x")


@pytest.fixture(scope="module")
def deployer(kubeconfig: Path) -> Kube:
    return Kube(kubeconfig, "lab-x-deployer")


def digest_of(image: str) -> str:
    return dict(line.split() for line in lab("images").splitlines())[image]


def pod(name: str, image: str) -> dict[str, Any]:
    container = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{**container, "args": ["server"]}]},
    }


def test_a_pod_runs_an_image_by_its_digest(admin: Kube) -> None:
    repository, _, _ = SERVER_IMAGE.rpartition(":")
    digest = digest_of(SERVER_IMAGE)
    admin.apply(pod("by-digest", f"{repository}@{digest}"))
    admin.run("wait", "--for=condition=Ready", "pod/by-digest", "--timeout=120s", timeout=130)
    (status,) = admin.get("pod", "by-digest")["status"]["containerStatuses"]
    assert status["imageID"].endswith(digest)


def test_another_digest_is_another_image(admin: Kube) -> None:
    repository, _, _ = SERVER_IMAGE.rpartition(":")
    admin.apply(pod("unknown", f"{repository}@sha256:{'0' * 64}"))

    def reason() -> str:
        statuses = admin.get("pod", "unknown")["status"].get("containerStatuses", [{}])
        return str(statuses[0].get("state", {}).get("waiting", {}).get("reason", ""))

    until(reason, lambda found: found.startswith(("ErrImage", "ImagePull")), 60, "it is no error")
    admin.run("delete", "pod", "unknown", "--now")


def test_the_deployer_has_no_rights_until_it_is_given_some(admin: Kube, deployer: Kube) -> None:
    who = deployer.run("auth", "whoami", "-o", "yaml").stdout
    user = yaml.safe_load(who)["status"]["userInfo"]
    assert (user["username"], user["groups"]) == ("deployer", ["system:authenticated"])
    for words in (["get", "pods"], ["get", "namespaces"], ["create", "namespace", "mine"]):
        refused = deployer.run(*words, check=False)
        assert refused.returncode == 1
        assert 'User "deployer" cannot' in refused.stderr
    admin.run("create", "rolebinding", "viewer", "--clusterrole=view", "--user=deployer")
    until(
        lambda: deployer.run("get", "pods", check=False).returncode,
        lambda code: code == 0,
        30,
        "it cannot see pods",
    )
    assert deployer.run("get", "namespaces", check=False).returncode == 1, "elsewhere as before"


def test_a_lab_of_before_gets_the_deployer_by_another_up(
    kubeconfig: Path, admin: Kube, deployer: Kube
) -> None:
    (cluster,) = Instance(INSTANCE).clusters()
    for suffix in ("crt", "key"):
        (cluster.path(DIR) / f"deployer.{suffix}").unlink()
    for section in ("cluster", "context", "user"):
        admin.run("config", f"delete-{section}", "lab-x-deployer")
    assert deployer.run("auth", "whoami", check=False).returncode == 1
    lab("up")
    assert "deployer" in deployer.run("auth", "whoami").stdout
    assert len(yaml.safe_load(kubeconfig.read_text())["contexts"]) == 2
