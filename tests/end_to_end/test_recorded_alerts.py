"""The real alerts of a user's strategy on one day, sent over HTTP to the running engine.

The recording is next to the repository (``../shared``); without it the test is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.blended import Ledger, quantity
from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import Home

ROOT = Path(__file__).parents[2]
RECORDED = ROOT.parent / "shared" / "signals" / "samples" / "tradingview_trade_requests_2024-08-01.log"

WEIGHT, LEVERAGE, BALANCE = Fraction(1, 2), 3, 10_000
FEE, SLIPPAGE, TICK, STEP = Fraction(6, 10_000), Fraction(2, 10_000), Fraction(1, 10), Fraction(1, 1000)


def recorded_bodies() -> list[bytes]:
    """Return the messages, byte for byte, which follow the time of arrival in each line."""
    return [line.split(" ", 2)[2].encode() for line in RECORDED.read_text().splitlines()]


class Strategist:
    """Follows the recording on its own: what should be held after each alert."""

    def __init__(self) -> None:
        self.book = Ledger(wallet=Fraction(BALANCE), fee=FEE, slippage=SLIPPAGE, tick=TICK)
        self._depth = Fraction(0)

    def hear(self, message: dict[str, Any]) -> Fraction:
        size, whole = map(Fraction, message["size"].split("/"))
        depth = Fraction(0) if message["direction"] == "flat" else WEIGHT * size / whole
        larger = max(abs(depth), abs(self._depth))
        if abs(depth - self._depth) > max(Fraction(1, 10_000), larger / 1000):
            self._depth = depth
            price = Fraction(str(message["order_price"]))
            notional = self.book.wallet * depth * LEVERAGE
            goal = quantity(notional, price=price, step=STEP, minimum_notional=Fraction(5))
            self.book.move_to(goal, price)
        return self.book.held


def equity(engine: EngineProcess) -> Fraction:
    """Return the equity of the account's last read."""
    return Fraction(engine.state()["accounts"]["paper"]["equity"])


needs_recording = pytest.mark.skipif(not RECORDED.exists(), reason=f"the recording is not here: {RECORDED}")


@pytest.mark.real_clock
@needs_recording
def test_every_recorded_alert_leads_to_its_blended_target(
    tmp_path: Path, start: Callable[[Home], EngineProcess]
) -> None:
    home = Home(tmp_path / "home")
    home.tree["symbols"] = {"BTCUSDT": {"leverage": 1, "weights": {"tradingview": 0.5}}}
    home.tree["accounts"] = {"paper": {"plugin": "paper", "balance": BALANCE}}
    home.write()
    engine = start(home).until_ready()
    bodies = recorded_bodies()
    assert len(bodies) == 25
    strategist = Strategist()
    for number, body in enumerate(bodies, 1):
        status, answer = engine.post(body)
        assert (status, answer["status"]) == (200, "accepted"), answer
        engine.wait(engine.at_rest)
        held = strategist.hear(json.loads(body))
        assert Fraction(engine.position("BTCUSDT")) == held, f"after alert {number}"

    # The recording ends flat: what is left is the wallet, less fees and slippage.
    engine.wait(lambda: abs(equity(engine) - strategist.book.wallet) < Fraction(1, 10**6))
    before = engine.standing()["paper"]
    assert before["positions"] == {}

    # Again, byte for byte and within the window of redeliveries: nothing happens.
    for body in bodies:
        assert engine.post(body)[1]["status"] == "duplicate"
    after = engine.standing()["paper"]
    assert (after["targets"], after["positions"]) == (before["targets"], before["positions"])


@needs_recording
def test_the_recorded_day_is_not_trivial() -> None:
    strategist = Strategist()
    held = [strategist.hear(json.loads(body)) for body in recorded_bodies()]
    assert held[-1] == 0
    assert min(held) < 0 < max(held)
    assert len(set(held)) > 15
