"""A gap between the start of an order and the end of the last alert is reported once no alert can fill it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

MakeHarness = Callable[..., Any]


def alert(position: str, previous: str, number: int = 0, **more: Any) -> dict[str, Any]:
    message = {"symbol": "ETHUSDT", "direction": position, "prev_market_position": previous, "n": number}
    return {**message, "size": "" if position == "flat" else "50/100", **more}


async def test_a_gap_is_counted_logged_and_recorded(make_harness: MakeHarness, log_lines: list[str]) -> None:
    harness = make_harness()
    await harness.post(alert("long", "flat"))
    await asyncio.sleep(31)
    assert (await harness.post(alert("flat", "short"))).body["status"] == "accepted"
    assert (
        harness.recorder.published[-1].detail["note"]
        == "its order started from short, the last alert ended long"
    )
    assert harness.count("missed_alerts") == 0, "the missing one may still come"
    await asyncio.sleep(31)
    assert harness.count("missed_alerts") == 1
    assert harness.source.status()["warning"] == "1 alert(s) seem to be missing, last ETHUSDT"
    [event] = harness.recorder.events
    assert (event.kind, event.symbol) == ("missed_alert", "ETHUSDT")
    assert "its order started from short, the last alert ended long" in event.text
    assert sum("seems to be missing" in line for line in log_lines) == 1
    await asyncio.sleep(600)
    assert len(harness.recorder.events) == 1


async def test_two_alerts_in_the_wrong_order_are_not_a_gap(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(alert("long", "flat"))
    await harness.post(alert("short", "flat"))
    await asyncio.sleep(15)
    assert (await harness.post(alert("flat", "long"))).body["status"] == "superseded"
    await asyncio.sleep(60)
    assert harness.recorder.events == []
    assert "warning" not in harness.source.status()


async def test_alerts_that_fit_together_are_not_a_gap(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(alert("long", "flat", market_position_size="2", prev_market_position_size="0"))
    await harness.post(alert("long", "long", 1, market_position_size="3", prev_market_position_size="2.0"))
    await harness.post(alert("flat", "long", 2, market_position_size="0", prev_market_position_size="3"))
    await harness.post(alert("short", "flat", 3))
    await asyncio.sleep(60)
    assert harness.recorder.events == []


async def test_sizes_reveal_a_missed_addition(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(alert("long", "flat", market_position_size="2", prev_market_position_size="0"))
    await harness.post(alert("long", "long", market_position_size="4", prev_market_position_size="3"))
    await asyncio.sleep(60)
    assert [event.text for event in harness.recorder.events] == [
        "an alert on ETHUSDT seems to be missing: its order started from long 3, the last alert ended long 2"
    ]


async def test_a_redelivered_alert_opens_no_gap(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(alert("long", "flat"))
    await harness.post(alert("flat", "long"))
    await asyncio.sleep(20)
    await harness.post(alert("short", "flat"))
    assert (await harness.post(alert("flat", "long"))).body["status"] == "duplicate"
    await asyncio.sleep(60)
    assert harness.recorder.events == []


async def test_neither_a_redelivery_nor_the_first_alert_is_a_gap(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(alert("flat", "short"))
    await harness.post(alert("long", "flat"))
    for _ in range(3):
        await asyncio.sleep(5)
        await harness.post(alert("flat", "short"))
    await asyncio.sleep(60)
    assert harness.recorder.events == []


async def test_open_gaps_are_reported_at_a_stop(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(alert("long", "flat"))
    await asyncio.sleep(31)
    await harness.post(alert("flat", "short"))
    await harness.source.close()
    assert [event.kind for event in harness.recorder.events] == ["missed_alert"]
