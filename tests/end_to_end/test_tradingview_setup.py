"""From nothing to a position: the printed template is pasted, filled in as TradingView does, and moves the account."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import pytest

from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import Home

pytestmark = pytest.mark.real_clock

FILLED = {
    "{{exchange}}": "BYBIT",
    "{{ticker}}": "BTCUSDT.P",
    "{{close}}": "50000",
}


def paste(url: str, text: str, second: int) -> dict[str, str]:
    """Send a message; two of one second would count as one turn of the strategy."""
    text = text.replace("{{timenow}}", f"2026-01-01T00:00:0{second}Z")
    for placeholder, value in FILLED.items():
        text = text.replace(placeholder, value)
    with urllib.request.urlopen(urllib.request.Request(url, data=text.encode(), method="POST")) as response:
        answer: dict[str, str] = json.load(response)
    return answer


def test_what_the_template_prints_moves_the_account(engine: EngineProcess, home: Home) -> None:
    printed = json.loads(
        te(home, "tradingview", "template", "indicator", "--size", "50/100", "--json").stdout
    )
    sizes = {"long alert": "0.09", "short alert": "-0.09", "flat alert": "0"}
    for second, (name, size) in enumerate(sizes.items()):
        answer = paste(printed["webhook_url"], printed["messages"][name], second)
        assert answer["status"] == "accepted"
        engine.until_position("BTCUSDT", size)
    page = te(home, "tradingview", "template").stdout
    assert '"size": "{{strategy.order.comment}}"' in page
    assert "put your reverse proxy's name in place of" in page


def test_missed_alerts_and_silence_are_shown(home: Home, start: Callable[[Home], EngineProcess]) -> None:
    home.tree["sources"]["tradingview"] |= {"expect_every": "3s", "on_expiry": "flat"}
    home.write()
    engine = start(home).until_ready()
    alert = {"symbol": "BTCUSDT.P", "direction": "long", "size": "1/1", "price": "50000"}
    engine.accept(**alert, prev_market_position="flat")
    engine.accept(**alert, prev_market_position="short")
    shown = te(home, "signals").stdout
    assert "its order started from short, the last alert ended" in " ".join(shown.split())
    engine.wait(lambda: engine.state()["sources"]["tradingview"]["silent_since"])
    engine.until_position("BTCUSDT", "0")
    assert "silent since" in " ".join(te(home, "status").stdout.split())
    engine.accept(**alert, prev_market_position="long")
    engine.wait(lambda: "heard from again after" in home.log())
    assert engine.stop() == 0
    told = [
        line
        for line in home.log().splitlines()
        if "not heard from since" in line or "heard from again after" in line
    ]
    assert ["not heard" in line for line in told[:2]] == [True, False]
    assert "seems to be missing: its order started from short, the last alert ended long" in home.log()
