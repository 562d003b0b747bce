"""Read nested configuration and collect every mistake in it, each with its path, value and fix.

Knows nothing of what the keys mean, that is for the module of each; and nothing of Pulumi.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from config.problems import Problems
from config.secret import Secret

# RFC 1123 label, what Kubernetes accepts as the name of a namespace or a Service.
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_Default = TypeVar("_Default", int, None)


class Section:
    """A mapping of the configuration; each key is read once, what is left over is unknown.

    Args:
        value: the mapping.
        path: where it is.
        problems: where mistakes go.
        secret: no message may quote a value of it, or of a section in it.

    A `Secret` is taken for a text whose content is good: it is returned as it is, and mistakes in
    the content of its key are not noted. Where one stands for a choice, that has its default.
    """

    def __init__(self, value: Any, path: str, problems: Problems, *, secret: bool = False) -> None:
        self.path = path
        self.problems = problems
        self._secret = secret
        self._unread: dict[str, Any] = {}
        self._read: list[str] = []
        self._unseen: set[str] = set()
        if isinstance(value, Mapping):
            self._unread = {str(key): item for key, item in value.items()}
            self._unseen = {key for key, item in self._unread.items() if isinstance(item, Secret)}
        elif value is not None:
            what = f"{self._shown(value)} is not a mapping"
            problems.add(path, what, "write `key: value` lines under it")

    def _shown(self, value: Any) -> str:
        return "the value" if self._secret else repr(value)

    def at(self, key: str) -> str:
        """Return the path of `key`."""
        return f"{self.path}.{key}" if self.path else key

    def bad(self, key: str, what: str, fix: str, *, sure: bool = True) -> None:
        """Note a mistake in the value of `key`; for `sure` see `Problems.add`."""
        if key not in self._unseen:
            self.problems.add(self.at(key), what, fix, sure=sure)

    def missing(self, key: str, fix: str) -> None:
        """Note that `key` has to be there."""
        self.bad(key, "is missing", fix, sure=False)

    def refuse(self, key: str, what: str, fix: str, *, sure: bool = True) -> None:
        """Note that `key` may not be there, or not with a value of this kind, be it a secret."""
        self.problems.add(self.at(key), what, fix, sure=sure)

    def keys(self) -> list[str]:
        """Return the keys not read yet, as the user wrote them."""
        return list(self._unread)

    def has(self, key: str) -> bool:
        """Tell whether `key` has a value that is not read yet."""
        return self._unread.get(key) is not None

    def take(self, key: str) -> Any:
        """Return the raw value of `key`, None when it is not there."""
        self._read.append(key)
        return self._unread.pop(key, None)

    def skip(self, *keys: str) -> None:
        """Mark keys as known without a look at what they have."""
        for key in keys:
            self.take(key)

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
                self.missing(key, required)
            return default
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str) or (pattern and not re.fullmatch(pattern, value)):
            self.bad(key, f"{self._shown(value)} is not valid", fix or "give a string")
            return default
        return value

    def secret_text(self, key: str, *, required: str = "") -> str:
        """Read a string that no message may quote; empty when absent or blank.

        Args:
            key: the key.
            required: when not empty, the key must be there; this is the fix to show.
        """
        value = self.take(key)
        if value is not None and not isinstance(value, str):
            self.refuse(key, "is not a text", "give a string")
            return ""
        if value and value.strip():
            return value
        if required:
            self.missing(key, required)
        return ""

    def member(self, key: str, members: Sequence[str] | None, *, required: str, whole: str) -> str:
        """Read a string that has to be one of `members`.

        Args:
            key: the key.
            members: what is allowed; None: that is not known, so everything is.
            required: the fix to show when the key is not there.
            whole: what the members are of, for the message.
        """
        value = self.text(key, required=required)
        if value and members is not None and value not in members:
            what = f"{self._shown(value)} is not in {whole}"
            self.bad(key, what, f"it has: {', '.join(members) or 'none'}")
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
        if value is None or isinstance(value, Secret):
            return default
        if value not in options:
            what = f"{self._shown(value)} is unknown"
            self.bad(key, what, f"use one of {', '.join(options)}")
            return default
        return str(value)

    def integer(
        self,
        key: str,
        default: _Default,
        *,
        low: int,
        high: int,
        required: str = "",
        noun: str = "",
    ) -> int | _Default:
        """Read a whole number from `low` to `high`; `noun` says what it counts in the message."""
        value = self.take(key)
        if value is None:
            if required:
                self.missing(key, required)
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            what = f"{self._shown(value)} is not {noun or 'valid'}"
            self.refuse(key, what, f"give a whole number from {low} to {high}")
            return default
        return value

    def flag(self, key: str) -> bool:
        """Read `true` or `false`; false when absent."""
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        what = f"{self._shown(value)} is not valid"
        self.refuse(key, what, "write `true` or `false`")
        return False

    def section(self, key: str, *, secret: bool = False) -> Section:
        """Read a mapping, empty when absent; `secret`: no message may quote a value of it."""
        return Section(self.take(key), self.at(key), self.problems, secret=self._secret or secret)

    def optional_section(self, key: str) -> Section | None:
        """Read a mapping; None when absent."""
        if self.has(key):
            return self.section(key)
        self.skip(key)
        return None

    def sections(self, key: str) -> list[Section]:
        """Read a list of mappings, empty when absent."""
        return [
            Section(item, f"{self.at(key)}[{index}]", self.problems, secret=self._secret)
            for index, item in enumerate(self.items(key))
        ]

    def items(self, key: str, default: Sequence[Any] = ()) -> list[Any]:
        """Read a list."""
        value = self.take(key)
        if value is None:
            return list(default)
        if not isinstance(value, list):
            what = f"{self._shown(value)} is not a list"
            self.refuse(key, what, "write `- item` lines under it")
            return []
        return value

    def numbered(self, key: str) -> tuple[Section, list[str]]:
        """Read a list as a section of its own with a key for each item, so that each is checked.

        Returns:
            the section, and its keys in order: `KEY[0]` and so on.
        """
        items = self.items(key)
        keys = [f"{key}[{index}]" for index in range(len(items))]
        by_key = dict(zip(keys, items, strict=True))
        return Section(by_key, self.path, self.problems, secret=self._secret), keys

    def labels(self, key: str, *, required: str) -> list[str]:
        """Read a list of different DNS labels; what is none is left out.

        Args:
            key: the key.
            required: the fix to show for an item that is empty.
        """
        numbered, keys = self.numbered(key)
        labels = [label for item in keys if (label := numbered.label(item, required=required))]
        for name in duplicates(labels, str):
            self.bad(key, f"{name!r} is listed twice", "remove one of the two")
        return labels

    def mapping(self, key: str) -> dict[str, Any]:
        """Read a mapping whose keys are not ours to check (Helm values)."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            what = f"{self._shown(value)} is not a mapping"
            self.refuse(key, what, "write `key: value` lines under it")
            return {}
        return dict(value)

    def finish(self) -> None:
        """Note every key that nothing has read."""
        for key in self._unread:
            near = difflib.get_close_matches(key, self._read, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self._read)}"
            self.refuse(key, "is an unknown key", fix)


def duplicates(items: Iterable[Any], key: Callable[[Any], Any]) -> list[Any]:
    """Return the items whose key an earlier item already has."""
    seen: set[Any] = set()
    again = []
    for item in items:
        if key(item) in seen:
            again.append(item)
        seen.add(key(item))
    return again
