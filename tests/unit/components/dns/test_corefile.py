"""The edit of the cluster's DNS: what is put in can be taken out, to the byte."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from components.dns import corefile

ADDRESS = "10.96.7.7"
KUBEADM = ".:53 {\n    errors\n    forward . /etc/resolv.conf\n}\n"
AWKWARD = {
    "kubeadm's": KUBEADM,
    "empty": "",
    "no newline at the end": KUBEADM.rstrip("\n"),
    "only newlines": "\n\n\n",
    "CRLF": KUBEADM.replace("\n", "\r\n"),
    "tabs, trailing blanks, other scripts": "\t.:53 {  \n# Größe \N{SNOWMAN}\n}  ",
    "our first marker alone": f"{corefile.BEGIN}\n{KUBEADM}",
    "our last marker alone": f"{corefile.END}\n{KUBEADM}",
    "our markers the wrong way round": f"{corefile.END}\n{KUBEADM}{corefile.BEGIN}\n",
    "our first marker at the very end": KUBEADM + corefile.BEGIN,
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_taking_the_block_out_gives_back_every_byte(text: str) -> None:
    edited = corefile.with_stub_server(text, ADDRESS)
    assert f"forward . {ADDRESS}" in edited
    assert edited.endswith(text)
    assert corefile.without_stub_server(edited) == text


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_a_text_without_our_block_is_left_alone(text: str) -> None:
    assert corefile.without_stub_server(text) == text


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_editing_twice_is_editing_once(text: str) -> None:
    once = corefile.with_stub_server(text, "10.0.0.1")
    assert corefile.with_stub_server(once, "10.0.0.1") == once
    assert corefile.with_stub_server(once, ADDRESS) == corefile.with_stub_server(text, ADDRESS)


def test_what_others_write_around_the_block_stays() -> None:
    edited = corefile.with_stub_server(KUBEADM, ADDRESS)
    theirs = f"# theirs\n{edited}example:53 {{\n}}\n"
    assert corefile.without_stub_server(theirs) == f"# theirs\n{KUBEADM}example:53 {{\n}}\n"


def test_what_others_write_into_the_block_goes_with_it() -> None:
    edited = corefile.with_stub_server(KUBEADM, ADDRESS).replace("cache 30", "cache 5\n    log")
    assert corefile.without_stub_server(edited) == KUBEADM


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="saved with CRLF"),
        pytest.param(
            lambda text: (
                text.removeprefix(corefile.stub_server(ADDRESS))
                + corefile.stub_server(ADDRESS).rstrip("\n")
            ),
            id="moved to the end, no newline",
        ),
    ],
)
def test_the_block_is_never_there_twice(change: Callable[[str], str]) -> None:
    theirs = change(corefile.with_stub_server(KUBEADM, ADDRESS))
    again = corefile.with_stub_server(theirs, ADDRESS)
    assert again.count("remote:53 {") == 1, "CoreDNS refuses a zone that is defined twice"


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"corp": ["10.0.0.2"]}', '{ "corp" :\n ["10.0.0.2" ] }\r\n', '{"Remote": []}'],
)
def test_stub_domains_without_ours_come_back_as_they_are(text: str) -> None:
    assert corefile.without_stub_domain(text) == text


@pytest.mark.parametrize("text", ["{}", '{"corp": ["10.0.0.2"]}'])
def test_taking_the_stub_domain_out_gives_back_the_others(text: str) -> None:
    edited = corefile.with_stub_domain(text, ADDRESS)
    assert json.loads(edited) == {**json.loads(text), "remote": [ADDRESS]}
    assert corefile.without_stub_domain(edited) == text


def test_an_empty_stub_domains_can_be_edited() -> None:
    assert json.loads(corefile.with_stub_domain("", ADDRESS)) == {"remote": [ADDRESS]}


def test_another_address_takes_the_place_of_the_old() -> None:
    once = corefile.with_stub_domain("{}", "10.0.0.1")
    assert json.loads(corefile.with_stub_domain(once, ADDRESS)) == {"remote": [ADDRESS]}


def test_unlinked_names_do_not_exist_and_all_others_are_forwarded() -> None:
    text = corefile.server_config()
    remote = text.partition("remote:1053 {")[2].partition("\n}\n")[0]
    assert "rcode NXDOMAIN" in remote
    assert text.startswith("import /etc/coredns-zones/*.server\n")
    rest = text.partition("\n.:1053 {")[2]
    assert "forward . /etc/resolv.conf" in rest
    for gone in ("upstream", "proxy "):
        assert gone not in text, "not a plugin of today's CoreDNS"


def test_a_linked_zone_answers_a_and_nothing_else() -> None:
    text = corefile.zone_server("b", "240.0.0.1", {})
    assert "AAAA" not in text
    first, second = text.index("template IN A {"), text.index("template ANY ANY {")
    assert first < second, "the first template that matches answers"
    assert "NXDOMAIN" not in text
    assert text.count("{\n") == text.count("}\n")


def test_a_linked_zone_answers_aaaa_where_there_is_an_address_for_it() -> None:
    text = corefile.zone_server("b", "240.0.0.1", {}, address6="100::1")
    assert 'answer "{{ .Name }} 60 IN AAAA 100::1"' in text
    assert text.index("IN AAAA {") < text.index("ANY ANY {")
    assert text.count("{\n") == text.count("}\n")


def test_a_pod_that_is_to_end_answers_for_a_while() -> None:
    block = corefile.server_config().partition("\n.:1053 {")[2]
    assert "health {\n        lameduck 10s\n    }" in block
    assert "lameduck" not in block.partition("health {")[0]
