"""One outage has one start and one end, and lists its failing parts in an operator's words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from te_core.api import NotReady, Outages
from te_core.model.event import Event
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount, no_faults
from te_core.testing.virtual_clock import VirtualClock, run
from te_core.texts import LONGEST_REASON, bounded, plain
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.engine.scene import scene
from tests.querying import queries_of

READS = ("positions", "equity", "prices", "instruments")


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def outages(clock: VirtualClock, events: list[Event]) -> Outages:
    return Outages(clock, logger, events.append, account="a")


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.kind, event.text) for event in events]


async def test_what_fails_together_is_one_outage(outages: Outages, events: list[Event]) -> None:
    for _ in range(4):
        for part in ("positions", "equity", "prices"):
            outages.failing(part, f"{part}: connection refused")
        await asyncio.sleep(3)
    outages.failing("instruments", "instruments: no answer within 10 s")
    await asyncio.sleep(60)
    for part in READS:
        outages.well(part)
    await asyncio.sleep(60)
    assert told(events) == [
        ("outage", "positions, equity, prices: connection refused"),
        (
            "recovery",
            "positions, equity, prices, instruments recovered after 72.0 s (4 failures; last: no answer within 10 s)",
        ),
    ]
    assert events[0].detail == {"parts": ["positions", "equity", "prices"]}
    assert (events[1].at - events[0].at).total_seconds() == 72


async def test_parts_that_recover_one_by_one_end_it_with_the_last(
    outages: Outages, events: list[Event]
) -> None:
    outages.failing("positions", "down")
    outages.failing("equity", "down")
    await asyncio.sleep(10)
    outages.well("positions")
    await asyncio.sleep(10)
    outages.failing("positions", "down again")
    assert outages.reason() == "equity: down; positions: down again"
    outages.well("equity")
    assert [event.kind for event in events] == ["outage"]
    outages.well("positions")
    assert [event.kind for event in events] == ["outage", "recovery"]
    assert outages.reason() == ""
    assert outages.failing_parts == ()


async def test_an_outage_that_ends_at_once_has_a_start_and_an_end(
    outages: Outages, events: list[Event]
) -> None:
    outages.failing("positions", "busy")
    await asyncio.sleep(0.2)
    outages.well("positions")
    await asyncio.sleep(60)
    assert told(events) == [
        ("outage", "positions: busy"),
        ("recovery", "positions recovered after 0.2 s (1 failure; last: busy)"),
    ]


async def test_the_reason_is_the_present_one_from_the_first_failure_on(outages: Outages) -> None:
    outages.failing("positions", "timeout")
    assert outages.reason() == "positions: timeout"
    outages.failing("positions", "key refused")
    assert outages.reason() == "positions: key refused"
    assert outages.failing_parts == ("positions",)


async def test_a_stream_that_breaks_for_a_moment_has_no_effect(outages: Outages, events: list[Event]) -> None:
    outages.failing("stream", "connection reset")
    assert outages.reason() == "stream: connection reset"
    await asyncio.sleep(5)
    outages.well("stream")
    await asyncio.sleep(60)
    assert events == []


async def test_a_stream_that_breaks_first_joins_the_outage_of_reads(
    outages: Outages, events: list[Event]
) -> None:
    outages.failing("stream", "connection reset")
    await asyncio.sleep(10)
    outages.failing("positions", "no answer within 10 s")
    await asyncio.sleep(60)
    assert told(events) == [("outage", "stream: connection reset; positions: no answer within 10 s")]


async def test_reads_that_fail_long_after_a_stream_are_reported_too(
    outages: Outages, events: list[Event]
) -> None:
    outages.failing("stream", "refused")
    await asyncio.sleep(600)
    outages.failing("positions", "maintenance")
    await asyncio.sleep(600)
    assert told(events) == [("outage", "stream: refused"), ("outage", "positions: maintenance")]
    outages.well("positions")
    outages.well("stream")
    assert [event.kind for event in events] == ["outage", "outage", "recovery"]


async def test_orders_of_a_symbol_have_an_outage_of_their_own(outages: Outages, events: list[Event]) -> None:
    outages.failing("BTCUSDT", "margin is short")
    await asyncio.sleep(5)
    outages.failing("BTCUSDT", "margin is short")
    outages.well("ETHUSDT")
    outages.well("BTCUSDT")
    assert told(events) == [
        ("outage", "BTCUSDT: margin is short"),
        ("recovery", "BTCUSDT recovered after 5.0 s (2 failures; last: margin is short)"),
    ]
    assert {event.symbol for event in events} == {"BTCUSDT"}


async def test_orders_that_fail_while_the_account_does_add_no_message(
    outages: Outages, events: list[Event]
) -> None:
    outages.failing("BTCUSDT", "connection refused")
    outages.failing("ETHUSDT", "connection refused")
    await asyncio.sleep(0.5)
    outages.failing("positions", "connection refused")
    await asyncio.sleep(60)
    assert outages.reason() == "positions, BTCUSDT, ETHUSDT: connection refused"
    outages.well("positions")
    outages.well("BTCUSDT")
    assert [event.kind for event in events] == ["outage", "recovery"]
    outages.failing("ETHUSDT", "margin is short")
    await asyncio.sleep(5)
    assert told(events)[2:] == [("outage", "ETHUSDT: margin is short")], "its own trouble"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("connection refused", "connection refused"),
        (
            'bybit {"retCode":10003,"retMsg":"API key is invalid.","result":{},"time":1}',
            "bybit API key is invalid. [10003]",
        ),
        (
            '{"code":"152409","msg":"Signature {x} verification failed"}',
            "Signature {x} verification failed [152409]",
        ),
        ('kucoinfutures {"data":[1,2,3],"more":{"a":"b"}}', "kucoinfutures …"),
        ("Cannot connect to host [2001:db8::1]:443", "Cannot connect to host [2001:db8::1]:443"),
        ("BTCUSDT: refused [110007]", "BTCUSDT: refused [110007]"),
        ("first line\nTraceback: second", "first line"),
        ("", "no reason given"),
    ],
)
def test_reasons_are_plain_words(raw: str, shown: str) -> None:
    assert plain(raw) == shown


@given(st.text(max_size=2000))
def test_a_reason_is_one_bounded_line(raw: str) -> None:
    shown = plain(raw)
    assert 0 < len(shown) <= LONGEST_REASON
    assert len(shown.splitlines()) == 1


@given(st.text(max_size=200), st.integers(min_value=40, max_value=100))
def test_what_is_cut_off_is_counted(text: str, length: int) -> None:
    shown = bounded(text, length)
    assert shown == text if len(text) <= length else len(shown) == length
    assert (f"({len(text)} characters)" in shown) or shown == text


def test_one_network_failure_is_two_messages_an_account(tmp_path: Path) -> None:
    """Four accounts, each with positions, equity, prices and orders that fail for ten minutes."""

    async def scenario() -> list[tuple[str | None, str]]:
        clock = VirtualClock()
        trader = Trader(clock)
        names = ("one", "two", "three", "four")
        broken: list[bool] = []

        def faults(method: str, _: int) -> Fault | None:
            return Fault(refused=NotReady(f"{method}: connection refused")) if broken else None

        for name in names:
            fake = FakeAccount(clock, BTCUSDT="50000", ETHUSDT="2500")
            trader.accounts[name] = FaultyAccount(fake, faults=faults)  # type: ignore[assignment]
        settings = changed(BASE, "accounts", {name: {"plugin": "fake", "observe": False} for name in names})
        async with running(tmp_path, trader, settings) as engine:
            await trader.say("tv", "1")
            await asyncio.sleep(60)
            broken.append(True)
            await trader.say("tv", "0.5")
            await asyncio.sleep(600)
            broken.clear()
            await asyncio.sleep(600)
            events = engine.journal.events(999)
            return [(e.account, e.kind) for e in events if e.kind in ("outage", "recovery")]

    found = run(scenario())
    assert sorted(found, key=str) == sorted(
        [(name, kind) for name in ("one", "two", "three", "four") for kind in ("outage", "recovery")], key=str
    )


async def test_pushed_prices_end_the_outage_of_reading_them(tmp_path: Path) -> None:
    refused = Fault(refused=NotReady("connection refused"))
    async with scene(tmp_path, streams=True) as world:
        await world.say("0.5", wait=30)
        world.exchange().muted.add("BTCUSDT")
        world.connection().faults = lambda method, _: refused if method == "prices" else None
        await asyncio.sleep(120)
        assert world.state()["status"] == "unreadable"
        world.exchange().muted.clear()
        await asyncio.sleep(120)
        assert [event.kind for event in world.events() if event.kind in ("outage", "recovery")] == [
            "outage",
            "recovery",
        ]
        assert queries_of(world.engine).readiness()["ready"]


async def test_a_broken_stream_has_the_account_read_and_is_one_outage(
    tmp_path: Path,
) -> None:
    """Whether the account can be read at all is found out at once, not with the next regular read."""
    refused = Fault(refused=NotReady("connection refused"))
    async with scene(tmp_path, streams=True) as world:
        await world.say("0.5", wait=32)
        exchange, outages = world.exchange(), world.contexts["one"].outages
        (stream,) = exchange._streams
        world.connection().faults = lambda _method, _call: refused
        stream.down(*exchange.feeds)
        outages.failing("stream of positions", "connection refused")
        await asyncio.sleep(120)
        world.connection().faults = no_faults
        stream.up(*exchange.feeds)
        outages.well("stream of positions")
        await asyncio.sleep(60)
        told = [event for event in world.events() if event.kind in ("outage", "recovery")]
        assert [event.kind for event in told] == ["outage", "recovery"]
        assert "positions" in told[0].detail["parts"]


async def test_maintenance_during_an_order_is_one_outage_of_an_account(tmp_path: Path) -> None:
    """Whether only this symbol is refused is found out at once, not with the next regular read."""
    closed = Fault(refused=NotReady("maintenance"))
    async with scene(tmp_path, engine={"resync": "2m"}) as world:
        await world.say("0.5", wait=32)
        world.connection().faults = lambda method, _: closed if method in {*READS, "place_order"} else None
        world.connection().inject("prices", None)
        world.connection().inject("equity", None)
        world.connection().inject("positions", None)
        await world.say("-0.5", wait=200)
        world.connection().faults = no_faults
        await asyncio.sleep(200)
        told = [event for event in world.events() if event.kind in ("outage", "recovery")]
        assert [(event.kind, event.symbol) for event in told] == [("outage", None), ("recovery", None)], told
        assert world.at_target()
