"""requirements.txt and requirements-dev.txt: complete, with hashes, and of one mind."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.unit.support.recorder import PROJECT_DIR

from . import locks

BOTH = [locks.USERS, locks.DEVELOPERS]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())


def ranges(*, dev: bool) -> list[Requirement]:
    """What pyproject.toml asks for: of the program, or of everything."""
    project = pyproject()
    texts = project["project"]["dependencies"]
    if dev:
        texts = [*texts, *project["dependency-groups"]["dev"]]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", BOTH)
def test_every_line_of_a_lock_is_one_exact_version_with_its_hashes(name: str) -> None:
    pins = locks.read(name)
    assert len(pins) == len(locks.lines(name)), "no package twice, and no option of pip"
    for pin in pins.values():
        assert pin.version
        assert pin.hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in pin.hashes)


@pytest.mark.parametrize("name", BOTH)
def test_a_lock_names_no_place_that_packages_come_from(name: str) -> None:
    text = (PROJECT_DIR / name).read_text()
    assert not re.search(r"://|^-|index", text, re.MULTILINE)


@pytest.mark.parametrize("name", BOTH)
def test_a_lock_says_how_it_is_made_again(name: str) -> None:
    assert "\n#    make lock\n" in (PROJECT_DIR / name).read_text()


def test_users_have_the_versions_that_tests_run_with() -> None:
    users, developers = locks.read(locks.USERS), locks.read(locks.DEVELOPERS)
    assert {name: developers.get(name) for name in users} == users


@pytest.mark.parametrize("name", BOTH)
def test_the_ranges_of_pyproject_hold_in_the_locks(name: str) -> None:
    pins = locks.read(name)
    for wanted in ranges(dev=name == locks.DEVELOPERS):
        pin = pins[canonicalize_name(wanted.name)]
        assert pin.version in wanted.specifier, f"make lock: {wanted}"
        assert pin.requirement.marker is None, "it is needed everywhere"


def test_what_a_locked_package_needs_is_locked_too() -> None:
    pins = locks.read(locks.USERS)
    for name, pin in pins.items():
        if pin.requirement.marker and not pin.requirement.marker.evaluate():
            continue
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in pins, f"{name} needs it"


def test_the_locks_are_for_every_python_that_the_project_is_for() -> None:
    oldest = (PROJECT_DIR / ".github/python-version").read_text().strip()
    assert SpecifierSet(pyproject()["project"]["requires-python"]) == SpecifierSet(f">={oldest}")
    makefile = (PROJECT_DIR / "Makefile").read_text()
    assert '--python-version "$$(cat .github/python-version)"' in makefile
