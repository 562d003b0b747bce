"""What waits for what: by URN, for objects of a chart have names in common."""

from __future__ import annotations

from collections.abc import Mapping, Set

from tests.unit.support.recorder import Registration, Run


def identity(registration: Registration) -> str:
    """Return type and name, by which a resource is told from all others here."""
    return f"{registration.type}::{registration.name}"


def direct(registration: Registration) -> Set[str]:
    """Return what a resource waits for."""
    return {_identity_of(urn) for urn in registration.request["dependencies"]}


def also_through_others(run: Run, registration: Registration) -> Set[str]:
    """Return what a resource waits for, also through others."""
    by_identity: Mapping[str, Set[str]] = {identity(r): direct(r) for r in run.registrations}
    found: Set[str] = frozenset()
    new = direct(registration)
    while new:
        found = found | new
        new = {after for one in new for after in by_identity.get(one, ())} - found
    return found


def names(identities: Set[str]) -> Set[str]:
    """Return the Pulumi names."""
    return {one.rpartition("::")[2] for one in identities}


def _identity_of(urn: str) -> str:
    _, _, types, name = urn.removeprefix("urn:pulumi:").split("::")
    return f"{types.rpartition('$')[2]}::{name}"
