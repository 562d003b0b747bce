"""README.md says what `make bench` has measured."""

from __future__ import annotations

import json

from tests.bench.figures import FIGURES, FILE, SERVICES, Measured
from tests.unit.support.recorder import PROJECT_DIR

QUOTES = (
    "of two linked clusters ({resources} resources)",
    "a first `up` takes {firstUp} s, `destroy` {destroy} s",
    "a no-op `pulumi preview` {preview} s, {previewRatio} times an empty program's",
    "an empty program's {emptyPreview} s",
    "a call through a link is {latencyRatio} times that of a call between two sidecars",
    "{linkLatency} ms and {sidecarLatency} ms",
    f"Beside {SERVICES} other exposed services it went from",
    "it went from {latencyAlone} to {latencyBeside} ms",
    f"a preview takes {FIGURES['previewRatio'].at_most} times as long",
    f"a call through a link {FIGURES['latencyRatio'].at_most} times as long",
)


def test_readme_quotes_the_figures_that_were_measured() -> None:
    figures = json.loads(FILE.read_text())["figures"]
    values = {name: figure["value"] for name, figure in figures.items()}
    readme = " ".join((PROJECT_DIR / "README.md").read_text().split())
    for quote in QUOTES:
        assert quote.format(**values) in readme


def test_every_figure_is_within_its_bound() -> None:
    measured = Measured()
    for name, figure in json.loads(FILE.read_text())["figures"].items():
        measured.add(name, figure["value"])
    assert measured.values.keys() == FIGURES.keys()
