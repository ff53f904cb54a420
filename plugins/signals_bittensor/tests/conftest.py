"""A Bittensor source on the virtual clock: pages come from memory, calculations run inline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from te_core.testing.fakes import SourceRecorder
from te_signals_bittensor.fetching import FetchFailed, Page
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.source import BittensorSource
from tests.bittensor.facts import StatedFacts

ASSETS = {"BTCUSD": "BTCUSDT", "ETHUSD": "ETHUSDT"}


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


class Upstream:
    """Serves what a test sets; records the requests."""

    def __init__(self, recorder: SourceRecorder) -> None:
        self.recorder = recorder
        self.body: bytes = b"{}"
        self.failure: FetchFailed | None = None
        self.asked_at: list[float] = []
        self.used: list[Page] = []

    def serve(self, tree: Any) -> None:
        self.body = json.dumps(tree).encode()

    async def fetch(self) -> Page | None:
        self.asked_at.append(self.recorder.clock.monotonic())
        if self.failure is not None:
            raise self.failure
        return Page(body=(self.body,), date=self.recorder.clock.now())

    def mark_used(self, page: Page) -> None:
        self.used.append(page)


class SourceHarness:
    def __init__(
        self, recorder: SourceRecorder | None = None, symbols: Mapping[str, str] = ASSETS, **options: Any
    ) -> None:
        self.recorder = recorder or SourceRecorder()
        self.upstream = Upstream(self.recorder)
        chosen = BittensorOptions.model_validate({"url": "http://127.0.0.1:1/miner-positions", **options})
        context = self.recorder.context(chosen, symbols=symbols, name="sn8")
        self.facts = StatedFacts()
        self.source = BittensorSource(context, fetcher=self.upstream, facts=self.facts, offload=inline)

    async def run(self, seconds: float) -> None:
        task = asyncio.create_task(self.source.run())
        await asyncio.sleep(seconds)
        assert not task.done(), task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def make_harness() -> Callable[..., SourceHarness]:
    return SourceHarness
