"""`python -m ops COMMAND`: what operators run beside Pulumi."""

import argparse
import sys
from collections.abc import Sequence

from ops import certificates

COMMANDS = {"certificates": certificates}
"""Each command's name to its module, which has `add_arguments(parser)` and `run(arguments)`."""


def main(arguments: Sequence[str] | None = None, prog: str = "python -m ops") -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").partition(": ")[2].strip()
        summary = summary[:1].upper() + summary[1:]
        command = commands.add_parser(name, help=summary, description=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    given = parser.parse_args(arguments)
    code: int = given.run(given)
    return code


if __name__ == "__main__":
    sys.exit(main())
