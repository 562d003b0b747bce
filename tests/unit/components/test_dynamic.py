"""Dynamic resources as the state has them: old and new pickles, in the plugin's own process."""

from __future__ import annotations

import base64
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components import names
from components.dns.platforms import LAYOUTS
from components.dynamic import HANDLERS, Kind, UnknownKindError
from components.handler import Handler
from components.kubectl import UNREACHABLE
from tests.unit.support.dns_edit import COREFILE
from tests.unit.support.fake_clock import FakeClock
from tests.unit.support.fake_kubectl import FakeKubectl
from tests.unit.support.recorder import PROJECT_DIR, Run

OLD = {
    "ClusterDns": "gASVNAAAAAAAAACMFmNvbXBvbmVudHMuY2x1c3Rlcl9kbnOUjBJDbHVzdGVyRG5zUHJvdmlkZXKUk5Qp"
    "gZQu",
    "Importers": "gASVMQAAAAAAAACMFGNvbXBvbmVudHMuaW1wb3J0ZXJzlIwRSW1wb3J0ZXJzUHJvdmlkZXKUk5QpgZQu",
    "IngressAddresses": "gASVNgAAAAAAAACMEmNvbXBvbmVudHMuaW5ncmVzc5SMGEluZ3Jlc3NBZGRyZXNzZXNQcm92aW"
    "RlcpSTlCmBlC4=",
    "IstiodLeftovers": "gASVPgAAAAAAAACMG2NvbXBvbmVudHMuaXN0aW9kX2xlZnRvdmVyc5SMF0lzdGlvZExlZnRvdmV"
    "yc1Byb3ZpZGVylJOUKYGULg==",
    "Revocation": "gASVMwAAAAAAAACMFWNvbXBvbmVudHMucmV2b2NhdGlvbpSMElJldm9jYXRpb25Qcm92aWRlcpSTlCmB"
    "lC4=",
    "RevocationList": "gASVPAAAAAAAAACMGmNvbXBvbmVudHMucmV2b2NhdGlvbl9saXN0lIwWUmV2b2NhdGlvbkxpc3RQ"
    "cm92aWRlcpSTlCmBlC4=",
    "TrustPhase": "gASVNAAAAAAAAACMFmNvbXBvbmVudHMudHJ1c3RfcGhhc2WUjBJUcnVzdFBoYXNlUHJvdmlkZXKUk5Qp"
    "gZQu",
}
"""What version b48b414 has written into states, base64."""

EDITED = LAYOUTS["coredns"].with_ours(COREFILE, "10.96.7.7")
ACCESS = {"kubeconfig": "kubeconfig", "context": "ctx"}
TRUST = {"signer": "AA", "roots": ["AA"], "bundle": "", "revocation": False}
STATE: dict[str, dict[str, Any]] = {
    "ClusterDns": {
        **ACCESS,
        "mode": "coredns",
        "address": "10.96.7.7",
        "before": COREFILE,
        "after": EDITED,
    },
    "ClusterMark": {
        **ACCESS,
        "stackId": "5tack-1d",
        "stack": "organization/istio-multicluster/dev",
        "cluster": "a",
        "namespace": "istio-gateways",
        "uid": "a uid",
        "since": "2026-11-28",
    },
    "Crds": {
        **ACCESS,
        "stamp": "a chart",
        "names": ["proxyconfigs.networking.istio.io"],
        "sentinel": "proxyconfigs.networking.istio.io",
        "manifest": "",
    },
    "Identity": {"value": "5tack-1d", "replace": False},
    "Importers": {"imported": {"a": ["b"]}},
    "IngressAddresses": {
        **ACCESS,
        "cluster": "a",
        "service": "istio-gateways/istio-ingressgateway",
        "waitSeconds": 600,
        "addresses": ["192.0.2.1"],
    },
    "IstiodLeftovers": ACCESS,
    "OwnershipGuard": {"stackId": "5tack-1d", "places": {}, "keys": ""},
    "Revocation": {**ACCESS, "crl": "a list"},
    "RevocationList": {
        **ACCESS,
        "namespace": "istio-root-ca",
        "image": "r.example/openssl",
        "signers": {"root-ca": "a certificate"},
        "revoked": [],
        "lists": {"AA": "a list"},
        "crl": "a list",
    },
    "RootKeys": {**ACCESS, "namespace": "istio-root-ca"},
    "TrustPhase": {"wanted": {"a": TRUST}, "peers": {"a": []}, "access": {"a": ACCESS}},
    "WebhooksReady": {
        **ACCESS,
        "what": "istiod",
        "installed": "a chart",
        "webhooks": ["ValidatingWebhookConfiguration/istiod-default-validator"],
        "probe": {"kind": "PeerAuthentication", "metadata": {"name": "default"}},
    },
}
"""What the state has of a resource of each kind, but for the provider."""


def pickled(kind: str) -> str:
    return str(serialize_provider(Kind(kind)))


@dataclass
class Plugin:
    """Pulumi's plugin for dynamic resources, as the engine starts it in the program's directory."""

    stub: provider_pb2_grpc.ResourceProviderStub
    kubectl: FakeKubectl

    def check(self, props: dict[str, Any]) -> provider_pb2.CheckResponse:
        request = provider_pb2.CheckRequest(olds=struct(props), news=struct(props))
        response: provider_pb2.CheckResponse = self.stub.Check(request, timeout=60)
        return response

    def diff(self, props: dict[str, Any]) -> int:
        request = provider_pb2.DiffRequest(id="id", olds=struct(props), news=struct(props))
        return int(self.stub.Diff(request, timeout=60).changes)

    def read(self, props: dict[str, Any]) -> dict[str, Any]:
        request = provider_pb2.ReadRequest(id="id", properties=struct(props))
        return json_format.MessageToDict(self.stub.Read(request, timeout=60).properties)

    def delete(self, props: dict[str, Any]) -> None:
        request = provider_pb2.DeleteRequest(id="id", properties=struct(props))
        self.stub.Delete(request, timeout=60)


def struct(props: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(props, struct_pb2.Struct())


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    directory = tmp_path_factory.mktemp("plugin") / "bin"
    environment = {"PATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-u", "-m", "pulumi.dynamic"]
    with (
        FakeKubectl.installed(directory) as fake,
        subprocess.Popen(
            command, cwd=PROJECT_DIR, env=environment, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        try:
            assert server.stdout
            with grpc.insecure_channel(f"127.0.0.1:{server.stdout.readline().strip()}") as channel:
                yield Plugin(provider_pb2_grpc.ResourceProviderStub(channel), fake)
        finally:
            server.terminate()


@pytest.fixture
def plugin(process: Plugin) -> Plugin:
    """The plugin, with a cluster that has what the state says."""
    process.kubectl.reset()
    process.kubectl.put("coredns", {"Corefile": EDITED})
    process.kubectl.put_service(names.INGRESS, [{"ip": "192.0.2.1"}])
    crd = {"name": "proxyconfigs.networking.istio.io"}
    process.kubectl.put_objects({"kind": "CustomResourceDefinition", "metadata": crd})
    return process


def props(kind: str, version: str) -> dict[str, Any]:
    return {**STATE[kind], "__provider": OLD[kind] if version == "b48b414" else pickled(kind)}


SAME = provider_pb2.DiffResponse.DIFF_NONE
kinds = pytest.mark.parametrize("kind", HANDLERS)
states = pytest.mark.parametrize(
    ("kind", "version"),
    [*((kind, "b48b414") for kind in OLD), *((kind, "now") for kind in HANDLERS)],
)


@states
def test_the_plugin_does_all_that_the_engine_asks_with_what_the_state_has(
    plugin: Plugin, kind: str, version: str
) -> None:
    state = props(kind, version)
    checked = plugin.check(state)
    assert list(checked.failures) == []
    assert json_format.MessageToDict(checked.inputs) == state
    assert plugin.diff(state) == SAME
    assert plugin.read(state) == state
    plugin.delete(state)
    if kind == "ClusterDns":
        assert plugin.kubectl.data("coredns") == {"Corefile": COREFILE}, "the edit is taken back"
    if kind == "IstiodLeftovers":
        assert plugin.kubectl.verbs == ["delete", "delete"]


@states
def test_a_cluster_that_is_away_is_not_asked_in_an_up(
    plugin: Plugin, kind: str, version: str
) -> None:
    plugin.kubectl.behave(fail="i/o timeout")
    state = {**props(kind, version), UNREACHABLE: True}
    assert list(plugin.check(state).failures) == []
    assert plugin.diff(state) == SAME
    assert plugin.kubectl.calls == []


@states
def test_a_cluster_that_is_away_fails_where_it_has_to_be_asked_and_nowhere_else(
    plugin: Plugin, kind: str, version: str
) -> None:
    plugin.kubectl.behave(fail="i/o timeout")
    state = {**props(kind, version), UNREACHABLE: True}
    for work, asking in (
        (plugin.read, {"ClusterDns", "Crds"}),
        (plugin.delete, {"ClusterDns", "ClusterMark", "IstiodLeftovers", "RootKeys"}),
    ):
        if kind in asking:
            with pytest.raises(grpc.RpcError, match="i/o timeout"):
                work(state)
        else:
            work(state)


def test_the_state_names_a_kind_and_no_code(full: Run) -> None:
    resources = [o for o in full.objects.values() if o.dynamic]
    assert {o.kind for o in resources} == set(HANDLERS) - {"Importers"}
    for o in resources:
        assert "__provider" not in o.secrets, "nothing in it is worth a passphrase"
        assert o.inputs["__provider"] == pickled(o.kind)


@kinds
def test_a_pickle_is_small_and_says_where_kinds_are_and_which_it_is(kind: str) -> None:
    content = base64.b64decode(pickled(kind))
    assert len(content) < 80
    for part in (b"components.dynamic", b"Kind", kind.encode()):
        assert part in content
    loaded = pickle.loads(content)
    assert (type(loaded), loaded.name) == (Kind, kind)


DUMP = """
from pulumi.dynamic.dynamic import serialize_provider
from components.dynamic import HANDLERS, Kind
for kind in sorted(HANDLERS):
    print(kind, serialize_provider(Kind(kind)))
"""


def python(program: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_DIR,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_pickles_do_not_depend_on_the_hash_seed() -> None:
    one, other = (python(DUMP, PYTHONHASHSEED=seed) for seed in "12")
    assert one == other == "".join(f"{kind} {pickled(kind)}\n" for kind in sorted(HANDLERS))


LOAD = """
import base64, pickle, sys
pickle.loads(base64.b64decode("{provider}")).handler
print(*sorted(name for name in sys.modules if name.startswith(("components", "pulumi_k"))))
"""


def test_the_plugin_loads_one_handler_and_no_component() -> None:
    for provider in (OLD["ClusterDns"], pickled("ClusterDns")):
        loaded = set(python(LOAD.format(provider=provider)).split())
        assert "components.dns.cluster_dns" in loaded
        assert "pulumi_kubernetes" not in loaded, "it takes a second of every preview"
        others = {path.partition(":")[0] for path in HANDLERS.values()}
        assert loaded & others == {"components.dns.cluster_dns"}


@pytest.mark.parametrize("kind", OLD)
def test_each_old_kind_has_a_handler_and_an_old_path(kind: str) -> None:
    assert isinstance(Kind(kind).handler, Handler)
    old: Path = Path(PROJECT_DIR, "components", "moved")
    loaded = pickle.loads(base64.b64decode(OLD[kind]))
    assert isinstance(loaded, Kind)
    assert type(loaded.handler) is type(Kind(kind).handler)
    assert old / f"{type(loaded).__module__.rpartition('.')[2]}.py" in set(old.iterdir())


def test_every_handler_is_in_the_table() -> None:
    for path in (PROJECT_DIR / "components").rglob("*.py"):
        module = ".".join(path.relative_to(PROJECT_DIR).with_suffix("").parts)
        for name in re.findall(r"^class (\w+)\(Handler\)", path.read_text(), re.MULTILINE):
            assert f"{module}:{name}" in HANDLERS.values()


def test_a_kind_of_a_newer_version_is_named() -> None:
    with pytest.raises(UnknownKindError, match="no kind 'Later' .* a newer version"):
        _ = Kind("Later").handler


def test_a_wait_looks_at_least_once_and_says_once_what_it_waits_for() -> None:
    said: list[str] = []
    clock = FakeClock()
    handler = Handler(clock, said.append)
    answers = iter([None, None, "there"])
    assert handler.poll(lambda: next(answers), 60, "it") == "there"
    assert (said, clock.slept) == (["waiting up to 60 s for it"], [2.0, 2.0])
    assert handler.poll(lambda: "there", 0, "it") == "there"
    assert handler.poll(lambda: None, -1, "it") is None
    assert len(said) == 1
    clock.slept.clear()
    assert handler.poll(lambda: None, 5, "it") is None
    assert clock.slept == [2.0, 2.0, 1.0], "the last sleep ends with the time"
