"""CRDs of a chart: applied at once, beside what Pulumi keeps, and left on destroy.

As resources they cost seconds in every preview (docs/adr/0020). Those of somebody else are used as
they are.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi import Input, Output
from pulumi.dynamic import DiffResult, Resource

from components.charts import helm
from components.dynamic import Kind
from components.errors import ComponentError
from components.handler import Handler, Props, Seen
from components.kubectl import UNREACHABLE, Access, Kubectl, skips_unreachable

API_VERSION = "apiextensions.k8s.io/v1"
LOST = "lost"
STAMP_LABEL = "istio-multicluster/crds"
"""Label of the CRDs that this program applied: which chart they are of."""


@dataclass(frozen=True, slots=True)
class ChartCrds:
    """The CRDs of a chart."""

    names: Set[str]
    """Those that are applied here. One that a version of it has beside these is a resource."""
    sentinel: str
    """The one that stands for all in a look: to read all takes a second. A small one."""


ISTIO = ChartCrds(
    frozenset(
        f"{name}.istio.io"
        for name in (
            "trafficextensions.extensions",
            "wasmplugins.extensions",
            "destinationrules.networking",
            "envoyfilters.networking",
            "gateways.networking",
            "proxyconfigs.networking",
            "serviceentries.networking",
            "sidecars.networking",
            "virtualservices.networking",
            "workloadentries.networking",
            "workloadgroups.networking",
            "authorizationpolicies.security",
            "peerauthentications.security",
            "requestauthentications.security",
            "telemetries.telemetry",
        )
    ),
    "proxyconfigs.networking.istio.io",
)
"""CRDs of Istio's chart `base`."""

CERT_MANAGER = ChartCrds(
    frozenset(
        f"{name}.cert-manager.io"
        for name in (
            "certificaterequests",
            "certificates",
            "clusterissuers",
            "issuers",
            "challenges.acme",
            "orders.acme",
        )
    ),
    "certificaterequests.cert-manager.io",
)
"""CRDs of cert-manager's chart."""


@dataclass(frozen=True, slots=True)
class WantedCrds:
    """The CRDs of one version of a chart."""

    chart: ChartCrds
    """Which they are."""
    stamp: str
    """Tells this version from another: the value of their label."""


def wanted(chart: ChartCrds, repository: str, version: str) -> WantedCrds:
    """Return the CRDs of a chart from a repository."""
    return WantedCrds(chart, helm.digest(repository, version))


@dataclass(frozen=True, slots=True)
class Crd:
    """A CRD that is on a cluster."""

    kind: str
    """The kind that it defines."""
    stamp: str | None
    """Which chart it is of; None: somebody else applied it."""
    served: Set[str] = field(default_factory=frozenset)
    """The versions of the API that it serves."""


def read(items: Iterable[Mapping[str, Any]]) -> dict[str, Crd]:
    """Return what CRDs say of themselves, by name."""
    return {
        item["metadata"]["name"]: Crd(
            kind=item["spec"]["names"]["kind"],
            stamp=(item["metadata"].get("labels") or {}).get(STAMP_LABEL),
            served=frozenset(v["name"] for v in item["spec"]["versions"] if v["served"]),
        )
        for item in items
    }


def requests(names: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """Return what to ask `Kubectl.get_all` for."""
    return [(API_VERSION, "CustomResourceDefinition", "", name) for name in sorted(names)]


def to_apply(wanted: WantedCrds, found: Mapping[str, Crd] | None) -> list[str]:
    """Return which CRDs have to be applied.

    Args:
        wanted: those that the chart has.
        found: those that are there; one of somebody else is left as it is. None: all are as they
            should be, or nobody could look.
    """
    if found is None:
        return []
    mine = (None, wanted.stamp)
    return sorted(n for n in wanted.chart.names if n not in found or found[n].stamp not in mine)


def manifest(crds: Output[list[Mapping[str, Any]]], wanted: WantedCrds) -> Output[str]:
    """Write CRDs where the handler finds them; return the file's path, empty if there are none.

    They are a megabyte, which is not for the state. The handler runs as long as the program does,
    on the same machine, so a file of this run will do.
    """
    return crds.apply(lambda items: _write(items, wanted.stamp) if items else "")


def _write(items: Sequence[Mapping[str, Any]], stamp: str) -> str:
    directory = Path(tempfile.mkdtemp(prefix="istio-multicluster-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    file = directory / "crds.json"
    labelled = [
        {
            **item,
            "metadata": {
                **item["metadata"],
                "labels": {**(item["metadata"].get("labels") or {}), STAMP_LABEL: stamp},
            },
        }
        for item in items
    ]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": labelled}))
    return str(file)


class LostCrdsError(ComponentError):
    """CRDs that were there have gone."""


class CrdsHandler(Handler):
    """Applies what the program has rendered; deletes nothing."""

    id = "crds"
    compared = ("stamp",)

    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        """Compare the charts; there is something to do as well when CRDs have gone."""
        changed = super().diff(id_, olds, news).changes
        # Of a cluster that is away the inputs are those of before, with a file that is gone.
        missing = news["manifest"] and not news.get(UNREACHABLE)
        return DiffResult(changes=bool(changed or missing))

    def outputs(self, props: Props, olds: Props) -> Props:
        """Apply the CRDs, and wait until the API server has them.

        Raises:
            LostCrdsError: some have gone that the program took to be there.
        """
        kubectl = Kubectl.from_props(props)
        if file := props["manifest"]:
            kubectl.apply_crds(file)
        elif lost := _lost(kubectl, props):
            # With another stamp it is one that the next run looks at all for, and applies.
            kubectl.label("crd", props["sentinel"], f"{STAMP_LABEL}={LOST}")
            raise LostCrdsError(
                f"context {kubectl.context!r}: CRDs have gone: {', '.join(lost)}; run `pulumi up` "
                "again, which applies them; all objects of their kinds have gone with them, so let "
                "it refresh: `pulumi up --refresh`"
            )
        return {**props, "manifest": ""}

    def read(self, id_: str, props: Props) -> Seen:
        """See whether they are there: if not, the next update has something to do."""
        kubectl = Kubectl.from_props(props)
        if skips_unreachable(kubectl):
            return super().read(id_, props)
        return super().read(id_, {**props, "stamp": ""} if _lost(kubectl, props) else props)


def _lost(kubectl: Kubectl, props: Props) -> list[str]:
    """Return which CRDs are not there."""
    found = kubectl.get_all(requests(props["names"]))
    return sorted({*props["names"]} - {item["metadata"]["name"] for item in found})


@dataclass(frozen=True, slots=True)
class CrdsArgs:
    """Arguments of `Crds`."""

    wanted: WantedCrds
    """Which."""
    manifest: Input[str]
    """Path of a file with those that have to be applied; empty: there are none."""
    access: Access
    """How kubectl reaches the cluster."""


class Crds(Resource, module="istio-multicluster", name="Crds"):
    """CRDs that are there, by this program or by somebody else; on destroy they stay."""

    def __init__(
        self, name: str, args: CrdsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register them.

        Args:
            name: Pulumi name.
            args: which, and where.
            opts: parent and dependencies.
        """
        props = {
            **args.access,
            "stamp": args.wanted.stamp,
            "names": sorted(args.wanted.chart.names),
            "sentinel": args.wanted.chart.sentinel,
            "manifest": args.manifest,
        }
        super().__init__(Kind("Crds"), name, props, opts)
