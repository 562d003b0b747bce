"""`python -m lab up | status | images | bookinfo | down`: local Kubernetes clusters."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from lab.commands import bookinfo, digests, owner
from lab.commands.startup import up
from lab.commands.status import status
from lab.commands.teardown import down
from lab.errors import LabError
from lab.instance import DEFAULT_CLUSTERS, DEFAULT_INSTANCE, Instance
from lab.machine import preflight


def main() -> int:
    """Run the command line; return its exit code."""
    arguments = _parser().parse_args()
    console = Console()
    try:
        preflight.check_platform()
        instance = Instance(arguments.instance)
        return int(arguments.run(instance, arguments, console))
    except LabError as error:
        Console(stderr=True).print(f"lab: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; `up` continues, `down` removes what there is", file=sys.stderr)
        return 130


def _up(instance: Instance, arguments: argparse.Namespace, console: Console) -> int:
    present = owner.read(instance)
    default = Path(present.kubeconfig) if present else instance.default_kubeconfig
    config = arguments.kubeconfig.absolute() if arguments.kubeconfig else default
    present_names = [cluster.name for cluster in instance.clusters()]
    up(instance, arguments.names or present_names or DEFAULT_CLUSTERS, config, console)
    return 0 if status(instance, console) else 1


def _status(instance: Instance, arguments: argparse.Namespace, console: Console) -> int:
    return 0 if status(instance, console) else 1


def _images(instance: Instance, arguments: argparse.Namespace, console: Console) -> int:
    lines = [" ".join(item) for item in sorted(digests.digests(instance).items())]
    print("\n".join(lines))  # at once: who reads only the first lines gets them
    return 0


def _bookinfo(instance: Instance, arguments: argparse.Namespace, console: Console) -> int:
    present = owner.read(instance)
    bookinfo.show(instance, present.kubeconfig if present else "", console)
    return 0


def _down(instance: Instance, arguments: argparse.Namespace, console: Console) -> int:
    removed = down(instance, force=arguments.force)
    print(f"lab {instance.name!r} is removed" if removed else f"there is no lab {instance.name!r}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument(
            "--instance",
            default=DEFAULT_INSTANCE,
            metavar="NAME",
            help="which lab, where several run side by side (default: %(default)s)",
        )
        return made

    start = command("up", _up, "Start clusters, or what of them is dead, and wait until Ready.")
    start.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="clusters (default: those there are, else a b root)",
    )
    start.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="PATH",
        help="file to put the contexts into (default: .lab/kubeconfig of the checkout)",
    )
    command("status", _status, "Show what is alive; exit code 1 if anything is not.")
    command("images", _images, "Print the images that pods can run, each as NAME:TAG DIGEST.")
    command("bookinfo", _bookinfo, "Fetch Bookinfo's page and show which cluster made what.")
    stop = command("down", _down, "Remove everything that the lab made.")
    stop.add_argument("--force", action="store_true", help="also if another checkout started it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
