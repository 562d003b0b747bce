"""Judge a request by an AuthorizationPolicy, as Istio would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PORT = 15443
HEADER = "x-remote-caller"


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
    """Judge as istio.io/latest/docs/reference/config/security/authorization-policy says.

    On a connection that is not HTTP Istio leaves the conditions out that need it, and keeps the
    rule: pilot/pkg/security/authz/model/model.go, `checkError`.
    """
    assert policy["action"] == "DENY"
    return any(
        any(_source(item["source"], request) for item in rule.get("from", [{"source": {}}]))
        and any(_operation(item["operation"], request) for item in rule["to"])
        and all(_condition(item, request) for item in rule.get("when", ()))
        for rule in policy["rules"]
    )


def _source(source: dict[str, Any], request: Request) -> bool:
    assert set(source) <= {"principals", "notPrincipals"}
    return _matches(source, "principals", request.principal)


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

    def fits(pattern: str) -> bool:
        if value is None:
            return False
        text, wanted = (value.lower(), pattern.lower()) if fold else (value, pattern)
        assert "*" not in wanted[1:-1], "the evaluator knows `PREFIX*`, `*SUFFIX` and `*` only"
        if wanted.endswith("*"):
            return text.startswith(wanted[:-1])
        return text.endswith(wanted[1:]) if wanted.startswith("*") else text == wanted

    positive, negative = fields.get(key), fields.get(f"not{key[0].upper()}{key[1:]}")
    assert positive != []
    assert negative != [], "Istio takes an empty list for no condition"
    return (positive is None or any(map(fits, positive))) and not any(map(fits, negative or ()))


def egress(domain: str) -> str:
    """Return the principal of a cluster's egress gateway."""
    return f"{domain}/ns/istio-gateways/sa/istio-egressgateway"
