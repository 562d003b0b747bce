"""What each setting of `dns` makes of the program."""

from __future__ import annotations

from typing import Any

import pytest

from components.cluster import istio_values
from tests.unit.conftest import ProgramRunner
from tests.unit.support.answers import DNS_CLUSTER_IP
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import stack

CAPTURE = "ISTIO_META_DNS_CAPTURE"


def metadata(run: Run, cluster: str) -> dict[str, Any]:
    values = run[f"Chart {cluster}-istiod"].inputs["values"]
    proxy_metadata: dict[str, Any] = values["meshConfig"]["defaultConfig"]["proxyMetadata"]
    return proxy_metadata


@pytest.mark.parametrize("mode", ["coredns", "coredns-custom", "kube-dns"])
def test_a_mode_with_a_layout_edits_it(program: ProgramRunner, mode: str) -> None:
    run = program(stack("ab", a={"dns": mode}))
    inputs = run["ClusterDns a-dns-cluster-dns"].inputs
    assert (inputs["mode"], inputs["address"]) == (mode, DNS_CLUSTER_IP)
    assert CAPTURE not in metadata(run, "a")


def test_without_a_mode_nobody_is_told_of_a_server_that_runs(program: ProgramRunner) -> None:
    run = program(stack("ab", a={"dns": "none"}))
    assert "Deployment a-dns-deployment" in run.objects
    assert "ConfigMap a_b-a-to-b-dns-zone" in run.objects
    assert "ClusterDns a-dns-cluster-dns" not in run.objects
    assert CAPTURE not in metadata(run, "a")


def test_where_sidecars_answer_there_is_no_dns_of_ours(program: ProgramRunner) -> None:
    run = program(stack("abc", a={"dns": "istio"}))
    assert "a-dns" not in run.components
    for peer in "bc":
        assert f"ConfigMap a_{peer}-a-to-{peer}-dns-zone" not in run.objects
        entry = run[f"ServiceEntry a_{peer}-a-to-{peer}-services"].spec
        assert entry["addresses"] == ["240.0.0.1"], "the sidecar answers it"
        back = run[f"ServiceEntry a_{peer}-{peer}-to-a-services"].spec
        assert "addresses" not in back, f"{peer} has a DNS for it"
        assert f"ConfigMap a_{peer}-{peer}-to-a-dns-zone" in run.objects
        assert CAPTURE not in metadata(run, peer)
    assert metadata(run, "a")[CAPTURE] == "true"
    assert metadata(run, "a")["PROXY_CONFIG_XDS_AGENT"] == "true", "nothing else is lost by it"


def test_sidecars_answer_both_families(program: ProgramRunner) -> None:
    run = program({**stack("ab", a={"dns": "istio"}), "remoteDns": {"address6": "100::1"}})
    entry = run["ServiceEntry a_b-a-to-b-services"].spec
    assert entry["addresses"] == ["240.0.0.1", "100::1"]
    zone = run["ConfigMap a_b-b-to-a-dns-zone"].inputs["data"]["a.server"]
    assert "AAAA 100::1" in zone


def test_nobody_can_turn_the_capture_off_that_a_mode_needs() -> None:
    off = {"meshConfig": {"defaultConfig": {"proxyMetadata": {CAPTURE: "false", "X": "1"}}}}
    images = {"hub": "", "tag": "", "istiod": "", "proxy": ""}
    for capture, wanted in ((True, "true"), (False, "false")):
        values = istio_values.istiod_values(
            off,
            trust_domain="a.remote",
            plugged=False,
            replicas=1,
            images=images,
            dns_capture=capture,
        )
        found = values["meshConfig"]["defaultConfig"]["proxyMetadata"]
        assert (found[CAPTURE], found["X"]) == (wanted, "1")


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (3, 1)])
def test_the_number_of_pods_is_a_setting_of_its_own(
    program: ProgramRunner, replicas: int, budgets: int
) -> None:
    run = program({**stack("ab", a={"replicas": 2}), "remoteDns": {"replicas": replicas}})
    assert run["Deployment a-dns-deployment"].spec["replicas"] == replicas
    found = [
        key
        for key in run.kind("PodDisruptionBudget")
        if key.startswith("PodDisruptionBudget a-dns")
    ]
    assert len(found) == budgets, "a budget for one pod would stop every drain"
