"""The pinned tools: build them, list them, and make a shell find them."""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools import assets, build, cache, debian, env
from tools.families import FAMILIES
from tools.process import ToolError
from tools.progress import elapsed


def main(arguments: list[str] | None = None) -> int:
    """Run the command line, and return the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        match options.command:
            case "build":
                _build(options.family or list(FAMILIES), console)
            case "list":
                _list()
            case "env":
                print(env.exports(options.family or env.DEFAULT, console))
            case "packages":
                debian.ensure(console=console)
            case "path":
                print(*build.ensure([options.family], console).values(), sep="\n")
            case "charts":
                _link(assets.charts(console), options.directory)
    except ToolError as error:
        console.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; what was finished is kept", highlight=False)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    known = f"one of: {', '.join(FAMILIES)}"
    for name, text, default in (
        ("build", "build what is missing", "all"),
        ("env", 'print settings for a shell: eval "$(python -m tools env)"', "those of Pulumi"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("family", nargs="*", help=f"{known}; default: {default}")
    command = commands.add_parser("path", help="print where the binaries of a family are")
    command.add_argument("family", choices=FAMILIES)
    command = commands.add_parser("charts", help="make the charts found in a directory")
    command.add_argument("directory", type=Path, help="a link to them is made, or renewed, here")
    for name, text in (
        ("list", "show versions, and where each binary is"),
        ("packages", "install the Debian packages that the lab needs (root)"),
    ):
        commands.add_parser(name, help=text, description=text)
    return parser


def _build(families: list[str], console: Console) -> None:
    started = time.monotonic()
    binaries = build.ensure(families, console)
    total = elapsed(time.monotonic() - started)
    console.print(f"{len(binaries)} binaries are ready ({total})", highlight=False)


def _link(target: Path, link: Path) -> None:
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _list() -> None:
    table = Table("family", "version", "binaries", "from", "what it is")
    for family in FAMILIES.values():
        found = build.available(family)
        cached = any(path.is_relative_to(cache.root()) for path in found.values())
        source = ("cache" if cached else "PATH") if found else "to build"
        table.add_row(
            family.name, family.version, "\n".join(family.binaries), source, family.summary
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
