"""Which proxies are asked what they trust, and how their answer is read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from components.kubectl import Kubectl, KubectlError
from components.trust import certificates, proxies
from components.trust.proxies import Proxy
from tests.support import pki
from tests.unit.support import issued

OLD, NEW = issued.ca("old"), issued.ca("new")
KNOWN = certificates.roots_bundle([OLD.pem, NEW.pem])
LEAF = {name: pki.make("leaf", issued.ca(f"a.{name}"), ca=False) for name in ("old", "new")}


def chain(root: str) -> str:
    """Return a workload's certificate and its cluster CA's."""
    return LEAF[root].pem + issued.ca(f"a.{root}").pem


def dump(certificate_chain: str, *trusted: str) -> str:
    """Return what `config_dump?resource=dynamic_active_secrets` answers."""

    def inline(pem: str) -> dict[str, str]:
        return {"inline_bytes": base64.b64encode(pem.encode()).decode()}

    key = {"inline_bytes": "W3JlZGFjdGVkXQ=="}  # [redacted]
    of = {
        "default": {
            "tls_certificate": {"certificate_chain": inline(certificate_chain), "private_key": key}
        },
        "ROOTCA": {"validation_context": {"trusted_ca": inline("".join(trusted))}},
    }
    configs = [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.DynamicSecret",
            "name": name,
            "version_info": "1",
            "secret": {"@type": "type.googleapis.com/…Secret", "name": name, **secret},
        }
        for name, secret in of.items()
    ]
    return json.dumps({"configs": configs})


def roots(*cas: pki.Ca) -> frozenset[str]:
    return frozenset(certificates.fingerprint(ca.pem) for ca in cas)


@pytest.mark.parametrize("signer", ["old", "new"])
@pytest.mark.parametrize("trusted", [(OLD,), (NEW,), (OLD, NEW)], ids=len)
def test_a_proxy_tells_whose_certificate_it_has_and_whom_it_trusts(
    signer: str, trusted: tuple[pki.Ca, ...]
) -> None:
    text = dump(chain(signer), *(ca.pem for ca in trusted))
    root, issuer = (certificates.fingerprint(issued.ca(f"{a}{signer}").pem) for a in ("", "a."))
    assert proxies.parse("ns/p", text, KNOWN) == Proxy("ns/p", root, roots(*trusted), issuer)


def test_the_root_of_a_certificate_is_found_where_the_proxy_does_not_trust_it() -> None:
    """The last phase is over for others: the roots of before and after are handed in."""
    text = dump(chain("old"), NEW.pem)
    assert proxies.parse("p", text, OLD.pem).signer == certificates.fingerprint(OLD.pem)
    assert proxies.parse("p", text, NEW.pem).signer == "", "unknown, and not the nearest"


def test_a_certificate_that_only_claims_a_root_is_not_taken_for_its_own() -> None:
    root, namesake = pki.make("root"), pki.make("root")
    for signer, expected in ((root, certificates.fingerprint(root.pem)), (namesake, "")):
        leaf = pki.make("leaf", signer, ca=False)
        text = dump(leaf.pem + signer.pem, root.pem)
        assert proxies.parse("p", text, root.pem).signer == expected


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        dump("", OLD.pem),
        json.dumps({"configs": []}),
        json.dumps({"configs": json.loads(dump(chain("old"), OLD.pem))["configs"][1:]}),
        json.dumps({"configs": json.loads(dump(chain("old"), OLD.pem))["configs"][:1]}),
    ],
)
def test_a_proxy_without_certificate_or_roots_is_no_answer(text: str) -> None:
    with pytest.raises(LookupError):
        proxies.parse("p", text, KNOWN)
    kubectl = Pods(pods=[pod("p")], answer=lambda *_: text)
    (proxy,) = proxies.ask(kubectl, KNOWN)
    assert proxy == Proxy("shop/p", "", frozenset(), problem="it has no certificate yet")


def pod(
    name: str,
    *containers: str,
    phase: str = "Running",
    metadata: Mapping[str, str] = MappingProxyType({}),
    spec: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return a pod: an application beside a sidecar unless containers are named."""
    named = [{"name": c} for c in containers or ("app", "istio-proxy")]
    return {
        "metadata": {"namespace": "shop", "name": name, **metadata},
        "spec": {"containers": named, **spec},
        "status": {"phase": phase},
    }


@dataclass(frozen=True)
class Pods(Kubectl):
    """A kubectl for a cluster with some pods."""

    kubeconfig: str | None = None
    context: str = "ctx"
    pods: Sequence[dict[str, Any]] = ()
    answer: Callable[[str, str], str] = lambda *_: ""
    listed: list[tuple[str, ...]] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def _run(self, *args: str, stdin: str | None = None) -> str:
        verb, *rest = args
        args = tuple(rest)
        if verb == "get":
            self.listed.append(args)
            return json.dumps({"items": self.pods})
        assert verb == "exec"
        self.asked.append(args)
        return self.answer(args[args.index("-n") + 1], args[2])


def healthy(*_: str) -> str:
    return dump(chain("old"), OLD.pem)


def ask(pods: list[dict[str, Any]], answer: Callable[[str, str], str] = healthy) -> list[Proxy]:
    return proxies.ask(Pods(pods=pods, answer=answer), KNOWN)


NATIVE = {"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]}
ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        pytest.param(pod("p"), True, id="a sidecar"),
        pytest.param(pod("p", "istio-proxy"), True, id="a gateway"),
        pytest.param(pod("p", spec=NATIVE), True, id="a native sidecar"),
        pytest.param(pod("p", "app"), False, id="no proxy"),
        pytest.param(pod("p", phase="Pending"), False, id="still to start"),
        pytest.param(pod("p", phase="Succeeded"), False, id="a Job that is done"),
        pytest.param(pod("p", phase="Failed"), False, id="evicted"),
        pytest.param(pod("p", metadata=ENDING), False, id="ending"),
    ],
)
def test_running_proxies_are_asked_and_nobody_else(one: dict[str, Any], asked: bool) -> None:
    assert [proxy.name for proxy in ask([one])] == (["shop/p"] if asked else [])


def test_every_namespace_is_asked_in_one_list_and_each_proxy_once() -> None:
    pods = [pod(f"p{i}", metadata={"namespace": f"ns{i % 3}"}) for i in range(20)]
    kubectl = Pods(pods=pods, answer=healthy)
    answers = proxies.ask(kubectl, KNOWN)
    assert [proxy.name for proxy in answers] == [f"ns{i % 3}/p{i}" for i in range(20)]
    assert [proxy.problem for proxy in answers] == [""] * 20
    assert kubectl.listed == [
        ("pods", "-A", "-l", "service.istio.io/canonical-name", "-o", "json")
    ], "gateways have it, too"
    assert len(set(kubectl.asked)) == len(kubectl.asked) == 20
    request = ("pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets")
    assert all(args[-6:] == ("istio-proxy", "--", *request) for args in kubectl.asked)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (KubectlError("kubectl exec in context 'ctx': timed out"), "timed out"),
        ("not JSON", "Expecting value"),
        (dump("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", OLD.pem), "read"),
    ],
)
def test_a_proxy_that_cannot_be_asked_does_not_hide_the_others(
    said: KubectlError | str, problem: str
) -> None:
    def answer(_: str, name: str) -> str:
        if name != "bad":
            return healthy()
        if isinstance(said, str):
            return said
        raise said

    good, bad, other = ask([pod("good"), pod("bad"), pod("other")], answer)
    assert (good.problem, other.problem) == ("", "")
    assert bad.name == "shop/bad"
    assert problem in bad.problem
    assert (bad.signer, bad.roots) == ("", frozenset())


def test_a_cluster_that_does_not_answer_is_an_error() -> None:
    class Dead(Kubectl):
        def _run(self, *args: str, stdin: str | None = None) -> str:
            raise KubectlError("i/o timeout")

    with pytest.raises(KubectlError, match="i/o timeout"):
        proxies.ask(Dead(None, "ctx"), KNOWN)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "shop/p0"),
        (5, "shop/p0, shop/p1, shop/p2, shop/p3, shop/p4"),
        (7, "shop/p0, shop/p1, shop/p2, shop/p3, shop/p4 and 2 more"),
    ],
)
def test_a_message_names_a_few(count: int, text: str) -> None:
    several = [Proxy(f"shop/p{i}", "", frozenset()) for i in range(count)][::-1]
    assert proxies.names_of(several) == text
