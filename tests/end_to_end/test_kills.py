"""``kill -9`` at random moments under a stream of alerts, restart, redelivery of what was not answered (I1, I2, I3).

``make soak`` raises the number of kills with TE_KILLS.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.blended import Opinion, blended_depth, quantity
from tests.end_to_end.engine_process import EngineProcess, until_enough
from tests.end_to_end.home import TOKEN, Home
from tests.end_to_end.order_records import OrderRecords, journal_rows

KILLS = int(os.environ.get("TE_KILLS", "10"))
ROUND = 10
"""Number of kills per state folder."""

SOURCES = {"alpha": Fraction("0.15"), "beta": Fraction("0.1")}
PRICES = {"BTCUSDT": 50_000, "ETHUSDT": 2_500, "SOLUSDT": 100, "XRPUSDT": 2}
STEPS = {"BTCUSDT": "0.001", "ETHUSDT": "0.01", "SOLUSDT": "0.1", "XRPUSDT": "1"}
BALANCES = {"large": 1_000_000, "small": 30_000}
LEVERAGE = 2
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)


def settings() -> dict[str, Any]:
    market = {
        "prices": {symbol: str(price) for symbol, price in PRICES.items()},
        "instruments": {
            symbol: {"quantity_step": step, "minimum_notional": 5} for symbol, step in STEPS.items()
        },
    }
    return {
        "listen": {"public": {"port": 0}, "private": {"port": 0}},
        "engine": {"backoff_first": "100ms", "backoff_last": "1s"},
        "limits": {"orders_per_minute": 1_000_000},
        "sources": {
            source: {
                "plugin": "tradingview",
                # A busy machine may take longer than TradingView's 15 s to restart the engine.
                "dedupe_window": "10m",
                "symbols": {symbol: symbol for symbol in PRICES},
            }
            for source in SOURCES
        },
        "accounts": {
            name: {
                "plugin": "paper",
                "balance": balance,
                "fee": 0,
                "slippage": 0,
                "limits": {"orders_per_minute": 1_000_000},
                **market,
            }
            for name, balance in BALANCES.items()
        },
        "symbols": {
            symbol: {
                "leverage": LEVERAGE,
                "weights": {source: str(float(weight)) for source, weight in SOURCES.items()},
            }
            for symbol in PRICES
        },
    }


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One message; its time distinguishes it from all others of its stream."""

    event_id: str
    time: datetime
    depth: Fraction
    body: bytes


@dataclass
class Stream:
    """The alerts of one source on one symbol, sent one after the other: the last one counts."""

    source: str
    symbol: str
    chance: random.Random
    sent: list[Alert] = field(default_factory=list)
    answered: int = 0
    pending: Alert | None = None
    """Sent, and never answered 200. It is sent again, byte for byte, before anything newer."""

    def next(self) -> Alert:
        if self.pending is None:
            self.pending = self._new()
            self.sent.append(self.pending)
        return self.pending

    def was_kept(self) -> None:
        self.pending = None
        self.answered += 1

    def _new(self) -> Alert:
        number = len(self.sent)
        percent = self.chance.choice(range(-100, 101, 10))
        message = {
            "symbol": self.symbol,
            "direction": "long" if percent > 0 else "short" if percent < 0 else "flat",
            "size": f"{percent}/100",
            "price": str(PRICES[self.symbol]),
            "event_id": f"{self.source}-{self.symbol}-{number}",
            "timenow": f"{EPOCH + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}",
        }
        return Alert(
            event_id=message["event_id"],
            time=EPOCH + timedelta(seconds=number),
            depth=Fraction(percent, 100),
            body=json.dumps(message).encode(),
        )


class Storm:
    """Every stream sends at once, until enough was answered."""

    def __init__(self, streams: list[Stream]) -> None:
        self.streams = streams
        self.statuses: Counter[object] = Counter()

    async def rage(self, engine: EngineProcess, *, answers: int, turns: int) -> None:
        """Send until that many alerts are answered, and for some more turns of our loop; then kill."""
        base = engine.announcement()["public"]
        enough = asyncio.Event()
        left = [answers]

        async def drive(session: aiohttp.ClientSession, stream: Stream) -> None:
            while True:
                alert = stream.next()
                try:
                    async with session.post(
                        f"{base}/hooks/{stream.source}/{TOKEN}", data=alert.body
                    ) as response:
                        status = response.status
                        await response.read()
                except aiohttp.ClientError as error:
                    self.statuses[type(error).__name__] += 1
                    return
                self.statuses[status] += 1
                if status != 200:
                    continue
                stream.was_kept()
                left[0] -= 1
                if left[0] <= 0:
                    enough.set()

        async with aiohttp.ClientSession() as session:
            senders = [asyncio.create_task(drive(session, stream)) for stream in self.streams]
            await until_enough(enough, senders, engine)
            for _ in range(turns):
                await asyncio.sleep(0)
            engine.kill()
            await asyncio.gather(*senders)

    async def deliver_the_rest(self, engine: EngineProcess) -> None:
        """Deliver what is pending, and nothing new."""
        for stream in self.streams:
            if stream.pending is not None:
                status, answer = await asyncio.to_thread(
                    engine.post, stream.pending.body, source=stream.source
                )
                assert status == 200, answer
                stream.was_kept()


def orders_left_open(home: Home) -> Iterator[str]:
    """Yield for each order that the kill left without a known outcome whether it was executed."""
    for name in BALANCES:
        try:
            records = OrderRecords(home, name)
        except sqlite3.OperationalError:
            continue  # killed before there was a file with tables in it
        executed = {order["client_order_id"] for order in records.executed}
        for intent in records.intents:
            if intent["state"] == "open":
                yield "executed" if intent["client_order_id"] in executed else "never sent"


def rounds() -> list[tuple[int, int]]:
    """Return (seed, kills) of each round."""
    return [(seed, min(ROUND, KILLS - seed * ROUND)) for seed in range(-(-KILLS // ROUND))]


def check_nothing_is_lost(engine: EngineProcess, streams: list[Stream]) -> None:
    """Right after a restart: the newest alert that was answered is active, unless the pending one was stored too."""
    sources = engine.state()["sources"]
    for stream in streams:
        known = [alert.time for alert in stream.sent if alert is not stream.pending][-1:]
        possible = {*known, *([stream.pending.time] if stream.pending else [])}
        told = sources[stream.source]["signals"].get(stream.symbol)
        if told is None:
            assert not known, (
                f"{stream.source} {stream.symbol}: {stream.answered} were answered, none is there"
            )
        else:
            assert datetime.fromisoformat(told["time"]) in possible, (
                f"{stream.source} {stream.symbol}: {told}"
            )


def check_each_alert_was_kept_once(home: Home, streams: list[Stream]) -> None:
    """In the journal: every alert once, however often it was delivered; in the order of sending."""
    rows = journal_rows(home, "SELECT source, symbol, detail FROM signals ORDER BY number")
    for stream in streams:
        kept = [
            json.loads(row["detail"])["event_id"]
            for row in rows
            if (row["source"], row["symbol"]) == (stream.source, stream.symbol)
        ]
        assert kept == [alert.event_id for alert in stream.sent]


def wanted(streams: list[Stream], account: str, symbol: str) -> Fraction:
    said = {s.source: Opinion(depth=s.sent[-1].depth) for s in streams if s.symbol == symbol}
    return quantity(
        BALANCES[account] * blended_depth(SOURCES, said) * LEVERAGE,
        price=Fraction(PRICES[symbol]),
        step=Fraction(STEPS[symbol]),
        minimum_notional=Fraction(5),
    )


async def kill_at_a_random_moment(
    home: Home, start: Callable[[Home], EngineProcess], storm: Storm, chance: random.Random
) -> None:
    """Kill it while it starts, while it resolves what the last kill left open, or amid alerts and orders."""
    engine = start(home)
    if chance.random() < 0.25:
        begun = [lambda: True, engine.holds_the_journal, engine.announcement]
        engine.wait(chance.choice(begun))
        engine.kill()
        return
    engine.until_listening()
    check_nothing_is_lost(engine, storm.streams)
    await storm.rage(engine, answers=chance.randint(1, 150), turns=chance.randint(0, 30))


@pytest.mark.real_clock
@pytest.mark.parametrize(("seed", "kills"), rounds())
async def test_kills_lose_no_answered_alert_and_double_no_order(
    seed: int,
    kills: int,
    tmp_path: Path,
    start: Callable[[Home], EngineProcess],
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(seed)
    home = Home(tmp_path / "home", settings())
    streams = [Stream(source, symbol, chance) for source in SOURCES for symbol in PRICES]
    storm = Storm(streams)
    left_open: Counter[str] = Counter()
    for _ in range(kills):
        await kill_at_a_random_moment(home, start, storm, chance)
        left_open.update(orders_left_open(home))

    engine = start(home).until_listening()
    check_nothing_is_lost(engine, streams)
    await storm.deliver_the_rest(engine)
    engine.wait(engine.at_rest)
    held = {name: {symbol: Fraction(engine.position(symbol, name)) for symbol in PRICES} for name in BALANCES}
    assert held == {name: {symbol: wanted(streams, name, symbol) for symbol in PRICES} for name in BALANCES}
    assert engine.stop() == 0

    check_each_alert_was_kept_once(home, streams)
    records = [OrderRecords(home, name) for name in BALANCES]
    for record in records:
        record.check()
    assert storm.statuses.keys() <= {
        200,
        503,
        "ServerDisconnectedError",
        "ClientOSError",
        "ClientConnectorError",
    }
    orders = sum(record.count for record in records)
    record_property(
        "figures",
        f"seed {seed}: {kills} kills, {sum(s.answered for s in streams)} alerts answered, {orders} orders; "
        f"whose outcome was open after a kill: {dict(left_open)}; answers: {dict(storm.statuses)}",
    )
