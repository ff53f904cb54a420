"""Every record is validated on its own."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_signals_bittensor import unpacking
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.unpacking import UnusablePayload
from tests.bittensor.records import NOW_MS, closed, held, hotkey, miner, worked_example

values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
)


def read(tree: Any) -> Any:
    return PayloadReader().read(json.dumps(tree).encode())


@pytest.mark.parametrize(
    ("path", "value", "left_out"),
    [
        (("thirty_day_returns",), None, {"miners": 1}),
        (("positions",), None, {"miners": 1}),
        (("positions", 0, "close_ms"), None, {"positions": 1}),
        (("positions", 0, "trade_pair"), [], {"positions": 1}),
        (("positions", 0, "return_at_close"), "1.0", {"positions": 1}),
        (("positions", 0, "orders", 0, "leverage"), None, {"orders": 1}),
        (("positions", 0, "orders", 0, "price"), float("nan"), {"orders": 1}),
        (("positions", 0, "orders", 0, "processed_ms"), "now", {"orders": 1}),
        (("positions", 0, "orders", 0), 7, {"orders": 1}),
    ],
)
def test_malformed_records_are_counted_and_left_out(
    path: tuple[Any, ...], value: Any, left_out: dict[str, int]
) -> None:
    tree = worked_example()
    place: Any = tree[hotkey(1)]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    found = read(tree)
    assert found.left_out == left_out
    assert len(found.miners) == (2 if "miners" in left_out else 3)
    assert sum(len(m.positions) for m in found.miners) >= 11 + 13


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_bad_miner_never_costs_another(data: st.DataObject) -> None:
    tree = worked_example()
    place: Any = tree[hotkey(1)]
    for _ in range(data.draw(st.integers(1, 5))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(values)
            break
        place = place[key]
    found = read(tree)
    assert {hotkey(2), hotkey(3)} <= {m.hotkey for m in found.miners}
    good = {m.hotkey: m for m in read(worked_example()).miners}
    assert all(m == good[m.hotkey] for m in found.miners if m.hotkey != hotkey(1))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"5C', b"<html>", gzip.compress(b"{}" * 50, mtime=0)[:-5]]
)
def test_an_unusable_payload_is_refused(body: bytes) -> None:
    with pytest.raises(UnusablePayload):
        PayloadReader().read(body)


@pytest.fixture(params=["as installed", "zlib"])
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpack with this machine's library, and with the one that every machine has."""
    if request.param == "zlib":
        monkeypatch.setattr(unpacking, "inflaters", zlib)


@pytest.mark.usefixtures("inflater")
def test_a_truncated_gzipped_payload_is_refused() -> None:
    whole = gzip.compress(json.dumps(worked_example()).encode())
    for end in range(10, len(whole) - 1, 97):
        with pytest.raises(UnusablePayload):
            PayloadReader().read(whole[:end])


@pytest.mark.usefixtures("inflater")
def test_a_flipped_bit_never_makes_another_network() -> None:
    whole = gzip.compress(json.dumps(worked_example()).encode())
    refused = 0
    for place in range(10, len(whole), 13):
        broken = bytearray(whole)
        broken[place] ^= 0x40
        try:
            assert PayloadReader().read(bytes(broken)) == read(worked_example())
        except UnusablePayload:
            refused += 1
    assert refused > 80  # few bits have no meaning


@pytest.mark.usefixtures("inflater")
def test_a_payload_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "LARGEST", 20 << 20)
    with pytest.raises(UnusablePayload, match="larger"):
        PayloadReader().read(gzip.compress(b" " * (64 << 20), compresslevel=9))


@pytest.mark.parametrize(
    "names", [["A", "B", "C"], [hotkey(1), "B", hotkey(3)], [hotkey(1), hotkey(1) + "_3", "x"]]
)
def test_the_names_of_miners_can_be_anything(names: list[str]) -> None:
    tree = dict(zip(names, worked_example().values(), strict=True))
    assert [m.hotkey for m in read(tree).miners] == names


def test_only_positions_that_changed_are_parsed_again() -> None:
    tree = worked_example()
    reader = PayloadReader()
    reader.read(json.dumps(tree).encode())
    assert reader.parsed == 11 + 13 + 11
    tree[hotkey(2)]["positions"][-1]["current_return"] = 1.5
    found = reader.read(json.dumps(tree).encode())
    assert reader.parsed == 1
    assert found == read(tree)
    assert reader.read(json.dumps(tree).encode()) == found
    assert reader.parsed == 0


def everybody_is_revalued(tree: Any) -> int:
    for record in tree.values():
        record["positions"][-1]["current_return"] *= 1.001
        record["positions"][-1]["return_at_close"] *= 1.001
    return 3


def one_closes(tree: Any) -> int:
    position = tree[hotkey(2)]["positions"][-1]
    start = position["open_ms"]
    tree[hotkey(2)]["positions"][-1] = closed(position["position_uuid"], 1.01, open_ms=start)
    return 1


def one_opens(tree: Any) -> int:
    tree[hotkey(1)]["positions"].append(held("another", 0.2, open_ms=NOW_MS))
    return 2  # the one that was open is next to it, in text that changed


def old_prices_are_dropped(tree: Any) -> int:
    tree[hotkey(3)]["positions"][4]["orders"][0]["price_sources"] = []
    return 1 + 1


def the_oldest_are_archived(tree: Any) -> int:
    for record in tree.values():
        del record["positions"][:2]
    return 3  # the open ones; the closed ones are recognised one by one


def miners_change_places(tree: Any) -> int:
    turned = dict(reversed(tree.items()))
    tree.clear()
    tree.update(turned)
    return 0


def products_change(tree: Any) -> int:
    tree[hotkey(1)]["thirty_day_returns"] = 1.75
    return 1


CHANGES = [
    everybody_is_revalued,
    one_closes,
    one_opens,
    old_prices_are_dropped,
    the_oldest_are_archived,
    miners_change_places,
    products_change,
]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_payload_costs_only_its_changes(change: Callable[[Any], int], indent: int | None) -> None:
    tree = worked_example()
    reader = PayloadReader()
    reader.read(json.dumps(tree, indent=indent).encode())
    parsed = change(tree)
    found = reader.read(json.dumps(tree, indent=indent).encode())
    assert reader.parsed == parsed
    assert found == read(tree)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CHANGES), max_size=6), st.data())
def test_a_reader_with_a_cache_finds_what_one_without_does(
    changes: list[Callable[[Any], int]], data: st.DataObject
) -> None:
    tree = worked_example()
    reader = PayloadReader()
    for change in changes:
        change(tree)
        garble(tree, data)
        body = json.dumps(tree).encode()
        size = data.draw(st.integers(100, 5000))
        assert reader.read(*(body[i : i + size] for i in range(0, len(body), size))) == read(tree)


def garble(tree: Any, data: st.DataObject) -> None:
    """Replace one record."""
    place: Any = tree[hotkey(1)]["positions"]
    for _ in range(data.draw(st.integers(0, 4))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys)) if keys else None
        if key is None or key == "position_uuid" or not isinstance(place[key], dict | list):
            return
        place = place[key]
    if isinstance(place, dict) and "price" in place:
        place["price"] = data.draw(values)


def test_a_rewritten_closed_position_is_parsed_again() -> None:
    tree = worked_example()
    reader = PayloadReader()
    reader.read(json.dumps(tree).encode())
    other = copy.deepcopy(tree)
    other[hotkey(1)]["positions"][0]["return_at_close"] = 0.5
    assert reader.read(json.dumps(other).encode()).miners[0].positions[0].value == 0.5


def test_a_duplicate_order_counts_once() -> None:
    tree = {hotkey(1): worked_example()[hotkey(1)]}
    orders = tree[hotkey(1)]["positions"][-1]["orders"]
    orders.append(dict(orders[0]))
    assert read(tree).miners[0].positions[-1].holding.net == 0.3


def test_a_large_payload_is_split_at_its_miners() -> None:
    tree = {hotkey(n): worked_example()[hotkey(1 + n % 3)] for n in range(300)}
    reader = PayloadReader()
    body = json.dumps(tree, indent=1).encode()
    assert len(body) > 2_000_000
    found = reader.read(gzip.compress(body))
    assert [m.hotkey for m in found.miners] == list(tree)
    assert all(m.positions for m in found.miners)


def test_numbers_that_are_not_json_are_left_out() -> None:
    tree = {hotkey(1): miner([], recent=float("nan")), hotkey(2): miner([])}
    found = read(tree)
    assert [m.hotkey for m in found.miners] == [hotkey(2)]
