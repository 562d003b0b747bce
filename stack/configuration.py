"""The configuration of the stack that runs, and how its mistakes are shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG

from config import stack_file
from config.problems import ConfigError
from config.settings import Settings
from stack import issued_cas


@contextmanager
def shown_by_pulumi() -> Iterator[None]:
    """Let Pulumi show the mistakes of a `ConfigError` as they are, without a traceback.

    Raises:
        pulumi.RunError: in place of `ConfigError`, with the same text.
    """
    try:
        yield
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from error


@shown_by_pulumi()
def load() -> Settings:
    """Read and check the configuration, and the cluster CAs that another stack issues.

    Raises:
        pulumi.RunError: with every mistake found.
    """
    config, project = pulumi.Config(), pulumi.get_project()
    raw = {key: _value(config, key) for key in stack_file.KEYS}
    # What an unknown key has does not matter.
    raw |= dict.fromkeys(_unknown_keys(project), True)
    settings = stack_file.parse(raw, Path.cwd(), os.environ, project)
    return issued_cas.with_cacerts(settings)


def _value(config: pulumi.Config, key: str) -> Any:
    """Return a key's structure, or its text where it is none."""
    text = config.get(key)
    return None if text is None else stack_file.structure(text)


def _unknown_keys(project: str) -> list[str]:
    """Return the keys of our namespace that the stack file has and the program does not know."""
    prefix = f"{project}:"
    # pulumi.Config reads single keys only; this is the bag that the language host fills.
    present = (key.removeprefix(prefix) for key in CONFIG.get() if key.startswith(prefix))
    return sorted(key for key in present if key not in stack_file.KEYS)
