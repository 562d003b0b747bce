"""`peers`: linked clusters of other stacks; and `removed`: clusters that may go though imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.reader import DNS_LABEL, Section

REFERENCE = r"[^/\s]+(/[^/\s]+){2}"
FORM = "write ORGANIZATION/PROJECT/STACK; without Pulumi Cloud, ORGANIZATION is `organization`"


def parse_peers(section: Section, clusters: Iterable[str]) -> dict[str, str]:
    """Read `peers`: the name of each to its stack.

    Args:
        section: the section.
        clusters: names of this stack's own.
    """
    found = {}
    for name in sorted(section.keys()):
        item = section.section(name)
        if not DNS_LABEL.fullmatch(name):
            what = f"{name!r} is not a legal cluster name"
            section.bad(name, what, "give the cluster's name in its own stack")
        if name in clusters:
            what = f"{name!r} is a cluster of this stack, too"
            section.bad(name, what, "keep it in `clusters` or in `peers`")
        required = f"name the stack of cluster {name}: {FORM}"
        found[name] = item.text("stack", required=required, pattern=REFERENCE, fix=FORM)
        item.finish()
    return found


def parse_removed(top: Section, clusters: Mapping[str, object]) -> tuple[str, ...]:
    """Read `removed`: the clusters that the operator lets go by name."""
    found = top.labels("removed", required="name a cluster")
    for name in (name for name in found if name in clusters):
        top.bad("removed", f"{name!r} is in `clusters`, too", "take it out of one of them")
    return tuple(sorted({*found}))
