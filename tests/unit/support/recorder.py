"""Runs the whole program against a recording engine; what it registered can then be asked.

Recording is done on the requests to the engine, not in `Mocks`, because only the requests still
tell what is a secret, who the parent is and what an object waits for. Nothing is asserted before
the program has drained (`run_in_stack` returned): registrations arrive asynchronously.
"""

from __future__ import annotations

import asyncio
import base64
import json
import runpy
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
import yaml
from google.protobuf import json_format
from pulumi.runtime import mocks as runtime_mocks
from pulumi.runtime import resource as runtime_resource
from pulumi.runtime import rpc
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.settings import SETTINGS, set_root_resource
from pulumi.runtime.stack import run_in_stack

from components.charts.crds import WantedCrds
from components.kubectl import Kubectl
from components.ownership.look import Seen
from stack import ownership
from tests.unit.support import issued
from tests.unit.support.answers import Answers

PROJECT_DIR = Path(__file__).parents[3]
PROJECT = "istio-multicluster"
CHART = "istio-multicluster:index:RenderedChart"
UNKNOWN = rpc.UNKNOWN
STACK_ID = "5tack-1d"
PROVIDER_VERSION = metadata.version("pulumi-kubernetes")


def pem(label: str, text: str) -> str:
    """Return something of the form of a PEM file that is none."""
    body = base64.b64encode(text.encode()).decode()
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def private_key(cluster: str) -> str:
    """Return the key that the recorder answers for a cluster CA: what must never leak."""
    return issued.ca(f"{cluster}.{issued.ROOT_NAME}").key_pem


@dataclass(frozen=True)
class Registration:
    """One request to register (or read) a resource."""

    type: str
    name: str
    parent: str
    """Name of the parent; empty: the stack."""
    provider: str
    """Name of the explicit provider; empty: none."""
    inputs: dict[str, Any]
    secrets: frozenset[str]
    """Paths into `inputs` that the engine was told are secret, e.g. `stringData`."""
    depends_on: frozenset[str]
    read: bool
    secret_outputs: frozenset[str]
    """Outputs that the engine is to keep encrypted in its state."""
    ignore_changes: tuple[str, ...]
    retain_on_delete: bool
    hooks: tuple[str, ...]
    """Names of the hooks that run before it is created."""
    request: dict[str, Any]
    """The whole request but for the inputs: every option, set or not."""

    @property
    def kind(self) -> str:
        return "Chart" if self.type == CHART else self.type.rpartition(":")[2]

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def dynamic(self) -> bool:
        """A resource of our own: no Kubernetes provider, it is told its cluster by inputs."""
        return self.type.startswith("pulumi-python:")

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.inputs["spec"]
        return spec

    @property
    def object_name(self) -> str:
        """The name of the object in its cluster, with kind and namespace."""
        if "chart" in self.inputs:
            return f"{self.kind} {self.inputs['namespace']}/{self.inputs['name']}"
        metadata = self.inputs["metadata"]
        return f"{self.inputs['kind']} {metadata.get('namespace', '')}/{metadata['name']}"

    def same(self, other: Registration) -> bool:
        """Tell whether the engine would see no difference in what is wanted."""
        return (self.inputs, self.provider, self.parent) == (
            other.inputs,
            other.provider,
            other.parent,
        )


@dataclass
class Run:
    """Everything that one run of the program asked of the engine."""

    registrations: list[Registration] = field(default_factory=list)
    exports: dict[str, Any] = field(default_factory=dict)
    export_secrets: frozenset[str] = frozenset()
    error: BaseException | None = None

    @property
    def providers(self) -> dict[str, Registration]:
        return {r.name: r for r in self.registrations if r.type.startswith("pulumi:providers:")}

    @property
    def components(self) -> dict[str, Registration]:
        return {r.name: r for r in self.registrations if _is_component(r)}

    @cached_property
    def objects(self) -> dict[str, Registration]:
        """All that is neither component nor provider, by `Kind pulumi-name`; a Chart is one.

        What a Chart renders is its own affair.
        """
        charts = {r.name for r in self.registrations if r.type == CHART}
        rest = [
            r
            for r in self.registrations
            if not _is_component(r)
            and not r.type.startswith("pulumi:providers:")
            and r.parent not in charts
        ]
        found = {r.key: r for r in rest}
        twice = [key for key, count in Counter(r.key for r in rest).items() if count > 1]
        assert len(found) == len(rest), f"a real engine would say: Duplicate resource URN: {twice}"
        return found

    def __getitem__(self, key: str) -> Registration:
        return self.objects[key]

    def children(self, component: str) -> dict[str, Registration]:
        return {key: r for key, r in self.objects.items() if r.parent == component}

    def kind(self, kind: str) -> dict[str, Registration]:
        return {key: r for key, r in self.objects.items() if r.kind == kind}

    def dump(self) -> str:
        """Everything, as text: equal texts mean that an `up` would change nothing."""
        return "\n".join(self.lines().values())

    def lines(self) -> dict[str, str]:
        """The lines of `dump()`: type and name of each resource to all that is asked of it.

        The provider of a dynamic resource, a pickle, is left out: where code lives is not what is
        wanted. `test_dynamic.py` looks at it.
        """
        lines = {
            f"{r.type} {r.name}": json.dumps(
                [
                    r.type,
                    r.name,
                    r.parent,
                    r.provider,
                    {key: value for key, value in r.inputs.items() if key != "__provider"},
                    sorted(r.secrets - {"__provider"}),
                    sorted(r.depends_on),
                    r.request,
                ],
                sort_keys=True,
            )
            for r in self.registrations
        }
        assert len(lines) == len(self.registrations), "a real engine would say: Duplicate URN"
        exports = json.dumps([self.exports, sorted(self.export_secrets)], sort_keys=True)
        return {**dict(sorted(lines.items())), "exports": exports}


VOLATILE = ("object", "properties", "sourcePosition", "stackTrace", "parentStackTraceHandle")
"""Fields of a request that are its inputs, or say where in the code it was made."""
UNORDERED = ("dependencies", "aliasURNs", "additionalSecretOutputs")


def _options(request: Any) -> dict[str, Any]:
    """Return all of a request but its inputs; what the engine takes as a set is sorted."""
    found = json_format.MessageToDict(request, always_print_fields_with_no_presence=True)
    for key in VOLATILE:
        found.pop(key, None)
    for key in UNORDERED:
        found[key] = sorted(found.get(key, ()))
    for key, property_dependencies in found.get("propertyDependencies", {}).items():
        found["propertyDependencies"][key] = sorted(property_dependencies["urns"])
    if found["version"] == PROVIDER_VERSION:
        found["version"] = "that of the SDK"
    return found


def _with_chart(answers: Answers, registration: Registration) -> Registration:
    """Return a chart with how it is rendered, and by which provider; all else as it is."""
    if not (found := answers.charts.get(registration.name)):
        return registration
    provider, options = found
    chart = options.get("path") or options["chart"]
    inputs = {**registration.inputs, **options, "chart": chart, "name": options["release_name"]}
    return replace(registration, provider=provider, inputs=inputs)


def _with_manifest(registration: Registration) -> Registration:
    """Return CRDs with what is in the file that they are applied from, in place of its path."""
    if registration.kind != "Crds" or not (file := registration.inputs["manifest"]):
        return registration
    content = json.dumps(json.loads(Path(file).read_text()), sort_keys=True)
    return replace(registration, inputs={**registration.inputs, "manifest": content})


def _is_component(registration: Registration) -> bool:
    return registration.type.startswith(f"{PROJECT}:") and registration.type != CHART


def plain(value: Any, path: str = "", secrets: set[str] | None = None) -> Any:
    """Turn a property of a request into plain data, noting where it is secret."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            if secrets is not None:
                secrets.add(path)
            return plain(value["value"], path, secrets)
        return {k: plain(v, f"{path}.{k}".lstrip("."), secrets) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v, f"{path}[{i}]", secrets) for i, v in enumerate(value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class RecordingMonitor(runtime_mocks.MockMonitor):
    """The engine's end of the requests."""

    def __init__(self, answers: Answers, run: Run) -> None:
        super().__init__(answers)
        self.answers = answers
        self.run = run

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            self._record(request, request.object, read=False)
        engine: Any = super()  # its methods have no types
        return engine.RegisterResource(request)

    def ReadResource(self, request: Any) -> Any:
        self._record(request, request.properties, read=True)
        engine: Any = super()  # its methods have no types
        return engine.ReadResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if "pulumi:pulumi:Stack" in request.urn:
            secrets: set[str] = set()
            self.run.exports = plain(json_format.MessageToDict(request.outputs), "", secrets)
            self.run.export_secrets = frozenset(secrets)
        engine: Any = super()  # its methods have no types
        return engine.RegisterResourceOutputs(request)

    def _record(self, request: Any, properties: Any, *, read: bool) -> None:
        secrets: set[str] = set()
        inputs = plain(json_format.MessageToDict(properties), "", secrets)
        if read:
            inputs["id"] = request.id
        parent = request.parent.rpartition("::")
        at_stack = "pulumi:pulumi:Stack" in parent[0].rpartition("$")[2] or not parent[2]
        self.run.registrations.append(
            Registration(
                type=request.type,
                name=request.name,
                parent="" if at_stack else parent[2],
                provider=request.provider.rpartition("::")[0].rpartition("::")[2],
                inputs=inputs,
                secrets=frozenset(secrets),
                depends_on=frozenset(d.rpartition("::")[2] for d in request.dependencies),
                read=read,
                secret_outputs=frozenset(request.additionalSecretOutputs),
                ignore_changes=() if read else tuple(request.ignoreChanges),
                retain_on_delete=not read and request.retainOnDelete,
                hooks=() if read else tuple(request.hooks.before_create),
                request=_options(request),
            )
        )


Look = Callable[[Kubectl, str, Iterable[str], WantedCrds | None], Seen]


def empty_cluster(kubectl: Kubectl, *_: object) -> Seen:
    """Return what a look at a new cluster sees."""
    return Seen(f"uid of {kubectl.context}", crds={})


def project_defaults() -> dict[str, Any]:
    """Return the defaults of Pulumi.yaml, which the real CLI puts into the stack's config."""
    declared = yaml.safe_load((PROJECT_DIR / "Pulumi.yaml").read_text())["config"]
    return {key: entry["default"] for key, entry in declared.items() if "default" in entry}


def run_program(
    config: Mapping[str, Any],
    *,
    addresses: Mapping[str, list[dict[str, str]]] | None = None,
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    preview: bool = False,
    stacks: Mapping[str, Any] | None = None,
    project: str = PROJECT,
    other: Mapping[str, str] | None = None,
    look: Look = empty_cluster,
) -> Run:
    """Run `__main__.py` to its end and return what it asked of the engine; errors are in it.

    Args:
        config: keys of the stack file, without the namespace.
        addresses: cluster to `status.loadBalancer.ingress`.
        secrets: name of a Secret on the root cluster to its files, where not the usual.
        preview: as `pulumi preview` of a stack that has never been up.
        stacks: other stacks to their outputs, or to why they cannot be read.
        project: name of the project.
        other: further keys of the stack file, with their namespaces.
        look: what a look at a cluster sees; by default it is new, and nobody's.
    """
    written = project_defaults() | {f"{project}:{key}": value for key, value in config.items()}
    written |= other or {}
    pulumi.runtime.set_all_config(
        {k: v if isinstance(v, str) else json.dumps(v) for k, v in written.items()}
    )
    run = Run()
    answers = Answers(addresses or {}, secrets or {}, preview, stacks or {})
    monitor = RecordingMonitor(answers, run)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        pulumi.runtime.set_mocks(
            answers,
            project,
            "test",
            preview=preview,
            monitor=monitor,
            organization="organization",
        )
        run.registrations.clear()
        set_root_resource(None)  # type: ignore[arg-type]  # run_in_stack makes its own
        # Where in the code each request was made is a third of a run, and nobody looks at it.
        with (
            mock.patch.object(runtime_resource, "_get_stack_trace", source_pb2.StackTrace),
            mock.patch.object(ownership, "look", look),
            mock.patch.object(uuid, "uuid4", return_value=STACK_ID),
        ):
            loop.run_until_complete(
                run_in_stack(lambda: _as_nothing(runpy.run_path(str(PROJECT_DIR / "__main__.py"))))
            )
    except Exception as error:
        run.error = error
    finally:
        set_root_resource(None)  # type: ignore[arg-type]
        _abandon(loop)
    run.registrations = [_with_chart(answers, _with_manifest(r)) for r in run.registrations]
    run.registrations.sort(key=lambda r: (r.name, r.type))
    return run


def _abandon(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop; after an error other work is under way, which nobody wants any more."""
    loop.set_exception_handler(lambda *_: None)
    while left := asyncio.all_tasks(loop):
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    asyncio.set_event_loop(None)
    loop.close()


def _as_nothing(_: Any) -> None:
    """Drop the program's globals: a result would be awaited."""
