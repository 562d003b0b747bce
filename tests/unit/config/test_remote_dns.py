"""`remoteDns`: every mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.support.parsing import Mistakes, each, mistakes, with_keys

MISTAKES: Mistakes = [
    (
        with_keys(remoteDns={"address": "10.1.1.1", "knownCidrs": ["172.16.0.0/12", "10.0.0.0/8"]}),
        ["remoteDns.address: 10.1.1.1 lies in 10.0.0.0/8; choose one that no cluster can own"],
    ),
    (
        with_keys(remoteDns={"address": "::1"}),
        ["remoteDns.address: '::1' is not valid; give an IPv4 address"],
    ),
    (
        with_keys(remoteDns={"address6": "198.18.0.1", "replicas": 0}),
        [
            "remoteDns.replicas: 0 is not a number of replicas; give a whole number from 1 to 100",
            "remoteDns.address6: '198.18.0.1' is not valid; give an IPv6 address: 100::1",
        ],
    ),
    (
        with_keys(remoteDns={"address6": "100::1%eth0"}),
        ["remoteDns.address6: '100::1%eth0' is not valid; give an IPv6 address: 100::1"],
    ),
    (
        with_keys(remoteDns={"address6": "fd00::1", "knownCidrs": ["10.0.0.0/8", "fd00::/8"]}),
        ["remoteDns.address6: fd00::1 lies in fd00::/8; choose one that no cluster can own"],
    ),
    *(
        (
            with_keys(remoteDns={key: address}),
            [
                f"remoteDns.{key}: {address!r} never leaves the pod that calls, or is for several; "
                "choose one that no cluster can own"
            ],
        )
        for key, address in [
            ("address", "127.0.0.1"),
            ("address", "0.0.0.0"),
            ("address", "169.254.1.1"),
            ("address", "224.0.0.1"),
            ("address6", "::1"),
            ("address6", "fe80::1"),
            ("address6", "ff02::1"),
            ("address6", "::ffff:240.0.0.1"),
        ]
    ),
    (
        with_keys(remoteDns={"knownCidrs": ["10.0.0.0/8", "ten"]}),
        ["remoteDns.knownCidrs[1]: 'ten' is not a network; write one like 10.0.0.0/8"],
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages
