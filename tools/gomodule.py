"""Work with a family's Go module in a copy: nothing is ever written into the checkout."""

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tools.families import FAMILIES, Family
from tools.process import ToolError, run


@cache
def go_version() -> tuple[str, ...]:
    """Version, operating system and architecture that the Go client builds with and for."""
    if shutil.which("go") is None:
        raise ToolError("Go 1.26 or newer is not on PATH: install it from https://go.dev/dl/")
    # Asked in a family's folder: its go.mod may make the client switch to a newer toolchain.
    folder = FAMILIES["pause"].directory
    return tuple(run(["go", "env", "GOVERSION", "GOOS", "GOARCH"], cwd=folder))


def workspace(family: Family, folder: Path) -> Path:
    """Copy the family's sources into `folder`, which is made."""
    (folder / "tmp").mkdir(parents=True)
    for source in family.sources:
        shutil.copyfile(source, folder / source.name)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Static binaries, and a compiler that collects garbage only when memory is short."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(4 << 30, memory // (2 * (os.cpu_count() or 1)))
    return {
        "CGO_ENABLED": "0",
        "GOGC": "off",
        "GOMEMLIMIT": str(limit),
        "GOTMPDIR": str(folder / "tmp"),  # goes with the workspace, even after kill -9
        "GOWORK": "off",
    }


def module_dir(module: str, folder: Path, say: Callable[[str], None]) -> Path:
    """Where the Go module cache has `module`, downloaded if need be."""
    say(f"downloading {module}")
    run(["go", "mod", "download", module], cwd=folder, env={"GOWORK": "off"})
    command = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]
    return Path(run(command, cwd=folder, env={"GOWORK": "off"})[-1])
