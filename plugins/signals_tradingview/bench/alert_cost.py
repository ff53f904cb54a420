"""Measure the cost of one valid alert in this plugin, without publishing: ``python bench/alert_cost.py``."""  # noqa: INP001 - a script

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

from te_core.api import Publication, Signal, WebhookRequest
from te_core.clock import SystemClock
from te_core.testing.fakes import SourceRecorder
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.source import TradingViewSource

ALERTS = 5_000
TOKEN = "0123456789abcdefghijklmnopqrstuv"  # noqa: S105 - of this measurement only


class _Instant(SourceRecorder):
    """Publishes at no cost, so that only the plugin is measured."""

    def publish(self, signal: Signal, *, dedupe_for: timedelta | None = None) -> Awaitable[Publication]:
        del dedupe_for
        self.current[signal.symbol] = signal
        return _accepted()


def _accepted() -> asyncio.Future[Publication]:
    """Return a future, as the engine does."""
    done = asyncio.get_running_loop().create_future()
    done.set_result(Publication.ACCEPTED)
    return done


def _request(number: int) -> WebhookRequest:
    message = {
        "symbol": "BYBIT:BTCUSDT.P",
        "direction": "long",
        "action": "buy",
        "size": "14.08/100",
        "leverage": "3",
        "priority": "",
        "takeprofit": "0.0",
        "trailstop": "0.0",
        "price": f"{64000 + number % 100}.5",
        "signal_seq": number,
        "event_id": f"event-{number}",
        "timenow": "2026-01-01T00:00:00Z",
    }
    return WebhookRequest(
        method="POST",
        tail=(TOKEN,),
        query={},
        headers={},
        body=json.dumps(message).encode(),
        client="203.0.113.7",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def _measure() -> float:
    """Return the microseconds of CPU per alert."""
    recorder = _Instant(clock=SystemClock())
    options = TradingViewOptions.model_validate({"token": TOKEN, "allow": ["tradingview", "203.0.113.0/24"]})
    source = TradingViewSource(recorder.context(options, symbols={"BTCUSDT": "BTCUSDT"}))
    requests = [_request(number) for number in range(ALERTS)]
    gc.freeze()
    started = time.process_time()
    for request in requests:
        await source.on_webhook(request)
    spent = time.process_time() - started
    assert source.status()["accepted"] == ALERTS
    return spent / ALERTS * 1e6


if __name__ == "__main__":
    best = min(asyncio.run(_measure()) for _ in range(20))
    sys.stdout.write(
        f"one valid alert: {best:.1f} µs of CPU, without publishing ({1e6 / best:,.0f} a second)\n"
    )
