"""Which address counts, and that no client can choose its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from te_core.web.client_address import Senders


def lines(*forwarded: str) -> CIMultiDict[str]:
    return CIMultiDict([("X-Forwarded-For", line) for line in forwarded])


PROXIES = ("10.0.0.0/8", "127.0.0.1", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["52.89.214.238"], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["52.89.214.238"], "52.89.214.238"),
        ("127.0.0.1", ["52.89.214.238, 203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["52.89.214.238", "203.0.113.9 , 10.1.2.3"], "203.0.113.9"),
        ("127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("127.0.0.1", ["52.89.214.238, nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["52.89.214.238, "], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("::ffff:127.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["[2001:db8::5]:99"], "2001:db8::5"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        (None, ["52.89.214.238"], ""),
    ],
)
def test_the_right_most_stranger_is_the_sender(peer: str | None, forwarded: list[str], client: str) -> None:
    assert Senders(PROXIES)(peer, lines(*forwarded)) == client


def test_without_trusted_proxies_the_peer_is_the_sender() -> None:
    assert Senders(())("127.0.0.1", lines("52.89.214.238")) == "127.0.0.1"


@given(forwarded=st.lists(st.text(max_size=40), max_size=5))
def test_a_stranger_cannot_choose_an_address(forwarded: list[str]) -> None:
    assert Senders(PROXIES)("203.0.113.9", lines(*forwarded)) == "203.0.113.9"


@given(forwarded=st.lists(st.text(max_size=40), max_size=5))
def test_what_stands_before_the_proxys_entry_does_not_count(forwarded: list[str]) -> None:
    assert Senders(PROXIES)("10.0.0.1", lines(*forwarded, "203.0.113.9")) == "203.0.113.9"
