"""Events are posted in the receiver's format; its response decides what happens to the event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from loguru import logger
from pydantic import ValidationError

from te_core.api import AuthError, Event, NoticeRefused, NotifierContext, NotReady
from te_core.clock import SystemClock
from te_notify_webhook.notifier import WebhookNotifier
from te_notify_webhook.options import WebhookNotifierOptions
from te_notify_webhook.request_body import body, line

EVENT = Event(
    at=datetime(2026, 1, 1, tzinfo=UTC),
    kind="drift",
    text="holds 1, wanted 2",
    account="bybit-main",
    symbol="BTCUSDT",
)
SECRET = "bot-0123456789"


def options(**given: Any) -> WebhookNotifierOptions:
    return WebhookNotifierOptions.model_validate({"url": "http://127.0.0.1:1/x", **given})


class Receiver:
    """A server on loopback with configurable answers; records requests."""

    def __init__(self) -> None:
        self.answer = web.Response
        self.status = 200
        self.headers: dict[str, str] = {}
        self.got: list[tuple[str, str, bytes]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, request.headers.get("X-Key", ""), await request.read()))
        await self.hold.wait()
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def posting(receiver: Receiver, **given: Any) -> AsyncIterator[WebhookNotifier]:
    site = web.Application()
    site.router.add_route("*", "/{rest:.*}", receiver.take)
    runner = web.AppRunner(site, shutdown_timeout=0)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    port = runner.addresses[0][1]
    async with ClientSession() as session:
        yield WebhookNotifier(
            NotifierContext(
                name="phone",
                options=options(url=f"http://127.0.0.1:{port}/{SECRET}", **given),
                clock=SystemClock(),
                log=logger,
                state_dir=Path(),
                http=lambda: session,
            )
        )
    receiver.hold.set()
    await runner.cleanup()


@pytest.mark.real_clock
async def test_an_event_arrives_whole() -> None:
    receiver = Receiver()
    async with posting(receiver, headers={"X-Key": "k"}) as notifier:
        await notifier.notify(EVENT)
    ((path, key, content),) = receiver.got
    assert (path, key) == (f"/{SECRET}", "k")
    assert json.loads(content) == {
        "at": "2026-01-01T00:00:00+00:00",
        "kind": "drift",
        "text": "holds 1, wanted 2",
        "source": None,
        "account": "bybit-main",
        "symbol": "BTCUSDT",
        "detail": {},
    }


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, NotReady),
        (401, AuthError),
        (404, AuthError),
        (400, NoticeRefused),
        (422, NoticeRefused),
        (429, NotReady),
        (500, NotReady),
        (503, NotReady),
    ],
)
async def test_the_answer_decides(status: int, error: type[Exception]) -> None:
    receiver = Receiver()
    receiver.status, receiver.headers = status, {"Retry-After": "7", "Location": "/elsewhere"}
    async with posting(receiver) as notifier:
        with pytest.raises(error, match=f"127.0.0.1 answered {status}") as raised:
            await notifier.notify(EVENT)
    assert SECRET not in str(raised.value)
    assert len(receiver.got) == 1, "a redirect is not followed"
    if isinstance(raised.value, NotReady) and status >= 400:
        assert raised.value.retry_after == 7


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0.65", 0.65), ("86400", 86_400), ("Wed, 21 Oct 2026 07:28:00 GMT", None), (".", None)],
)
async def test_for_how_long_to_be_patient(said: str, seconds: float | None) -> None:
    receiver = Receiver()
    receiver.status, receiver.headers = 429, {"Retry-After": said}
    async with posting(receiver) as notifier:
        with pytest.raises(NotReady) as raised:
            await notifier.notify(EVENT)
    assert raised.value.retry_after == seconds


@pytest.mark.real_clock
async def test_an_unreachable_address_is_retried_and_stays_secret() -> None:
    async with ClientSession() as session:
        made = options(url=f"http://127.0.0.1:9/{SECRET}")
        context = NotifierContext(
            name="phone",
            options=made,
            clock=SystemClock(),
            log=logger,
            state_dir=Path(),
            http=lambda: session,
        )
        with pytest.raises(NotReady, match="cannot be reached") as raised:
            await WebhookNotifier(context).notify(EVENT)
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(made)


@pytest.mark.real_clock
async def test_a_late_answer_is_not_a_reason_to_give_up() -> None:
    receiver = Receiver()
    receiver.hold.clear()
    async with posting(receiver, timeout="1s") as notifier:
        with pytest.raises(NotReady, match="did not answer within"):
            await notifier.notify(EVENT)


def test_a_chat_gets_one_line_under_the_key_that_it_reads() -> None:
    chat = options(body="message", text_key="content", fields={"chat_id": "7"})
    content, kind = body(EVENT, chat)
    assert kind == "application/json"
    assert json.loads(content) == {
        "content": "drift bybit-main BTCUSDT: holds 1, wanted 2",
        "chat_id": "7",
    }


def test_a_phone_gets_the_line_alone() -> None:
    assert body(EVENT, options(body="text")) == (line(EVENT).encode(), "text/plain; charset=utf-8")


@pytest.mark.parametrize("url", ["ftp://example.org/x", "example.org", "https://", ""])
def test_an_address_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValidationError, match="begins with https"):
        options(url=url)
