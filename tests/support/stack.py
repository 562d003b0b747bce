"""A Pulumi stack of the program, driven through the Automation API: real CLI, real provider."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation

from components.confirmations import REMOVED
from tests.conftest import PROJECT

PROGRAM = ("Pulumi.yaml", "__main__.py", "config", "stack", "components")


class Stack:
    """The program in a directory of its own, so that nothing is written into the checkout.

    Args:
        directory: where it is put; its state too, unless told otherwise.
        kubeconfig: is copied there.
        config: keys of the stack file.
        name: the stack's name.
        state: directory of a backend that has other stacks, too.
    """

    def __init__(
        self,
        directory: Path,
        kubeconfig: Path,
        config: Mapping[str, Any],
        *,
        name: str = "test",
        state: Path | None = None,
    ) -> None:
        self.directory = directory
        self.name = name
        for pattern in PROGRAM:
            for path in PROJECT.glob(pattern):
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, directory / path.name)
        state = state or directory / "state"
        state.mkdir(exist_ok=True)
        self.backend = state
        shutil.copy2(kubeconfig, directory / "kubeconfig")
        self.configure(config)
        self.env = {
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        options = automation.LocalWorkspaceOptions(env_vars=self.env)
        self.stack = automation.create_or_select_stack(name, work_dir=str(directory), opts=options)
        self.output: list[str] = []
        self.steps: list[tuple[str, str]] = []
        """What the last `up` has done, in its order: operation and name of each resource."""

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write the stack's configuration, in place of what was there."""
        file = self.directory / f"Pulumi.{self.name}.yaml"
        kept = yaml.safe_load(file.read_text()) if file.exists() else {}
        values = {"kubeconfig": "kubeconfig", **config}
        kept["config"] = {f"istio-multicluster:{key}": value for key, value in values.items()}
        file.write_text(yaml.safe_dump(kept))

    def configure_secret(self, path: str, value: str) -> None:
        """Set one value as `pulumi config set --path --secret` does."""
        secret = automation.ConfigValue(value, secret=True)
        self.stack.set_config(f"istio-multicluster:{path}", secret, path=True)

    def preview(self) -> dict[str, int]:
        """Preview; return the number of resources by operation."""
        return _by_name(self.stack.preview(on_output=self._say).change_summary)

    def up(self, **options: Any) -> dict[str, int]:
        """Update; return the number of resources by operation."""
        self.steps.clear()
        done = self.stack.up(on_output=self._say, on_event=self._note, **options)
        return _by_name(done.summary.resource_changes)

    def destroy(self) -> None:
        """Destroy all resources, the keys of the root too."""
        env = self.stack.workspace.env_vars or {}
        named = f"{env.get(REMOVED, '')},{self._root_namespace()}"
        self.stack.workspace.env_vars = {**env, REMOVED: named}
        try:
            self.stack.destroy(on_output=self._say)
        finally:
            self.stack.workspace.env_vars = env

    def _root_namespace(self) -> str:
        file = yaml.safe_load((self.directory / f"Pulumi.{self.name}.yaml").read_text())
        root = file["config"].get("istio-multicluster:rootCa") or {}
        return str(root.get("namespace", "istio-root-ca"))

    def refresh(self, **options: Any) -> dict[str, int]:
        """Refresh; return the number of resources by operation."""
        done = self.stack.refresh(on_output=self._say, **options)
        return _by_name(done.summary.resource_changes)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        return {name: output.value for name, output in self.stack.outputs().items()}

    def urns(self) -> list[str]:
        """Return the URNs of all resources in the state, the stack itself included."""
        deployment = self.stack.export_stack().deployment or {}
        return sorted(str(resource["urn"]) for resource in deployment.get("resources") or ())

    def state(self) -> str:
        """Return everything that the backend has, older versions and other stacks included.

        Not `export_stack()`, which decrypts the secrets.
        """
        files = self.backend.rglob("*.json")
        return "\n".join(file.read_text() for file in files)

    def rename(self, name: str) -> None:
        """Rename the stack, as `pulumi stack rename` does; its file goes with it."""
        command = ["pulumi", "stack", "rename", name, "--stack", self.name, "--non-interactive"]
        env = {**os.environ, **self.env}
        subprocess.run(command, cwd=self.directory, env=env, check=True, capture_output=True)
        self.name = name
        options = automation.LocalWorkspaceOptions(env_vars=self.env)
        self.stack = automation.select_stack(name, work_dir=str(self.directory), opts=options)

    def use_hash_seed(self, seed: int) -> None:
        """Run the program with this seed for Python's hashes from now on."""
        self.use_environment(PYTHONHASHSEED=str(seed))

    def use_environment(self, **variables: str) -> None:
        """Run Pulumi with these further variables from now on."""
        self.stack.workspace.env_vars = {**self.env, **variables}

    def _note(self, event: automation.EngineEvent) -> None:
        if done := event.res_outputs_event:
            self.steps.append((done.metadata.op.value, done.metadata.urn.rpartition("::")[2]))

    def _say(self, line: str) -> None:
        self.output.append(line)
        print(line)


def _by_name(changes: Mapping[automation.OpType, int] | None) -> dict[str, int]:
    return {automation.OpType(key).value: count for key, count in (changes or {}).items()}
