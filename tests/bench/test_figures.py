"""Measure what README.md quotes: `make bench`. Two linked clusters, as `make up` makes them.

Without Bookinfo: the sample is not what a reviewer waits for.

Times are of this machine; what is compared is measured in turn, in one run, and medians are taken.
A run of all tests writes docs/figures.json, see figures.py.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation

from tests.bench.figures import SERVICES, Measured
from tests.conftest import Lab
from tests.support import dev, rbac, workloads
from tests.support.kube import Kube
from tests.support.stack import Stack
from tests.support.wait import until

PREVIEWS = 5
LOADS = 3
LOAD = "fortio load -quiet -p 50,99 -json - -qps 200 -c 4 -t 10s"
URLS = {
    "sidecar pair": "http://echo.apps.svc.cluster.local:8080/echo",
    "through the link": "http://echo.apps.svc.b.remote:8080/echo",
}


def seconds(work: Callable[[], Any]) -> float:
    """Return how long it takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _settings(*services: str) -> dict[str, Any]:
    """Return the stack of `make up`, with further services that b exposes."""
    config = dev.settings()
    del config["bookinfo"]
    config["clusters"]["b"]["exposes"] += [
        {"service": name, "namespace": workloads.NAMESPACE, "port": 8080} for name in services
    ]
    return config


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    """The figures; they are written at the end, after `destroy`."""
    made = Measured()
    yield made
    made.write()


@pytest.fixture(scope="module")
def bench(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, measured: Measured
) -> Iterator[tuple[Stack, Kube, Kube]]:
    config = _settings("echo")
    rbac.grant(lab.kubeconfig, config["clusters"])
    stack = Stack(tmp_path_factory.mktemp("bench"), lab.kubeconfig, config)
    kubes = [Kube(lab.kubeconfig, f"lab-{name}") for name in ("a", "b")]
    measured.add("firstUp", seconds(stack.up))
    yield stack, kubes[0], kubes[1]
    for kube in kubes:
        kube.run("delete", "namespace", workloads.NAMESPACE, "--ignore-not-found", timeout=120)
    measured.add("destroy", seconds(stack.destroy))


@pytest.fixture(scope="module")
def caller(bench: tuple[Stack, Kube, Kube]) -> Kube:
    """Cluster a, with a client that both URLs answer."""
    _, a, b = bench
    for kube, name in ((a, "a"), (b, "b")):
        kube.refresh_volumes("kube-system", "k8s-app=kube-dns")
        kube.apply(
            *workloads.server(name),
            workloads.service("echo", 8080),
            workloads.client(workloads.NAMESPACE),
        )
    for kube in (a, b):
        kube.wait_for_deployments(workloads.NAMESPACE)
    for url in URLS.values():
        _wait_for_answer(a, url)
    return a


def test_resources_by_cluster_and_link(bench: tuple[Stack, Kube, Kube], measured: Measured) -> None:
    resources = bench[0].stack.export_stack().deployment["resources"]  # type: ignore[index]
    urns = {resource["urn"] for resource in resources}
    parents = {resource["urn"]: resource.get("parent") for resource in resources}
    counts: Counter[str] = Counter()
    for urn in urns:
        top = urn
        while parents.get(parents.get(top)):  # the ancestor right below the stack
            top = parents[top]
        counts[f"{top.split('::')[-2].split(':')[-1]} {top.split('::')[-1]}"] += 1
    print(f"\n{dict(sorted(counts.items()))}")
    measured.add("resources", len(urns))
    assert counts["ClusterLink a_b"] == 15, "7 objects a direction, and the component"


def test_preview_against_an_empty_program(
    bench: tuple[Stack, Kube, Kube], measured: Measured, tmp_path: Path
) -> None:
    stack = bench[0]
    (tmp_path / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
    (tmp_path / "__main__.py").write_text("import pulumi\n")
    options = automation.LocalWorkspaceOptions(env_vars=stack.env)
    empty = automation.create_or_select_stack("empty", work_dir=str(tmp_path), opts=options)
    empty.up()
    pairs = [(seconds(stack.stack.preview), seconds(empty.preview)) for _ in range(PREVIEWS)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    measured.add("preview", ours)
    measured.add("emptyPreview", theirs)
    measured.add("previewRatio", statistics.median(a / b for a, b in pairs))


def test_latency_through_the_link(caller: Kube, measured: Measured) -> None:
    p50: dict[str, list[float]] = {name: [] for name in URLS}
    for _ in range(LOADS):
        for name, url in URLS.items():
            p50[name].append(_p50(caller, url))
    local, linked = (statistics.median(values) for values in p50.values())
    ratio = statistics.median(there / here for here, there in zip(*p50.values(), strict=True))
    measured.add("sidecarLatency", local)
    measured.add("linkLatency", linked)
    measured.add("latencyRatio", ratio)


def test_latency_beside_many_exposed_services(
    bench: tuple[Stack, Kube, Kube], caller: Kube, measured: Measured
) -> None:
    """Envoy compares an authority with those of all services in turn, see ADR 17."""
    stack, _, b = bench
    url = URLS["through the link"]
    alone = [_p50(caller, url) for _ in range(LOADS)]
    others = [f"a{number:04}" for number in range(SERVICES)]  # before echo in every list
    stack.configure(_settings("echo", "echo-too", *others))
    stack.use_environment(PULUMI_SKIP_CHECKPOINTS="true")
    print(f"\nup with {SERVICES} more services: {seconds(stack.up):.0f} s")
    b.apply(workloads.service("echo-too", 8080))
    # The gateways have got all of them when this one answers.
    _wait_for_answer(caller, url.replace("echo", "echo-too", 1))
    beside = [_p50(caller, url) for _ in range(LOADS)]
    before, after = statistics.median(alone), statistics.median(beside)
    measured.add("latencyAlone", before)
    measured.add("latencyBeside", after)
    measured.add("besideRatio", after / before)


def _wait_for_answer(kube: Kube, url: str) -> None:
    ask = f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' {url}"
    until(
        lambda: kube.shell(workloads.NAMESPACE, ask),
        lambda seen: seen == "200",
        150,
        f"{url} does not answer",
    )


def _p50(kube: Kube, url: str) -> float:
    """Return the median latency under load, in milliseconds."""
    result = json.loads(kube.shell(workloads.NAMESPACE, f"{LOAD} {url}", check=True))
    assert set(result["RetCodes"]) == {"200"}, f"every request must be answered: {result}"
    return float(result["DurationHistogram"]["Percentiles"][0]["Value"]) * 1000
