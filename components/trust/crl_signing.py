"""Revocation lists, signed where the keys are: by a Job on the root cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.dynamic import Kind
from components.handler import Handler, Props
from components.kubectl import Access, Kubectl, KubectlError
from components.trust import cert_chains, certificates

JOB = "revocation-list"
DEADLINE_SECONDS = 120
_MARK = "== "
"""Begins a line of what the Job prints: the name of the CA whose list follows."""


def script() -> str:
    """Return what the Job runs."""
    return resources.files("components.trust").joinpath("sign_lists.sh").read_text()


class RevocationListHandler(Handler):
    """Runs the Job, and anew when another CA has to sign, or something else is revoked."""

    id = JOB
    compared = ("signers", "revoked")

    def outputs(self, props: Props, olds: Props) -> Props:
        """Have the lists signed; keep those of former CAs."""
        signers = {
            secret: certificates.facts(certificate)[0]
            for secret, certificate in sorted(props["signers"].items())
        }
        signed = _parse(self.run_job(Kubectl.from_props(props), props, signers))
        return {**props, **_lists(props, signers, signed, olds.get("lists") or {})}

    def run_job(
        self, kubectl: Kubectl, props: Props, signers: Mapping[str, certificates.Facts]
    ) -> str:
        """Run the Job to its end and return what it printed.

        Args:
            kubectl: for the root cluster.
            props: properties of the resource.
            signers: Secret of each CA to what its certificate says.

        Raises:
            KubectlError: it fails, or does not end in time.
        """
        namespace = props["namespace"]
        kubectl.delete("job", namespace, JOB)
        kubectl.create(job_manifest(props, signers))

        def look() -> Mapping[str, Any] | None:
            job = kubectl.get("job", namespace, JOB)
            if job is None:
                raise KubectlError(f"somebody has deleted Job {namespace}/{JOB}; run `up` again")
            status: Mapping[str, Any] = job.get("status", {})
            return status if status.get("succeeded") or status.get("failed") else None

        what = f"Job {namespace}/{JOB} in context {kubectl.context!r}"
        status = self.poll(look, DEADLINE_SECONDS + 10, what, interval=1)
        if not (status and status.get("succeeded")):
            said = kubectl.logs(f"job/{JOB}", namespace, last=20) if status else ""
            raise KubectlError(
                f"{what} signed no "
                f"revocation list: {said or f'it did not end in {DEADLINE_SECONDS} s'}; "
                f"look at its pods, and at rootCa.opensslImage ({props['image']})"
            )
        printed = kubectl.logs(f"job/{JOB}", namespace)
        kubectl.delete("job", namespace, JOB)
        return printed


@dataclass(frozen=True)
class RevocationListArgs:
    """Arguments of `RevocationList`."""

    namespace: str
    """Where the CAs' Secrets are, and the Job runs."""
    image: str
    """Image with `sh` and `openssl` 3."""
    signers: Mapping[str, pulumi.Input[str]]
    """Secret of each CA to its certificate, PEM."""
    revoked: Sequence[str]
    """Serial numbers of revoked cluster CAs, hex."""
    access: Access
    """How kubectl reaches the root cluster."""


class RevocationList(Resource, module="istio-multicluster", name="RevocationList"):
    """The revocation lists of the roots and of all cluster CAs, and those before them.

    A CA that was renewed keeps its last list here until it ends: certificates that it signed are
    still in use, and its key is gone.

    Raises on `up` when the Job fails or takes longer than `DEADLINE_SECONDS`.
    """

    crl: pulumi.Output[str]
    """All lists, PEM."""

    def __init__(
        self, name: str, args: RevocationListArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the lists.

        Args:
            name: Pulumi name.
            args: what is signed, and where.
            opts: parent and dependencies.
        """
        props = {
            "namespace": args.namespace,
            "image": args.image,
            "signers": dict(args.signers),
            "revoked": list(args.revoked),
            **args.access,
            "lists": None,
            "crl": None,
        }
        super().__init__(Kind("RevocationList"), name, props, opts)


def _lists(
    props: Mapping[str, Any],
    signers: Mapping[str, certificates.Facts],
    signed: Mapping[str, str],
    before: Mapping[str, str],
) -> dict[str, Any]:
    """Return the list of each CA, by the fingerprint of the CA, and all of them as one file."""
    for secret, certificate in props["signers"].items():
        if not certificates.signed_list(signed.get(secret, ""), certificate):
            raise KubectlError(
                f"the revocation list of {props['namespace']}/{secret} is not signed by the CA "
                "that was read: cert-manager has renewed it meanwhile; run `up` again"
            )
    now = datetime.now(UTC)
    current = {signers[secret].fingerprint: text for secret, text in signed.items()}
    kept = {
        fingerprint: text
        for fingerprint, text in before.items()
        if fingerprint not in current and certificates.crl_ends(text) > now
    }
    lists = {**kept, **current}
    return {"lists": lists, "crl": "".join(lists[fingerprint] for fingerprint in sorted(lists))}


def _parse(printed: str) -> dict[str, str]:
    """Return the list of each CA, by its Secret."""
    parts = (part.partition("\n") for part in printed.split(_MARK)[1:])
    return {name.strip(): cert_chains.pem_crls(text)[0] for name, _, text in parts}


def job_manifest(
    props: Mapping[str, Any], signers: Mapping[str, certificates.Facts]
) -> dict[str, Any]:
    """Return the Job: it has the keys, no network is needed and nothing is kept.

    Args:
        props: namespace, image and revoked serial numbers.
        signers: Secret of each CA to what its certificate says.
    """
    form = "%Y%m%d%H%M%SZ"
    times = [
        f"{secret}={ca.not_before.strftime(form)}-{ca.not_after.strftime(form)}"
        for secret, ca in signers.items()
    ]
    # openssl's index wants whole bytes.
    serials = [s.upper().zfill(len(s) + len(s) % 2) for s in props["revoked"]]
    env = {
        "SIGNERS": " ".join(times),
        "REVOKED": " ".join(serials),
        "NOW": datetime.now(UTC).strftime("%y%m%d%H%M%SZ"),
    }
    container = {
        "name": "openssl",
        "image": props["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script()],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "work", "mountPath": "/work"},
            *(
                {"name": f"ca-{index}", "mountPath": f"/ca/{secret}", "readOnly": True}
                for index, secret in enumerate(signers)
            ),
        ],
    }
    volumes: list[dict[str, Any]] = [{"name": "work", "emptyDir": {"medium": "Memory"}}]
    for index, secret in enumerate(signers):
        volumes.append({"name": f"ca-{index}", "secret": {"secretName": secret}})
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": volumes,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": JOB, "namespace": props["namespace"]},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": 3600,
            "template": {"spec": pod},
        },
    }
