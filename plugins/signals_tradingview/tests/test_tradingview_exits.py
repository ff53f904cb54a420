"""Take-profits and stops of alerts: part of the signal by kind and unit, and never a reason to refuse it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import Exit, Exits, ExitUnit
from te_signals_tradingview.formats.alert import Alert
from te_signals_tradingview.formats.exits import read_exits
from te_signals_tradingview.formats.json_body import parse
from te_signals_tradingview.formats.reader import AlertReader

D = Decimal
RECEIVED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
PLAIN = {"symbol": "BTCUSDT", "direction": "long", "size": "10/100"}
TRADERSPOST = {"ticker": "BTCUSDT", "sentiment": "long", "action": "buy", "size": "10/100"}
THREE_COMMAS = {"tv_instrument": "BTCUSDT", "action": "enter_long", "bot_uuid": "x", "size": "10/100"}


def price(value: str, share: str | None = None) -> Exit:
    return Exit(value=D(value), unit=ExitUnit.PRICE, share=None if share is None else D(share))


def percent(value: str, share: str | None = None) -> Exit:
    return Exit(value=D(value), unit=ExitUnit.PERCENT, share=None if share is None else D(share))


def distance(value: str) -> Exit:
    return Exit(value=D(value), unit=ExitUnit.DISTANCE)


def read(body: dict[str, Any], **fields: Any) -> Alert:
    text = json.dumps({**body, **fields})
    return AlertReader("auto", share=None, extra_limit=4096).read(text, RECEIVED)


@pytest.mark.parametrize(
    ("fields", "exits"),
    [
        ({"takeprofit": "66000"}, Exits(take_profit=(price("66000"),))),
        ({"takeprofit": 66000.5}, Exits(take_profit=(price("66000.5"),))),
        (
            {"take_profit": "2%", "stop_loss": "1.5 %"},
            Exits(take_profit=(percent("2"),), stop_loss=percent("1.5")),
        ),
        (
            {"stoploss": "61000", "trailstop": "1%"},
            Exits(stop_loss=price("61000"), trailing_stop=percent("1")),
        ),
        ({"trailstop": "250"}, Exits(trailing_stop=distance("250"))),
        (
            {"trailstop": "1%", "trailactivation": "2%", "breakeven": "150"},
            Exits(trailing_stop=percent("1"), activation=percent("2"), break_even=distance("150")),
        ),
        ({"takeprofit": "0.0", "trailstop": "0.0", "stoploss": ""}, None),
        ({"takeprofit": None, "stoploss": "none"}, None),
        ({}, None),
    ],
)
def test_our_own_fields_are_read(fields: dict[str, Any], exits: Exits | None) -> None:
    alert = read(PLAIN, **fields)
    assert alert.exits == exits
    assert alert.exits_unread == ()
    assert alert.extra == {}


@pytest.mark.parametrize(
    ("fields", "exits"),
    [
        ({"takeProfit": {"percent": 10}}, Exits(take_profit=(percent("10"),))),
        ({"takeProfit": {"amount": 10}}, Exits(take_profit=(distance("10"),))),
        ({"takeProfit": {"limitPrice": "110"}}, Exits(take_profit=(price("110"),))),
        ({"stopLoss": {"type": "stop", "percent": 5}}, Exits(stop_loss=percent("5"))),
        ({"stopLoss": {"stopPrice": 90}}, Exits(stop_loss=price("90"))),
        (
            {"stopLoss": {"type": "stop_limit", "stopPrice": 90, "limitPrice": 89}},
            Exits(stop_loss=price("90")),
        ),
        ({"stopLoss": {"type": "trailing_stop", "trailAmount": "2"}}, Exits(trailing_stop=distance("2"))),
        ({"stopLoss": {"type": "trailing_stop", "trailPercent": "5"}}, Exits(trailing_stop=percent("5"))),
    ],
)
def test_objects_of_traderspost_are_read(fields: dict[str, Any], exits: Exits) -> None:
    alert = read(TRADERSPOST, **fields)
    assert alert.product == "traderspost"
    assert alert.exits == exits
    assert alert.extra.keys() == {"ticker", *fields}, "an object is persisted unchanged as well"


@pytest.mark.parametrize(
    ("fields", "exits"),
    [
        (
            {
                "take_profit": {
                    "enabled": True,
                    "steps": [{"price": 70, "volume": 40}, {"price": 80, "volume": "60%"}],
                }
            },
            Exits(take_profit=(price("70", "0.4"), price("80", "0.6"))),
        ),
        (
            {"take_profit": {"steps": [{"amount_percents": 100, "price": {"value": 2, "type": "percent"}}]}},
            Exits(take_profit=(percent("2", "1"),)),
        ),
        (
            {"stop_loss": {"enabled": "true", "trigger_price": {"value": "61000", "type": "price"}}},
            Exits(stop_loss=price("61000")),
        ),
        ({"stop_loss": {"percents": 3, "trailing": True}}, Exits(trailing_stop=percent("3"))),
        ({"take_profit": {"enabled": False, "steps": []}, "stop_loss": {"enabled": "false"}}, None),
    ],
)
def test_steps_of_3commas_are_read(fields: dict[str, Any], exits: Exits | None) -> None:
    alert = read(THREE_COMMAS, **fields)
    assert alert.product == "3commas"
    assert alert.exits == exits
    assert alert.exits_unread == ()


@pytest.mark.parametrize(
    "value",
    [
        "Exit @ 3263.55",
        "{{plot_0}}",
        "-5%",
        "NaN",
        "1e13",
        True,
        [1],
        {},
        {"pnlAmount": 100},
        {"percent": 1, "amount": 2},
        {"steps": []},
        {"steps": [1]},
        {"steps": [{"price": 5, "volume": 140}]},
        {"price": {"value": 5}},
        {"type": "trailing_stop", "trailPercent": 5},
    ],
)
def test_an_exit_that_cannot_be_parsed_is_named_and_persisted(value: Any) -> None:
    alert = read(PLAIN, takeprofit=value, stoploss="61000")
    assert alert.exits == Exits(stop_loss=price("61000"))
    assert alert.exits_unread == ("takeprofit",)
    assert "takeprofit" in alert.extra
    assert alert.depth == D("0.1")


def test_a_flat_alert_has_no_exits() -> None:
    alert = read({"symbol": "BTCUSDT", "direction": "flat"}, takeprofit="5")
    assert alert.exits is None
    assert alert.extra == {"takeprofit": "5"}


async def test_a_signal_has_the_exits_of_its_alert(make_harness: Any) -> None:
    harness = make_harness()
    await harness.post({**PLAIN, "symbol": "BTCUSDT.P", "takeprofit": "2%", "stoploss": "?"})
    signal = harness.recorder.current["BTCUSDT"]
    assert signal.exits == Exits(take_profit=(percent("2"),))
    assert signal.detail["exits_unread"] == ["stoploss"]
    assert str(signal.exits) == "take profit 2 %"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
    )  # refused anywhere
    | st.sampled_from(["1", "2%", "0", "1e-90", "1e12", "stop"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["percent", "amount", "price", "steps", "value", "type", "trailing", "volume", "enabled"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["takeprofit", "stopLoss", "trailing_stop", "take_profit"]), values, max_size=4
    )
)
def test_no_exit_field_refuses_an_alert(fields: dict[str, Any]) -> None:
    found = read_exits(parse(json.dumps(fields)))
    assert (found is None) is (not fields)
    if found is not None:
        assert set(found.unread) <= fields.keys()
        assert not found.plain & set(found.unread)
