"""The dynamic resource that edits the cluster's DNS, against a fake kubectl."""

from __future__ import annotations

import pytest

from components.dns import corefile
from components.dns.cluster_dns import ATTEMPTS
from components.dns.platforms import LAYOUTS, RefusedError
from components.kubectl import ConflictError, KubectlError
from tests.unit.support.answers import DNS_CLUSTER_IP
from tests.unit.support.dns_edit import (
    ADDRESS,
    COREFILE,
    HANDLER,
    IMPORTING,
    TEXTS,
    current,
    edited_by_hand,
    has_edit,
    modes,
    props,
    put,
)
from tests.unit.support.fake_kubectl import FakeKubectl
from tests.unit.support.recorder import Run


@modes
def test_destroy_puts_back_every_byte(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode], other="kept")
    state = HANDLER.create(props(mode))
    assert has_edit(mode, current(kubectl, mode))
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data(LAYOUTS[mode].config_map) == {
        LAYOUTS[mode].key: TEXTS[mode],
        "other": "kept",
    }


@modes
def test_destroy_after_a_new_address_puts_back_every_byte(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    first = HANDLER.create(props(mode))
    second = HANDLER.update(first.id, first.outs, props(mode, "10.96.7.8"))
    assert has_edit(mode, current(kubectl, mode), "10.96.7.8")
    assert not has_edit(mode, current(kubectl, mode))
    HANDLER.delete(first.id, second.outs)
    assert current(kubectl, mode) == TEXTS[mode]


@modes
def test_somebody_elses_edit_survives_destroy(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    state = HANDLER.create(props(mode))
    put(kubectl, mode, edited_by_hand(mode, current(kubectl, mode)))
    HANDLER.delete(state.id, state.outs)
    rest = current(kubectl, mode)
    assert "remote" not in rest
    assert "example" in rest
    if mode != "kube-dns":
        assert rest == edited_by_hand(mode, TEXTS[mode])


@modes
def test_somebody_elses_edit_before_an_update_survives_destroy(
    kubectl: FakeKubectl, mode: str
) -> None:
    put(kubectl, mode, TEXTS[mode])
    first = HANDLER.create(props(mode))
    put(kubectl, mode, edited_by_hand(mode, current(kubectl, mode)))
    second = HANDLER.update(first.id, first.outs, props(mode, "10.96.7.8"))
    HANDLER.delete(first.id, second.outs)
    assert "example" in current(kubectl, mode), "the text of the first `up` is not the last word"


@modes
def test_an_up_that_was_killed_before_its_state_was_written_leaves_nothing_behind(
    kubectl: FakeKubectl, mode: str
) -> None:
    put(kubectl, mode, TEXTS[mode])
    HANDLER.create(props(mode))
    state = HANDLER.create(props(mode))
    HANDLER.delete(state.id, state.outs)
    assert not has_edit(mode, current(kubectl, mode))


@modes
def test_destroy_leaves_alone_what_is_gone_already(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    state = HANDLER.create(props(mode))
    put(kubectl, mode, TEXTS[mode])
    HANDLER.delete(state.id, state.outs)
    assert current(kubectl, mode) == TEXTS[mode]
    kubectl.put(LAYOUTS[mode].config_map, None)
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data(LAYOUTS[mode].config_map) == {}


@pytest.mark.parametrize("mode", ["coredns-custom", "kube-dns"])
def test_a_map_that_was_not_there_is_gone_after_destroy(kubectl: FakeKubectl, mode: str) -> None:
    kubectl.put("coredns", {"Corefile": IMPORTING})
    state = HANDLER.create(props(mode))
    assert state.id == f"kube-system/{mode}"
    assert has_edit(mode, current(kubectl, mode))
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data(mode) is None


@pytest.mark.parametrize("data", [None, {}, {"log.override": "log\r\n", "x.server": "x {\n}"}])
def test_the_other_keys_of_coredns_custom_are_left_alone(
    kubectl: FakeKubectl, data: dict[str, str] | None
) -> None:
    kubectl.put("coredns", {"Corefile": IMPORTING})
    kubectl.put("coredns-custom", data)
    state = HANDLER.create(props("coredns-custom"))
    ours = {"istio-multicluster.server": corefile.stub_server(ADDRESS)}
    assert kubectl.data("coredns-custom") == {**(data or {}), **ours}
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data("coredns-custom") == (data or {})
    assert kubectl.data("coredns") == {"Corefile": IMPORTING}


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"upstreamNameservers": "[]"},
    ],
)
def test_a_kube_dns_map_of_the_platform_stays_with_or_without_data(
    kubectl: FakeKubectl, data: dict[str, str] | None
) -> None:
    kubectl.put("kube-dns", data)
    state = HANDLER.create(props("kube-dns"))
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data("kube-dns") == (data or {})


def test_a_kube_dns_map_that_we_made_stays_when_somebody_added_to_it(
    kubectl: FakeKubectl,
) -> None:
    state = HANDLER.create(props("kube-dns"))
    put(kubectl, "kube-dns", current(kubectl, "kube-dns"), upstreamNameservers="[]")
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data("kube-dns") == {"upstreamNameservers": "[]"}


def test_without_a_corefile_the_message_names_the_setting(kubectl: FakeKubectl) -> None:
    with pytest.raises(KubectlError) as caught:
        HANDLER.create(props("coredns"))
    assert str(caught.value) == (
        "there is no ConfigMap kube-system/coredns in context 'ctx': "
        "set `dns` of this cluster to kube-dns, istio or none"
    )
    assert kubectl.data("coredns") is None


@modes
def test_a_write_between_reading_and_writing_is_kept(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    layout = LAYOUTS[mode]
    theirs = edited_by_hand(mode, TEXTS[mode])
    kubectl.behave(rivals=[{layout.key: theirs}])
    state = HANDLER.create(props(mode))
    looks = ["get"] * (2 if mode == "coredns-custom" else 1)
    assert kubectl.verbs == [*looks, "replace"] * 2
    assert has_edit(mode, current(kubectl, mode))
    kubectl.behave(rivals=[{layout.key: current(kubectl, mode), "late": "1"}])
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data(layout.config_map) == {layout.key: theirs, "late": "1"}


def test_endless_conflicts_are_given_up(kubectl: FakeKubectl) -> None:
    put(kubectl, "coredns", COREFILE)
    kubectl.behave(rivals=[{"Corefile": f"{COREFILE}\n#{i}"} for i in range(ATTEMPTS + 1)])
    with pytest.raises(ConflictError):
        HANDLER.create(props("coredns"))
    assert kubectl.verbs == ["get", "replace"] * ATTEMPTS


def test_a_stub_domain_that_was_written_in_another_way_goes_with_its_map(
    kubectl: FakeKubectl,
) -> None:
    state = HANDLER.create(props("kube-dns"))
    put(kubectl, "kube-dns", f'{{ "remote":["{ADDRESS}"] }}')
    state_map = kubectl.data("kube-dns")
    assert state_map != {"stubDomains": state.outs["after"]}
    HANDLER.delete(state.id, state.outs)
    assert kubectl.data("kube-dns") == {}, "its label is gone with it: the map is another's now"


@pytest.mark.parametrize(
    ("mode", "maps"),
    [
        ("coredns", {"coredns": {"Corefile": ".:53 {\n}\nremote {\n}\n"}}),
        ("coredns-custom", {"coredns": {"Corefile": COREFILE}}),
        ("kube-dns", {"kube-dns": {"stubDomains": '{"remote": ["10.0.0.2"]}'}}),
    ],
)
def test_an_edit_that_cannot_work_is_refused_before_anything_is_written(
    kubectl: FakeKubectl, mode: str, maps: dict[str, dict[str, str]]
) -> None:
    for name, data in maps.items():
        kubectl.put(name, data)
    with pytest.raises(RefusedError, match="context 'ctx': .*kube-system/"):
        HANDLER.create(props(mode))
    assert set(kubectl.verbs) == {"get"}


@modes
def test_a_new_address_of_our_own_is_no_conflict(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    first = HANDLER.create(props(mode))
    refreshed = {**first.outs, "address": ""}
    second = HANDLER.update(first.id, refreshed, props(mode, "10.96.7.8"))
    assert has_edit(mode, current(kubectl, mode), "10.96.7.8")
    HANDLER.delete(first.id, second.outs)
    assert current(kubectl, mode) == TEXTS[mode]


DEAD = "Unable to connect to the server: dial tcp 192.0.2.1:6443: i/o timeout"


@pytest.mark.parametrize(
    ("variable", "forgotten"),
    [(None, False), ("", False), ("false", False), ("true", True), ("1", True), ("TRUE", True)],
)
def test_a_dead_clusters_edit_is_forgotten_only_when_asked_for(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, variable: str | None, forgotten: bool
) -> None:
    put(kubectl, "coredns", COREFILE)
    state = HANDLER.create(props("coredns"))
    kubectl.behave(fail=DEAD)
    if variable is not None:
        monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", variable)
    if forgotten:
        HANDLER.delete(state.id, state.outs)
    else:
        with pytest.raises(KubectlError, match="i/o timeout"):
            HANDLER.delete(state.id, state.outs)


def test_a_living_clusters_edit_is_never_forgotten(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(kubectl, "coredns", COREFILE)
    state = HANDLER.create(props("coredns"))
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    kubectl.behave(rivals=[{"Corefile": f"{current(kubectl, 'coredns')}{i}"} for i in range(9)])
    with pytest.raises(ConflictError):
        HANDLER.delete(state.id, state.outs)


def test_a_missing_kubectl_is_not_a_dead_cluster(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(kubectl, "coredns", COREFILE)
    state = HANDLER.create(props("coredns"))
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    kubectl.remove()
    with pytest.raises(KubectlError, match="kubectl is not on PATH"):
        HANDLER.delete(state.id, state.outs)


def test_the_program_edits_by_the_address_of_its_own_service(full: Run) -> None:
    for cluster, mode in (("a", "coredns"), ("b", "kube-dns")):
        inputs = full[f"ClusterDns {cluster}-dns-cluster-dns"].inputs
        assert (inputs["mode"], inputs["address"]) == (mode, DNS_CLUSTER_IP)
    assert "ClusterDns c-dns-cluster-dns" not in full.objects, "dns: none"
