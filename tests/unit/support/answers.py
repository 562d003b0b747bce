"""What a real engine would answer to the program's requests, as far as the program reads it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import grpc
from pulumi.runtime import mocks as runtime_mocks

from tests.unit.support import charts, issued

TEMPLATE = "kubernetes:helm:template"
SERVICE = "kubernetes:core/v1:Service"
SECRET = "kubernetes:core/v1:Secret"
DNS_CLUSTER_IP = "10.96.7.7"
GATEWAY_CLUSTER_IP = "10.96.8.8"
INGRESS_ADDRESSES = "pulumi-python:dynamic/istio-multicluster:IngressAddresses"
REVOCATION_LIST = "pulumi-python:dynamic/istio-multicluster:RevocationList"


class Answers(runtime_mocks.Mocks):
    """What a real engine would answer: ids and the outputs that the program reads.

    Args:
        addresses: cluster to the `status.loadBalancer.ingress` of its ingress gateway.
        secrets: name of a Secret to what cert-manager has put there, where not the usual.
        preview: answer nothing that only an `up` can know.
        stacks: other stacks to their outputs, or to why they cannot be read.
    """

    def __init__(
        self,
        addresses: Mapping[str, list[dict[str, str]]],
        secrets: Mapping[str, Mapping[str, str]],
        preview: bool,
        stacks: Mapping[str, Any],
    ) -> None:
        self.addresses = addresses
        self.secrets = secrets
        self.preview = preview
        self.stacks = stacks
        self.charts: dict[str, tuple[str, dict[str, Any]]] = {}
        """Pulumi name of each chart to its provider and the options with which it is rendered."""

    def call(self, args: runtime_mocks.MockCallArgs) -> Any:
        if args.token == TEMPLATE:
            return self._render(args)
        if args.token != "pulumi:pulumi:readStackOutputs":
            raise AssertionError(f"the program invokes {args.token}: a preview needs the cluster")
        stack = args.args["name"]
        outputs = self.stacks.get(stack, f'unknown stack "{stack}"')
        if isinstance(outputs, str):
            raise InvocationError(f"invocation of {args.token} returned an error: {outputs}")
        return {"name": stack, "outputs": outputs, "secretOutputNames": []}

    def _render(self, args: runtime_mocks.MockCallArgs) -> Any:
        """Render a chart, as far as others look at it."""
        options = json.loads(args.args["jsonOpts"])
        told = {"kube_version", "api_versions"} <= set(options)
        assert told, "the provider would ask the cluster: a preview needs it"
        provider = (args.provider or "").rpartition("::")[0].rpartition("::")[2]
        name = options["release_name"].removeprefix("istio-")
        chart = f"root-ca-{name}" if provider == "root_ca" else f"{provider}-{name}"
        self.charts[chart] = provider, options
        return {"result": charts.rendered(options)}

    def new_resource(self, args: runtime_mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ.startswith("pulumi:providers:"):
            return f"{args.name}-id", outputs
        if self.preview:
            return "", outputs
        if args.typ == SERVICE:
            ip = GATEWAY_CLUSTER_IP if "gateway:" in args.name else DNS_CLUSTER_IP
            outputs["spec"] = {**outputs.get("spec", {}), "clusterIP": ip}
        if args.typ == SECRET and args.resource_id:
            secret = args.resource_id.rpartition("/")[2]
            files = self.secrets.get(secret) or issued.tls_secret(secret)
            outputs["data"] = {k: base64.b64encode(v.encode()).decode() for k, v in files.items()}
        if args.typ == REVOCATION_LIST:
            outputs["crl"] = issued.crls(args.inputs["signers"], args.inputs["revoked"])
        if args.typ == INGRESS_ADDRESSES:
            entries = self.addresses.get(args.inputs["cluster"], [{"ip": "192.0.2.1"}])
            outputs["addresses"] = [entry.get("ip") or entry["hostname"] for entry in entries]
        return args.resource_id or f"{args.name}-id", outputs


class InvocationError(grpc.RpcError):
    """The engine's answer to an invocation that fails."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)
