"""Parses stack configurations as the program does, but for Pulumi."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from config import stack_file
from config.problems import ConfigError
from config.settings import Settings
from tests.unit.support.stacks import stack

PROJECT = "istio-multicluster"


def parse(
    directory: Path,
    raw: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    project: str = PROJECT,
) -> Settings:
    """Return the settings of a stack.

    Args:
        directory: the project's directory; it has a file `kubeconfig`.
        raw: the keys of the stack file, without namespace.
        environ: the environment; none by default.
        project: name of the project.
    """
    whole = {"kubeconfig": "kubeconfig", **raw}
    return stack_file.parse(whole, directory, environ or {}, project)


def mistakes(directory: Path, raw: Mapping[str, Any], **options: Any) -> list[str]:
    """Return what is wrong with a stack, at least one thing; `DIR` stands for the directory."""
    with pytest.raises(ConfigError) as caught:
        parse(directory, raw, **options)
    return [message.replace(str(directory), "DIR") for message in caught.value.messages]


Mistakes = Sequence[tuple[Any, list[str]]]
"""What is written, and what is said of it."""


def each(cases: Mistakes) -> pytest.MarkDecorator:
    """Run a test for each, with what is `written` and the expected `messages`."""
    ids = [messages[0][:60] for _, messages in cases]
    return pytest.mark.parametrize(("written", "messages"), cases, ids=ids)


def with_a(**settings: Any) -> dict[str, Any]:
    """Return a good configuration but for these settings of the cluster `a`."""
    return stack("ab", a=settings)


def with_keys(**keys: Any) -> dict[str, Any]:
    """Return a good configuration but for these keys."""
    return {**stack("ab"), **keys}


def with_exposes(*items: Any) -> dict[str, Any]:
    """Return a good configuration but for what the cluster `a` exposes."""
    return with_a(exposes=list(items))
