"""The command that tells when certificates end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops import certificates
from ops.__main__ import main
from tests.unit.support.recorder import PROJECT_DIR


def told(days: float, subject: str = "CN=a") -> dict[str, str]:
    end = datetime.now(UTC) + timedelta(days=days)
    return {"subject": subject, "serial": "1f", "fingerprint": "AB:CD", "expires": end.isoformat()}


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A `pulumi` that answers the stack's outputs."""

    def answer(clusters: dict[str, Any], code: int = 0) -> None:
        (tmp_path / "out.json").write_text(json.dumps(clusters))
        script = f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncat {tmp_path}/out.json\nexit {code}\n'
        (tmp_path / "pulumi").write_text(script)
        (tmp_path / "pulumi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return answer


CLUSTERS = {
    "a": {"trust": {"clusterCa": told(9.5), "roots": [told(3000, 'CN="r"')], "signer": "x"}},
    "none": {"trust": {}},
}


def test_the_table_has_every_certificate_with_its_days(
    pulumi: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pulumi(CLUSTERS)
    assert main(["certificates", "--stack", "prod"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:4] == ["a", "cluster", "CA", "9"]
    assert "--stack prod" in (tmp_path / "args").read_text()


def test_it_fails_when_one_ends_too_soon(pulumi: Any) -> None:
    pulumi(CLUSTERS)
    assert main(["certificates", "--fail-below", "10"]) == 1
    assert main(["certificates", "--fail-below", "9"]) == 0


def test_prometheus_can_read_it(pulumi: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi(CLUSTERS)
    main(["certificates", "--format", "prometheus"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"# TYPE {certificates.METRIC} gauge"
    assert 'role="cluster_ca"' in lines[2]
    assert r'subject="CN=\"r\""' in lines[3]
    assert float(lines[2].split()[-1]) > 0


def test_json_has_the_days(pulumi: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi(CLUSTERS)
    main(["certificates", "--format", "json"])
    assert json.loads(capsys.readouterr().out)[0]["daysLeft"] == 9


def test_what_pulumi_says_is_shown(pulumi: Any) -> None:
    pulumi({}, code=1)
    assert main(["certificates"]) == 2


def test_its_former_name_is_the_same_command(pulumi: Any) -> None:
    pulumi(CLUSTERS)
    command = [sys.executable, "-m", "expiry", "--fail-below", "10"]
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "now `python -m ops certificates`" in done.stderr
    assert done.stdout.startswith("CLUSTER")


def test_every_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "When each certificate of a stack ends" in " ".join(capsys.readouterr().out.split())
