"""What names resolve to, asked of the cluster's own DNS from a pod."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Mesh
from tests.support import workloads


def dig(
    mesh: Mesh, name: str, kind: str, cluster: str = "a", namespace: str = workloads.PLAIN
) -> tuple[str, list[str], float]:
    """Ask from a client pod; return the status, the answers and the seconds it took."""
    script = f"dig +tries=1 +time=5 +noall +comments +answer +stats {name} {kind}"
    lines = mesh.clusters[cluster].shell(namespace, script).splitlines()
    status = next(
        (li.split("status: ")[1].split(",")[0] for li in lines if "status: " in li), "none"
    )
    answers = [line.split()[-1] for line in lines if line and not line.startswith(";")]
    millis = next((float(li.split()[3]) for li in lines if li.startswith(";; Query time")), 5000)
    return status, answers, millis / 1000


@pytest.mark.parametrize(
    ("name", "kind", "status", "answers"),
    [
        ("echo.apps.svc.b.remote", "A", "NOERROR", ["240.0.0.1"]),
        ("ECHO.apps.svc.C.remote", "A", "NOERROR", ["240.0.0.1"]),
        ("echo.apps.svc.b.remote", "AAAA", "NOERROR", []),
        ("echo.apps.svc.unknown.remote", "A", "NXDOMAIN", []),
        ("echo.apps.svc.unknown.remote", "AAAA", "NXDOMAIN", []),
        ("ingress.b.remote", "A", "NXDOMAIN", []),
        ("kubernetes.default.svc.cluster.local", "A", "NOERROR", ["10.96.0.1"]),
    ],
)
def test_names_resolve_as_they_should(
    mesh: Mesh, name: str, kind: str, status: str, answers: list[str]
) -> None:
    seen_status, seen_answers, seconds = dig(mesh, name, kind)
    assert (seen_status, seen_answers) == (status, answers)
    assert seconds < 1, "an answer, also a negative one, must come at once"


def test_the_own_zone_is_not_served(mesh: Mesh) -> None:
    assert dig(mesh, "echo.apps.svc.a.remote", "A")[0] == "NXDOMAIN"
