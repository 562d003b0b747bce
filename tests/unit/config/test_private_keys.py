"""A private key gets into the wrong place of a stack file sooner or later: no message shows it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from config.problems import REDACTED, Problems, redact
from config.reader import Section
from tests.support import pki
from tests.unit.config.test_own_certificates import CAS, in_stack_file
from tests.unit.config.test_root_ca import cert_manager
from tests.unit.support.parsing import PROJECT, mistakes, parse, with_keys

KEY = CAS["a"].key_pem
BODY = KEY.splitlines()[1]
ENCODED = base64.b64encode(KEY.encode()).decode()
WRONG = [KEY, KEY.strip(), KEY.replace("-----", "", 1), "x" + KEY, ENCODED, BODY, [KEY], {"k": KEY}]


def leaks(messages: list[str]) -> bool:
    text = "\n".join(messages).replace("\\n", "")
    parts = [BODY[i : i + 16] for i in range(0, len(BODY) - 16, 16)]
    parts += [ENCODED[i : i + 16] for i in range(0, len(ENCODED) - 16, 16)]
    return "BEGIN" in text or any(part in text for part in parts)


class TestWrongPlace:
    """A key that is written where it does not belong."""

    @pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
    @pytest.mark.parametrize("key", ["caCert", "caKey", "certChain", "rootCert", "caCrl", "caKye"])
    def test_in_place_of_another_value(self, workdir: Path, key: str, value: Any) -> None:
        root_ca = in_stack_file(**{key: value})
        if key == "caKey" and value in (KEY, KEY.strip()):
            assert parse(workdir, with_keys(rootCa=root_ca)), "this is its place"
            return
        assert not leaks(mistakes(workdir, with_keys(rootCa=root_ca)))

    @pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
    def test_in_place_of_a_mapping(self, workdir: Path, value: Any) -> None:
        assert not leaks(mistakes(workdir, with_keys(rootCa={"certificates": value})))
        assert not leaks(
            mistakes(workdir, with_keys(rootCa={"certificates": {"a": value, "b": {}}}))
        )

    # The body alone looks like any other text; there, only the first lock helps.
    @pytest.mark.parametrize("value", [v for v in WRONG if v != BODY])
    @pytest.mark.parametrize(
        "key",
        ["context", "directory", "namespace", "roots", "lifetimeDays", "certManager", "revoked"],
    )
    def test_where_it_has_no_business(self, workdir: Path, key: str, value: Any) -> None:
        if key == "directory":
            assert not leaks(mistakes(workdir, with_keys(rootCa={key: value})))
        else:
            assert not leaks(mistakes(workdir, with_keys(rootCa=cert_manager(**{key: value}))))
        assert not leaks(mistakes(workdir, with_keys(rootCa=value)))

    def test_as_a_file_of_the_directory(self, workdir: Path) -> None:
        pki.write(workdir / "pki", "ab")
        for file in ("ca-cert.pem", "cert-chain.pem", "root-cert.pem", "ca-crl.pem"):
            (workdir / "pki/a" / file).write_text(KEY)
        assert not leaks(mistakes(workdir, with_keys(rootCa={"directory": "pki"})))


class TestLocks:
    """What keeps it out of messages."""

    def test_a_secret_section_shows_no_value_whatever_is_asked_of_it(self) -> None:
        problems = Problems(PROJECT)
        keys = ("text", "choice", "integer", "items", "section", "sections", "member", "secret")
        section = Section(dict.fromkeys(keys, {1: "hidden"}), "s", problems, secret=True)
        section.text("text")
        section.choice("choice", "x", ["x"])
        section.integer("integer", 1, low=1, high=2)
        section.items("items")
        section.section("section").text("1", pattern="x")
        section.sections("sections")
        section.member("member", ["x"], required="", whole="all")
        section.secret_text("secret")
        Section({"mapping": "hidden"}, "s", problems, secret=True).mapping("mapping")
        Section(["hidden"], "s", problems, secret=True)
        assert len(problems.messages) == 10
        assert "hidden" not in "".join(problems.messages)

    @pytest.mark.parametrize(
        ("text", "left"),
        [
            (f"a {KEY} b", f"a {REDACTED}\n b"),
            (f"a {KEY!r} b", f"a '{REDACTED}\\n' b"),
            (f"a '{ENCODED}' b", f"a '{REDACTED}' b"),
            (f"a '{ENCODED[:64]} {ENCODED[64:]}' b", f"a '{REDACTED}' b"),
            ("-----BEGIN RSA PRIVATE KEY-----\nabc", REDACTED),
            (CAS["a"].pem, CAS["a"].pem),
            ("nothing of that kind", "nothing of that kind"),
        ],
    )
    def test_the_second_lock(self, text: str, left: str) -> None:
        assert redact(text) == left

    def test_what_is_redacted_leaves_the_fix(self) -> None:
        problems = Problems(PROJECT)
        problems.add("a.b", f"{KEY[:90]!r} is not valid", "give a string")
        assert problems.messages == [f"a.b: '{REDACTED}; give a string"]
