"""The figures that README.md quotes: what each is, how high it may be, and the file they are in.

`make bench` writes the file when it has measured all of them; a unit test compares README.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs/figures.json"
COMMAND = "make bench"
SERVICES = 1000
"""Services beside which latency is measured again."""


@dataclass(frozen=True)
class Figure:
    """What is measured.

    A bound is what nobody should have to put up with, and leaves room above what was measured for
    a slower or busier machine. Those of ratios are narrow: both sides are measured in turn.
    """

    unit: str
    what: str
    at_most: float
    digits: int = 0


FIGURES = {
    "resources": Figure("resources", "in the state of two linked clusters", 120),
    "firstUp": Figure("s", "`up` of two linked clusters from nothing", 120),
    "destroy": Figure("s", "`destroy` of them", 120),
    "preview": Figure("s", "`preview` with nothing to do", 15, 1),
    "emptyPreview": Figure("s", "`preview` of an empty program", 5, 1),
    "previewRatio": Figure("times", "the one to the other", 6, 1),
    "sidecarLatency": Figure("ms", "median of a call between two sidecars of a cluster", 15, 1),
    "linkLatency": Figure("ms", "median of a call through a link", 30, 1),
    "latencyRatio": Figure("times", "the one to the other", 3, 2),
    "latencyAlone": Figure("ms", "median of a call through a link, before the next", 30, 1),
    "latencyBeside": Figure("ms", f"the same beside {SERVICES} other exposed services", 45, 1),
    "besideRatio": Figure("times", "the one to the other", 2, 2),
}


@dataclass
class Measured:
    """What one run has measured."""

    values: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Note and show a figure.

        Raises:
            AssertionError: it is above its bound.
        """
        figure = FIGURES[name]
        self.values[name] = round(value, figure.digits) if figure.digits else round(value)
        print(f"\n{name}: {self.values[name]} {figure.unit}, {figure.what}")
        assert value <= figure.at_most, f"{name} has to be at most {figure.at_most} {figure.unit}"

    def write(self, file: Path = FILE) -> None:
        """Write all figures; a run that has not measured all of them writes none."""
        if self.values.keys() != FIGURES.keys():
            return
        rows = {
            name: {"value": self.values[name], "unit": figure.unit, "what": figure.what}
            for name, figure in FIGURES.items()
        }
        file.write_text(json.dumps({"command": COMMAND, "figures": rows}, indent=2) + "\n")
