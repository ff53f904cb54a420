"""The responses to senders, and the signals of their alerts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import JournalError, NotReady
from te_core.testing.fakes import SourceRecorder

MakeHarness = Callable[..., Any]
ALERT = {
    "symbol": "BYBIT:BTCUSDT.P",
    "direction": "short",
    "action": "sell",
    "size": "-14.08/100",
    "price": "64000",
}
FLAT = {"symbol": "BTCUSDT.P", "direction": "flat", "action": "buy", "size": "Exit @ 3263.55"}


async def test_an_alert_becomes_a_signal(make_harness: MakeHarness) -> None:
    harness = make_harness()
    alert = {
        **ALERT,
        "timenow": "2025-12-31T23:59:58Z",
        "leverage": "3",
        "event_id": "e1",
        "comment": "breakout",
    }
    answer = await harness.post(alert)
    assert (answer.status, dict(answer.body)) == (
        200,
        {"status": "accepted", "symbol": "BTCUSDT", "depth": "-0.1408"},
    )
    [signal] = harness.recorder.published
    assert (signal.source, signal.symbol, signal.depth) == ("tradingview", "BTCUSDT", Decimal("-0.1408"))
    assert (signal.price, signal.leverage, signal.sequence) == (Decimal(64000), Decimal(3), None)
    assert signal.time == harness.recorder.clock.now() - timedelta(seconds=2)
    assert signal.received_at == harness.recorder.clock.now()
    assert signal.detail == {
        "spelling": "BYBIT:BTCUSDT.P",
        "clock": "timenow",
        "event_id": "e1",
        "extra": {"comment": "breakout"},
        "raw": json.dumps(alert),
    }
    assert (signal.current, signal.rule) == (True, "first")


async def test_the_response_waits_until_the_signal_is_durable(make_harness: MakeHarness) -> None:
    harness = make_harness(recorder=SourceRecorder(durable_after=2))
    posting = asyncio.create_task(harness.post(ALERT))
    await asyncio.sleep(1.9)
    assert not posting.done()
    assert (await posting).status == 200


async def test_without_a_time_an_alert_has_its_time_of_arrival(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(ALERT)
    assert harness.recorder.published[0].time == harness.recorder.published[0].received_at


@pytest.mark.parametrize("failure", [NotReady("stopping"), JournalError("disk full at /secret/place")])
async def test_an_unpersisted_alert_is_to_be_sent_again(
    make_harness: MakeHarness, failure: Exception
) -> None:
    harness = make_harness()
    harness.recorder.failure = failure
    answer = await harness.post(ALERT)
    assert answer.status == 503  # TradingView re-sends after any 5xx but 504
    assert answer.retry_after == 5
    assert "/secret/place" not in str(answer.body)
    assert harness.count("not_kept") == 1
    harness.recorder.failure = None
    assert (await harness.post(ALERT)).body["status"] == "accepted"


async def test_a_hanging_disk_is_answered_503_in_time(
    make_harness: MakeHarness,
) -> None:
    """TradingView gives up after 3 s and sends an alert again only after a 5xx."""
    harness = make_harness(recorder=SourceRecorder(durable_after=8))
    began = harness.recorder.clock.monotonic()
    assert (await harness.post(ALERT)).status == 503
    assert harness.recorder.clock.monotonic() - began < 3
    harness.recorder.durable_after = 0
    await asyncio.sleep(5)
    again = await harness.post(ALERT)
    assert (again.status, again.body["status"]) == (200, "duplicate"), "it was kept in the end"
    assert len(harness.recorder.published) == 1


async def test_each_of_many_waiting_alerts_is_answered_in_time(
    make_harness: MakeHarness,
) -> None:
    harness = make_harness(recorder=SourceRecorder(durable_after=8))
    clock = harness.recorder.clock

    async def send(number: int) -> float:
        await asyncio.sleep(number / 10)
        began = clock.monotonic()
        assert (await harness.post({**ALERT, "event_id": str(number)})).status == 503
        return float(clock.monotonic() - began)

    took = await asyncio.gather(*(send(number) for number in range(100)))
    assert max(took) <= 2.51
    harness.recorder.durable_after = 2
    assert (await harness.post(FLAT)).status == 200


async def test_a_sender_who_hangs_up_is_not_answered(make_harness: MakeHarness) -> None:
    harness = make_harness(recorder=SourceRecorder(durable_after=2))
    posting = asyncio.create_task(harness.post(ALERT))
    await asyncio.sleep(1)
    posting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await posting
    assert harness.count("not_kept") == 0


async def test_hours_without_a_journal_are_logged_once(
    make_harness: MakeHarness, log_lines: list[str]
) -> None:
    """A log line for each alert would fill a full disk further. Every alert is answered 503 all the same."""
    harness = make_harness()
    harness.recorder.failure = JournalError("disk full")
    for _ in range(500):
        await asyncio.sleep(7)
        assert (await harness.post(ALERT)).status == 503
    assert harness.recorder.published == []
    harness.recorder.failure = None
    assert (await harness.post(ALERT)).status == 200
    assert (await harness.post(FLAT)).status == 200
    told = [line.partition(" - ")[2].strip() for line in log_lines if "503" in line]
    assert told == [
        "cannot persist alerts; answering 503: disk full",
        "alerts are persisted again, after 500 were answered 503",
    ]


async def test_a_byte_identical_redelivery_changes_nothing(make_harness: MakeHarness) -> None:
    harness = make_harness()
    assert (await harness.post(ALERT)).body["status"] == "accepted"
    await harness.post({**ALERT, "direction": "flat"})
    for _ in range(3):
        await asyncio.sleep(5)
        answer = await harness.post(ALERT)
        assert (answer.status, answer.body["status"]) == (200, "duplicate")
    assert harness.recorder.depths() == {"BTCUSDT": 0}
    assert len(harness.recorder.published) == 2


async def test_after_the_window_the_same_bytes_are_a_new_alert(make_harness: MakeHarness) -> None:
    harness = make_harness(dedupe_window="20s")
    await harness.post(ALERT)
    await asyncio.sleep(20.001)
    assert (await harness.post(ALERT)).body["status"] == "accepted"


async def test_distinct_alerts_are_never_merged(make_harness: MakeHarness) -> None:
    harness = make_harness()
    for number in range(5):
        assert (await harness.post({**ALERT, "n": number})).body["status"] == "accepted"
    assert len({signal.delivery_id for signal in harness.recorder.published}) == 5


async def test_a_late_alert_is_persisted_and_not_followed(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post({**ALERT, "signal_seq": 10})
    answer = await harness.post({**FLAT, "signal_seq": "9"})
    assert (answer.status, answer.body["status"]) == (200, "superseded")
    late = harness.recorder.published[1]
    assert (late.current, late.rule) == (False, "sequence")
    assert harness.recorder.depths() == {"BTCUSDT": Decimal("-0.1408")}


async def test_concurrent_alerts_count_in_the_order_of_arrival(make_harness: MakeHarness) -> None:
    harness = make_harness(recorder=SourceRecorder(durable_after=1))
    answers = await asyncio.gather(
        harness.post({**ALERT, "signal_seq": 2}),
        harness.post({**FLAT, "signal_seq": 1}),
        harness.post({**ALERT, "signal_seq": 3}),
    )
    assert [answer.body["status"] for answer in answers] == ["accepted", "superseded", "accepted"]


async def test_symbols_are_ordered_separately(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post({**ALERT, "signal_seq": 10})
    assert (await harness.post({**ALERT, "symbol": "ETHUSDT", "signal_seq": 1})).body["status"] == "accepted"


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"", b"buy", b'{"size": NaN}', b"[1]"])
async def test_a_body_that_is_not_a_json_object_is_400(make_harness: MakeHarness, content: bytes) -> None:
    harness = make_harness()
    answer = await harness.post(content)
    assert answer.status == 400
    assert set(answer.body["error"]) == {"field", "reason", "hint"}
    assert len(harness.recorder.quarantined) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"symbol": None}, "symbol"),
        ({"symbol": "SOLUSDT.P"}, "symbol"),
        ({"symbol": "BTCUSD.P"}, "symbol"),
        ({"direction": "sideways"}, "direction"),
        ({"action": "hold"}, "action"),
        ({"size": "nan/100"}, "size"),
        ({"size": "1/0"}, "size"),
        ({"size": "150/100"}, "size"),
        ({"direction": "long"}, "size"),
        ({"size": None}, "size"),
        ({"size": "Exit @ 1"}, "size"),
        ({"leverage": "-1"}, "leverage"),
        ({"price": "x"}, "price"),
        ({"timenow": "2030-01-01T00:00:00Z"}, "timenow"),
    ],
)
async def test_a_wrong_field_is_422_and_changes_nothing(
    make_harness: MakeHarness, change: dict[str, Any], field: str
) -> None:
    harness = make_harness()
    answer = await harness.post({**ALERT, **change})
    assert answer.status == 422
    assert answer.body["error"]["field"] == field
    assert answer.body["error"]["reason"]
    assert harness.recorder.published == []
    [kept] = harness.recorder.quarantined
    assert (kept.source, kept.field, kept.reason) == ("tradingview", field, answer.body["error"]["reason"])
    assert kept.received_at == harness.recorder.clock.now()
    assert '"symbol"' in kept.body
    assert harness.count("refused") == 1


async def test_a_quarantined_body_is_bounded(make_harness: MakeHarness) -> None:
    harness = make_harness(quarantine_body_limit=10)
    await harness.post(b"x" * 60_000)
    assert harness.recorder.quarantined[0].body == "x" * 10 + "…"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_accepted(make_harness: MakeHarness, method: str) -> None:
    harness = make_harness()
    assert (await harness.post(ALERT, method=method)).status == 405
    assert harness.recorder.published == []


async def test_every_response_is_counted(make_harness: MakeHarness) -> None:
    harness = make_harness(allow=["203.0.113.0/24"])
    await harness.post({**ALERT, "signal_seq": 5})
    await harness.post({**ALERT, "signal_seq": 5})
    await harness.post({**ALERT, "signal_seq": 4})
    await harness.post({})
    await harness.post(ALERT, tail=("wrong",))
    await harness.post(ALERT, client="198.51.100.1")
    await harness.post(ALERT, method="GET")
    assert harness.source.status() == {
        "accepted": 1,
        "duplicate": 1,
        "superseded": 1,
        "refused": 1,
        "not_kept": 0,
        "unauthorised": 1,
        "locked_out": 0,
        "forbidden": 1,
        "wrong_method": 1,
        "locked_addresses": 0,
        "missed_alerts": 0,
        "warning": 'alert refused: symbol: is missing (add "symbol": "{{ticker}}" to the message)',
    }
