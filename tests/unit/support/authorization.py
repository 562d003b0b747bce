"""Judge a request by an AuthorizationPolicy, as Istio would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

PORT = 15443
HEADER = "x-remote-caller"
EVERYBODY: list[dict[str, dict[str, Any]]] = [{"source": {}}]


@dataclass(frozen=True)
class Request:
    """What a policy can see of a request."""

    principal: str = ""
    authority: str = ""
    port: int = PORT
    headers: Mapping[str, str] = field(default_factory=dict)
    sni: str = "link.svc.a.remote"
    http: bool = True
    """Whether the server that takes the connection speaks HTTP."""


def refused(policy: Mapping[str, Any], request: Request) -> bool:
    """Tell whether a policy refuses a request."""
    return judge(policy)(request)


def judge(policy: Mapping[str, Any]) -> Callable[[Request], bool]:
    """Return what tells whether the policy refuses a request, quick for many of one caller.

    Judged as istio.io/latest/docs/reference/config/security/authorization-policy says. On a
    connection that is not HTTP Istio leaves the conditions out that need it, and keeps the rule:
    pilot/pkg/security/authz/model/model.go, `checkError`.
    """
    assert policy["action"] == "DENY"

    @cache
    def rules(principal: str) -> list[dict[str, Any]]:
        return [
            rule
            for rule in policy["rules"]
            if any(
                _source(item["source"], principal) for item in rule.get("from", [{"source": {}}])
            )
        ]

    def refuses(request: Request) -> bool:
        return any(
            any(_operation(item["operation"], request) for item in rule["to"])
            and all(_condition(item, request) for item in rule.get("when", ()))
            for rule in rules(request.principal)
        )

    return refuses


def _source(source: dict[str, Any], principal: str) -> bool:
    assert set(source) <= {"principals", "notPrincipals"}
    return _matches(source, "principals", principal)


def _operation(operation: dict[str, Any], request: Request) -> bool:
    assert set(operation) <= {"ports", "notPorts", "hosts", "notHosts"}
    return _matches(operation, "ports", str(request.port)) and (
        not request.http or _matches(operation, "hosts", request.authority, fold=True)
    )


def _condition(condition: dict[str, Any], request: Request) -> bool:
    if condition["key"] == "connection.sni":
        return _matches(condition, "values", request.sni)
    assert condition["key"] == f"request.headers[{HEADER}]"
    return not request.http or _matches(condition, "values", request.headers.get(HEADER))


def _matches(fields: Mapping[str, Any], key: str, value: str | None, fold: bool = False) -> bool:
    """Compare a value with a list and with its `not` list; a missing value is in neither."""
    positive, negative = fields.get(key), fields.get(f"not{key[0].upper()}{key[1:]}")
    assert positive != []
    assert negative != [], "Istio takes an empty list for no condition"
    return (positive is None or _fits(value, tuple(positive), fold)) and not (
        negative and _fits(value, tuple(negative), fold)
    )


def _fits(value: str | None, patterns: tuple[str, ...], fold: bool) -> bool:
    if value is None:
        return False
    texts, prefixes, suffixes = _compiled(patterns, fold)
    text = value.lower() if fold else value
    return text in texts or text.startswith(prefixes) or text.endswith(suffixes)


@cache
def _compiled(
    patterns: tuple[str, ...], fold: bool
) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    """Return what a value may be, begin with and end with: a list is asked 100,000 times."""
    wanted = [pattern.lower() if fold else pattern for pattern in patterns]
    assert not any("*" in pattern[1:-1] for pattern in wanted), (
        "the evaluator knows `PREFIX*`, `*SUFFIX` and `*` only"
    )
    prefixes = tuple(pattern[:-1] for pattern in wanted if pattern.endswith("*"))
    others = [pattern for pattern in wanted if not pattern.endswith("*")]
    suffixes = tuple(pattern[1:] for pattern in others if pattern.startswith("*"))
    return frozenset(p for p in others if not p.startswith("*")), prefixes, suffixes


def egress(domain: str) -> str:
    """Return the principal of a cluster's egress gateway."""
    return f"{domain}/ns/istio-gateways/sa/istio-egressgateway"
