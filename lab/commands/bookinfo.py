"""Fetch the sample application's page through the lab, and show which cluster made which part."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
from rich.console import Console

from lab.commands.board import Board
from lab.errors import LabError
from lab.instance import Instance

FRONTEND = "a"
TIMEOUT_SECONDS = 180.0
SERVED_BY = "x-bookinfo-served-by"
"""Header in which our images name service and cluster of each part; the official ones have none."""
PARTS = ("productpage", "details", "reviews", "ratings")

NEXT = """
What to try next:
  open {url} and reload: reviews v1, v2 and v3 take turns
  eval "$(.venv/bin/python -m tools env)"; export KUBECONFIG={kubeconfig}
  kubectl --context lab-a -n istio-gateways get gateways.networking,virtualservices,serviceentries
  kubectl --context lab-b -n bookinfo scale deployment details-v1 --replicas=0   # then reload
  make preview    what a change of Pulumi.dev.yaml would do
  make destroy    remove Istio, the links and Bookinfo from the clusters
  make down       remove the clusters"""


def show(instance: Instance, kubeconfig: str, console: Console) -> None:
    """Wait until the page has parts of both clusters, then say where each part comes from.

    Raises:
        LabError: there is no such lab, or the page was not whole within `TIMEOUT_SECONDS`.
    """
    cluster = next((c for c in instance.clusters() if c.name == FRONTEND), None)
    if cluster is None:
        raise LabError(f"there is no cluster {FRONTEND!r} in lab {instance.name!r}: run `make up`")
    url = f"http://127.0.0.1:{cluster.http_port}/productpage"
    with Board(console) as board:
        row = board.row("bookinfo")
        parts = _wait_for_page(url, row.say)
        row.say(f"the page is whole: {url}", done=True)
    print()
    for part in PARTS:
        print(f"  {part:<12} answered by cluster {parts[part]}")
    print(f"\n{parts['productpage']} called details and reviews on {parts['reviews']}, ", end="")
    print(f"whose reviews called ratings back on {parts['ratings']}.")
    print(NEXT.format(url=url, kubeconfig=kubeconfig))


def _wait_for_page(url: str, say: Callable[[str], None]) -> dict[str, str]:
    """Fetch until one page has all parts: reviews v1 never asks ratings, v2 and v3 do."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    said = ""
    with httpx.Client(trust_env=False, timeout=10) as client:
        while True:
            try:
                answer = client.get(url)
                parts = _parts(answer.headers.get(SERVED_BY, "") if answer.is_success else "")
                missing = [part for part in PARTS if part not in parts]
                problem = f"HTTP {answer.status_code}, without {', '.join(missing)}"
            except httpx.HTTPError as error:
                parts, missing = {}, list(PARTS)
                problem = str(error) or type(error).__name__
            if not missing:
                return parts
            if time.monotonic() > deadline:
                raise LabError(f"{url} was not whole within {TIMEOUT_SECONDS:g} s: {problem}")
            if problem != said:
                say(f"waiting up to {TIMEOUT_SECONDS:g} s for all parts of {url}: {problem}")
                said = problem
            time.sleep(0.5)


def _parts(header: str) -> dict[str, str]:
    """Return service to cluster, of `productpage-v1-5c9d@a, details-v1-6f2c@b`."""
    pairs = (item.strip().partition("@") for item in header.split(",") if "@" in item)
    return {pod.split("-")[0]: cluster for pod, _, cluster in pairs}
