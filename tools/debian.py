"""Debian packages that the lab needs: install those that are missing, in one go."""

import os
import shutil
from collections.abc import Sequence

from rich.console import Console

from tools.process import ToolError, run
from tools.progress import step

PACKAGES = (
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "iproute2",
    "ipset",
    "iptables",
    "kmod",
    "mmdebstrap",
    "nftables",
    "procps",
    "runc",
    "socat",
    "util-linux",
)


def missing(packages: Sequence[str] = PACKAGES) -> list[str]:
    """Those of `packages` that are not installed."""
    if shutil.which("dpkg-query") is None:
        raise ToolError(f"this is no Debian: install by hand {', '.join(packages)}")
    # Ask for all installed ones: a query by name fails as a whole when one is unknown.
    lines = run(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\\n"])
    installed = {line.split()[1] for line in lines if line.startswith("ii")}
    return [name for name in packages if name not in installed]


def ensure(packages: Sequence[str] = PACKAGES, console: Console | None = None) -> None:
    """Install what is missing of `packages`."""
    wanted = missing(packages)
    if not wanted:
        return
    if os.geteuid() != 0:
        raise ToolError(f"run as root: apt-get install {' '.join(wanted)}")
    with step(console, f"Debian packages {', '.join(wanted)}") as work:
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        work.announce("apt-get update")
        run(["apt-get", "-q", "update"], env=environment, on_line=work.say)
        work.announce("apt-get install")
        command = ["apt-get", "-q", "install", "--yes", "--no-install-recommends", *wanted]
        run(command, env=environment, on_line=work.say)
