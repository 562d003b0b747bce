"""`links`, and the clusters of other stacks that it may name: `peers` and `removed`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from config.problems import Problems
from config.reader import DNS_LABEL, Section
from config.secret import Secret

REFERENCE = r"[^/\s]+(/[^/\s]+){2}"
FORM = "write ORGANIZATION/PROJECT/STACK; without Pulumi Cloud, ORGANIZATION is `organization`"

Link = tuple[str, str]
"""Names of two linked clusters, sorted."""


def parse_peers(section: Section, clusters: Iterable[str]) -> dict[str, str]:
    """Read `peers`: the name of each cluster of another stack to that stack.

    Args:
        section: the section.
        clusters: names of this stack's own.
    """
    stacks = {}
    for name in sorted(section.keys()):
        item = section.section(name)
        if not DNS_LABEL.fullmatch(name):
            what = f"{name!r} is not a legal cluster name"
            section.bad(name, what, "give the cluster's name in its own stack")
        if name in clusters:
            what = f"{name!r} is a cluster of this stack, too"
            section.bad(name, what, "keep it in `clusters` or in `peers`")
        required = f"name the stack of cluster {name}: {FORM}"
        stacks[name] = item.text("stack", required=required, pattern=REFERENCE, fix=FORM)
        item.finish()
    return stacks


def parse_removed(top: Section, clusters: Mapping[str, object]) -> tuple[str, ...]:
    """Read `removed`: the clusters that the operator lets go by name."""
    removed = top.labels("removed", required="name a cluster")
    for name in (name for name in removed if name in clusters):
        top.bad("removed", f"{name!r} is in `clusters`, too", "take it out of one of them")
    return tuple(sorted({*removed}))


def parse_links(
    value: Any, clusters: Sequence[str], peers: Sequence[str], problems: Problems
) -> tuple[Link, ...]:
    """Read `links`.

    Args:
        value: what is written there.
        clusters: names of this stack's clusters, sorted.
        peers: names of linked clusters of other stacks, sorted.
        problems: where mistakes go.
    """
    if value is None or value == "all":
        return _all_links(clusters, peers)
    if not isinstance(value, list):
        fix = "write `all` or a list of pairs `- [a, b]`"
        problems.add("links", f"{value!r} is not valid", fix)
        return ()
    links: list[Link] = []
    for index, item in enumerate(value):
        path = f"links[{index}]"
        link = _pair(item, path, clusters, peers, problems)
        if link in links:
            what = f"{link[0]!r} and {link[1]!r} are linked already"
            problems.add(path, what, "remove this line")
        if link:
            links.append(link)
    return tuple(sorted(links))


def _all_links(clusters: Sequence[str], peers: Sequence[str]) -> tuple[Link, ...]:
    """Return each pair of own clusters, and each of an own cluster and one of another stack.

    What clusters of other stacks are linked to among themselves is theirs to say.
    """
    pairs = [*itertools.combinations(clusters, 2), *itertools.product(clusters, peers)]
    return tuple(sorted((min(pair), max(pair)) for pair in pairs))


def _pair(
    item: Any, path: str, clusters: Sequence[str], peers: Sequence[str], problems: Problems
) -> Link | None:
    """Read one pair of names; None when it is none, or one of them cannot be seen."""
    if not isinstance(item, list) or len(item) != 2 or not all(isinstance(n, str) for n in item):
        problems.add(path, f"{item!r} is not a pair", "name two clusters: `- [a, b]`")
        return None
    if any(isinstance(name, Secret) for name in item):
        return None
    known = [*clusters, *peers]
    for name in (name for name in dict.fromkeys(item) if name not in known):
        fix = f"use two of: {', '.join(known)}"
        problems.add(path, f"there is no cluster {name!r}", fix, sure=False)
    if all(name in peers for name in item):
        what = f"links {item[0]!r} and {item[1]!r}, both of other stacks"
        problems.add(path, what, "name at least one of `clusters`")
    if item[0] == item[1]:
        problems.add(path, f"links {item[0]!r} to itself", "name two different clusters")
    first, second = sorted(item)
    return first, second
