"""The source accepts what ``te tradingview template`` prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from te_core.api import CommandFailed, SourceInstance
from te_signals_tradingview.commands import commands
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.template import INDICATOR, STRATEGY, Kind, messages

MakeHarness = Callable[..., Any]
TOKEN = "canary-0123456789abcdefghij"

FILLED = {
    "{{exchange}}": "BYBIT",
    "{{ticker}}": "ETHUSDT.P",
    "{{strategy.market_position}}": "long",
    "{{strategy.order.action}}": "buy",
    "{{strategy.order.comment}}": "14.08/100",
    "{{strategy.order.alert_message}}": "3",
    "{{strategy.order.price}}": "3200.5",
    "{{strategy.market_position_size}}": "2.5",
    "{{strategy.prev_market_position}}": "flat",
    "{{strategy.prev_market_position_size}}": "0",
    "{{close}}": "3200.5",
    "{{timenow}}": "2026-01-01T00:00:00Z",
}


def filled(text: str) -> bytes:
    """Replace the placeholders by values, as TradingView does."""
    for placeholder, value in FILLED.items():
        text = text.replace(placeholder, value)
    assert "{{" not in text
    return text.encode()


class Context:
    def __init__(self, *names: str, base: str = "https://alerts.example.com") -> None:
        self._sources = {
            name: SourceInstance(
                name=name,
                symbols={"ETHUSDT.P": "ETHUSDT"},
                options=TradingViewOptions.model_validate({"token": TOKEN}),
                webhook_url=f"{base}/hooks/{name}/{TOKEN}",
            )
            for name in names
        }

    def sources(self) -> Mapping[str, SourceInstance]:
        return self._sources

    def report(self, source: str) -> Mapping[str, Any]:
        raise AssertionError(source)


def run(context: Context, *arguments: str) -> Any:
    return CliRunner().invoke(commands(context), ["template", *arguments])


async def test_everything_in_the_strategys_message_is_accepted(make_harness: MakeHarness) -> None:
    harness = make_harness()
    [text] = messages(Kind.STRATEGY).values()
    answer = await harness.post(filled(text))
    assert answer.body == {"status": "accepted", "symbol": "ETHUSDT", "depth": "0.1408"}
    [signal] = harness.recorder.published
    assert (signal.leverage, signal.price) == (Decimal(3), Decimal("3200.5"))
    assert signal.detail["from"] == {"side": "flat", "size": "0"}
    assert "extra" not in signal.detail


async def test_the_indicators_messages_are_long_short_and_flat(make_harness: MakeHarness) -> None:
    harness = make_harness()
    depths = [
        (await harness.post(filled(text))).body["depth"]
        for text in messages(Kind.INDICATOR, size="50/100").values()
    ]
    assert depths == ["0.5", "-0.5", "0"]


def test_a_fixed_size_and_symbol_replace_the_placeholders() -> None:
    [text] = messages(Kind.STRATEGY, size="25%", symbol="ETHUSDT").values()
    assert json.loads(text) == {**STRATEGY, "size": "25%", "symbol": "ETHUSDT"}
    assert set(json.loads(messages(Kind.INDICATOR)["long alert"])) == set(INDICATOR)


def test_the_command_prints_the_address_and_valid_json() -> None:
    shown = run(Context("tradingview"))
    assert shown.exit_code == 0, shown.output
    assert f"https://alerts.example.com/hooks/tradingview/{TOKEN}\n" in shown.output
    begin, end = shown.output.index("{\n"), shown.output.index("\n}") + 2
    assert json.loads(shown.output[begin:end]) == STRATEGY
    assert "ETHUSDT.P = ETHUSDT" in shown.output
    assert "reverse proxy" not in shown.output


def test_an_address_that_tradingview_cannot_reach_is_explained() -> None:
    shown = run(Context("tradingview", base="http://127.0.0.1:8787"))
    assert "put your reverse proxy's name in place of\nhttp://127.0.0.1:8787" in shown.output


def test_json_has_the_address_and_all_messages() -> None:
    found = json.loads(run(Context("tradingview"), "indicator", "--json").output)
    assert found["webhook_url"].endswith(TOKEN)
    assert list(found["messages"]) == ["long alert", "short alert", "flat alert"]


@pytest.mark.parametrize(
    ("names", "arguments", "told"),
    [
        ((), (), "no source uses TradingView"),
        (("a", "b"), (), "several sources use TradingView"),
        (("a", "b"), ("--source", "c"), "there is no TradingView source c"),
        (("a",), ("--size", "150%"), "more than the whole"),
        (("a",), ("--size", "-5%"), "not above zero"),
    ],
)
def test_a_wrong_command_is_explained(names: tuple[str, ...], arguments: tuple[str, ...], told: str) -> None:
    failed = run(Context(*names), *arguments)
    assert isinstance(failed.exception, CommandFailed)
    assert told in str(failed.exception)


def test_one_of_several_is_chosen_by_name() -> None:
    assert "/hooks/b/" in run(Context("a", "b"), "--source", "b").output
