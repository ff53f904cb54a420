"""A TradingView source without an engine and without a listener."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from loguru import logger

from te_core.api import WebhookResponse
from te_core.testing.fakes import SourceRecorder, webhook_request
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.source import TradingViewSource

TOKEN = "canary-0123456789abcdefghij"
SYMBOLS = {"BTCUSDT.P": "BTCUSDT", "ETHUSDT": "ETHUSDT"}


class SourceHarness:
    """A source, the recorder that stands in for the engine, and a way to post alerts."""

    def __init__(
        self,
        *,
        symbols: Mapping[str, str] = SYMBOLS,
        recorder: SourceRecorder | None = None,
        **options: Any,
    ) -> None:
        self.token = TOKEN
        self.recorder = recorder or SourceRecorder()
        context = self.recorder.context(
            TradingViewOptions.model_validate({"token": TOKEN, **options}),
            symbols=symbols,
            name="tradingview",
        )
        self.source = TradingViewSource(context)

    async def post(self, body: bytes | Mapping[str, Any], **request: Any) -> WebhookResponse:
        """Send a body unchanged, or a message as JSON; by default with the token in the path."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.setdefault("received_at", self.recorder.clock.now())
        if not {"tail", "query"} & request.keys():
            request["tail"] = (self.token,)
        return await self.source.on_webhook(webhook_request(raw, **request))

    def count(self, name: str) -> int:
        """Return a status counter."""
        return int(self.source.status()[name])


@pytest.fixture(scope="session")
def make_harness() -> Callable[..., SourceHarness]:
    return SourceHarness


@pytest.fixture
def log_lines() -> Any:
    lines: list[str] = []
    handler = logger.add(lambda line: lines.append(str(line)), level=0)
    yield lines
    logger.remove(handler)


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.fromisoformat("2026-01-01T00:00:00+00:00")
