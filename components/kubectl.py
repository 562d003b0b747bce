"""Read objects and write ConfigMaps with kubectl: the kubeconfig's own way to log in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

TIMEOUT_SECONDS = 60

UNREACHABLE = "unreachable"
"""Property of a dynamic resource whose cluster is not to be asked for now."""


class Access(TypedDict):
    """How kubectl reaches a cluster."""

    kubeconfig: str | None
    """Path of the kubeconfig; None: KUBECONFIG, then the default file."""
    context: str
    """The cluster's context in it."""


class KubectlError(Exception):
    """kubectl is missing, or failed; the message holds what it said."""


class MissingError(KubectlError):
    """kubectl is not installed, which says nothing about any cluster."""


class ConflictError(KubectlError):
    """Somebody else changed the object between our reading and our writing."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl for one context."""

    kubeconfig: str | None
    context: str
    seconds: int = TIMEOUT_SECONDS
    """The longest that one command may take."""

    @classmethod
    def of(cls, props: Mapping[str, Any], *, seconds: int = TIMEOUT_SECONDS) -> Kubectl:
        """Return kubectl for the `Access` among a dynamic resource's properties."""
        return cls(props.get("kubeconfig"), props["context"], seconds)

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints.

        Raises:
            ConflictError: the object has changed since it was read.
            KubectlError: anything else that went wrong.
        """
        program = shutil.which("kubectl")
        if program is None:
            raise MissingError(
                "kubectl is not on PATH; it edits and restores what Pulumi's provider cannot: "
                "install kubectl"
            )
        command = [program, "--context", self.context, "--request-timeout=20s", *args]
        if self.kubeconfig:
            command[1:1] = ["--kubeconfig", self.kubeconfig]
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(
                f"kubectl {args[0]} in context {self.context!r} took over {self.seconds} s"
            ) from error
        if done.returncode:
            said = done.stderr.strip()
            kind = (
                ConflictError if "(Conflict)" in said or "AlreadyExists" in said else KubectlError
            )
            raise kind(f"kubectl {args[0]} in context {self.context!r}: {said}")
        return done.stdout

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object, None when there is none."""
        found = self.run("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found else None

    def get_config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a ConfigMap, None when there is none."""
        return self.get("configmap", namespace, name)

    def put_config_map(self, config_map: dict[str, Any]) -> None:
        """Create a ConfigMap, or replace the one that was read if nobody else has since."""
        exists = "resourceVersion" in config_map["metadata"]
        verb = "replace" if exists else "create"
        self.run(
            verb, "-f", "-", "--field-manager=istio-multicluster", stdin=json.dumps(config_map)
        )

    def delete_config_map(self, namespace: str, name: str) -> None:
        """Delete a ConfigMap if it is there."""
        self.run("delete", "configmap", name, "-n", namespace, "--ignore-not-found")

    def delete_config_maps(self, name: str) -> None:
        """Delete the ConfigMaps of one name in all namespaces."""
        self.run("delete", "configmap", "-A", "--field-selector", f"metadata.name={name}")

    def reachable(self) -> bool:
        """Tell whether the API server answers."""
        try:
            self.run("get", "--raw", "/version")
        except KubectlError:
            return False
        return True


@contextmanager
def forgive_unreachable(kubectl: Kubectl) -> Iterator[None]:
    """Let a deletion pass on a dead cluster if the user has given that cluster up.

    PULUMI_K8S_DELETE_UNREACHABLE is the switch by which the Kubernetes provider, too, forgets the
    objects of a cluster that does not answer.
    """
    try:
        yield
    except MissingError:
        raise
    except KubectlError:
        if not _switched_on("PULUMI_K8S_DELETE_UNREACHABLE") or kubectl.reachable():
            raise


def skips_unreachable(kubectl: Kubectl) -> bool:
    """Tell whether a cluster is dead and the user wants a refresh to go on without it.

    PULUMI_K8S_SKIP_UPDATE_UNREACHABLE is the provider's switch for the same.
    """
    return _switched_on("PULUMI_K8S_SKIP_UPDATE_UNREACHABLE") and not kubectl.reachable()


def _switched_on(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true")
