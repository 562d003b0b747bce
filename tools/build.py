"""Build the families with the Go client, into the cache."""

import json
import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from tools import cache, gomodule, onpath
from tools.assets import cert_manager_crds, charts, envoy_bootstrap
from tools.families import FAMILIES, PROVIDER_MODULE, PULUMI_KUBERNETES, Family
from tools.process import ToolError, run
from tools.progress import Step, step

__all__ = ["available", "cert_manager_crds", "charts", "ensure", "envoy_bootstrap"]


def ensure(families: Iterable[str], console: Console | None = None) -> dict[str, Path]:
    """Every binary of `families` by name: from PATH where fit, else from the cache or built now."""
    chosen = [_family(name) for name in dict.fromkeys(families)]
    found: dict[str, Path] = {}
    missing: list[Family] = []
    for family in chosen:
        ready = available(family)
        found |= ready
        if not ready:
            missing.append(family)
    threading.Thread(target=_prefetch, args=[missing[1:]], daemon=True).start()
    for number, family in enumerate(missing, 1):
        with step(console, f"[{number}/{len(missing)}] {family.name} {family.version}") as work:
            found |= _build(family, work)
    return found


def _prefetch(families: list[Family]) -> None:
    """Fetch the modules of what is built later, while the earlier keeps the processors busy."""
    for family in families:
        # What fails here fails again, and is shown, when it is that family's turn.
        with suppress(ToolError):
            packages = family.binaries.values()
            run(["go", "list", "-e", "-mod=readonly", "-deps", *packages], cwd=family.directory)


def available(family: Family) -> dict[str, Path]:
    """The family's binaries if nothing has to be built for them, else an empty dict."""
    outside = {name: onpath.find(name) for name in family.binaries}
    usable = {name: path for name, path in outside.items() if path is not None}
    if len(usable) == len(outside):
        return usable
    entry = cache.path_of(family.name, family.version, _key(family))
    return _binaries(family, entry) if entry.is_dir() else {}


def _family(name: str) -> Family:
    try:
        return FAMILIES[name]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise ToolError(f"no family is called {name!r}; there are: {known}") from None


def _key(family: Family) -> str:
    """A digest of everything that determines the binaries."""
    flags = [family.gcflags, family.ldflags, *family.binaries, *family.binaries.values()]
    return cache.digest([*gomodule.go_version(), *flags, *family.sources])


def _binaries(family: Family, entry: Path) -> dict[str, Path]:
    return {name: entry / name for name in family.binaries}


def _build(family: Family, work: Step) -> dict[str, Path]:
    def make(target: Path) -> None:
        folder = gomodule.workspace(family, target / "work")
        if family.name == "pulumi-kubernetes":
            _add_provider_schema(folder, gomodule.module_dir(PROVIDER_MODULE, folder, work.say))
        total = _download(family, folder, work)
        _compile(family, folder, target, total, work)
        shutil.rmtree(folder)

    return _binaries(
        family, cache.entry(family.name, family.version, _key(family), make, work.announce)
    )


def _download(family: Family, folder: Path, work: Step) -> int:
    """Fetch the modules that are needed; return how many packages there are to compile."""
    modules = packages = 0

    def on_line(line: str) -> None:
        nonlocal modules, packages
        if line.startswith("go: downloading "):
            modules += 1
            work.say(f"downloading module {modules}: {line.split()[2]}")
        elif not line.startswith("go: "):
            packages += 1

    command = ["go", "list", "-mod=readonly", "-deps", *family.binaries.values()]
    run(command, cwd=folder, env=gomodule.environment(folder), on_line=on_line)
    return packages


def _compile(family: Family, folder: Path, target: Path, total: int, work: Step) -> None:
    work.announce(f"compiling at most {total} packages, then linking")
    mains = {package: name for name, package in family.binaries.items()}
    mains[f"tools/{family.name}"] = family.name
    compiled = 0

    def on_line(line: str) -> None:
        nonlocal compiled
        if line in mains:
            work.announce(f"linking {mains[line]}")
        elif " " not in line:  # `go build -v` names each package that it compiles
            compiled += 1
            work.say(f"compiled {compiled} of at most {total} packages: {line}")

    # One binary is named by -o; for several it is the folder, and Go's names are changed to ours.
    names = list(family.binaries)
    output = target / names[0] if len(names) == 1 else f"{target}{os.sep}"
    flags = ["-mod=readonly", "-buildvcs=false", "-v", "-o", str(output)]
    flags += [f"-gcflags={family.gcflags}", f"-ldflags={family.ldflags}"]
    run(
        ["go", "build", *flags, *family.binaries.values()],
        cwd=folder,
        env=gomodule.environment(folder),
        on_line=on_line,
    )
    if len(names) > 1:
        for name, package in family.binaries.items():
            (target / package.rpartition("/")[2]).rename(target / name)


def _add_provider_schema(folder: Path, module: Path) -> None:
    """The provider embeds two files that its module has elsewhere; the schema lacks its version."""
    source = module / "cmd/pulumi-resource-kubernetes"
    schema = json.loads((source / "schema.json").read_bytes())
    schema["version"] = PULUMI_KUBERNETES
    (folder / "schema.json").write_text(json.dumps(schema, separators=(",", ":")))
    shutil.copyfile(source / "terraform-mapping.json", folder / "terraform-mapping.json")
