"""The program asks for the same as when it was recorded, see recorded.py."""

from __future__ import annotations

import pytest

from tests.unit.conftest import ProgramRunner
from tests.unit.program.recorded import DIRECTORY, STACKS, digests


@pytest.mark.parametrize("name", STACKS)
def test_the_program_asks_for_what_was_recorded(program: ProgramRunner, name: str) -> None:
    found = digests(STACKS[name](program)).splitlines()
    recorded = (DIRECTORY / f"{name}.txt").read_text().splitlines()
    assert found == recorded, (
        "if this is meant, look at the difference in full and record anew: tests/unit/recorded.py"
    )


def test_nothing_is_recorded_that_is_not_compared() -> None:
    assert {path.stem for path in DIRECTORY.iterdir()} == {*STACKS}
