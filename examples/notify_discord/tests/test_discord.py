"""The notifier against a webhook on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from loguru import logger
from pydantic import ValidationError

from te_core.api import AuthError, Event, NoticeRefused, NotifierContext, NotReady
from te_core.testing.notifier_conformance import NotifierConformance
from te_core.testing.notifier_harness import HttpNotifierHarness, NotifierHarness
from te_core.testing.real_clock import SystemClock
from te_notify_discord.plugin import DiscordNotifier, DiscordOptions, message, te_notifiers

EVENT = Event(
    at=datetime(2026, 1, 1, tzinfo=UTC), kind="drift", text="holds 1, wanted 2", account="main", symbol="BTC"
)


class Webhook:
    """Responds as configured, and records what was posted."""

    def __init__(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.posted: list[Any] = []

    async def take(self, request: web.Request) -> web.Response:
        assert request.query == {"wait": "true"}, "otherwise a message that is not saved returns no error"
        self.posted.append(await request.json())
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def posting(webhook: Webhook, **options: str) -> AsyncIterator[DiscordNotifier]:
    site = web.Application()
    site.router.add_post("/api/webhooks/1/t0ken", webhook.take)
    async with TestServer(site) as server, ClientSession() as session:
        url = str(server.make_url("/api/webhooks/1/t0ken"))
        yield DiscordNotifier(
            NotifierContext(
                name="discord",
                options=DiscordOptions.model_validate({"url": url, **options}),
                clock=SystemClock(),
                log=logger,
                state_dir=Path(),
                http=lambda: session,
            )
        )


@pytest.mark.real_clock
async def test_an_event_is_posted_in_the_templates_words() -> None:
    webhook = Webhook()
    async with posting(webhook, template="$at $account: $text ($$)") as notifier:
        await notifier.notify(EVENT)
    content = "2026-01-01 00:00 UTC main: holds 1, wanted 2 ($)"
    assert webhook.posted == [{"content": content, "allowed_mentions": {"parse": []}}]


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("status", "expected", "retry_after"),
    [(429, NotReady, 1.5), (503, NotReady, None), (404, AuthError, None), (400, NoticeRefused, None)],
)
async def test_a_status_decides(status: int, expected: type[Exception], retry_after: float | None) -> None:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    async with posting(Webhook(status, headers)) as notifier:
        with pytest.raises(expected, match=str(status)) as raised:
            await notifier.notify(EVENT)
    assert getattr(raised.value, "retry_after", None) == retry_after
    assert "t0ken" not in str(raised.value)


def test_a_long_text_is_cut() -> None:
    long = Event(at=EVENT.at, kind="drift", text="x" * 3000)
    assert len(message(long, "$text")) == 2000


@pytest.mark.parametrize(
    "wrong", [{"url": "discord"}, {"template": "$headlin"}, {"template": "5 $"}, {"templat": ""}]
)
def test_wrong_settings_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        DiscordOptions.model_validate({"url": "https://discord.com/api/webhooks/1/x", **wrong})


class ChannelHarness(HttpNotifierHarness):
    """A channel, as its webhook's address shows it."""

    (spec,) = te_notifiers()

    def __init__(self) -> None:
        super().__init__()
        self.webhook = Webhook()

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_post("/api/webhooks/1/t0ken-0123456789", self.webhook.take)
        return made

    def options(self) -> Mapping[str, Any]:
        return {"url": f"{self.url}/api/webhooks/1/t0ken-0123456789"}

    def secrets(self) -> Sequence[str]:
        return ("t0ken-0123456789",)

    async def received(self) -> Sequence[str]:
        return [body["content"] for body in self.webhook.posted]


@pytest.mark.wired_clock
class TestDiscord(NotifierConformance):
    def make_receiver(self, folder: Path) -> NotifierHarness:
        return ChannelHarness()
