"""Whose the clusters are: looked at before anything is registered, and refused together."""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping
from concurrent.futures import ThreadPoolExecutor

import pulumi
from pulumi import Output, ResourceOptions

from components import confirmations, names
from components.charts.crds import Crd
from components.kubectl import ForbiddenError, Kubectl, KubectlError, MissingError
from components.ownership import rules
from components.ownership.claim import Claim
from components.ownership.cluster_mark import ClusterMarkArgs
from components.ownership.guard import Guarded, OwnershipGuard, OwnershipGuardArgs
from components.ownership.identity import Identity, IdentityArgs
from components.ownership.look import LOOK_SECONDS, Seen, look
from components.ownership.rules import Place
from components.samples import bookinfo_services as bookinfo
from components.trust import cert_manager
from config.settings import Settings
from stack import wiring
from stack.other_stacks import own_name

ROOT = "root_ca"
"""Stands for the root cluster where others have their name: no cluster can be called so."""


class Ownership:
    """What the stack has a right to, and the proof of it."""

    def __init__(self, settings: Settings) -> None:
        """Look at every cluster, and compare with what the state knows.

        Raises:
            pulumi.RunError: where the state is known already; else the outputs fail with it.
        """
        self._settings = settings
        self._places = _places(settings)
        self._away = {name for name, cluster in settings.clusters.items() if cluster.unreachable}
        self._seen = _look(settings, self._places, self._away)
        unseen = {*self._places} - self._away - {*self._seen}
        self.silent = unseen if pulumi.runtime.is_dry_run() else set[str]()
        """Names of clusters that do not answer. In a preview nobody is to wait for more of their
        timeouts; an `up` fails on what it cannot do there, and does for the others what it can."""
        self._rebuilt = confirmations.rebuilt()
        own = Identity("stack-identity", IdentityArgs(str(uuid.uuid4()))).value
        # Before the state learns which clusters these are: it would keep the wrong one.
        nobodys = own.apply(lambda known: self._verify(known, None))
        self._uids = {name: self._identify(name, nobodys) for name in self._places}
        self.stack_id: Output[str] = Output.all(own=own, uids=self._uids).apply(
            lambda known: self._verify(known["own"], known["uids"])
        )
        """The stack's ID. Known once every cluster has been found to be what it should be: all that
        is registered waits for it."""
        self._found: Output[list[pulumi.Resource]] = self.stack_id.apply(lambda _: [])

    def options(self, provider: pulumi.ProviderResource | None = None) -> ResourceOptions:
        """Return the options of a component: it is registered once `stack_id` is known.

        Args:
            provider: that of its cluster, if it is on one alone.
        """
        return ResourceOptions(provider=provider, depends_on=self._found)

    def _identify(self, name: str, nobodys: Output[str]) -> Output[str]:
        seen = self._seen.get(name)
        uid = seen.uid if seen else ""
        new = seen is not None and self._rebuilt.get(name) == rules.token(seen)
        args = IdentityArgs(nobodys.apply(lambda _: uid), replace=new)
        return Identity(f"{name}-identity", args).value

    def _verify(self, own: str, recorded: Mapping[str, str] | None) -> str:
        reasons = rules.refusals(
            own, self._places, self._seen, recorded, self._rebuilt, confirmations.taken_over()
        )
        if reasons:
            raise pulumi.RunError("nothing has been changed:\n" + "\n".join(reasons))
        return own

    def context(self, name: str) -> Output[str]:
        """Return the context of a cluster, for its provider."""
        context = self._places[name].context
        return self.stack_id.apply(lambda _: context)

    def claim(self, name: str) -> Claim:
        """Return what makes a cluster this stack's."""
        place, seen = self._places[name], self._seen.get(name)
        mark = ClusterMarkArgs(
            stack_id=self.stack_id,
            stack=own_name(),
            cluster=name,
            namespace=place.namespace,
            uid=self._uids[name],
            access=wiring.access(self._settings, place.context),
        )
        strange = {
            namespace
            for namespace, owner in (seen.namespaces.items() if seen else ())
            if owner is None
        }
        return Claim(mark, frozenset(strange))

    def crds(self, name: str) -> Mapping[str, Crd] | None:
        """Return the CRDs that a cluster has; None: they are as they should be, or unseen."""
        seen = self._seen.get(name)
        return seen.crds if seen else None

    def guard(self, resources: Output[list[pulumi.Resource]]) -> Output[list[pulumi.Resource]]:
        """Guard `refresh` and `destroy`.

        Args:
            resources: all that the stack makes.

        Returns:
            All of it, and the guard. What else may refuse to be deleted depends on that, so that
            this one is still there when it does.
        """
        places = {
            name: Guarded(place, self._uids[name], wiring.access(self._settings, place.context))
            for name, place in self._places.items()
            if name not in self._away
        }
        options = ResourceOptions(depends_on=resources)
        keys = self._settings.root_ca.namespace if self._settings.root_ca else ""
        args = OwnershipGuardArgs(self.stack_id, places, keys)
        guard = OwnershipGuard("ownership-guard", args, options)
        return resources.apply(lambda made: [*made, guard])


def _places(settings: Settings) -> dict[str, Place]:
    places = {
        name: Place(
            f"cluster {name}", f"clusters.{name}.context", cluster.context, names.GATEWAY_NAMESPACE
        )
        for name, cluster in settings.clusters.items()
    }
    if root := settings.root_ca:
        places[ROOT] = Place("the root cluster", "rootCa.context", root.context, root.namespace)
    return places


def _look(settings: Settings, places: Mapping[str, Place], away: Container[str]) -> dict[str, Seen]:
    """Look at all clusters side by side; one that does not answer is left out.

    Raises:
        pulumi.RunError: whoever runs this cannot look, so that nothing would be guarded.
    """

    def one(name: str) -> Seen | KubectlError:
        place = places[name]
        access = wiring.access(settings, place.context)
        kubectl = Kubectl.from_props(access, seconds=LOOK_SECONDS)
        try:
            further = _further_namespaces(settings, name)
            return look(
                kubectl,
                place.namespace,
                further,
                wiring.crds_of(settings, None if name == ROOT else name),
            )
        except KubectlError as error:
            return error

    asked = [name for name in places if name not in away]
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        answers = dict(zip(asked, pool.map(one, asked), strict=True))
    errors = {name: error for name, error in answers.items() if isinstance(error, KubectlError)}
    told = [
        f"{places[name].path}: whose the cluster is cannot be seen ({error}){_away(name, error)}"
        for name, error in errors.items()
    ]
    # Without the root cluster there is no preview either: what it has issued is read from it.
    if any(isinstance(e, (ForbiddenError, MissingError)) or n == ROOT for n, e in errors.items()):
        raise pulumi.RunError("nothing has been changed:\n" + "\n".join(told))
    for text in told:
        pulumi.log.warn(text)
    return {name: seen for name, seen in answers.items() if isinstance(seen, Seen)}


def _away(name: str, error: KubectlError) -> str:
    """Return the next step for a cluster that does not answer."""
    if isinstance(error, (ForbiddenError, MissingError)) or name == ROOT:
        return ""
    return f"; if it is away for a while, write `unreachable: true` into clusters.{name}"


def _further_namespaces(settings: Settings, name: str) -> tuple[str, ...]:
    """Return what namespaces are made beside those of Istio and of the root."""
    if name == ROOT:
        return (cert_manager.NAMESPACE,)
    return (bookinfo.NAMESPACE,) if settings.bookinfo else ()
