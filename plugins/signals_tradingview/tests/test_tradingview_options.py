"""Settings of the source, and what the plugin registers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pluggy
import pytest
from pydantic import ValidationError

from te_core import hookspecs
from te_core.api import SignalSourceSpec
from te_signals_tradingview import plugin
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.source import TradingViewSource

TOKEN = "canary-0123456789abcdefghij"


def spec() -> SignalSourceSpec[Any]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    [[offered]] = [list(offer) for offer in manager.hook.te_signal_sources()]
    assert isinstance(offered, SignalSourceSpec)
    return offered


def test_the_plugin_offers_one_source() -> None:
    offered = spec()
    assert (offered.name, offered.kind) == ("tradingview", "source")
    assert offered.settings is TradingViewOptions
    assert offered.factory is TradingViewSource
    assert offered.generated_secrets == ("token",)


def test_the_path_carries_the_token() -> None:
    webhook = spec().webhook
    assert webhook is not None
    assert webhook.path(TradingViewOptions.model_validate({"token": TOKEN})) == f"/{TOKEN}"
    assert webhook.path(TradingViewOptions.model_validate({"tokens": [TOKEN]})) == f"/{TOKEN}"


@pytest.mark.parametrize("symbol", ["BTCUSDT.P", "ETHUSDT", "BYBIT:SOLUSDT.P", "BTC1!", "XYZUSDT"])
async def test_the_example_is_a_complete_alert(make_harness: Any, symbol: str) -> None:
    webhook = spec().webhook
    assert webhook is not None
    harness = make_harness(symbols={symbol: "BTCUSDT"})
    answer = await harness.post(webhook.example(symbol))
    assert answer.status == 200
    [signal] = harness.recorder.published
    assert signal.price is not None
    assert signal.leverage is not None
    assert "extra" not in signal.detail


def test_the_defaults_are_those_of_the_guide() -> None:
    options = TradingViewOptions.model_validate({"token": TOKEN})
    assert options.dedupe_window == timedelta(seconds=30)
    assert (options.lockout_after, options.lockout_for) == (10, timedelta(minutes=10))
    assert options.allow == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "token is missing"),
        ({"tokens": []}, "token is missing"),
        ({"token": "short"}, "16 to 256 characters"),
        ({"token": "with a space in the middle"}, "only letters"),
        ({"token": TOKEN, "tokens": ["short"]}, "16 to 256 characters"),
        ({"token": TOKEN, "allow": ["tradingwiev"]}, "neither an IP address"),
        ({"token": TOKEN, "allow": ["1.2.3.4/33"]}, "neither an IP address"),
        ({"token": TOKEN, "lockout_after": 0}, "lockout_after"),
        ({"token": TOKEN, "dedupe_window": "soon"}, "a duration is"),
        ({"token": TOKEN, "dedupe_window": "11m"}, "less than or equal"),
        ({"token": TOKEN, "dedup_window": 5}, "dedup_window"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TradingViewOptions.model_validate(values)


def test_tokens_are_masked() -> None:
    options = TradingViewOptions.model_validate({"token": TOKEN, "tokens": [TOKEN + "2"]})
    assert TOKEN not in f"{options!r} {options} {options.model_dump_json()}"
