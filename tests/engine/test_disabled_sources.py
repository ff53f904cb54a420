"""An alert with a valid token is never lost because its source is disabled or failing (I19)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import (
    NotReady,
    SignalSource,
    SourceContext,
    WebhookRequest,
    WebhookResponse,
    WebhookSpec,
)
from te_core.plugins.registry import Registry
from te_core.testing.fakes import webhook_request
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import queries_of

D = Decimal
OFF = changed(BASE, "sources.tv.enabled", False)


class Listening(Trader):
    """A trader whose sources have a webhook; the body of a request is a depth."""

    def registry(self) -> Registry:
        registry = super().registry()
        webhook: WebhookSpec[Any] = WebhookSpec(path=lambda _: "", example=lambda _: {})
        registry.sources["pushed"] = replace(registry.sources["pushed"], webhook=webhook)
        return registry

    def source(self, context: SourceContext[Any]) -> SignalSource:
        trader, inner = self, super().source(context)

        class Source(SignalSource):
            async def run(self) -> None:
                await inner.run()

            async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
                await trader.say(context.name, request.body.decode())
                return WebhookResponse(status=200, body={"status": "accepted"})

        return Source()


@pytest.fixture
def trader(clock: VirtualClock) -> Listening:
    return Listening(clock)


def alert(trader: Trader, depth: str) -> WebhookRequest:
    return webhook_request(depth.encode(), received_at=trader.clock.now())


async def test_a_disabled_source_keeps_alerts_and_resumes_by_the_last(
    tmp_path: Path, trader: Listening
) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        await run.apply(OFF)
        assert trader.held() == 0
        trader.made.clear()
        response = await run.engine.on_webhook("tv", alert(trader, "-1"))
        assert (response.status, response.body["status"]) == (200, "accepted")
        assert "not counted at present" in response.body["note"]
        await asyncio.sleep(60)
        assert trader.held() == 0
        shown = queries_of(run.engine).state()["sources"]["tv"]
        assert (shown["enabled"], shown["status"]) == (False, "disabled")
        assert "not counted" in shown["reason"]
        assert queries_of(run.engine).readiness()["ready"]
        await run.apply(BASE)
        assert trader.made == [], "it listened all the time"
        assert trader.held() == D("-0.1"), "not what it said before it was disabled"
        assert "note" not in (await run.engine.on_webhook("tv", alert(trader, "1"))).body
        assert queries_of(run.engine).state()["sources"]["tv"]["status"] == "running"


async def test_a_source_that_is_disabled_at_the_start_listens_too(tmp_path: Path, trader: Listening) -> None:
    async with running(tmp_path, trader, OFF) as run:
        assert (await run.engine.on_webhook("tv", alert(trader, "1"))).status == 200
        await asyncio.sleep(1)
        assert trader.held() == 0
    async with running(tmp_path, trader, BASE):
        await asyncio.sleep(1)
        assert trader.held() == D("0.1"), "also after a restart"


@pytest.mark.parametrize(
    "edit",
    [("plugins.pushed.enabled", False), ("sources.tv.key", "new"), ("sources.tv.enabled", False)],
    ids=["plugin off", "failing", "disabled and failing"],
)
async def test_a_source_that_cannot_answer_asks_senders_to_retry(
    tmp_path: Path, trader: Listening, edit: tuple[str, Any]
) -> None:
    async with running(tmp_path, trader) as run:
        trader.failing["tv"] = NotReady("cannot start")
        await run.apply(changed(changed(BASE, "sources.tv.key", "again"), *edit))
        response = await run.engine.on_webhook("tv", alert(trader, "1"))
        assert (response.status, response.retry_after) == (503, 5)
        assert (await run.engine.on_webhook("nobody", alert(trader, "1"))).status == 404


async def test_an_alert_while_its_source_is_rebuilt_is_not_lost(tmp_path: Path, trader: Listening) -> None:
    """It gets 503, or 200 from one of the two instances."""
    async with running(tmp_path, trader) as run:
        applying = asyncio.create_task(run.apply(changed(BASE, "sources.tv.key", "new")))
        answers = []
        for _ in range(20):
            answers.append((await run.engine.on_webhook("tv", alert(trader, "1"))).status)
            await asyncio.sleep(0)
        await applying
        assert set(answers) <= {200, 503}
        assert (await run.engine.on_webhook("tv", alert(trader, "1"))).status == 200
