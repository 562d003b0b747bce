"""What the root cluster is asked to issue, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from components.charts.crds import CERT_MANAGER, Crd
from components.kubectl import Kubectl
from components.ownership.look import Seen
from components.trust import certificates
from tests.unit.conftest import ProgramRunner
from tests.unit.support import issued
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import stack

ONE_ROOT = ["root-ca"]
TWO_ROOTS = ["old", "new"]
YOURS = {"name": "vault", "issuer": "vault-pki"}


def with_root_ca(names: str = "ab", **root_ca: Any) -> dict[str, Any]:
    return {**stack(names), "rootCa": {"context": "ctx-root", **root_ca}}


def cacerts(run: Run, cluster: str) -> dict[str, str]:
    """Return the contents of a cluster's Secret `cacerts`."""
    secret = run[f"Secret {cluster}-cacerts"]
    assert secret.object_name == "Secret istio-system/cacerts"
    contents: dict[str, str] = secret.inputs["stringData"]
    return contents


def changes(before: Run, after: Run) -> set[str]:
    """Return the objects that are in both runs and differ."""
    return {
        key for key in set(before.objects) & set(after.objects) if not before[key].same(after[key])
    }


@pytest.mark.parametrize("roots", [ONE_ROOT, TWO_ROOTS], ids="+".join)
@pytest.mark.parametrize("cluster", ["a", "b"])
def test_each_root_signs_a_ca_of_its_own_for_each_cluster(
    program: ProgramRunner, cluster: str, roots: list[str]
) -> None:
    run = program(with_root_ca(roots=roots))
    for root in roots:
        found = run[f"Certificate root-ca-{cluster}.{root}-certificate"]
        assert found.object_name == f"Certificate istio-root-ca/{cluster}.{root}"
        assert found.spec["isCA"] is True
        assert found.spec["secretName"] == f"{cluster}.{root}"
        assert found.spec["commonName"] == cluster
        assert found.spec["subject"]["organizationalUnits"] == [root], "no two of one name"
        assert found.spec["issuerRef"] == {"name": root, "kind": "Issuer"}
        assert found.spec["duration"] == "2160h0m0s"
        assert found.spec["renewBefore"] == "720h0m0s"
        assert found.spec["privateKey"]["rotationPolicy"] == "Always"
        assert {"cert sign", "crl sign"} <= set(found.spec["usages"])
        assert f"root-ca-{root}-issuer" in found.depends_on
    assert len(run.kind("Certificate")) == 3 * len(roots), "each root, and two clusters"


@pytest.mark.parametrize("roots", [ONE_ROOT, TWO_ROOTS], ids="+".join)
def test_a_root_signs_itself_and_keeps_its_key(program: ProgramRunner, roots: list[str]) -> None:
    run = program(with_root_ca(roots=roots))
    for root in roots:
        spec = run[f"Certificate root-ca-{root}-certificate"].spec
        assert spec["isCA"] is True
        assert spec["secretName"] == root
        assert spec["issuerRef"] == {"name": f"{root}-self-signed", "kind": "Issuer"}
        assert spec["privateKey"]["rotationPolicy"] == "Never", "all clusters trust this key"
        assert run[f"Issuer root-ca-{root}-self-signed-issuer"].spec == {"selfSigned": {}}
        assert run[f"Issuer root-ca-{root}-issuer"].spec == {"ca": {"secretName": root}}


def test_every_wait_for_cert_manager_is_bounded(full: Run) -> None:
    for key, o in full.children("root-ca").items():
        if "cert-manager.io" in o.inputs.get("apiVersion", ""):
            annotations = o.inputs["metadata"]["annotations"]
            assert annotations["pulumi.com/waitFor"] == "condition=Ready", key
            assert 0 < int(annotations["pulumi.com/timeoutSeconds"]) <= 600, key


def test_lifetimes_are_the_configured_ones(program: ProgramRunner) -> None:
    run = program(with_root_ca(namespace="ca", lifetimeDays=10, renewBeforeDays=3))
    spec = run["Certificate root-ca-a.root-ca-certificate"].spec
    assert (spec["duration"], spec["renewBefore"]) == ("240h0m0s", "72h0m0s")
    namespaces = {
        o.inputs.get("metadata", o.inputs).get("namespace", "ca")
        for o in run.children("root-ca").values()
        if not o.read
    }
    assert namespaces == {"ca"}


@pytest.mark.parametrize("roots", [ONE_ROOT, TWO_ROOTS, [YOURS]], ids=str)
def test_of_a_root_nothing_but_the_cas_below_it_is_read(
    program: ProgramRunner, roots: list[Any]
) -> None:
    run = program(with_root_ca(roots=roots))
    names = [root if isinstance(root, str) else root["name"] for root in roots]
    reads = {o.inputs["id"] for o in run.objects.values() if o.read}
    assert reads == {f"istio-root-ca/{cluster}.{root}" for cluster in "ab" for root in names}
    for name in names:
        assert issued.ca(name).key_pem.splitlines()[1] not in run.dump()


@pytest.mark.parametrize("roots", [TWO_ROOTS, TWO_ROOTS[::-1]], ids="+".join)
@pytest.mark.parametrize("cluster", ["a", "b"])
def test_the_first_of_two_roots_signs(
    program: ProgramRunner, cluster: str, roots: list[str]
) -> None:
    run = program(with_root_ca(roots=roots))
    found, signed = cacerts(run, cluster), issued.ca(f"{cluster}.{roots[0]}")
    assert found["ca-cert.pem"] == signed.pem
    assert found["ca-key.pem"] == signed.key_pem
    assert found["cert-chain.pem"] == signed.pem
    trust = run.exports["clusters"][cluster]["trust"]
    assert trust["signer"] == certificates.fingerprint(issued.ca(roots[0]).pem)


def test_two_roots_are_trusted_by_every_cluster_in_equal_bytes(program: ProgramRunner) -> None:
    runs = [program(with_root_ca(roots=roots)) for roots in (TWO_ROOTS, TWO_ROOTS[::-1])]
    (bundle,) = {cacerts(run, cluster)["root-cert.pem"] for run in runs for cluster in "ab"}
    assert certificates.fingerprints(bundle) == certificates.fingerprints(
        "".join(issued.ca(root).pem for root in TWO_ROOTS)
    )
    assert bundle.count("BEGIN CERTIFICATE") == 2


def test_a_second_root_leaves_the_first_as_it_is(program: ProgramRunner) -> None:
    before, after = (program(with_root_ca(roots=roots)) for roots in (["old"], TWO_ROOTS))
    assert set(before.objects) < set(after.objects)
    assert changes(before, after) == {"TrustPhase trust-phase"} | {
        f"Secret {cluster}-cacerts" for cluster in "ab"
    }
    new = {key for key in after.objects if key not in before.objects}
    assert all(".new" in key or "-new-" in key for key in new), new


def test_another_signer_is_picked_from_what_is_there_already(program: ProgramRunner) -> None:
    before, after = (program(with_root_ca(roots=r)) for r in (TWO_ROOTS, TWO_ROOTS[::-1]))
    assert set(before.objects) == set(after.objects), "to go back nothing has to be issued"
    assert changes(before, after) == {"TrustPhase trust-phase"} | {
        f"Secret {cluster}-cacerts" for cluster in "ab"
    }


def test_the_last_phase_removes_the_old_root_with_all_it_had(program: ProgramRunner) -> None:
    before, after = (program(with_root_ca(roots=r)) for r in (TWO_ROOTS[::-1], ["new"]))
    gone = set(before.objects) - set(after.objects)
    assert set(after.objects) < set(before.objects)
    assert all(".old" in key or "-old-" in key for key in gone), gone
    assert not [key for key in after.objects if "old" in key]


@pytest.mark.parametrize("kind", ["ClusterIssuer", "Issuer"])
def test_the_users_issuer_signs_in_place_of_a_root_made_here(
    program: ProgramRunner, kind: str
) -> None:
    run = program(with_root_ca(roots=[{**YOURS, "kind": kind}]))
    assert not run.kind("Issuer"), "not even a self-signed one"
    assert set(run.kind("Certificate")) == {
        f"Certificate root-ca-{cluster}.vault-certificate" for cluster in "ab"
    }
    for certificate in run.kind("Certificate").values():
        assert certificate.spec["issuerRef"] == {"name": "vault-pki", "kind": kind}
        assert "root-ca-namespace" in certificate.depends_on


def test_a_root_made_here_can_take_the_place_of_the_users_issuer(program: ProgramRunner) -> None:
    run = program(with_root_ca(roots=["mine", YOURS]))
    assert cacerts(run, "a")["ca-cert.pem"] == issued.ca("a.mine").pem
    assert certificates.fingerprints(cacerts(run, "a")["root-cert.pem"]) == sorted(
        certificates.fingerprint(issued.ca(root).pem) for root in ("mine", "vault")
    )


def test_cert_manager_is_installed_only_when_asked_for(program: ProgramRunner) -> None:
    run = program(with_root_ca())
    assert not [key for key in run.objects if "cert-manager" in key]
    assert "root-ca-namespace" in run["Issuer root-ca-root-ca-self-signed-issuer"].depends_on


def chart(run: Run) -> Mapping[str, Any]:
    found = run["Chart root-ca-cert-manager"]
    assert found.object_name == "Chart cert-manager/cert-manager"
    assert found.provider == "root_ca"
    assert "root-ca-cert-manager-namespace" in found.depends_on
    namespace = run["Namespace root-ca-cert-manager-namespace"]
    assert namespace.inputs["metadata"]["name"] == "cert-manager"
    return found.inputs


def test_cert_manager_comes_with_its_crds(program: ProgramRunner) -> None:
    inputs = chart(program(with_root_ca(certManager=True)))
    assert inputs["chart"] == "cert-manager"
    assert inputs["fetch_opts"] == {"repo": "https://charts.jetstack.io"}
    assert inputs["version"] == "v1.18.2"
    assert inputs["values"] == {
        "crds": {"enabled": True},
        "global": {"leaderElection": {"namespace": "cert-manager"}},
        "startupapicheck": {"enabled": False},
    }


def test_cert_managers_crds_are_not_rendered_where_they_are(try_program: ProgramRunner) -> None:
    there = {name: Crd("X", None) for name in CERT_MANAGER.names}

    def look(kubectl: Kubectl, *_: object) -> Seen:
        return Seen(f"uid of {kubectl.context}", crds=there)

    run = try_program(with_root_ca(certManager=True), look=look)
    assert chart(run)["values"]["crds"] == {"enabled": False}
    assert run["Crds root-ca-cert-manager-crds"].inputs["manifest"] == ""


def test_cert_manager_is_the_one_that_the_user_names(program: ProgramRunner) -> None:
    values = {"replicaCount": 2, "crds": {"keep": False}}
    named = {"version": "v9", "repository": "oci://mirror.example/charts", "values": values}
    inputs = chart(program(with_root_ca(certManager=named)))
    assert (inputs["chart"], inputs["version"]) == (
        "oci://mirror.example/charts/cert-manager",
        "v9",
    )
    assert inputs["values"]["replicaCount"] == 2
    assert inputs["values"]["crds"] == {"enabled": True, "keep": False}


def test_the_users_issuer_is_asked_once_cert_manager_answers(program: ProgramRunner) -> None:
    run = program(with_root_ca(roots=[YOURS], certManager=True))
    for certificate in run.kind("Certificate").values():
        assert "root-ca-cert-manager-ready" in certificate.depends_on


def test_without_a_list_nothing_is_made_for_one(program: ProgramRunner) -> None:
    run = program(with_root_ca())
    assert not run.kind("RevocationList")
    assert not run.kind("Revocation")
    for cluster in "ab":
        assert "ca-crl.pem" not in cacerts(run, cluster)
        for gateway in ("ingressgateway", "egressgateway"):
            values = run[f"Chart {cluster}-{gateway}"].inputs["values"]
            assert "podAnnotations" not in values


@pytest.mark.parametrize("roots", [ONE_ROOT, TWO_ROOTS], ids="+".join)
def test_an_empty_list_is_handed_to_every_cluster(program: ProgramRunner, roots: list[str]) -> None:
    run = program(with_root_ca(roots=roots, revoked=[]))
    secrets = [*roots, *(f"{cluster}.{root}" for cluster in "ab" for root in roots)]
    made = run["RevocationList root-ca-revocation-list"].inputs
    assert made["signers"] == {secret: issued.ca(secret).pem for secret in secrets}, (
        "Envoy wants one of each CA of a chain"
    )
    assert made["revoked"] == []
    assert made["namespace"] == "istio-root-ca"
    assert (made["context"], made["kubeconfig"]) == ("ctx-root", "kubeconfig")
    for cluster in "ab":
        assert cacerts(run, cluster)["ca-crl.pem"] == issued.crls(secrets, [])
        waited = run[f"Revocation {cluster}-revocation"].inputs
        assert waited["crl"] == issued.crls(secrets, [])
        assert waited["context"] == f"ctx-{cluster}"


def test_a_revoked_cluster_is_on_the_list_and_is_not_told(program: ProgramRunner) -> None:
    run = program(with_root_ca("abc", revoked=["c0ffee", issued.serial("b.root-ca")]))
    serials = sorted([issued.serial("b.root-ca"), "c0ffee"])
    made = run["RevocationList root-ca-revocation-list"].inputs
    assert made["revoked"] == serials
    for cluster in "ac":
        lists = cacerts(run, cluster)["ca-crl.pem"]
        assert certificates.revoked(lists) == serials
        assert run[f"Revocation {cluster}-revocation"].inputs["crl"] == lists
    assert "ca-crl.pem" not in cacerts(run, "b"), "it would only stop trusting itself"
    assert run["Revocation b-revocation"].inputs["crl"] == ""


def test_only_another_set_of_revoked_cas_restarts_gateways(program: ProgramRunner) -> None:
    lists: tuple[list[str], ...] = ([], ["0a"], ["0a", "0b"], ["0B", "0A"])
    runs = [program(with_root_ca(revoked=revoked)) for revoked in lists]
    told = [
        {
            json.dumps(o.inputs["values"]["podAnnotations"])
            for key, o in run.kind("Chart").items()
            if key.endswith("gateway")
        }
        for run in runs
    ]
    assert all(len(annotations) == 1 for annotations in told), "all gateways of all clusters"
    none, one, two, again = (annotations.pop() for annotations in told)
    assert len({none, one, two}) == 3
    assert two == again
    assert changes(runs[2], runs[3]) == set()


def test_the_image_that_signs_is_the_configured_one(program: ProgramRunner) -> None:
    run = program(with_root_ca(revoked=[], opensslImage="r.example/openssl@sha256:1"))
    made = run["RevocationList root-ca-revocation-list"].inputs
    assert made["image"] == "r.example/openssl@sha256:1"


def test_a_preview_knows_what_to_refuse_before_any_list_is_signed(full: Run) -> None:
    guard = full["TrustPhase trust-phase"]
    assert "root-ca-a.root-ca" in guard.depends_on
    assert "root-ca-revocation-list" not in guard.depends_on
