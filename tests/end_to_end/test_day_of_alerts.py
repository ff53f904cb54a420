"""A day of ten thousand alerts from two sources on twenty symbols, for four accounts with different settings."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.blended import Opinion, blended_depth, blended_leverage, quantity
from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import TOKEN, Home
from tests.end_to_end.order_records import OrderRecords

ALERTS = 4_000
SEED = 20_240_801
DAY = datetime(2026, 1, 5, tzinfo=UTC)
CONNECTIONS = 16

COINS = ["ABE", "ACE", "AIR", "ALP", "AMP", "ARC", "ASH", "BAY", "BEE", "BIT"]
COINS += ["COB", "DAM", "DOT", "ELK", "ELM", "EVE", "FIG", "FOX", "GEM", "ICE"]
SYMBOLS = [f"{coin}USDT" for coin in COINS]
WEIGHTS = {"steady": Fraction("0.03"), "hasty": Fraction("0.02")}
"""All symbols together may bind a whole account, and no more. Depths are multiples of 0.1, so that blended targets
differ by more than the engine's 0.1 % or not at all."""
CONFIGURED_LEVERAGE = 2
SIZES = range(0, 101, 10)


@dataclass(frozen=True, kw_only=True)
class Account:
    """The effect of an account's settings on its sizes."""

    balance: int
    options: dict[str, Any]
    leverage: int | None = None
    cap: int | None = None
    ceiling: int | None = None
    charges: bool = False
    """Fees move its wallet, so its own equity counts."""

    def leverage_of(self, blended: int) -> int:
        wanted = self.leverage or blended
        return min(wanted, self.cap) if self.cap else wanted


ACCOUNTS = {
    "plain": Account(balance=1_000_000, options={"fee": 0, "slippage": 0}),
    "fixed": Account(
        balance=20_000,
        options={"fee": 0, "slippage": 0, "leverage": 1, "equity": "total", "concurrency": 3},
        leverage=1,
    ),
    "limited": Account(
        balance=300_000,
        options={"fee": 0, "slippage": 0, "limits": {"leverage": 2, "symbol_exposure": 15_000}},
        cap=2,
        ceiling=15_000,
    ),
    "charged": Account(
        balance=500_000,
        options={"fee": "0.0001", "slippage": "0.0001", "limits": {"order_notional": 9_000}},
        charges=True,
    ),
}


def price_of(symbol: str) -> Fraction:
    return Fraction(SYMBOLS.index(symbol) ** 3 * 7 + 13, 20)


def step_of(symbol: str) -> Fraction:
    return Fraction(1, 10 ** (SYMBOLS.index(symbol) % 4))


def settings() -> dict[str, Any]:
    market = {
        "prices": {symbol: str(float(price_of(symbol))) for symbol in SYMBOLS},
        "instruments": {
            symbol: {"quantity_step": str(float(step_of(symbol))), "minimum_notional": 5}
            for symbol in SYMBOLS
        },
    }
    everyone = {"plugin": "paper", "rebalance": "on_change"}
    return {
        "listen": {"public": {"port": 0}, "private": {"port": 0}},
        "engine": {"backoff_first": "100ms", "backoff_last": "2s"},
        "logs": {"level": "WARNING"},
        "limits": {"orders_per_minute": 1_000_000},
        "sources": {
            source: {
                "plugin": "tradingview",
                "dedupe_window": "10m",
                "symbols": {f"{symbol}.P": symbol for symbol in SYMBOLS},
            }
            for source in WEIGHTS
        },
        "accounts": {
            name: {
                **everyone,
                "balance": account.balance,
                **market,
                **account.options,
                "limits": {"orders_per_minute": 1_000_000, **account.options.get("limits", {})},
            }
            for name, account in ACCOUNTS.items()
        },
        "symbols": {
            symbol: {
                "leverage": CONFIGURED_LEVERAGE,
                "weights": {source: str(float(weight)) for source, weight in WEIGHTS.items()},
            }
            for symbol in SYMBOLS
        },
    }


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A message in transit. ``number`` is its position in the day: later messages of a strategy count."""

    number: int
    source: str
    symbol: str
    opinion: Opinion
    body: bytes


def day_of_alerts(chance: random.Random) -> Iterator[Alert]:
    """Generate a day. The hasty source numbers its alerts, because it does not send them in order."""
    for number in range(ALERTS):
        source = chance.choice(list(WEIGHTS))
        symbol = chance.choice(SYMBOLS)
        direction = chance.choice(["long", "long", "short", "short", "flat"])
        size = chance.choice(SIZES)
        leverage = chance.choice(["", "1", "2", "3"])
        sign = {"long": 1, "short": -1, "flat": 0}[direction]
        message = {
            "symbol": chance.choice([f"{symbol}.P", symbol, f"BYBIT:{symbol}.P"]),
            "direction": direction,
            "action": "buy" if sign > 0 else "sell",
            "size": f"{sign * size if sign else size}/100" if chance.random() < 0.5 else f"{size}/100",
            "leverage": leverage,
            "price": str(float(price_of(symbol)) * chance.uniform(0.9, 1.1)),
            "signal_seq": str(number) if source == "hasty" else "",
            "event_id": f"alert-{number}",
            "timenow": f"{DAY + timedelta(days=1) * number / ALERTS:%Y-%m-%dT%H:%M:%SZ}",
        }
        opinion = Opinion(
            depth=Fraction(sign * size, 100), leverage=Fraction(leverage) if leverage and sign else None
        )
        yield Alert(
            number=number, source=source, symbol=symbol, opinion=opinion, body=json.dumps(message).encode()
        )


def streams(alerts: list[Alert], chance: random.Random) -> list[list[Alert]]:
    """Divide a day among connections so that a symbol of the steady source keeps its order, and nothing else does."""
    lanes: list[list[Alert]] = [[] for _ in range(CONNECTIONS)]
    for alert in alerts:
        steady = alert.source == "steady"
        lanes[SYMBOLS.index(alert.symbol) % CONNECTIONS if steady else chance.randrange(CONNECTIONS)].append(
            alert
        )
    for lane in lanes:
        lane.sort(key=lambda alert: alert.number + (chance.uniform(0, 40) if alert.source == "hasty" else 0))
    return lanes


@dataclass
class Tally:
    answers: dict[tuple[int, str], int]
    seconds: float = 0.0


async def send(engine: EngineProcess, lanes: list[list[Alert]], chance: random.Random) -> Tally:
    """Send everything, every fiftieth alert twice."""
    base = engine.announcement()["public"]
    tally = Tally(defaultdict(int))
    began = time.monotonic()

    async def deliver(session: aiohttp.ClientSession, alert: Alert) -> None:
        async with session.post(f"{base}/hooks/{alert.source}/{TOKEN}", data=alert.body) as response:
            answer = await response.json()
            tally.answers[response.status, answer.get("status", str(answer))] += 1

    async def drive(session: aiohttp.ClientSession, lane: list[Alert], twice: set[int]) -> None:
        for alert in lane:
            await deliver(session, alert)
            if alert.number in twice:
                await deliver(session, alert)

    twice = set(chance.sample(range(ALERTS), ALERTS // 50))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        await asyncio.gather(*(drive(session, lane, twice) for lane in lanes))
    tally.seconds = time.monotonic() - began
    return tally


def last_words(alerts: list[Alert]) -> dict[str, dict[str, Opinion]]:
    said: dict[str, dict[str, Opinion]] = {symbol: {} for symbol in SYMBOLS}
    for alert in alerts:
        said[alert.symbol][alert.source] = alert.opinion
    return said


def expected(account: Account, symbol: str, said: dict[str, Opinion], equity: Fraction) -> Fraction:
    blended = blended_leverage(WEIGHTS, said, configured=CONFIGURED_LEVERAGE)
    notional = equity * blended_depth(WEIGHTS, said) * account.leverage_of(blended)
    return quantity(
        notional,
        price=price_of(symbol),
        step=step_of(symbol),
        minimum_notional=Fraction(5),
        ceiling=Fraction(account.ceiling) if account.ceiling else None,
    )


def sized_with(engine: EngineProcess, account: str, symbol: str) -> Fraction:
    """Return the equity that an account's current size is based on, as the engine explains it."""
    explained = engine.get(f"/api/v1/explain/{symbol}")[1]["accounts"][account]["sizing"]
    return Fraction(explained["equity"])


@pytest.mark.real_clock
async def test_thousands_of_alerts_reach_their_targets_without_doubles(
    tmp_path: Path,
    start: Callable[[Home], EngineProcess],
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(SEED)
    home = Home(tmp_path / "home", settings())
    engine = start(home).until_ready()
    alerts = list(day_of_alerts(chance))

    tally = await send(engine, streams(alerts, chance), chance)

    # Every alert was accepted once, and every second delivery was recognised as such.
    assert {status for status, _ in tally.answers} == {200}, tally.answers
    assert tally.answers[200, "accepted"] + tally.answers[200, "superseded"] == ALERTS
    assert tally.answers[200, "duplicate"] == ALERTS // 50
    assert tally.answers[200, "superseded"] > 100, "the hasty source was in order after all"

    engine.wait(engine.at_rest)
    said = last_words(alerts)
    for name, account in ACCOUNTS.items():
        held = {symbol: Fraction(engine.position(symbol, name)) for symbol in SYMBOLS}
        wanted = {}
        for symbol in SYMBOLS:
            equity = (
                sized_with(engine, name, symbol)
                if account.charges and held[symbol]
                else Fraction(account.balance)
            )
            assert equity <= account.balance
            wanted[symbol] = expected(account, symbol, said[symbol], equity)
        assert held == wanted, name
        assert sum(1 for size in held.values() if size) > len(SYMBOLS) // 2, f"{name} holds next to nothing"

    assert engine.stop() == 0
    orders = {name: OrderRecords(home, name) for name in ACCOUNTS}
    for records in orders.values():
        records.check()
    record_property(
        "figures",
        f"{ALERTS} alerts in {tally.seconds:.1f} s, {ALERTS / tally.seconds:.0f} a second; orders: "
        f"{ {name: records.count for name, records in orders.items()} }",
    )


def test_a_day_has_alerts_whose_sources_disagree() -> None:
    alerts = list(day_of_alerts(random.Random(SEED)))
    depths = [(said["steady"].depth, said["hasty"].depth) for said in last_words(alerts).values()]
    assert any(one * other < 0 for one, other in depths)
    assert any(one * other > 0 for one, other in depths)
