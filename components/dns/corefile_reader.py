"""What a Corefile says, as far as our edit of it depends on that. Pure functions.

Reads as CoreDNS does (caddyfile/lexer.go, parse.go): CoreDNS goes on with what it has when a new
text is refused, so a text that it would refuse has to be found before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.errors import ComponentError

DNS_PORT = "53"

# A word in quotes, where only quotes can be escaped; a comment; or what stands between blanks.
_TOKEN = re.compile(r'"(?P<quoted>(?:\\.|[^"\\])*)"?|(?P<word>[^\s#]+)|#[^\n]*', re.DOTALL)


class CorefileError(ComponentError, ValueError):
    """CoreDNS would not take this text."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a Corefile."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Corefile:
    """What stands outside of all braces."""

    keys: Sequence[str]
    """Zones of the server blocks as they are written, e.g. `.:53`."""
    imports: Sequence[str]
    """Files that are imported beside the server blocks."""

    def serves(self, zone: str) -> bool:
        """Tell whether a server block is for exactly this zone, on the port of DNS."""
        return (zone, DNS_PORT) in map(_zone_and_port, self.keys)

    def listens(self) -> bool:
        """Tell whether any server block is on the port of DNS."""
        unknown = any("{" in key for key in self.keys)  # of an environment variable
        return unknown or any(_zone_and_port(key)[1] == DNS_PORT for key in self.keys)


def read(text: str) -> Corefile:
    """Read a Corefile.

    Raises:
        CorefileError: a brace is never closed.
    """
    tokens = list(_tokens(text))
    keys: list[str] = []
    imports: list[str] = []
    at = 0
    while at < len(tokens):
        line = _line(tokens, at)
        if tokens[at].text == "import":
            imports += [token.text for token in line[1:]]
            at += len(line)
            continue
        at = _server(tokens, at, keys)
    return Corefile(keys, imports)


def _server(tokens: Sequence[Token], at: int, keys: list[str]) -> int:
    """Read one server block; return where it ends."""
    more = True
    first = at
    while at < len(tokens) and tokens[at].text != "{":
        if at > first and not more and tokens[at].line != tokens[at - 1].line:
            return len(tokens)  # without braces: one server block to the end of the file
        word = tokens[at].text
        more = word.endswith(",")
        if not word.startswith("("):  # a snippet, which only serves where it is imported
            keys.append(word.rstrip(","))
        at += 1
    depth = 0
    for index in range(at, len(tokens)):
        depth += {"{": 1, "}": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index + 1
    if depth:
        raise CorefileError(f"the brace of line {tokens[at].line} is never closed")
    return len(tokens)


def _line(tokens: Sequence[Token], at: int) -> list[Token]:
    return [token for token in tokens[at:] if token.line == tokens[at].line]


def _tokens(text: str) -> Iterator[Token]:
    line, end = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        word = match["quoted"] if match["word"] is None else match["word"]
        if word is not None:
            yield Token(word, line)


def _zone_and_port(key: str) -> tuple[str, str]:
    """Return zone and port of a key; both empty for one that is not for plain DNS."""
    key = key.removeprefix("dns://")
    if "://" in key:
        return "", ""
    zone, _, port = key.rpartition(":")
    if not port.isdigit():
        zone, port = key, DNS_PORT
    return zone.lower().rstrip(".") or ".", port
