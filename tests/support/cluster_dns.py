"""The DNS of one cluster of the lab: its configuration, its pods, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support import workloads
from tests.support.kube import Kube
from tests.support.wait import until

SYSTEM = ("-n", "kube-system")
KEYS = {
    "coredns": "Corefile",
    "coredns-custom": "istio-multicluster.server",
    "kube-dns": "stubDomains",
}


@dataclass(frozen=True)
class Cluster:
    """One cluster, and what its DNS says."""

    name: str
    kube: Kube

    @property
    def linked(self) -> str:
        """A name in the zone of a linked cluster."""
        return f"x.y.svc.{'b' if self.name == 'a' else 'a'}.remote"

    def data(self, name: str) -> dict[str, str] | None:
        """Return the data of a ConfigMap of the platform's."""
        wanted = ("configmap", name, *SYSTEM, "--ignore-not-found", "-o", "json")
        found = self.kube.run("get", *wanted).stdout
        return json.loads(found).get("data", {}) if found else None

    def put(self, name: str, data: dict[str, str] | None) -> None:
        """Write a ConfigMap as the platform does, whatever is in it; None: delete it."""
        self.kube.run("delete", "configmap", name, *SYSTEM, "--ignore-not-found")
        if data is not None:
            metadata = {"name": name, "namespace": "kube-system"}
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            self.kube.run("create", "-f", "-", stdin=json.dumps(made))

    def has_edit(self, mode: str) -> bool:
        """Tell whether the program's edit is in the ConfigMap of a mode."""
        text = (self.data(mode) or {}).get(KEYS[mode], "")
        return self.address() in text and "remote" in text

    def lay_out(self, directory: str) -> None:
        """Make the lab's CoreDNS read ConfigMap `coredns-custom`, as that of k3s or AKS does.

        Args:
            directory: what its Corefile writes before `custom`; nothing on AKS.
        """
        data = self.data("coredns") or {}
        head, brace, rest = data["Corefile"].rpartition("}")
        head += f"    import {directory}custom/*.override\n"
        text = f"{head}{brace}{rest}import {directory}custom/*.server\n"
        self.put("coredns", {**data, "Corefile": text})
        custom = {
            "name": "coredns-custom",
            "configMap": {"name": "coredns-custom", "optional": True},
        }
        mount = {"name": "coredns-custom", "mountPath": "/etc/coredns/custom", "readOnly": True}
        volumes, mounts = self.volumes()
        self.mount([*volumes, custom], [*mounts, mount])

    def volumes(self) -> tuple[list[Any], list[Any]]:
        """Return volumes and mounts of the cluster's DNS."""
        spec = self.kube.get("deployment", "coredns", *SYSTEM)["spec"]["template"]["spec"]
        return spec["volumes"], spec["containers"][0]["volumeMounts"]

    def mount(self, volumes: list[Any], mounts: list[Any]) -> None:
        """Give the cluster's DNS these volumes and mounts."""
        at = "/spec/template/spec"
        patch = [
            {"op": "replace", "path": f"{at}/volumes", "value": volumes},
            {"op": "replace", "path": f"{at}/containers/0/volumeMounts", "value": mounts},
        ]
        deployment = ("deployment", "coredns", *SYSTEM)
        self.kube.run("patch", *deployment, "--type=json", "-p", json.dumps(patch))
        self.wait_for_dns()

    def restart_dns(self) -> None:
        """Let the cluster's DNS read its configuration now: by itself it takes two minutes."""
        self.kube.run("rollout", "restart", "deployment/coredns", *SYSTEM)
        self.wait_for_dns()

    def wait_for_dns(self) -> None:
        """Wait until the pods of the DNS are new ones; the old ones answer for a while."""
        self.kube.wait_for_rollout("kube-system", "coredns")
        until(
            lambda: self.kube.get("pods", "-l", "k8s-app=kube-dns", *SYSTEM)["items"],
            lambda pods: len(pods) == 2,
            60,
            "old pods of the cluster's DNS stay",
        )

    def ask(self, name: str, kind: str = "A", server: str = "") -> tuple[str, str]:
        """Return status and addresses that a pod gets."""
        at = f"@{server}" if server else ""
        script = f"dig +tries=2 +time=3 +noall +comments +answer {at} {name} {kind}"
        lines = self.kube.shell(workloads.PLAIN, script).splitlines()
        status = [line.split("status: ")[1].split(",")[0] for line in lines if "status: " in line]
        answers = [line.split()[-1] for line in lines if line and not line.startswith(";")]
        return " ".join(status), " ".join(answers)

    def wait_for_core_dns(self, address: str, kind: str = "A") -> None:
        """Wait until core-dns has read its zone without a restart, each pod its own."""
        self.kube.refresh_volumes("istio-system", "app=core-dns")
        server = self.address()
        until(
            lambda: {self.ask(self.linked, kind, server)[1] for _ in range(10)},
            lambda seen: seen == {address},
            150,
            f"core-dns does not answer {address}",
        )

    def address(self) -> str:
        """Return the address of core-dns' Service."""
        return str(self.kube.get("service", "core-dns", "-n", "istio-system")["spec"]["clusterIP"])

    def pods(self) -> set[str]:
        """Return the names of core-dns' pods that are ready and stay."""
        found = self.kube.get("pods", "-n", "istio-system", "-l", "app=core-dns")["items"]
        return {
            pod["metadata"]["name"]
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
            and any(
                c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"]
            )
        }
