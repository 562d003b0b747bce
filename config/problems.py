"""The mistakes in a stack's configuration: all are collected, then told together."""

from __future__ import annotations

import re
from collections.abc import Sequence

REDACTED = "(private key, not shown)"
_PRIVATE_KEY = re.compile(
    r"-*BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(END [A-Z0-9 ]*PRIVATE KEY-*|\Z)", re.DOTALL
)
# Base64 of `-----BEGIN`, with all to the end of the quoted value: it can be folded in any way.
_ENCODED = re.compile(r"LS0tLS1CRUdJTi[^'\"]*")


def redact(text: str) -> str:
    """Return the text without private keys in it, PEM or base64 of that."""
    return _ENCODED.sub(REDACTED, _PRIVATE_KEY.sub(REDACTED, text))


class ConfigError(Exception):
    """Everything that is wrong with the configuration of a stack.

    Args:
        messages: one for each mistake; each begins with the path of a key.
        project: name of the Pulumi project, which the keys have as their namespace.
    """

    def __init__(self, messages: Sequence[str], project: str) -> None:
        count = f"{len(messages)} mistake{'s' if len(messages) > 1 else ''}"
        lines = "\n".join(f"  - {project}:{message}" for message in messages)
        super().__init__(f"{count} in the configuration of this stack:\n{lines}")
        self.messages = [*messages]


class Problems:
    """The mistakes found so far, in the order in which they were met.

    Args:
        project: name of the Pulumi project.
    """

    def __init__(self, project: str) -> None:
        self.project = project
        self.messages: list[str] = []
        self.doubts: list[str] = []
        """Those of the messages that a value from elsewhere could settle."""

    def add(self, path: str, what: str, fix: str, *, sure: bool = True) -> None:
        """Note one mistake.

        Args:
            path: where it is, e.g. `clusters.a.exposes[0].port`.
            what: what is wrong, with the value.
            fix: what to write instead.
            sure: false where a key that is not written could put it right: in the program all keys
                are there, but who reads a stack file alone may not know those of an environment.
        """
        # A second lock: nothing below here should hand over a secret, see `Section.secret`.
        message = "; ".join((redact(f"{path}: {what}"), redact(fix)))
        self.messages.append(message)
        if not sure:
            self.doubts.append(message)

    def raise_if_any(self) -> None:
        """Tell all of them.

        Raises:
            ConfigError: there is one.
        """
        if self.messages:
            raise ConfigError(self.messages, self.project)
