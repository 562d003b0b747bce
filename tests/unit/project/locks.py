"""What the two lock files say: names, versions, conditions and hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.support.recorder import PROJECT_DIR

USERS = "requirements.txt"
DEVELOPERS = "requirements-dev.txt"


@dataclass(frozen=True)
class Pin:
    """One package of a lock."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The only version that the lock lets in.

        Raises:
            ValueError: there is not exactly one, written with `==`.
        """
        (specifier,) = self.requirement.specifier
        if specifier.operator != "==" or specifier.version.endswith("*"):
            raise ValueError(f"{self.requirement} is no exact version")
        return specifier.version


def lines(name: str) -> list[str]:
    """The logical lines of a lock: what a backslash continues is joined, comments are out."""
    text = (PROJECT_DIR / name).read_text().replace("\\\n", " ")
    stripped = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in stripped if line]


def read(name: str) -> Mapping[str, Pin]:
    """A lock's packages, by their canonical names."""
    pins: dict[str, Pin] = {}
    for line in lines(name):
        requirement, *options = line.split(" --hash=")
        pin = Pin(Requirement(requirement), tuple(option.strip() for option in options))
        pins[canonicalize_name(pin.requirement.name)] = pin
    return pins
