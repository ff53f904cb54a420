"""A running source: what it publishes, what it holds back, and what it does when upstream fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from loguru import logger

from te_core.api import JournalError
from te_core.testing.virtual_clock import START
from te_emulators.bittensor.network import MadeNetwork
from te_signals_bittensor.fetching import FetchFailed, retry_seconds
from te_signals_bittensor.guard import Accepted, Guard
from tests.bittensor.records import NOW_MS, hotkey, miner, worked_example

D = Decimal
MakeHarness = Callable[..., Any]
LOOSE = {"min_trades": 3, "min_profitable_rate": 0.3, "max_drawdown_threshold": -1.0}


@pytest.fixture
def lines() -> Any:
    logged: list[str] = []
    number = logger.add(lambda message: logged.append(str(message)), level="INFO", format="{message}")
    yield logged
    logger.remove(number)


def network(miners: int = 60, seed: int = 3) -> MadeNetwork:
    return MadeNetwork(miners=miners, seed=seed, now_ms=NOW_MS, orders=90)


def counting_holder(harness: Any, made: MadeNetwork) -> tuple[str, str]:
    """Return the miner that the last signal on BTCUSDT names first."""
    first = harness.recorder.current["BTCUSDT"].detail["contributors"][0]
    assert first["name"] in made.miners
    return first["name"], first["asset"]


async def test_parity_publishes_the_worked_example(make_harness: MakeHarness) -> None:
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    await d.run(1)
    signal = d.recorder.current["BTCUSDT"]
    assert round(signal.depth, 5) == D("0.33333")
    assert d.recorder.current["ETHUSDT"].depth == 0
    assert [part["name"] for part in signal.detail["contributors"]] == [hotkey(3), hotkey(1), hotkey(2)]
    assert signal.price == 100


async def test_the_same_bytes_publish_nothing(make_harness: MakeHarness) -> None:
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    await d.run(3600)
    assert len(d.recorder.published) == 2
    assert len(d.upstream.asked_at) == pytest.approx(241, abs=1)


async def test_a_closing_miner_moves_the_depth_at_the_next_fetch(make_harness: MakeHarness) -> None:
    made = network()
    d = make_harness(scoring=LOOSE, hysteresis=1)
    d.upstream.serve(made.payload())
    await d.run(1)
    before = d.recorder.depths()["BTCUSDT"]
    assert before != 0
    name, asset = counting_holder(d, made)
    made.close(name, asset)
    d.upstream.serve(made.payload())
    await d.source.cycle()
    signal = d.recorder.current["BTCUSDT"]
    assert signal.depth != before
    assert signal.detail["cause"] == "miners acted"
    assert name not in {part["name"] for part in signal.detail["contributors"] if part["asset"] == asset}


async def test_a_small_move_of_ranks_does_not_trade(make_harness: MakeHarness) -> None:
    made = network()
    d = make_harness(scoring=LOOSE, hysteresis="0.05", refresh="10m")
    d.upstream.serve(made.payload())
    await d.run(1)
    depth = d.recorder.depths()["BTCUSDT"]
    for _ in range(120):
        await asyncio.sleep(15)
        made.tick(15_000)
        d.upstream.serve(made.payload())
        await d.source.cycle()
    published = [s for s in d.recorder.published if s.symbol == "BTCUSDT"]
    assert {s.depth for s in published} == {depth}
    assert [s.detail["cause"] for s in published] == ["first signal"] + ["refreshed"] * 3


async def test_an_outage_is_logged_once_and_backed_off_from(
    make_harness: MakeHarness, lines: list[str]
) -> None:
    d = make_harness(strategy="parity", backoff="2m")
    d.upstream.serve(worked_example())
    d.upstream.failure = FetchFailed("HTTP 503 busy")
    await d.run(3600)
    assert len([line for line in lines if "silent" in line]) == 1
    assert [event.kind for event in d.recorder.events] == ["outage"]
    assert 30 <= len(d.upstream.asked_at) <= 36
    assert d.recorder.published == []
    assert d.source.status()["warning"] == "upstream is silent: HTTP 503 busy"
    d.upstream.failure = None
    await d.source.cycle()
    assert lines[-1].startswith("upstream recovered after")
    assert [event.kind for event in d.recorder.events] == ["outage", "recovery"]
    assert len(d.recorder.published) == 2


async def test_retry_after_is_honoured(make_harness: MakeHarness) -> None:
    d = make_harness()
    d.upstream.failure = FetchFailed("HTTP 429", retry_after=700)
    await d.run(1500)
    assert d.upstream.asked_at == [0, 700, 1400]


def test_retry_after_is_parsed_as_seconds_or_date() -> None:
    assert retry_seconds("17", None) == 17
    assert retry_seconds("1e9", None) is None
    assert retry_seconds("99999999", None) == 3600
    assert retry_seconds(None, None) is None


async def test_half_a_network_is_rejected_until_time_has_passed(
    make_harness: MakeHarness, lines: list[str]
) -> None:
    made = network(60)
    d = make_harness(scoring=LOOSE)
    d.upstream.serve(made.payload())
    await d.run(1)
    before = d.recorder.depths()
    d.upstream.serve(dict(list(made.payload().items())[:30]))
    await d.source.cycle()
    assert d.recorder.depths() == before
    await asyncio.sleep(2)
    assert "30 miners after 60" in lines[-1]
    assert "accepted from" in lines[-1]
    used = len(d.upstream.used)
    await asyncio.sleep(600)
    await d.source.cycle()
    assert len(d.upstream.used) == used
    await asyncio.sleep(700)
    await d.source.cycle()
    assert len(d.upstream.used) == used + 1
    assert d.source.status()["miners"] == 30


async def test_the_first_payload_is_guarded_by_the_journal(make_harness: MakeHarness) -> None:
    made = network(60)
    first = make_harness(scoring=LOOSE)
    first.upstream.serve(made.payload())
    await first.run(1)
    before = dict(first.recorder.current)
    second = make_harness(recorder=first.recorder, scoring=LOOSE)
    second.upstream.serve(dict(list(made.payload().items())[:20]))
    await second.run(60)
    assert second.recorder.current == before
    assert second.source.status()["rejected"] == 4


async def test_a_restart_on_the_same_payload_publishes_nothing(
    make_harness: MakeHarness,
) -> None:
    first = make_harness(strategy="parity")
    first.upstream.serve(worked_example())
    await first.run(1)
    await asyncio.sleep(3600)
    second = make_harness(recorder=first.recorder, strategy="parity")
    second.upstream.body = first.upstream.body
    await second.run(30)
    assert len(first.recorder.published) == 2


@pytest.mark.parametrize("tree", [{}, {hotkey(1): miner([])}])
async def test_an_empty_network_changes_nothing(
    make_harness: MakeHarness, lines: list[str], tree: dict[str, Any]
) -> None:
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    await d.run(1)
    before = dict(d.recorder.current)
    await asyncio.sleep(7200)
    d.upstream.serve(tree)
    await d.source.cycle()
    assert d.recorder.current == before
    assert d.source.status()["warning"].startswith("upstream is empty")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a"'])
async def test_an_unusable_payload_changes_nothing(make_harness: MakeHarness, body: bytes) -> None:
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    await d.run(1)
    d.upstream.body = body
    await d.source.cycle()
    assert len(d.recorder.published) == 2
    assert d.source.status()["warning"].startswith("upstream is unusable")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("unusable", b"<html>"),
        ("empty", b"{}"),
        ("empty", json.dumps({hotkey(n): miner([]) for n in range(60)}).encode()),
        ("rejected", json.dumps(dict(list(network(60).payload().items())[:20])).encode()),
    ],
)
async def test_every_kind_of_outage_is_logged_at_start_and_end(
    make_harness: MakeHarness, lines: list[str], kind: str, body: bytes
) -> None:
    d = make_harness(scoring=LOOSE)
    good = network(60)
    d.upstream.serve(good.payload())
    await d.run(1)
    before = dict(d.recorder.current)
    d.upstream.body = body
    for _ in range(3):
        await d.source.cycle()
    await asyncio.sleep(2)
    assert d.recorder.current == before
    assert d.source.status()["warning"].startswith(f"upstream is {kind}: ")
    assert len([line for line in lines if f"upstream: {kind}: " in line]) == 1
    good.tick()
    d.upstream.serve(good.payload())
    await d.source.cycle()
    assert "warning" not in d.source.status()
    assert [line for line in lines if "upstream recovered after 2.0 s (3 failures; last: " in line] == lines[
        -1:
    ]


async def test_an_unpersisted_signal_is_published_again(make_harness: MakeHarness) -> None:
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    d.recorder.failure = JournalError("disk full")
    await d.source.cycle()
    assert d.recorder.published == []
    d.recorder.failure = None
    await d.source.cycle()
    assert len(d.recorder.published) == 2


@pytest.mark.parametrize("miners", [1, 3, 50, 120, 5000])
def test_the_guard_never_rejects_for_good(miners: int) -> None:
    guard = Guard(tolerance=0.2, release=timedelta(minutes=30))
    last = Accepted(miners=100, at=START)
    assert (guard.refusal(miners, last, START) is None) == (80 <= miners <= 125)
    assert guard.refusal(miners, last, START + timedelta(minutes=30)) is None
    assert guard.refusal(miners, None, START) is None
