"""What each room of the program may do, over all of its files; and that each rule fires."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.support.recorder import PROJECT_DIR
from tests.unit.support.source_rules import MAXIMUM_LINES, breaches, definitions

ROOMS = ("config", "stack", "components", "ops")
MAIN = PROJECT_DIR / "__main__.py"
PROGRAM = sorted([MAIN, *(path for room in ROOMS for path in (PROJECT_DIR / room).rglob("*.py"))])
REPOSITORY = [
    path
    for path in sorted(PROJECT_DIR.rglob("*.py"))
    if not path.relative_to(PROJECT_DIR).parts[0].startswith(".")
]


def relative(path: Path) -> str:
    return path.relative_to(PROJECT_DIR).as_posix()


def test_the_files_are_found() -> None:
    files = {relative(path) for path in PROGRAM}
    assert len(files) > 40
    assert {"__main__.py", "components/trust/root_ca.py", "stack/providers.py"} <= files
    assert {"tests/unit/components/specs/test_streams.py", *files} <= {*map(relative, REPOSITORY)}


@pytest.mark.parametrize("path", PROGRAM, ids=relative)
def test_a_file_does_only_what_its_room_may(path: Path) -> None:
    assert breaches(relative(path), path.read_text()) == []


BAD = [
    ("components/link/x.py", 'text = open("x").read()', "line 1: open"),
    ("components/link/x.py", "text = path.read_text()", "line 1: read_text"),
    ("components/link/x.py", "import os\nhome = os.environ", "line 2: environ"),
    ("components/link/x.py", "from os import getenv", "line 1: getenv"),
    ("components/link/x.py", "import subprocess", "line 1: subprocess"),
    ("components/x.py", "from os import path", "line 1: os"),
    ("components/x.py", "from config.settings import Settings", "line 1: config"),
    ("components/x.py", "eval(text)", "line 1: eval"),
    ("config/x.py", "import os\nhome = os.environ", "line 2: environ"),
    ("config/x.py", "from subprocess import run", "line 1: subprocess"),
    ("__main__.py", 'open("x")', "line 1: open"),
    ("config/x.py", "import pulumi\npulumi.Config()", "line 2: pulumi.Config"),
    ("ops/x.py", "from pulumi import Config\nConfig()", "line 2: pulumi.Config"),
    ("components/x.py", "import pulumi as p\np.Config()", "line 2: pulumi.Config"),
    (
        "components/x.py",
        "import pulumi_kubernetes as kubernetes\nkubernetes.Provider('a')",
        "line 2: pulumi_kubernetes.Provider",
    ),
    (
        "stack/x.py",
        "from pulumi_kubernetes import Provider as P\nP('a')",
        "line 2: pulumi_kubernetes.Provider",
    ),
    ("config/x.py", "def f():\n    import json", "line 2: import inside a function"),
    ("stack/x.py", "async def f():\n    from a import b", "line 2: import inside a function"),
    (
        "components/x.py",
        "class C:\n    def f(self):\n        import json",
        "line 3: import inside a function",
    ),
]


@pytest.mark.parametrize(("path", "source", "breach"), BAD)
def test_each_rule_fires(path: str, source: str, breach: str) -> None:
    assert breach in breaches(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("config/x.py", "def load(environ):\n    config = environ"),
        ("components/x.py", "import pulumi_kubernetes as k8s\nprovider: k8s.Provider"),
        ("stack/x.py", "import os\nos.environ\nimport pulumi\npulumi.Config()"),
        ("ops/x.py", "import subprocess"),
        ("stack/providers.py", "import pulumi_kubernetes as k8s\nk8s.Provider('a')"),
        ("components/x.py", "import os\nclass P(dynamic.ResourceProvider):\n    e = os.environ"),
        ("components/kubectl.py", "import subprocess"),
        ("components/orphan.py", "import os\nimport socket\nos._exit(1)"),
    ],
)
def test_what_a_room_may_do_is_no_breach(path: str, source: str) -> None:
    assert breaches(path, source) == []


def test_the_main_module_only_puts_components_together() -> None:
    assert definitions(MAIN.read_text()) == []
    assert definitions("def f(): ...\nclass C: ...\nlambda: 1") == ["f", "C", "lambda"]


def test_at_top_level_there_is_no_module_but_the_main_one() -> None:
    assert [path.name for path in PROJECT_DIR.glob("*.py")] == ["__main__.py"]


def test_no_file_of_the_repository_is_long() -> None:
    lines = {relative(path): len(path.read_text().splitlines()) for path in REPOSITORY}
    assert {path: count for path, count in lines.items() if count > MAXIMUM_LINES} == {}
