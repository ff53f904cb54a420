"""The recorded alerts of 2024 are accepted.

Their sizes are in fractions of one, their prices and times in ``order_price`` and ``order_time``, and the flat line
has a size. The recording is next to the repository; without it these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[3].parent / "shared"
LOG = SHARED / "signals" / "samples" / "tradingview_trade_requests_2024-08-01.log"

pytestmark = pytest.mark.skipif(
    not LOG.exists(), reason="the recorded alerts (../shared/signals/samples) are not here"
)


def lines() -> list[tuple[datetime, str]]:
    split = [line.split(" ", 2) for line in LOG.read_text("utf-8").splitlines()]
    return [(datetime.fromisoformat(f"{day} {time}").replace(tzinfo=UTC), body) for day, time, body in split]


async def test_every_recorded_alert_becomes_its_signal(
    make_harness: Callable[..., Any],
) -> None:
    harness = make_harness()
    recorded = lines()
    assert len(recorded) == 25
    for received_at, body in recorded:
        answer = await harness.post(body.encode(), received_at=received_at)
        assert answer.body["status"] == "accepted", answer.body
    for (received_at, body), signal in zip(recorded, harness.recorder.published, strict=True):
        message = json.loads(body)
        share = (
            Fraction(0) if message["direction"] == "flat" else Fraction(message["size"].removesuffix("/1"))
        )
        assert signal.symbol == "BTCUSDT"
        assert Fraction(signal.depth) == share
        assert (share > 0) == (message["direction"] == "long")
        assert str(signal.price) == str(message["order_price"])
        assert signal.time.replace(tzinfo=None) == datetime.fromisoformat(message["order_time"])
        assert signal.received_at == received_at
        assert signal.leverage == (None if message["direction"] == "flat" else 3)
        assert signal.detail["extra"]["muid"] == message["muid"]
    assert harness.recorder.depths() == {"BTCUSDT": 0}
