"""One name for the same service of several clusters: which one answers, and when it is down.

a and b have it, c does not. c is in the region of b, see `CONFIG`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import Mesh
from tests.support import workloads
from tests.support.load import load
from tests.support.wait import until

DEBUG = "/debug?env=dump"
TWIN = f"http://twin.apps.svc.global.remote:8080{DEBUG}"
SPLIT = f"http://split.apps.svc.global.remote:8080{DEBUG}"
GUARDED = f"http://guarded.apps.svc.global.remote:8080{DEBUG}"


def scale(mesh: Mesh, cluster: str, server: str, replicas: int) -> None:
    where = ("-n", workloads.NAMESPACE, f"deployment/{server}")
    mesh.clusters[cluster].run("scale", f"--replicas={replicas}", *where)


@contextmanager
def down(mesh: Mesh, cluster: str, server: str = "twin") -> Iterator[None]:
    """Take a cluster's server away for a while."""
    scale(mesh, cluster, server, 0)
    try:
        yield
    finally:
        scale(mesh, cluster, server, 1)
        mesh.clusters[cluster].wait_for_deployments(workloads.NAMESPACE)


def answers(mesh: Mesh, caller: str, url: str, cluster: str, seconds: float) -> float:
    """Wait until a cluster answers; return the seconds it took."""
    start = time.monotonic()
    until(
        lambda: mesh.call(caller, url),
        lambda seen: seen == f"200 CLUSTER={cluster}",
        seconds,
        f"{caller} does not get {url} from {cluster}",
    )
    return time.monotonic() - start


def shares(mesh: Mesh, caller: str, url: str, calls: int) -> Counter[str]:
    """Call many times; return how often each cluster answered, and how often none did."""
    script = (
        f"curl -s -m 10 -w 'CODE=%{{http_code}}\\n' '{url}&n=[1-{calls}]' "
        "| grep -oE 'CLUSTER=[a-z]+|CODE=[0-9]+'"
    )
    words = mesh.clusters[caller].shell(workloads.NAMESPACE, script).split()
    return Counter(word.partition("=")[2] for word in words if word != "CODE=200")


@pytest.mark.parametrize(
    ("caller", "nearest"), [("a", "a"), ("b", "b"), ("c", "b")], ids=["own", "own", "same region"]
)
def test_the_nearest_answers(mesh: Mesh, caller: str, nearest: str) -> None:
    answers(mesh, caller, TWIN, nearest, 30)
    assert shares(mesh, caller, TWIN, 40) == {nearest: 40}


@pytest.mark.parametrize(("caller", "first", "next_one"), [("a", "a", "b"), ("c", "b", "a")])
def test_the_next_answers_while_the_nearest_is_down_and_no_call_fails(
    mesh: Mesh, caller: str, first: str, next_one: str
) -> None:
    """a falls back from its own service to a remote one, c from one remote service to another."""
    answers(mesh, caller, TWIN, first, 30)
    with load(mesh.clusters[caller], workloads.CALLERS, TWIN) as result:
        with down(mesh, first):
            there = answers(mesh, caller, TWIN, next_one, 30)
            time.sleep(8)  # the ejection ends, and is found to be needed again
        back = answers(mesh, caller, TWIN, first, 60)
    print(f"{caller}: {next_one} after {there:.1f} s, {first} again {back:.1f} s after it was up")
    print(result)
    assert result.requests > 500
    assert result.failed == 0, result


def test_grpc_goes_to_the_next_cluster_as_well(mesh: Mesh) -> None:
    def said() -> str:
        script = "talk grpc talk.apps.svc.global.remote:8082 3 0s 1048576"
        return mesh.clusters["c"].shell(workloads.NAMESPACE, script, timeout=60)

    until(said, lambda seen: seen == "unary b said\nstream 3", 30, "b is nearest to c")
    with down(mesh, "b", "talk"):
        until(said, lambda seen: seen == "unary a said\nstream 3", 30, "a is next")
    until(said, lambda seen: seen == "unary b said\nstream 3", 60, "b is up again")


def test_calls_are_split_by_weight_and_the_rest_takes_over(mesh: Mesh) -> None:
    answers(mesh, "c", SPLIT, "a", 30)
    seen = shares(mesh, "c", SPLIT, 300)
    assert seen["a"] + seen["b"] == 300
    assert 24 <= seen["b"] <= 36, seen
    assert shares(mesh, "b", SPLIT, 100)["b"] <= 15, "b is no nearer to itself"
    with down(mesh, "a"):
        until(
            lambda: shares(mesh, "c", SPLIT, 50),
            lambda seen: seen == {"b": 50},
            30,
            "b has to answer all calls of c",
        )


def test_who_is_not_on_the_list_of_a_member_never_comes_to_it(mesh: Mesh) -> None:
    """a's list has b, b's list has c."""
    answers(mesh, "a", GUARDED, "a", 30)  # its server may be back for a moment only
    assert shares(mesh, "c", GUARDED, 20) == {"b": 20}
    assert shares(mesh, "a", GUARDED, 20) == {"a": 20}
    with down(mesh, "a"):
        until(
            lambda: mesh.call("a", GUARDED),
            lambda seen: seen == "503",
            30,
            "nobody else may answer a",
        )
        assert shares(mesh, "a", GUARDED, 20) == {"503": 20}


@pytest.mark.usefixtures("stolen_certificates")
def test_the_boundary_holds_for_global_names(mesh: Mesh) -> None:
    address, port = mesh.ingress("b")

    def status(host: str) -> str:
        """Call b's ingress gateway with the certificate of a's egress gateway."""
        script = (
            f"curl -sk -m 10 -o /dev/null -w '%{{http_code}}' --cert {workloads.STOLEN} "
            f"--connect-to ::{address}:{port} -H 'Host: {host}' "
            f"-H 'x-remote-caller: spiffe://a.remote/ns/apps/sa/default' "
            f"https://link.svc.global.remote:{port}/debug"
        )
        return mesh.clusters["a"].shell(workloads.PLAIN, script)

    assert status("twin.apps.svc.global.remote:8080") == "200"
    assert status("guarded.apps.svc.global.remote:8080") == "403", "for c only"
    assert status("twin.apps.svc.global.remote") == "403", "port 80"
    assert status("hidden.apps.svc.global.remote:8080") == "403"
    assert status("echo.apps.svc.global.remote:7777") == "403", "exposed, but not global"


def test_a_name_that_nobody_offers_is_not_found(mesh: Mesh) -> None:
    assert mesh.call("a", "http://hidden.apps.svc.global.remote:8080/") == "404"


def gateway(mesh: Mesh, cluster: str, replicas: int) -> Callable[[], object]:
    kube, where = mesh.clusters[cluster], ("-n", "istio-gateways", "deploy/istio-ingressgateway")
    kube.run("scale", f"--replicas={replicas}", *where)
    return lambda: kube.wait_for_rollout("istio-gateways", "istio-ingressgateway")


def test_a_cluster_whose_ingress_gateway_is_gone_is_left_alone(mesh: Mesh) -> None:
    answers(mesh, "c", TWIN, "b", 30)
    try:
        gateway(mesh, "b", 0)()
        there = answers(mesh, "c", TWIN, "a", 30)
        assert shares(mesh, "c", TWIN, 40) == {"a": 40}
    finally:
        gateway(mesh, "b", 1)()
    back = answers(mesh, "c", TWIN, "b", 60)
    print(f"a after {there:.1f} s, b again {back:.1f} s after its gateway was up")
