"""Certificates of the user's own PKI, from files and from the stack file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import pki
from tests.support.pki import Ca, make
from tests.unit.config.test_root_ca import FILES, mistakes, parse
from tests.unit.support.stacks import write_kubeconfig

SECRET = "pulumi config set --path --secret istio-multicluster:rootCa.certificates"
ROOT = make("root")
CAS = {name: make(name, ROOT, path_length=0) for name in "ab"}


MISTAKES: list[tuple[Any, list[str]]] = [
    (
        {"directory": "pki", "roots": ["x"], "lifetimeDays": 1},
        [
            f"rootCa.{key}: means nothing beside `directory`: it is for cert-manager; "
            "remove it, or use `context`"
            for key in ("roots", "lifetimeDays")
        ],
    ),
    (
        {"directory": "half"},
        [
            f"rootCa.directory: DIR/half/b/{file} cannot be read (No such file or directory); "
            f"rootCa.directory needs {FILES} for each cluster"
            for file in FILES.split(", ")
        ],
    ),
    (
        {"directory": "no-text"},
        [
            "rootCa.directory: DIR/no-text/a/ca-crl.pem cannot be read (it is not a PEM file); "
            f"rootCa.directory needs {FILES} for each cluster",
            "rootCa.directory: DIR/no-text/b/ca-crl.pem cannot be read (Is a directory); "
            f"rootCa.directory needs {FILES} for each cluster",
        ],
    ),
    (
        {"directory": "expired"},
        [
            "rootCa.directory: DIR/expired/b/ca-cert.pem expired on 2020-01-02 00:00 UTC; "
            "issue it again"
        ],
    ),
    (
        {"directory": "two-roots"},
        [
            "rootCa.directory: DIR/two-roots/b/root-cert.pem differs from that of 'a', "
            "to which 'b' is linked; linked clusters need one root of trust"
        ],
    ),
    (
        {"directory": "shared"},
        [
            "rootCa.directory: DIR/shared/b/ca-cert.pem has the same key as that of 'a', so each "
            "could pass for the other; issue a CA with a key of its own for each cluster"
        ],
    ),
    # The stack file.
    (
        {"certificates": {}},
        [
            f"rootCa.certificates.{name}: is missing; "
            f"set caCert, caKey, certChain, rootCert with `{SECRET}.{name}.KEY < FILE`"
            for name in "ab"
        ],
    ),
    (
        {"certificates": {"a": {"caKye": "x"}, "b": None, "c": {}}},
        [
            *(
                f"rootCa.certificates.a.{key}: is missing; set it with `{SECRET}.a.{key} < {file}`"
                for key, file in (
                    ("caCert", "ca-cert.pem"),
                    ("caKey", "ca-key.pem"),
                    ("certChain", "cert-chain.pem"),
                    ("rootCert", "root-cert.pem"),
                )
            ),
            "rootCa.certificates.a.caKye: is an unknown key; did you mean 'caKey'?",
            "rootCa.certificates.b: is missing; "
            f"set caCert, caKey, certChain, rootCert with `{SECRET}.b.KEY < FILE`",
            "rootCa.certificates.c: is an unknown key; known: a, b",
        ],
    ),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project")
    write_kubeconfig(path / "kubeconfig", ["ctx-root", "ctx-b", "ctx-a"])
    for name in ("pki", "no-text", "lists"):
        for cluster, ca in CAS.items():
            pki.write_one(path / name / cluster, ca, ROOT)
    pki.write_one(path / "half" / "a", CAS["a"], ROOT)
    (path / "no-text/a/ca-crl.pem").write_bytes(b"\xff")
    (path / "no-text/b/ca-crl.pem").mkdir()
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
    old = make("b", ROOT, path_length=0, begin=begin, end=end)
    shared = make("b", ROOT, path_length=0, key=CAS["a"].key)
    other = make("root")
    for name, ca, root in (
        ("expired", old, ROOT),
        ("two-roots", make("b", other, path_length=0), other),
        ("shared", shared, ROOT),
    ):
        pki.write_one(path / name / "a", CAS["a"], ROOT)
        pki.write_one(path / name / "b", ca, root)
    return path


def written(**changes: Any) -> dict[str, Any]:
    """Return `rootCa` with certificates; the changes are to those of `a`."""
    return {
        "certificates": {
            "a": {**in_stack_file(CAS["a"]), **changes},
            "b": in_stack_file(CAS["b"]),
        }
    }


def in_stack_file(ca: Ca, root: Ca = ROOT) -> dict[str, str]:
    return {"caCert": ca.pem, "caKey": ca.key_pem, "certChain": ca.pem, "rootCert": root.pem}


@pytest.mark.parametrize(("root_ca", "messages"), MISTAKES, ids=[m[1][0][:60] for m in MISTAKES])
def test_the_message_has_path_value_and_fix(
    root_ca: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, root_ca) == messages


def test_both_ways_give_the_same(directory: Path) -> None:
    files = parse(directory, {"directory": "pki", "warnDays": 3})
    stack_file = parse(directory, {**written(), "warnDays": 3})
    assert files == stack_file
    assert files.warn_days == 3
    assert files.root_ca is None
    assert files.clusters["a"].cacerts.ca_key == CAS["a"].key_pem
    assert files.clusters["b"].cacerts.ca_crl is None


def test_neither_shows_a_key_when_printed(directory: Path) -> None:
    for root_ca in ({"directory": "pki"}, written()):
        settings = parse(directory, root_ca)
        assert CAS["a"].pem.splitlines()[1] in repr(settings).replace("\\n", "\n")
        assert "PRIVATE KEY" not in repr(settings)
        assert CAS["a"].key_pem.splitlines()[1] not in repr(settings)


def test_revocation_lists(directory: Path) -> None:
    lists = pki.crl(ROOT) + "".join(map(pki.crl, CAS.values()))
    for name in CAS:
        (directory / "lists" / name / "ca-crl.pem").write_text(lists)
    files = parse(directory, {"directory": "lists"})
    both = {"certificates": {n: {**in_stack_file(c), "caCrl": lists} for n, c in CAS.items()}}
    assert files == parse(directory, both)
    assert files.clusters["a"].cacerts.ca_crl == lists


def test_a_newline_that_the_shell_has_dropped_is_put_back(directory: Path) -> None:
    stripped = written(**{k: v.strip() for k, v in in_stack_file(CAS["a"]).items()})
    assert parse(directory, stripped) == parse(directory, written())


def test_roots_may_differ_where_there_is_no_link(directory: Path) -> None:
    settings = parse(directory, {"directory": "two-roots"}, links=[])
    assert settings.clusters["b"].cacerts


def test_roots_are_a_set(directory: Path) -> None:
    other = make("other")
    one, two = ROOT.pem + other.pem, other.pem + ROOT.pem + other.pem
    root_ca = written(rootCert=one)
    root_ca["certificates"]["b"]["rootCert"] = two
    assert parse(directory, root_ca)
    root_ca["certificates"]["b"]["rootCert"] = ROOT.pem
    assert mistakes(directory, root_ca) == [
        "rootCa.certificates.b.rootCert: differs from that of 'a', to which 'b' is linked; "
        "linked clusters need one root of trust"
    ]


def test_each_file_has_its_own_key_in_messages(directory: Path) -> None:
    names = ("caCert", "caKey", "certChain", "rootCert", "caCrl")
    found = mistakes(directory, written(**dict.fromkeys(names, "some text")))
    assert [message.partition(": ")[0] for message in found] == [
        f"rootCa.certificates.a.{key}"
        for key in ("caCert", "certChain", "rootCert", "caKey", "caCrl")
    ]


@pytest.mark.parametrize("blank", ["", " \n", None])
def test_a_blank_is_as_good_as_nothing(directory: Path, blank: Any) -> None:
    assert mistakes(directory, written(caKey=blank)) == [
        f"rootCa.certificates.a.caKey: is missing; set it with `{SECRET}.a.caKey < ca-key.pem`"
    ]
    assert parse(directory, written(caCrl=blank)).clusters["a"].cacerts.ca_crl is None


def test_what_cannot_be_read_is_not_compared(directory: Path) -> None:
    lines = ROOT.pem.splitlines()
    torn = "\n".join((lines[0], "AAAAA", lines[-1]))
    assert mistakes(directory, written(rootCert=torn, caCert=torn)) == [
        f"rootCa.certificates.a.{key}: holds a certificate that cannot be read; "
        "put it there anew, as PEM"
        for key in ("caCert", "rootCert")
    ]


def test_a_path_length_is_insisted_on(directory: Path) -> None:
    ca = make("a", ROOT)
    assert mistakes(directory, written(**in_stack_file(ca))) == [
        "rootCa.certificates.a.caCert: has no path length; "
        "issue it with pathlen:0, as it signs workloads' only"
    ]


def test_a_shared_key_is_told_for_a_renewed_certificate_too(directory: Path) -> None:
    ca = make("b", ROOT, path_length=0, key=CAS["a"].key, end=datetime.now(UTC) + timedelta(9))
    root_ca = written()
    root_ca["certificates"]["b"] = in_stack_file(ca)
    (found,) = mistakes(directory, root_ca, links=[])
    assert found.startswith("rootCa.certificates.b.caCert: has the same key as that of 'a'")
