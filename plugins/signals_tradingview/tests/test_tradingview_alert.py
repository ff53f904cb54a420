"""Every field is parsed on its own, as text or number, and refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import SignalRejected
from te_signals_tradingview.formats.alert import Alert, read_alert
from te_signals_tradingview.formats.json_body import parse

RECEIVED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SEED = (
    '{"symbol":"SOLUSDT","direction":"long","action":"buy","size":"14.08\\/100","leverage":"","priority":"",'
    '"takeprofit":"0.0","trailstop":"0.0","price":"0.0","signal_seq":"","event_id":""}'
)


def read(limit: int = 4096, /, **fields: Any) -> Alert:
    payload = {"symbol": "BTCUSDT", "direction": "long", "size": "10/100", **fields}
    return read_alert(payload, received_at=RECEIVED, extra_limit=limit)


def refusal(**fields: Any) -> SignalRejected:
    with pytest.raises(SignalRejected) as refused:
        read(**fields)
    return refused.value


def test_an_older_template_is_read() -> None:
    alert = read_alert(parse(SEED), received_at=RECEIVED, extra_limit=4096)
    assert (alert.symbol, alert.depth) == ("SOLUSDT", Decimal("0.1408"))
    assert [alert.leverage, alert.price, alert.sequence, alert.event_id, alert.time] == [None] * 5
    assert alert.extra == {}
    assert alert.exits is None


def test_numbers_need_no_quotes() -> None:
    text = '{"ticker": "BTCUSDT", "size": -0.5, "leverage": 3, "price": 64000.50, "signal_seq": 7, "event_id": 12}'
    alert = read_alert(parse(text), received_at=RECEIVED, extra_limit=4096)
    assert alert.depth == Decimal("-0.5")
    assert (alert.leverage, alert.price) == (Decimal(3), Decimal("64000.50"))
    assert (alert.sequence, alert.event_id) == ("7", "12")


@pytest.mark.parametrize("absent", [None, "", "   "])
def test_an_empty_field_is_not_stated(absent: str | None) -> None:
    alert = read(
        leverage=absent, price=absent, signal_seq=absent, event_id=absent, action=absent, time=absent
    )
    assert alert == read()


@pytest.mark.parametrize("zero", ["0", "0.0", "-0", "0e5"])
def test_a_price_or_leverage_of_zero_is_not_stated(zero: str) -> None:
    assert read(price=zero, leverage=zero) == read()


@pytest.mark.parametrize("direction", ["long", "LONG", " Long "])
def test_directions_are_case_insensitive(direction: str) -> None:
    assert read(direction=direction, action="BUY").depth == Decimal("0.1")


def test_an_exit_ignores_what_it_does_not_need() -> None:
    alert = read(direction="flat", size=["?"], leverage="a lot")
    assert (alert.depth, alert.leverage) == (Decimal(0), None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", ""),
        ("symbol", 5.0),
        ("symbol", ["BTCUSDT"]),
        ("symbol", "x" * 201),
        ("symbol", "{{tickr}}"),
        ("direction", "up"),
        ("direction", True),
        ("action", "hold"),
        ("size", {}),
        ("size", "{{strategy.order.comment}}"),
        ("leverage", "3x"),
        ("leverage", "-3"),
        ("leverage", "nan"),
        ("leverage", "1001"),
        ("leverage", "1e99"),
        ("price", "-1"),
        ("price", "inf"),
        ("price", "1e13"),
        ("price", "1e-13"),
        ("price", False),
        ("order_price", "x"),
        ("signal_seq", True),
        ("signal_seq", "9" * 201),
        ("event_id", {}),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    error = refusal(**{field: value})
    assert error.field == field
    assert error.reason


def test_the_order_price_replaces_a_missing_price() -> None:
    assert read(price="0.0", order_price="64617.05").price == Decimal("64617.05")
    assert read(price="64000", order_price="64617.05").price == Decimal(64000)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"timenow": "2026-01-01T11:59:58Z"}, "2026-01-01T11:59:58+00:00"),
        ({"time": "2026-01-01T10:00:00Z", "timenow": "2026-01-01T11:59:58Z"}, "2026-01-01T11:59:58+00:00"),
        ({"time": "2026-01-01T13:59:58+02:00"}, "2026-01-01T11:59:58+00:00"),
        ({"order_time": "2024-08-01 01:00:20"}, "2024-08-01T01:00:20+00:00"),
        ({"timestamp": "1767268798"}, "2026-01-01T11:59:58+00:00"),
        ({"timestamp": "1767268798123"}, "2026-01-01T11:59:58.123000+00:00"),
        ({"timestamp": "1767268798.5"}, "2026-01-01T11:59:58.500000+00:00"),
        ({"timestamp": "1767268798123456"}, "2026-01-01T11:59:58.123456+00:00"),
        ({"timenow": "soon", "time": "2026-01-01T11:59:58Z"}, "2026-01-01T11:59:58+00:00"),
        ({"time": "2026-01-01T12:05:00Z"}, "2026-01-01T12:05:00+00:00"),
    ],
)
def test_the_alerts_own_time_is_used(fields: dict[str, str], expected: str) -> None:
    alert = read(**fields)
    assert alert.time == datetime.fromisoformat(expected)
    assert alert.time is not None
    assert alert.time.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "time",
    [
        "soon",
        "{{time}}",
        "5",
        "-1767268798",
        "1e50",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "9999-99-99",
        True,
        [],
        "nan",
    ],
)
def test_an_unreadable_time_is_only_persisted(time: Any) -> None:
    alert = read(time=time)
    assert alert.time is None
    assert alert.extra == {"time": time}


@pytest.mark.parametrize("time", ["2026-01-01T12:05:01Z", "2026-01-01T20:00:00", "1e16"])
def test_a_time_in_the_future_is_refused(time: str) -> None:
    error = refusal(timenow=time)
    assert error.field == "timenow"
    assert "2026-01-01 12:00:00 UTC" in error.reason


def test_unknown_fields_are_persisted_up_to_a_limit() -> None:
    alert = read(40, comment="breakout", nested={"a": ["1"]}, book="x" * 100, note="n")
    assert alert.extra == {"comment": "breakout", "nested": {"a": ["1"]}}
    assert alert.dropped == 2
