"""Alerts made for other products: worked examples, refusals with their reasons, and that their secrets are removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.testing import virtual_clock

MakeHarness = Callable[..., Any]
Body = Mapping[str, Any] | bytes

SECRET = "5ecre7of50mebody"
UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

PLACEHOLDERS = {
    "exchange": "BYBIT",
    "ticker": "ETHUSDT.P",
    "market_position": "long",
    "market_position_size": "2.5",
    "prev_market_position": "flat",
    "prev_market_position_size": "0",
    "order.action": "buy",
    "order.price": "3200.5",
    "contracts": "2.5",
    "timenow": "2026-01-01T00:00:00Z",
}
THREE_COMMAS = {
    "secret": SECRET,
    "max_lag": "300",
    "timestamp": "2025-12-31T23:59:58Z",
    "trigger_price": "3200.5",
    "tv_exchange": "BYBIT",
    "tv_instrument": "ETHUSDT.P",
    "action": "buy",
    "bot_uuid": UUID,
    "strategy_info": {
        "market_position": "long",
        "market_position_size": "2.5",
        "prev_market_position": "flat",
        "prev_market_position_size": "0",
    },
    "order": {"amount": "2.5", "currency_type": "base"},
}
CUSTOM = {name: value for name, value in THREE_COMMAS.items() if name not in ("strategy_info", "order")}
TRADERSPOST = {
    "ticker": "ETHUSDT.P",
    "action": "buy",
    "sentiment": "bullish",
    "quantity": "2.5",
    "quantityType": "fixed_quantity",
    "price": "3200.5",
    "time": "2025-12-31T23:59:58Z",
    "extras": {"source": "breakout"},
}
OKX = {
    "id": "Long",
    "action": "buy",
    "marketPosition": "long",
    "prevMarketPosition": "flat",
    "instrument": "ETHUSDT.P",
    "signalToken": SECRET,
    "timestamp": "2025-12-31T23:59:58Z",
    "maxLag": "60",
    "investmentType": "base",
    "amount": "2.5",
}
WUNDER = {"code": f"ENTER-LONG_BYBIT_ETH/USDT_my-bot_1H_{SECRET}", "amountPerTrade": "0.2", "leverage": "3"}
CODE = WUNDER["code"].encode()
ALERTATRON = b"MyKeys(ETHUSDT) { cancel(which=all); market(position=-50%); } #bot"
PINE = f'60123456789,closeshortopenlong,ETHUSDT,risk=1,secret={SECRET},comment="x"'.encode()


def changed(message: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {name: value for name, value in {**message, **more}.items() if value is not ...}


def exit_code(kind: str) -> bytes:
    return f"{kind}_BYBIT_ETHUSDT_my_bot_1H_{SECRET}".encode()


TARGETS: list[tuple[str, Body, str, str]] = [
    ("placeholders", PLACEHOLDERS, "0.25", "long"),
    ("placeholders", changed(PLACEHOLDERS, market_position="short"), "-0.25", "short"),
    ("placeholders", changed(PLACEHOLDERS, market_position="flat"), "0", "exit"),
    ("placeholders", changed(PLACEHOLDERS, size="70/100"), "0.7", "its own size"),
    ("placeholders", {"ticker": "ETHUSDT", "strategy.market_position": "short"}, "-0.25", "dotted"),
    ("3commas", THREE_COMMAS, "0.25", "strategy"),
    ("3commas", changed(THREE_COMMAS, strategy_info={"market_position": "flat"}), "0", "strategy, exit"),
    ("3commas", changed(CUSTOM, action="enter_short"), "-0.25", "custom"),
    ("3commas", changed(CUSTOM, action="exit_short"), "0", "custom, exit"),
    (
        "3commas",
        changed(CUSTOM, action="exit_long", order={"amount": "100", "currency_type": "position_percent"}),
        "0",
        "custom, all of it",
    ),
    ("traderspost", TRADERSPOST, "0.25", "sentiment"),
    ("traderspost", changed(TRADERSPOST, action="sell", sentiment="short"), "-0.25", "a placeholder's word"),
    ("traderspost", changed(TRADERSPOST, sentiment="flat"), "0", "flat"),
    ("traderspost", {"ticker": "ETHUSDT", "action": "exit"}, "0", "exit"),
    ("okx", OKX, "0.25", "strategy"),
    ("okx", changed(OKX, marketPosition="flat", prevMarketPosition="long"), "0", "strategy, exit"),
    ("okx", {"action": "ENTER_SHORT", "instrument": "ETHUSDT", "signalToken": SECRET}, "-0.25", "universal"),
    ("okx", {"action": "EXIT_LONG", "instrument": "ETHUSDT", "signalToken": SECRET}, "0", "universal, exit"),
    ("wundertrading", WUNDER, "0.25", "in JSON"),
    ("wundertrading", CODE, "0.25", "text"),
    ("wundertrading", exit_code("ENTER-SHORT"), "-0.25", "name with underscores"),
    ("wundertrading", exit_code("exit-all"), "0", "exit"),
    ("alertatron", ALERTATRON, "-0.5", "share of the balance"),
    ("alertatron", b"MyKeys(ETHUSDT) {\n market(position=0);\n}\n#bot", "0", "flat"),
    ("alertatron", b"MyKeys(ETHUSDT) { close(); } #bot", "0", "close"),
    ("alertatron", b"MyKeys(ETHUSDT) { market(position=12); } #bot #test", "0.25", "units tell the side"),
    ("pineconnector", PINE, "0.25", "turn to long"),
    ("pineconnector", b"60123456789 , CloseLongOpenShort , ETHUSDT", "-0.25", "turn to short"),
    ("pineconnector", b"60123456789,closelongshort,ETHUSDT", "0", "exit"),
    ("pineconnector", b"60123456789,closeshortopenlong,ETHUSDT,size=40%", "0.4", "its own size"),
]


@pytest.mark.parametrize("setting", ["auto", "named"])
@pytest.mark.parametrize(
    ("product", "body", "depth", "what"), TARGETS, ids=[f"{p}: {what}" for p, _, _, what in TARGETS]
)
async def test_an_alert_that_states_a_target_is_accepted(
    make_harness: MakeHarness, product: str, body: Body, depth: str, what: str, setting: str
) -> None:
    del what
    harness = make_harness(share=0.25, format="auto" if setting == "auto" else product)
    answer = await harness.post(body)
    assert answer.status == 200, answer.body
    [signal] = harness.recorder.published
    assert (signal.symbol, signal.depth) == ("ETHUSDT", Decimal(depth))
    assert signal.detail["format"] == product


async def test_prices_times_and_positions_are_read_too(make_harness: MakeHarness) -> None:
    for body in (PLACEHOLDERS, THREE_COMMAS, TRADERSPOST):
        harness = make_harness(share=0.25)
        await harness.post(body)
        [signal] = harness.recorder.published
        assert signal.price == Decimal("3200.5")
        assert "clock" in signal.detail
        assert signal.time <= datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    for body in (PLACEHOLDERS, THREE_COMMAS):
        harness = make_harness(share=0.25)
        await harness.post(body)
        assert harness.recorder.published[0].detail["from"] == {"side": "flat", "size": "0"}
        assert harness.recorder.published[0].detail["position"] == {"side": "long", "size": "2.5"}
    harness = make_harness(share=0.25)
    await harness.post(OKX)
    assert harness.recorder.published[0].detail["from"] == {"side": "flat"}


NO_TARGET: list[tuple[Body, str, str]] = [
    (PLACEHOLDERS, "size", "which share of the whole"),
    (changed(PLACEHOLDERS, market_position="up"), "market_position", "none of long, short, flat"),
    (changed(PLACEHOLDERS, ticker=...), "symbol", "is missing"),
    (THREE_COMMAS, "size", "which share of the whole"),
    (changed(CUSTOM, action="buy"), "action", "is an order"),
    (changed(CUSTOM, action="add_funds"), "action", "is an order"),
    (
        changed(CUSTOM, action="exit_long", order={"amount": "50", "currency_type": "base"}),
        "order.amount",
        "a part",
    ),
    (changed(THREE_COMMAS, tv_instrument="SOLUSDT.P", size="50%"), "tv_instrument", "is not mapped"),
    (
        changed(THREE_COMMAS, strategy_info={"market_position": "?"}),
        "strategy_info.market_position",
        "none of",
    ),
    (changed(THREE_COMMAS, timestamp="2025-12-31T23:54:59Z"), "max_lag", "301 s ago"),
    (changed(TRADERSPOST, sentiment=...), "action", "is an order"),
    (changed(TRADERSPOST, sentiment="happy"), "sentiment", "none of bullish"),
    ({"ticker": "ETHUSDT", "action": "cancel"}, "action", "cancels orders"),
    ({"ticker": "ETHUSDT", "action": "add", "quantity": "1"}, "action", "is an order"),
    ({"ticker": "ETHUSDT", "action": "exit", "quantity": "1"}, "quantity", "a part"),
    (changed(OKX, marketPosition=...), "action", "is an order"),
    (changed(OKX, timestamp="2025-12-31T23:58:59Z"), "maxLag", "61 s ago"),
    (
        changed(OKX, action="EXIT_LONG", investmentType="percentage_position", amount="50"),
        "amount",
        "a part",
    ),
    (WUNDER, "size", "which share of the whole"),
    (changed(WUNDER, code=exit_code("EXIT-LONG").decode()), "amountPerTrade", "a part"),
    (b"ENTER-LONG_BYBIT_ETHUSDT_" + SECRET.encode(), "code", "is not a WunderTrading code"),
    (b"MyKeys(ETHUSDT) { market(side=buy, amount=50%); } #bot", "body", "is an order"),
    (b"MyKeys(ETHUSDT) { limit(position=0, offset=1%); } #bot", "body", "is an order"),
    (b"MyKeys(ETHUSDT) { market(position=50%p); } #bot", "position", "not a position of a known kind"),
    (b"MyKeys(ETHUSDT) { market(position=50%%); } #bot", "position", "not a position of a known kind"),
    (b"MyKeys(ETHUSDT) { market(position=250%); } #bot", "position", "more than the whole"),
    (b"MyKeys(ETHUSDT) { market(position=5); } #bot", "position", "which share of the whole"),
    (b"MyKeys(ETHUSDT) { cancel(which=all); } #bot", "body", "0 commands state a position"),
    (b"60123456789,buy,ETHUSDT,risk=1", "command", '"buy" is an order'),
    (b"60123456789,closelongpct,ETHUSDT,risk=1", "command", "is an order"),
    (b"60123456789,eaoff,eaoff", "command", "is an order"),
]


@pytest.mark.parametrize(
    ("body", "field", "reason"), NO_TARGET, ids=[f"{n}: {f}" for n, (_, f, _) in enumerate(NO_TARGET)]
)
async def test_an_alert_without_a_target_is_refused_by_its_own_field(
    make_harness: MakeHarness, body: Body, field: str, reason: str
) -> None:
    harness = make_harness()
    answer = await harness.post(body)
    error = answer.body["error"]
    assert answer.status == 422
    assert error["field"] == field
    assert reason in error["reason"]
    assert error["hint"]
    assert harness.recorder.published == []


async def test_an_exit_needs_no_share(make_harness: MakeHarness) -> None:
    harness = make_harness()
    for body in (
        changed(PLACEHOLDERS, market_position="flat"),
        changed(CUSTOM, action="exit_long"),
        exit_code("EXIT-ALL"),
    ):
        assert (await harness.post(body)).body["depth"] == "0"


async def test_closing_the_side_that_is_not_held_closes_nothing(make_harness: MakeHarness) -> None:
    for ordering in ("trust", "parity"):
        harness = make_harness(share=0.5, ordering=ordering)
        await harness.post(changed(CUSTOM, action="enter_short"))
        answer = await harness.post(changed(CUSTOM, action="exit_long"))
        assert answer.body["status"] == "superseded"
        assert harness.recorder.published[-1].rule == "other_side"
        assert harness.recorder.depths() == {"ETHUSDT": Decimal("-0.5")}
        await harness.post(b"60123456789,closeshort,ETHUSDT")
        assert harness.recorder.depths() == {"ETHUSDT": 0}


async def test_an_alert_with_a_direction_is_always_our_own_format(
    make_harness: MakeHarness,
) -> None:
    harness = make_harness()
    plain = {"symbol": "ETHUSDT", "direction": "long", "size": "10/100", "code": "7", "sentiment": "bearish"}
    answer = await harness.post(plain)
    assert answer.body["depth"] == "0.1"
    assert "format" not in harness.recorder.published[0].detail


@pytest.mark.parametrize("product", ["plain", "alertatron", "traderspost"])
async def test_a_format_that_is_set_is_the_only_one_accepted(make_harness: MakeHarness, product: str) -> None:
    harness = make_harness(format=product, share=0.5)
    assert (await harness.post(THREE_COMMAS)).status in (400, 422)
    assert (await harness.post(PINE)).status in (400, 422)
    assert harness.recorder.published == []


# -- secrets

BODIES: list[Body] = [
    *(body for _, body, _, _ in TARGETS),
    *(body for body, _, _ in NO_TARGET),
    changed(THREE_COMMAS, tv_instrument=5),
    changed(WUNDER, code=f"ENTR-LONG_BYBIT_ETHUSDT_bot_1H_{SECRET}"),
    f"ENTR-LONG_BYBIT_ETHUSDT_bot_1H_{SECRET}".encode(),
    f"buy,60123456789,ETHUSDT,secret={SECRET}".encode(),
    f"60123456789,60123456789,ETHUSDT,secret={SECRET}".encode(),
    f"60123456789,buy,ETHUSDT\nsecret={SECRET}".encode(),
    b"MyKeys(ETHUSDT) { market(position=0) #bot",
    b"MyKeys(SOLUSDT) { market(position=0); } #bot",
    json.dumps(THREE_COMMAS)[:-1].encode(),
    json.dumps(WUNDER)[:-1].encode(),
]


@pytest.mark.parametrize(
    "product", ["auto", "plain", "3commas", "wundertrading", "pineconnector", "alertatron"]
)
async def test_no_secret_of_another_product_is_persisted_or_shown(
    make_harness: MakeHarness, log_lines: list[str], product: str
) -> None:
    harness = make_harness(format=product)
    seen: list[object] = []
    for body in BODIES:
        answer = await harness.post(body)
        seen += [answer.body, *harness.recorder.published, *harness.recorder.quarantined, *log_lines]
        for secret in (SECRET, UUID, "60123456789", "MyKeys"):
            assert secret not in repr(seen), body
        seen.clear()
    assert harness.recorder.quarantined


pieces = st.sampled_from(
    [
        "60123456789",
        ",",
        "buy",
        "closelong",
        "=",
        "ETHUSDT",
        "(",
        ")",
        "{",
        "}",
        ";",
        "#",
        "bot",
        " ",
        "\n",
        "ENTER-LONG_",
        "_",
        "market",
        "position",
        "%",
        "50",
        "\x00",
        "é",
        '"',
        "code",
        ":",
    ]
)


@settings(deadline=None, max_examples=200)
@given(
    text=st.lists(pieces, max_size=30).map("".join),
    product=st.sampled_from(["auto", "okx", *("alertatron", "pineconnector", "wundertrading")]),
)
def test_any_text_gets_a_proper_response(make_harness: MakeHarness, text: str, product: str) -> None:
    async def send() -> None:
        harness = make_harness(format=product, share=0.5)
        assert (await harness.post(text.encode())).status in (200, 400, 422)

    virtual_clock.run(send())


@pytest.mark.parametrize(
    "text", ["#" * 65_000, "a," * 30_000, "60123456789,buy,X" + " " * 60_000 + "\n\n,", "_a" * 30_000]
)
@pytest.mark.parametrize("head", ["", "MyKeys(ETHUSDT) { market(position=0); } ", "ENTER-LONG_"])
async def test_long_texts_are_parsed_in_linear_time(make_harness: MakeHarness, text: str, head: str) -> None:
    harness = make_harness()
    assert (await harness.post((head + text).encode())).status in (
        400,
        422,
    )  # the suite's time limit decides
