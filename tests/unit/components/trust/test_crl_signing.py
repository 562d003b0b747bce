"""Revocation lists: the Job that signs them, run here by `sh` and `openssl`; what is kept."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from components.kubectl import Kubectl, KubectlError
from components.model import CaCerts
from components.trust import cert_chains, certificates, crl_signing
from components.trust.crl_signing import RevocationListHandler, job_manifest, script
from tests.support import pki
from tests.unit.support import issued
from tests.unit.support.fake_clock import FakeClock

HANDLER = RevocationListHandler()
SECRETS = ("new", "old", "a.new", "a.old", "b.new", "b.old")
NOW = datetime.now(UTC)

needs_openssl = pytest.mark.skipif(
    not (shutil.which("sh") and shutil.which("openssl")), reason="openssl is not installed"
)


def props(revoked: Sequence[str] = (), secrets: Sequence[str] = SECRETS) -> dict[str, Any]:
    return {
        "namespace": "istio-root-ca",
        "image": "r.example/openssl@sha256:1",
        "signers": {secret: issued.ca(secret).pem for secret in secrets},
        "revoked": list(revoked),
        "kubeconfig": None,
        "context": "ctx-root",
    }


def facts(properties: Mapping[str, Any]) -> dict[str, certificates.Facts]:
    return {name: certificates.facts(pem)[0] for name, pem in properties["signers"].items()}


def manifest(revoked: Sequence[str] = (), secrets: Sequence[str] = SECRETS) -> dict[str, Any]:
    made = props(revoked, secrets)
    return job_manifest(made, facts(made))


def pod(job: Mapping[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]


def test_the_job_is_as_restricted_as_the_keys_deserve() -> None:
    job = manifest()
    spec = pod(job)
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["runAsGroup"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(spec)
    assert (spec["restartPolicy"], job["spec"]["backoffLimit"]) == ("Never", 0)
    assert job["spec"]["activeDeadlineSeconds"] == crl_signing.DEADLINE_SECONDS
    assert container["image"] == "r.example/openssl@sha256:1"
    assert job["metadata"]["namespace"] == "istio-root-ca"


def test_the_job_sees_the_signers_secrets_and_writes_to_memory_only() -> None:
    spec = pod(manifest(secrets=("root-ca", "a.root-ca")))
    (container,) = spec["containers"]
    by_volume = {volume["name"]: volume for volume in spec["volumes"]}
    assert len(by_volume) == len(container["volumeMounts"]) == 3
    for mount in container["volumeMounts"]:
        volume = by_volume[mount["name"]]
        if mount["mountPath"] == "/work":
            assert volume["emptyDir"] == {"medium": "Memory"}, "nothing on a disk"
        else:
            assert mount["mountPath"] == f"/ca/{volume['secret']['secretName']}"
            assert mount["readOnly"] is True
    for name in by_volume:
        assert "." not in name, "the name of a volume is a label, that of a Secret has a dot"
    assert "PRIVATE KEY" not in json.dumps(spec)


def run_script(
    job: Mapping[str, Any], directory: Path, files: Mapping[str, Mapping[str, str]]
) -> subprocess.CompletedProcess[str]:
    """Run the Job's container here; its output is one stream, as `kubectl logs` has it.

    Args:
        job: the manifest.
        directory: stands for the container's root directory.
        files: name of each Secret to its files.
    """
    (container,) = pod(job)["containers"]
    assert container["command"] == ["sh", "-c", script()]
    (directory / "work").mkdir()
    for name, contents in files.items():
        (directory / "ca" / name).mkdir(parents=True)
        for file, text in contents.items():
            (directory / "ca" / name / file).write_text(text)
    text = script().replace("/ca/", f"{directory}/ca/").replace("/work", f"{directory}/work")
    env = {item["name"]: item["value"] for item in container["env"]}
    return subprocess.run(
        ["sh", "-c", text],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **env},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def files_of(secrets: Sequence[str]) -> dict[str, dict[str, str]]:
    return {
        name: {"tls.crt": issued.ca(name).pem, "tls.key": issued.ca(name).key_pem}
        for name in secrets
    }


REVOKED = (issued.serial("b.old"), "c0ffe")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the Job prints, in the middle of a rotation."""
    if not (shutil.which("sh") and shutil.which("openssl")):
        pytest.skip("openssl is not installed")
    done = run_script(manifest(REVOKED), tmp_path_factory.mktemp("job"), files_of(SECRETS))
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def signed(log: str) -> dict[str, str]:
    """The list of each CA."""
    return crl_signing._parse(log)


def test_nothing_is_printed_that_could_get_into_a_list(log: str) -> None:
    for text in cert_chains.pem_crls(log):
        log = log.replace(text, "")
    assert log.splitlines() == [f"== {secret}" for secret in SECRETS]


@pytest.mark.parametrize("secret", SECRETS)
def test_each_ca_signs_a_list_that_is_valid_as_long_as_itself(
    signed: dict[str, str], secret: str
) -> None:
    ca = issued.ca(secret).certificate
    text = signed[secret]
    crl = x509.load_pem_x509_crl(text.encode())
    assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
    assert crl.issuer == ca.subject
    assert crl.last_update_utc == ca.not_valid_before_utc
    assert crl.next_update_utc == ca.not_valid_after_utc
    assert crl.signature_hash_algorithm is not None
    assert crl.signature_hash_algorithm.name == "sha256"
    serials = {f"{entry.serial_number:x}" for entry in crl}
    assert serials == (set() if "." in secret else set(REVOKED)), "cluster CAs are what is revoked"


def test_the_lists_are_those_that_istiod_and_peers_want(signed: dict[str, str]) -> None:
    assert set(signed) == set(SECRETS)
    for secret in ("a.old", "b.new"):
        ca, root = issued.ca(secret), issued.ca(secret[2:])
        files = CaCerts(ca.pem, ca.key_pem, ca.pem, root.pem, "".join(signed.values()))
        assert certificates.problems(files, NOW, path_length=False) == []


@pytest.mark.parametrize(
    ("secret", "good"), [("a.old", True), ("b.old", False), ("a.new", True), ("b.new", True)]
)
def test_a_certificate_below_a_revoked_ca_is_refused(
    signed: dict[str, str], tmp_path: Path, secret: str, good: bool
) -> None:
    leaf = pki.make("leaf", issued.ca(secret), ca=False, usages=["digital_signature"])
    files = {
        "roots": issued.ca("old").pem + issued.ca("new").pem,
        "crls": "".join(signed.values()),
        "cas": issued.ca(secret).pem,
        "leaf": leaf.pem,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = ["openssl", "verify", "-crl_check_all", "-CAfile", "roots", "-CRLfile", "crls"]
    done = subprocess.run(
        [*command, "-untrusted", "cas", "leaf"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode == 0) is good, done.stderr
    assert ("revoked" in done.stderr) is not good


@needs_openssl
def test_an_empty_list_is_signed_too(tmp_path: Path) -> None:
    secrets = ("root-ca", "a.root-ca")
    done = run_script(manifest((), secrets), tmp_path, files_of(secrets))
    lists = crl_signing._parse(done.stdout)
    assert set(lists) == set(secrets)
    assert certificates.revoked("".join(lists.values())) == []


@needs_openssl
@pytest.mark.parametrize("broken", ["tls.key", "tls.crt"])
def test_a_ca_that_cannot_sign_fails_the_job_and_says_why(tmp_path: Path, broken: str) -> None:
    files = files_of(("root-ca", "a.root-ca"))
    files["a.root-ca"][broken] = "nothing\n"
    done = run_script(manifest((), tuple(files)), tmp_path, files)
    assert done.returncode != 0
    assert "unable to load" in done.stdout.lower() or "could not" in done.stdout.lower()
    assert "PRIVATE" not in done.stdout


def printed(lists: Mapping[str, str]) -> str:
    return "".join(f"== {name}\n{text}" for name, text in lists.items())


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Job that signs what it is asked to."""

    def run(
        _handler: object, _kubectl: object, properties: dict[str, Any], signers: Iterable[str]
    ) -> str:
        revoked = tuple(properties["revoked"])
        return printed({name: issued.crl(name, revoked) for name in signers})

    monkeypatch.setattr(RevocationListHandler, "run_job", run)


@pytest.mark.usefixtures("job")
def test_all_lists_make_one_file_in_an_order_of_its_own() -> None:
    state = HANDLER.create(props(["0a"])).outs
    assert certificates.revoked(state["crl"]) == ["a"]
    assert sorted(cert_chains.pem_crls(state["crl"])) == sorted(state["lists"].values())
    assert len(state["lists"]) == len(SECRETS)
    backwards = HANDLER.create(props(["0a"], SECRETS[::-1])).outs
    assert backwards["crl"] == state["crl"]


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("ends", "kept"), [(NOW + timedelta(days=1), True), (NOW - timedelta(days=1), False)]
)
def test_the_list_of_a_former_ca_stays_until_it_ends(ends: datetime, kept: bool) -> None:
    secrets = ("root-ca", "a.root-ca")
    former = pki.make("a", issued.ca("root-ca"), end=NOW + timedelta(days=1))
    last = pki.crl(former, begin=NOW - timedelta(days=9), end=ends)
    state = HANDLER.create(props((), secrets)).outs
    mine = certificates.fingerprint(former.pem)
    olds = {**state, "lists": {**state["lists"], mine: last}}
    news = HANDLER.update("id", olds, props((), secrets)).outs
    assert (last in news["crl"]) is kept
    assert (news["lists"].get(mine) == last) is kept
    for secret in secrets:
        assert issued.crl(secret, ()) in news["crl"]


@pytest.mark.usefixtures("job")
def test_the_list_of_a_ca_is_not_kept_beside_a_newer_one_of_its_own() -> None:
    state = HANDLER.create(props(["0a"])).outs
    news = HANDLER.update("id", state, props(["0a", "0b"])).outs
    assert certificates.revoked(news["crl"]) == ["a", "b"]
    assert len(cert_chains.pem_crls(news["crl"])) == len(SECRETS)
    fewer = HANDLER.update("id", news, props([])).outs
    assert certificates.revoked(fewer["crl"]) == [], "what is trusted again"


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({}, False),
        ({"revoked": ["0a"]}, True),
        ({"signers": {"old": issued.ca("old").pem}}, True),
        ({"image": "another"}, False),
    ],
)
def test_lists_are_signed_anew_only_for_another_ca_or_another_entry(
    change: dict[str, Any], changes: bool
) -> None:
    state = {**props(), "lists": {}, "crl": ""}
    assert HANDLER.diff("id", state, {**props(), **change}).changes is changes


class Cluster(Kubectl):
    """A kubectl for a cluster where the Job ends in some way."""

    def __init__(self, *states: dict[str, Any] | None, logs: str = "") -> None:
        super().__init__(None, "ctx-root")
        self.states = list(states)
        self.printed = logs
        self.verbs: list[str] = []
        self.created: dict[str, Any] = {}

    def _run(self, verb: str, *args: str, stdin: str | None = None) -> str:
        self.verbs.append(verb)
        if verb == "create":
            self.created = json.loads(stdin or "")
        else:
            assert args[args.index("-n") + 1] == "istio-root-ca"
            assert "revocation-list" in args[args.index("-n") - 1]
        if verb == "get":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return "" if state is None else json.dumps({"status": state})
        return self.printed if verb == "logs" else ""


def run_job(cluster: Cluster) -> str:
    made = props()
    return RevocationListHandler(FakeClock()).run_job(cluster, made, facts(made))


def test_a_job_that_was_left_over_goes_first_and_ours_goes_after() -> None:
    cluster = Cluster({}, {"active": 1}, {"succeeded": 1}, logs="signed")
    assert run_job(cluster) == "signed"
    assert cluster.verbs == ["delete", "create", "get", "get", "get", "logs", "delete"]
    assert cluster.created == manifest() | {"spec": cluster.created["spec"]}, (
        "what is created is the Job"
    )
    assert pod(cluster.created)["volumes"] == pod(manifest())["volumes"]


def test_a_job_that_fails_is_an_error_with_what_it_said() -> None:
    cluster = Cluster({"active": 1}, {"failed": 1}, logs="Could not read key from /ca/old/tls.key")
    with pytest.raises(KubectlError) as caught:
        run_job(cluster)
    text = str(caught.value)
    assert "Job istio-root-ca/revocation-list in context 'ctx-root' signed no" in text
    assert "Could not read key from /ca/old/tls.key" in text
    assert cluster.verbs[-1] == "logs", "its pods stay for a look at them"


def test_a_job_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crl_signing, "DEADLINE_SECONDS", -10)
    with pytest.raises(KubectlError, match="did not end in .* rootCa.opensslImage"):
        run_job(Cluster({"active": 1}))


def test_a_job_that_somebody_deletes_is_not_waited_for() -> None:
    with pytest.raises(KubectlError, match="somebody has deleted Job istio-root-ca/revocation-l"):
        run_job(Cluster({"active": 1}, None))
