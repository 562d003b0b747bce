"""kubectl for one cluster of the lab."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Written by the cluster itself all the time, or by a controller from something that is listed too.
VOLATILE = (
    "apiservices.apiregistration.k8s.io",  # made from CRDs
    "bindings",
    "componentstatuses",
    "customresourcedefinitions.apiextensions.k8s.io",  # Istio's stay, by its own annotation
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events",
    "events.events.k8s.io",
    "ipaddresses.networking.k8s.io",
    "leases.coordination.k8s.io",
    "nodes",
    "pods",
    "podmetrics",
)


READY_SECONDS = 300
"""Within which pods are ready on a machine that has a lot of other work."""


@dataclass(frozen=True)
class Kube:
    """One cluster, reached with kubectl."""

    kubeconfig: Path
    context: str

    def run(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; a failure raises with what it said."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), "--context", self.context]
        done = subprocess.run(
            [*command, *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done

    def get(self, *args: str) -> dict[str, Any]:
        """Return what `kubectl get ... -o json` prints."""
        return dict(json.loads(self.run("get", *args, "-o", "json").stdout))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self.run("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def wait_for_deployments(self, namespace: str) -> None:
        """Wait until all Deployments of a namespace are available."""
        wanted = ["--for=condition=Available", "deployment", "--all"]
        bound = f"--timeout={READY_SECONDS}s"
        self.run("wait", "-n", namespace, *wanted, bound, timeout=READY_SECONDS + 10)

    def wait_for_rollout(self, namespace: str, deployment: str) -> None:
        """Wait until a Deployment has its new pods, and all of them are available."""
        words = ("rollout", "status", "-n", namespace, f"deployment/{deployment}")
        self.run(*words, f"--timeout={READY_SECONDS}s", timeout=READY_SECONDS + 10)

    def refresh_volumes(self, namespace: str, selector: str) -> None:
        """Let kubelet bring ConfigMaps and Secrets into running pods now.

        By itself it looks at each pod once in a minute or more; at a changed annotation, at once.
        """
        changed = f"test/refreshed={time.time_ns()}"
        self.run("annotate", "pods", "-n", namespace, "-l", selector, "--overwrite", changed)

    def shell(
        self, namespace: str, script: str, timeout: float = 60, *, check: bool = False
    ) -> str:
        """Run a shell script in the client pod of a namespace; return what it prints."""
        target = ["-n", namespace, "deploy/client", "-c", "client", "--", "sh", "-c", script]
        return self.run("exec", *target, check=check, timeout=timeout).stdout.strip()

    def snapshot(self) -> dict[str, Any]:
        """Return every object's data, spec and rules, to compare before with after.

        Left out is what the API server and controllers write themselves (status, metadata).
        """
        kinds = self.run("api-resources", "--verbs=list", "-o", "name").stdout.split()
        listed = ",".join(kind for kind in kinds if kind not in VOLATILE)
        found = self.get(listed, "-A")["items"]
        return {
            "/".join(
                (
                    item["kind"],
                    item["metadata"].get("namespace", ""),
                    item["metadata"]["name"],
                )
            ): {
                key: value
                for key, value in item.items()
                if key not in ("metadata", "status", "apiVersion", "kind")
            }
            for item in found
        }
