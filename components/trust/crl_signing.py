"""Revocation lists, signed where the keys are: by a Job on the root cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from components.kubectl import Access, Kubectl, KubectlError
from components.trust import cert_chains, certificates

JOB = "revocation-list"
DEADLINE_SECONDS = 120
_MARK = "== "

# Each CA signs a list of its own: Envoy wants one from every CA of a chain, or trusts none of it.
# Only a root's has entries: what is revoked is cluster CAs. Lists are valid as long as their CA,
# for they are pushed, not fetched: one that runs out would only cut off everybody.
# What openssl says goes into a file: a log mixes it into the lists, in whatever order.
SCRIPT = f"""
set -eu
cd /work
cat > openssl.cnf <<EOF
[ca]
default_ca = list
[list]
database = index.txt
crlnumber = number
default_md = sha256
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
EOF
for signer in $SIGNERS; do
  name=${{signer%%=*}} times=${{signer#*=}} ca=/ca/${{signer%%=*}}
  : > index.txt
  echo 01 > number
  subject=$(openssl x509 -in $ca/tls.crt -noout -subject_hash)
  if [ "$subject" = "$(openssl x509 -in $ca/tls.crt -noout -issuer_hash)" ]; then
    for serial in $REVOKED; do
      printf 'R\\t491231235959Z\\t%s\\t%s\\tunknown\\t/CN=revoked\\n' "$NOW" "$serial" >> index.txt
    done
  fi
  openssl ca -gencrl -config openssl.cnf -cert $ca/tls.crt -keyfile $ca/tls.key -out list.pem \\
    -crl_lastupdate ${{times%%-*}} -crl_nextupdate ${{times#*-}} 2> said || {{ cat said; exit 1; }}
  echo "{_MARK}$name"
  cat list.pem
done
"""


class RevocationListProvider(ResourceProvider):
    """Runs the Job. Pulumi pickles it into the state by reference: do not rename or move it."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Sign anew when another CA has to, or something else is revoked."""
        return DiffResult(
            changes=any(olds.get(key) != news.get(key) for key in ("signers", "revoked"))
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Have the lists signed."""
        return CreateResult(id_=JOB, outs=_sign(props, {}))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Have the lists signed anew."""
        return UpdateResult(_sign(news, olds.get("lists") or {}))


class RevocationList(Resource, module="istio-multicluster", name="RevocationList"):
    """The revocation lists of the roots and of all cluster CAs, and those before them.

    A CA that was renewed keeps its last list here until it ends: certificates that it signed are
    still in use, and its key is gone.

    Raises on `up` when the Job fails or takes longer than `DEADLINE_SECONDS`.
    """

    crl: pulumi.Output[str]
    """All lists, PEM."""

    def __init__(
        self,
        name: str,
        *,
        namespace: str,
        image: str,
        signers: Mapping[str, pulumi.Input[str]],
        revoked: Sequence[str],
        access: Access,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Register the lists.

        Args:
            name: Pulumi name.
            namespace: where the CAs' Secrets are, and the Job runs.
            image: image with `sh` and `openssl` 3.
            signers: Secret of each CA to its certificate, PEM.
            revoked: serial numbers of revoked cluster CAs, hex.
            access: how kubectl reaches the root cluster.
            opts: parent and dependencies.
        """
        props = {
            "namespace": namespace,
            "image": image,
            "signers": dict(signers),
            "revoked": list(revoked),
            **access,
            "lists": None,
            "crl": None,
        }
        super().__init__(RevocationListProvider(), name, props, opts)


def _sign(props: dict[str, Any], before: Mapping[str, str]) -> dict[str, Any]:
    signers = {
        secret: certificates.facts(certificate)[0]
        for secret, certificate in sorted(props["signers"].items())
    }
    signed = _parse(_run(Kubectl.of(props), props, signers))
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
    crl = "".join(lists[fingerprint] for fingerprint in sorted(lists))
    return {**props, "lists": lists, "crl": crl}


def _run(kubectl: Kubectl, props: dict[str, Any], signers: Mapping[str, certificates.Facts]) -> str:
    """Run the Job to its end and return what it printed."""
    job, where = f"job/{JOB}", ("-n", props["namespace"])
    kubectl.run("delete", job, *where, "--ignore-not-found", "--wait")
    kubectl.run("create", "-f", "-", stdin=json.dumps(job_manifest(props, signers)))
    end = time.monotonic() + DEADLINE_SECONDS + 10
    while True:
        status = json.loads(kubectl.run("get", job, *where, "-o", "json")).get("status", {})
        if status.get("succeeded"):
            break
        if status.get("failed") or time.monotonic() > end:
            said = kubectl.run("logs", job, *where, "--tail=20") if status.get("failed") else ""
            raise KubectlError(
                f"Job {props['namespace']}/{JOB} in context {kubectl.context!r} signed no "
                f"revocation list: {said or f'it did not end in {DEADLINE_SECONDS} s'}; "
                f"look at its pods, and at rootCa.opensslImage ({props['image']})"
            )
        time.sleep(1)
    printed = kubectl.run("logs", job, *where)
    kubectl.run("delete", job, *where, "--ignore-not-found")
    return printed


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
        "command": ["sh", "-c", SCRIPT],
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
