"""Which contexts the user's kubeconfig has. Reads files only, never a cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


class KubeconfigError(Exception):
    """The kubeconfig cannot be read; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A kubeconfig as the program needs it."""

    path: str | None
    """What the providers are given: the configured path, or None for KUBECONFIG and the default."""
    contexts: tuple[str, ...] | None
    """Names of its contexts, sorted; None when it could not be read."""

    @classmethod
    def read(cls, path: str, directory: Path, environ: Mapping[str, str]) -> Kubeconfig:
        """Read the contexts of a kubeconfig.

        Args:
            path: the configured file, `~` allowed, relative to `directory`; empty for the default.
            directory: the project's directory.
            environ: environment variables; `KUBECONFIG` is used when `path` is empty.

        Raises:
            KubeconfigError: a named file is missing, unreadable or not a kubeconfig.
        """
        files = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
        if path:
            # Relative it stays, so that another checkout of the project sees the same state.
            path = str(Path(path).expanduser())
            file = directory / path
        elif len(files) > 1:
            # The provider takes the variable for one path, and then the cluster for dead.
            raise KubeconfigError(f"KUBECONFIG lists {len(files)} files")
        else:
            file = Path(files[0] if files else "~/.kube/config").expanduser()
        return cls(path or None, tuple(sorted(set(_contexts(file)))))


def _contexts(file: Path) -> list[str]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        return [str(entry["name"]) for entry in document["contexts"]]
    except OSError as error:
        raise KubeconfigError(f"{file} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise KubeconfigError(f"{file} is not a kubeconfig (no list of contexts in it)") from error
