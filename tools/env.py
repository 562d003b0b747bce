"""The environment in which the tools are found: a `bin` folder, and settings for Pulumi."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from tools import build, cache, onpath
from tools.families import PULUMI_KUBERNETES

DEFAULT = ("pulumi", "pulumi-kubernetes", "kubectl")
LANGUAGE_HOST = Path(__file__).parent / "pulumi_language_python"


def exports(families: Iterable[str] = DEFAULT, console: Console | None = None) -> str:
    """Lines for `eval` in a shell; what is missing is built first."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values(families, console)]
    return "\n".join(lines)


def values(
    families: Iterable[str] = DEFAULT, console: Console | None = None
) -> list[tuple[str, str]]:
    """Names and values of the environment variables that make the tools found."""
    tools = build.ensure(families, console)
    ours = {name: path for name, path in tools.items() if path.is_relative_to(cache.root())}
    settings: list[tuple[str, str]] = []
    if "pulumi" in ours:
        home = Path(os.environ.get("PULUMI_HOME") or cache.root() / "pulumi-home")
        settings = [
            ("PULUMI_HOME", str(home)),
            ("PULUMI_SKIP_UPDATE_CHECK", "1"),
            ("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true"),
        ]
        provider = ours.pop("pulumi-resource-kubernetes", None)
        if provider is not None:
            # Found on PATH it would work too, but with a warning at each run.
            _install_plugin(provider, home)
    scripts = {}
    if "pulumi" in tools and not onpath.has_language_host(tools["pulumi"]):
        scripts["pulumi-language-python"] = _script(str(LANGUAGE_HOST))
        # Official releases ship this one, too: it serves resources that are written in Python.
        scripts["pulumi-resource-pulumi-python"] = _script("-m", "pulumi.dynamic")
    folder = _bin(ours, scripts)
    others = [part for part in os.environ.get("PATH", "").split(os.pathsep) if not _is_bin(part)]
    return [("PATH", os.pathsep.join([str(folder), *others])), *settings]


def _bin(binaries: dict[str, Path], scripts: dict[str, str]) -> Path:
    """A folder with these under their names."""
    content = [f"{name}={path}" for name, path in sorted(binaries.items())]
    content += [f"{name}={text}" for name, text in sorted(scripts.items())]

    def make(target: Path) -> None:
        for name, path in binaries.items():
            # Pulumi looks for its language host beside the file that runs, links resolved.
            os.link(path, target / name)
        for name, text in scripts.items():
            (target / name).write_text(text)
            (target / name).chmod(0o755)

    return cache.entry("bin", "1", cache.digest(content), make)


def _is_bin(folder: str) -> bool:
    return Path(folder).parent == cache.root() / "bin"


def _script(*arguments: str) -> str:
    """Runs with this Python, in whose environment the program's packages are."""
    return f'#!/bin/sh\nexec {shlex.join([sys.executable, "-u", *arguments])} "$@"\n'


def _install_plugin(provider: Path, home: Path) -> None:
    """Put the provider where `pulumi plugin ls` shows it; renamed into place, as in the cache."""
    folder = home / "plugins" / f"resource-kubernetes-v{PULUMI_KUBERNETES}"
    installed = folder / "pulumi-resource-kubernetes"
    if installed.exists() and installed.samefile(provider):
        return
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{os.getpid()}.tmp"
    try:
        os.link(provider, temporary)
    except OSError:  # PULUMI_HOME is on another file system
        shutil.copy2(provider, temporary)
    temporary.replace(installed)
