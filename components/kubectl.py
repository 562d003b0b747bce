"""What is asked of clusters with kubectl: the kubeconfig's own way to log in.

Each thing that is asked is a method of `Kubectl`; nobody else knows of kubectl's arguments.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

from components import names
from components.errors import ComponentError

TIMEOUT_SECONDS = 60

# kubectl's own name in managedFields would tell nobody whose edit it is.
_MANAGER = f"--field-manager={names.FIELD_MANAGER}"

UNREACHABLE = "unreachable"
"""Property of a dynamic resource whose cluster is not to be asked for now."""


class Access(TypedDict):
    """How kubectl reaches a cluster."""

    kubeconfig: str | None
    """Path of the kubeconfig; None: KUBECONFIG, then the default file."""
    context: str
    """The cluster's context in it."""


class KubectlError(ComponentError):
    """kubectl is missing, or failed; the message holds what it said."""


class MissingError(KubectlError):
    """kubectl is not installed, which says nothing about any cluster."""


class ForbiddenError(KubectlError):
    """The API server answers, and does not let one do it."""


class ConflictError(KubectlError):
    """Somebody else changed the object between our reading and our writing."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one context."""

    kubeconfig: str | None
    context: str
    seconds: int = TIMEOUT_SECONDS
    """The longest that one command may take."""

    @classmethod
    def from_props(cls, props: Mapping[str, Any], *, seconds: int = TIMEOUT_SECONDS) -> Kubectl:
        """Return kubectl for the `Access` among a dynamic resource's properties."""
        return cls(props.get("kubeconfig"), props["context"], seconds)

    def _run(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints.

        Raises:
            ConflictError: the object has changed since it was read.
            ForbiddenError: the API server does not let one.
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
            raise _kind(said)(f"kubectl {args[0]} in context {self.context!r}: {said}")
        return done.stdout

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object, None when there is none."""
        text = self._run("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text else None

    def get_all(self, wanted: Sequence[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
        """Return those objects that are there, by one process.

        Args:
            wanted: apiVersion, kind, namespace and name of each; an empty namespace: it has none.
        """
        items = [
            {
                "apiVersion": api_version,
                "kind": kind,
                "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
            }
            for api_version, kind, namespace, name in wanted
        ]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        text = self._run("get", "-f", "-", "-o", "json", "--ignore-not-found", stdin=listed)
        found = json.loads(text) if text else {"items": []}
        # kubectl prints a single object as it is, several as a list.
        return list(found.get("items", [found]))

    def get_raw(self, path: str) -> str:
        """Return what the API server answers at a path."""
        return self._run("get", "--raw", path)

    def list_everywhere(self, kind: str, selector: str) -> list[dict[str, Any]]:
        """Return the objects with some label in all namespaces."""
        text = self._run("get", kind, "-A", "-l", selector, "-o", "json")
        return list(json.loads(text)["items"])

    def create(self, manifest: Mapping[str, Any]) -> None:
        """Create an object."""
        self._write("create", manifest)

    def replace(self, manifest: Mapping[str, Any]) -> None:
        """Replace the object that was read, if nobody else has since."""
        self._write("replace", manifest)

    def put(self, manifest: Mapping[str, Any]) -> None:
        """Replace the object if it was read, else create it."""
        if "resourceVersion" in manifest["metadata"]:
            self.replace(manifest)
        else:
            self.create(manifest)

    def _write(self, verb: str, manifest: Mapping[str, Any], *options: str) -> None:
        self._run(verb, "-f", "-", _MANAGER, *options, stdin=json.dumps(manifest))

    def apply_crds(self, file: str) -> None:
        """Apply a file of CRDs, and wait until the API server serves them."""
        self._run("apply", "--server-side", "-f", file, _MANAGER)
        wait = f"--timeout={self.seconds - 5}s"
        self._run("wait", "--for=condition=Established", "-f", file, wait)

    def label(self, kind: str, name: str, label: str) -> None:
        """Write a label (`KEY=VALUE`) of an object of the cluster, in place of what it has."""
        self._run("label", kind, name, label, "--overwrite", _MANAGER)

    def try_out(self, manifest: Mapping[str, Any]) -> None:
        """Have the API server and its webhooks judge an object, and keep nothing."""
        self._write("apply", manifest, "--server-side", "--dry-run=server")

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object if it is there, and wait until it is gone."""
        self._run("delete", kind, name, "-n", namespace, "--ignore-not-found")

    def delete_everywhere(self, kind: str, name: str) -> None:
        """Delete the objects of one name in all namespaces."""
        self._run("delete", kind, "-A", "--field-selector", f"metadata.name={name}")

    def logs(self, owner: str, namespace: str, *, last: int | None = None) -> str:
        """Return what a pod has printed.

        Args:
            owner: `KIND/NAME` of what the pod belongs to.
            namespace: where it is.
            last: that many lines at the end only.
        """
        lines = [] if last is None else [f"--tail={last}"]
        return self._run("logs", owner, "-n", namespace, *lines)

    def execute(self, namespace: str, pod: str, container: str, *command: str) -> str:
        """Run a command in a container, and return what it prints."""
        return self._run("exec", "-n", namespace, pod, "-c", container, "--", *command)

    def reachable(self) -> bool:
        """Tell whether the API server answers."""
        try:
            self.get_raw("/version")
        except KubectlError:
            return False
        return True


def _kind(said: str) -> type[KubectlError]:
    """Return what kind of error it is that kubectl tells of."""
    if "(Conflict)" in said or "AlreadyExists" in said:
        return ConflictError
    if "(Forbidden)" in said or "(Unauthorized)" in said:
        return ForbiddenError
    return KubectlError


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
