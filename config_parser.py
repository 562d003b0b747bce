"""Read nested configuration and collect every mistake in it, each with its path, value and fix.

Knows nothing of what the keys mean (that is `config.py`) and nothing of Pulumi.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

# RFC 1123 label, what Kubernetes accepts as the name of a namespace or a Service.
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Problems:
    """The mistakes found so far, in the order in which they were met."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, path: str, what: str, fix: str) -> None:
        """Note one mistake.

        Args:
            path: where it is, e.g. `clusters.a.exposes[0].port`.
            what: what is wrong, with the value.
            fix: what to write instead.
        """
        self.messages.append(f"{path}: {what}; {fix}")


class Section:
    """A mapping of the configuration; each key is read once, what is left over is unknown."""

    def __init__(self, value: Any, path: str, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self._unread: dict[str, Any] = {}
        self._read: list[str] = []
        if isinstance(value, Mapping):
            self._unread = {str(key): item for key, item in value.items()}
        elif value is not None:
            problems.add(path, f"{value!r} is not a mapping", "write `key: value` lines under it")

    def at(self, key: str) -> str:
        """Return the path of `key`."""
        return f"{self.path}.{key}" if self.path else key

    def bad(self, key: str, what: str, fix: str) -> None:
        """Note a mistake in the value of `key`."""
        self.problems.add(self.at(key), what, fix)

    def keys(self) -> list[str]:
        """Return the keys not read yet, as the user wrote them."""
        return list(self._unread)

    def take(self, key: str) -> Any:
        """Return the raw value of `key`, None when it is not there."""
        self._read.append(key)
        return self._unread.pop(key, None)

    def text(
        self, key: str, default: str = "", *, required: str = "", pattern: str = "", fix: str = ""
    ) -> str:
        """Read a string.

        Args:
            key: the key.
            default: its value when absent.
            required: when not empty, the key must be there; this is the fix to show.
            pattern: regular expression that the whole value must match.
            fix: what to write when it does not match.
        """
        value = self.take(key)
        if value is None or value == "":
            if required:
                self.bad(key, "is missing", required)
            return default
        if not isinstance(value, str) or (pattern and not re.fullmatch(pattern, value)):
            self.bad(key, f"{value!r} is not valid", fix or "give a string")
            return default
        return value

    def label(self, key: str, default: str = "", *, required: str = "") -> str:
        """Read a DNS label: the name of a cluster, namespace or Service."""
        return self.text(
            key,
            default,
            required=required,
            pattern=DNS_LABEL.pattern,
            fix="use at most 63 lower-case letters, digits and '-', a letter or digit at both ends",
        )

    def choice(self, key: str, default: str, options: Sequence[str]) -> str:
        """Read one of a few words."""
        value = self.take(key)
        if value is None:
            return default
        if value not in options:
            self.bad(key, f"{value!r} is unknown", f"use one of {', '.join(options)}")
            return default
        return str(value)

    def integer(
        self, key: str, default: int, *, low: int, high: int, required: str = "", noun: str = ""
    ) -> int:
        """Read a whole number from `low` to `high`; `noun` says what it counts in the message."""
        value = self.take(key)
        if value is None:
            if required:
                self.bad(key, "is missing", required)
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            what = f"{value!r} is not {noun}" if noun else f"{value!r} is not valid"
            self.bad(key, what, f"give a whole number from {low} to {high}")
            return default
        return value

    def section(self, key: str) -> Section:
        """Read a mapping, empty when absent."""
        return Section(self.take(key), self.at(key), self.problems)

    def sections(self, key: str) -> list[Section]:
        """Read a list of mappings, empty when absent."""
        return [
            Section(item, f"{self.at(key)}[{index}]", self.problems)
            for index, item in enumerate(self.items(key))
        ]

    def items(self, key: str) -> list[Any]:
        """Read a list, empty when absent."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.bad(key, f"{value!r} is not a list", "write `- item` lines under it")
            return []
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        """Read a mapping whose keys are not ours to check (Helm values)."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.bad(key, f"{value!r} is not a mapping", "write `key: value` lines under it")
            return {}
        return dict(value)

    def finish(self) -> None:
        """Note every key that nothing has read."""
        for key in self._unread:
            near = difflib.get_close_matches(key, self._read, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self._read)}"
            self.bad(key, "is an unknown key", fix)


def duplicates(items: Iterable[Any], key: Callable[[Any], Any]) -> list[Any]:
    """Return the items whose key an earlier item already has."""
    seen: set[Any] = set()
    again = []
    for item in items:
        if key(item) in seen:
            again.append(item)
        seen.add(key(item))
    return again
