"""`python -m ops certificates`: when each certificate of a stack ends."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

METRIC = "istio_multicluster_certificate_expiry_timestamp_seconds"


@dataclass(frozen=True)
class Certificate:
    """One certificate of one cluster, as the stack's outputs tell it."""

    cluster: str
    role: str
    """`cluster CA` or `root`."""
    subject: str
    serial: str
    fingerprint: str
    expires: datetime

    def days_left(self, now: datetime) -> int:
        """Return the whole days until it ends; negative when it has ended."""
        return (self.expires - now).days


def read(clusters: Mapping[str, Any]) -> Iterator[Certificate]:
    """Yield the certificates in the stack output `clusters`."""
    for name, outputs in sorted(clusters.items()):
        trust = outputs.get("trust") or {}
        cluster_ca = [("cluster CA", trust["clusterCa"])] if "clusterCa" in trust else []
        for role, output in [*cluster_ca, *(("root", root) for root in trust.get("roots", ()))]:
            yield Certificate(
                name,
                role,
                output["subject"],
                output["serial"],
                output["fingerprint"],
                datetime.fromisoformat(output["expires"]),
            )


def table(certificates: list[Certificate], now: datetime) -> str:
    """Return a table for people."""
    rows = [("CLUSTER", "ROLE", "DAYS LEFT", "ENDS", "SUBJECT", "SHA-256", "SERIAL")]
    for one in certificates:
        rows.append(
            (
                one.cluster,
                one.role,
                str(one.days_left(now)),
                f"{one.expires:%Y-%m-%d %H:%M}Z",
                one.subject,
                one.fingerprint,
                one.serial,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def prometheus(certificates: list[Certificate]) -> str:
    """Return the text that node_exporter's textfile collector and a Pushgateway take."""
    lines = [f"# HELP {METRIC} When a certificate ends.", f"# TYPE {METRIC} gauge"]
    for one in certificates:
        labels = {
            "cluster": one.cluster,
            "role": one.role.replace(" ", "_").lower(),
            "subject": one.subject,
            "fingerprint": one.fingerprint,
        }
        # JSON quotes a string as the text format does: backslash, quote, line end.
        written = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
        lines.append(f"{METRIC}{{{written}}} {one.expires.timestamp():.0f}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--stack", help="stack to ask; default: the selected one")
    parser.add_argument("--format", choices=("table", "prometheus", "json"), default="table")
    parser.add_argument(
        "--fail-below", type=int, metavar="DAYS", help="exit with 1 if one has fewer days left"
    )


def run(given: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    command = ["pulumi", "stack", "output", "clusters", "--json"]
    command += ["--stack", given.stack] if given.stack else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        print("pulumi is not on PATH: install the Pulumi CLI", file=sys.stderr)
        return 2
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        return 2
    certificates, now = list(read(json.loads(done.stdout))), datetime.now(UTC)
    if given.format == "json":
        rows = [
            {**vars(one), "expires": one.expires.isoformat(), "daysLeft": one.days_left(now)}
            for one in certificates
        ]
        print(json.dumps(rows, indent=2))
    else:
        print(table(certificates, now) if given.format == "table" else prometheus(certificates))
    late = [one for one in certificates if one.days_left(now) < (given.fail_below or -(10**6))]
    return 1 if late else 0
