"""A stack file as it lies on disk, read without Pulumi, without its secrets and environments.

Commands that only look at a configuration need no passphrase and no login for that. What they
cannot know is told: values that are encrypted, and those that come from environments (Pulumi ESC).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from config import stack_file
from config.problems import ConfigError
from config.secret import Secret
from config.settings import Settings

ENDINGS = (".yaml", ".yml")
INLINE = "its own `environment`"
"""Stands for values that the stack file's `environment` has in itself."""


class UnreadableProjectError(Exception):
    """A file of the project cannot be read; the message says which and why, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class StackFile:
    """What is written for one stack."""

    project: str
    """Name of the project, the namespace of its keys."""
    values: Mapping[str, Any]
    """Key (without namespace) to value: those of the stack, then the project's defaults."""
    encrypted: tuple[str, ...]
    """Paths of the encrypted values. Inside of a key each is a `Secret` among `values`; a key that
    is encrypted as a whole is not there, since any structure may be behind it."""
    environments: tuple[str, ...]
    """Environments with further values, which are not among `values`."""

    @property
    def complete(self) -> bool:
        """Whether all keys that the program would be given are there."""
        return not self.environments and not any(key in stack_file.KEYS for key in self.encrypted)


@dataclass(frozen=True, slots=True)
class Reading:
    """The settings of a stack, as far as its files tell."""

    settings: Settings
    """Where a value is not known, the default stands, or an empty text."""
    written: StackFile
    doubts: tuple[str, ...]
    """What is a mistake unless a value settles it that is not in the files: empty if all are."""


def read(directory: Path, stack: str, environ: Mapping[str, str]) -> Reading:
    """Read and check the configuration of a stack from the files of its project.

    What is encrypted is taken for good: neither its content nor what depends on it is judged, so a
    cluster CA with an encrypted file is not checked at all. When there are values elsewhere (from
    environments, or keys encrypted as a whole), then what is missing is no mistake but a doubt;
    what is written is judged as always, for it takes precedence over an environment.

    Args:
        directory: the project's directory.
        stack: the stack's name, with or without organization and project.
        environ: environment variables (`KUBECONFIG`, `HOME`).

    Raises:
        UnreadableProjectError: a file is missing, or is not what it has to be.
        ConfigError: with every mistake found, doubts aside.
    """
    written = read_stack_file(directory, stack)
    settings, problems = stack_file.check(
        written.values, directory, environ, written.project, complete=written.complete
    )
    doubts = [] if written.complete else problems.doubts
    mistakes = [message for message in problems.messages if message not in doubts]
    if mistakes:
        raise ConfigError(mistakes, written.project)
    return Reading(settings=settings, written=written, doubts=tuple(doubts))


def read_stack_file(directory: Path, stack: str) -> StackFile:
    """Return what the files of a project say of a stack, unchecked.

    Args:
        directory: the project's directory.
        stack: the stack's name.

    Raises:
        UnreadableProjectError: a file is missing, or is not what it has to be.
    """
    declared = _document(directory, "Pulumi")
    project = declared.get("name")
    if not isinstance(project, str) or not project:
        raise UnreadableProjectError(f"{directory / 'Pulumi.yaml'} has no name of the project")
    # A text under `config` is what `stackConfigDir` was called before.
    folder = declared.get("stackConfigDir") or declared.get("config")
    place = directory / folder if isinstance(folder, str) else directory
    document = _document(place, f"Pulumi.{stack.rpartition('/')[2]}")
    defaults = _of_project(declared.get("config"), project)
    own = _of_project(document.get("config"), project)
    values = {key: _default(entry) for key, entry in defaults.items()} | own
    encrypted: list[str] = []
    seen = {key: _without_secrets(value, key, encrypted) for key, value in values.items()}
    return StackFile(
        project=project,
        values={
            key: stack_file.structure(value) if type(value) is str else value
            for key, value in seen.items()
            if value is not None and not (isinstance(value, Secret) and key in stack_file.KEYS)
        },
        encrypted=tuple(encrypted),
        environments=tuple(_environments(document.get("environment"))),
    )


def _document(directory: Path, name: str) -> Mapping[str, Any]:
    """Return the content of a YAML file; `name` is without the ending."""
    files = [directory / f"{name}{ending}" for ending in ENDINGS]
    file = next((file for file in files if file.exists()), files[0])
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UnreadableProjectError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UnreadableProjectError(f"{file} is not a text in UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        # Neither the message nor the cause: both quote the file.
        raise UnreadableProjectError(f"{file} is not YAML{where}") from None
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise UnreadableProjectError(f"{file} is not a mapping")
    return document


def _of_project(config: Any, project: str) -> dict[str, Any]:
    """Return the project's own keys, without namespace; one without any is the project's too."""
    if not isinstance(config, Mapping):
        return {}
    parts = [(str(key).rpartition(":"), value) for key, value in config.items()]
    return {key: value for (namespace, _, key), value in parts if namespace in ("", project)}


def _default(entry: Any) -> Any:
    """Return the default that Pulumi.yaml has for a key; None: it has none."""
    if not isinstance(entry, Mapping):
        return entry
    return entry.get("default", entry.get("value"))


def _without_secrets(value: Any, path: str, encrypted: list[str]) -> Any:
    """Return a value with a `Secret` in place of each encrypted one, whose path is noted."""
    if isinstance(value, Mapping):
        if [*value] == ["secure"]:
            encrypted.append(path)
            return Secret()
        return {
            key: _without_secrets(item, f"{path}.{key}", encrypted) for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _without_secrets(item, f"{path}[{index}]", encrypted)
            for index, item in enumerate(value)
        ]
    # Pulumi hands all over as JSON, where 7e5 is 700000.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _environments(environment: Any) -> list[str]:
    """Return the names in a stack file's `environment`: a list of them, or an inline one."""
    if isinstance(environment, Mapping):
        inline = [INLINE] if environment.get("values") else []
        return [*_environments(environment.get("imports")), *inline]
    if not isinstance(environment, list):
        return [environment] if isinstance(environment, str) else []
    # An item with options is a mapping of its name to them.
    names = (next(iter(item), "") if isinstance(item, Mapping) else item for item in environment)
    return [str(name) for name in names]


class _Loader(yaml.SafeLoader):
    """Takes plain words as Pulumi does: to it `no` and `12:34` are texts, and `7e5` is a number."""

    yaml_implicit_resolvers = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(0|[1-9][0-9]*|0[0-7]+|0o[0-7]+|0x[0-9a-fA-F]+)", [*"-+0123456789"]),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
    ("merge", r"<<", ["<"]),
):
    # Both ends, as PyYAML only looks at the beginning.
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )
