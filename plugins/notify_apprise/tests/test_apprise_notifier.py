"""Notices are sent through Apprise's own services; their responses decide what happens to the notice."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loguru import logger
from pydantic import ValidationError

from te_core.api import AuthError, ConfigError, Event, NoticeRefused, NotifierContext, NotReady
from te_core.clock import SystemClock
from te_core.secrets import Redactor
from te_notify_apprise.notifier import AppriseNotifier
from te_notify_apprise.options import AppriseOptions

pytestmark = pytest.mark.real_clock

PASSWORD = "correct/horse battery"
QUOTED = "correct%2Fhorse%20battery"


def outage(text: str = "positions: no answer") -> Event:
    return Event(at=datetime(2026, 1, 1, tzinfo=UTC), kind="outage", text=text, account="bybit-main")


class Services:
    """Services on loopback, by path. ``answers``: the status of each. ``got``: the received requests."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.got: list[tuple[str, Any]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, json.loads(await request.read() or b"{}")))
        await self.hold.wait()
        status = self.answers.get(request.path, 200)
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status < 400 else {})

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.got]


@asynccontextmanager
async def services() -> AsyncIterator[Services]:
    here = Services()
    site = web.Application()
    site.router.add_route("*", "/{rest:.*}", here.take)
    runner = web.AppRunner(site, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here.url = f"json://me:{QUOTED}@127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield here
    finally:
        here.hold.set()
        await runner.cleanup()


def notifier(*urls: str, **given: Any) -> AppriseNotifier:
    options = AppriseOptions.model_validate({"urls": list(urls), **given})
    return AppriseNotifier(
        NotifierContext(
            name="phone",
            options=options,
            clock=SystemClock(),
            log=logger,
            state_dir=Path(),
            http=lambda: pytest.fail("it has no use for the engine's session"),
        )
    )


async def test_a_service_gets_title_text_and_how_bad_it_is() -> None:
    async with services() as here:
        made = notifier(f"{here.url}/one")
        await made.notify(outage("BTCUSDT: <no> answer\nETHUSDT: neither"))
        await made.notify(Event(at=outage().at, kind="breaker", text="daily_loss"))
    (_, first), (_, second) = here.got
    assert (first["title"], first["type"]) == ("trade-engine: outage bybit-main", "warning")
    assert first["message"] == "BTCUSDT: <no> answer\nETHUSDT: neither"
    assert (second["title"], second["type"]) == ("trade-engine: breaker", "failure")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, NotReady),
        (400, NoticeRefused),
        (401, AuthError),
        (404, AuthError),
        (429, NotReady),
        (503, NotReady),
    ],
)
async def test_the_answer_decides(status: int, error: type[Exception]) -> None:
    async with services() as here:
        here.answers["/one"] = status
        with pytest.raises(error, match=f"JSON answered {status}") as raised:
            await notifier(f"{here.url}/one").notify(outage())
        assert here.asked == ["/one"], "asked once, and a redirect is not followed"
    assert "horse" not in f"{raised.value!r}"


async def test_one_service_that_accepts_a_notice_is_enough() -> None:
    async with services() as here:
        made = notifier(*(f"{here.url}/{name}" for name in ("one", "two", "three")))
        here.answers |= {"/one": 401, "/three": 400}
        await made.notify(outage())
        await made.notify(outage())
        assert here.asked == 2 * ["/one", "/two", "/three"]
        here.answers["/two"] = 503
        with pytest.raises(NotReady, match="503"):
            await made.notify(outage())


async def test_a_hanging_service_delays_nothing_and_is_left_alone() -> None:
    async with services() as here:
        here.hold.clear()
        made = notifier(f"{here.url}/one", timeout="1s")
        with pytest.raises(NotReady, match="did not answer within"):
            await made.notify(outage())
        with pytest.raises(NotReady, match="service 1 is still busy with an earlier notice"):
            await made.notify(outage())
        (thread,) = [one for one in threading.enumerate() if one.name == "apprise"]
        assert thread.daemon, "the end of the process does not wait for it either"
        here.hold.set()
        while made._busy:
            await asyncio.sleep(0.01)
        await made.notify(outage())
        assert here.asked == ["/one", "/one"]
        here.hold.clear()
        with pytest.raises(NotReady):
            await made.notify(outage())
        both = notifier(
            f"{here.url}/one", f"json://127.0.0.1:{here.url.rpartition(':')[2]}/two", timeout="1s"
        )
        with pytest.raises(NotReady, match="service 1 did not answer"):
            await both.notify(outage())
        assert here.asked[-2:] == ["/one", "/two"], "a service that hangs does not hold up the others"


async def test_an_unreachable_service_is_retried_in_silence() -> None:
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[assignment,method-assign]
    logging.getLogger().addHandler(handler)
    with pytest.raises(NotReady, match="JSON cannot be reached") as raised:
        await notifier(f"json://me:{QUOTED}@127.0.0.1:9/x").notify(outage())
    assert "horse" not in str(raised.value)
    logging.getLogger().removeHandler(handler)
    assert not said, "an outage is logged once, by the engine"


async def test_an_unknown_apprise_address_is_named_by_its_scheme() -> None:
    with pytest.raises(ConfigError, match="number 1: there is no service nonsense://") as raised:
        await notifier(f"nonsense://{QUOTED}").notify(outage())
    assert "horse" not in str(raised.value)


@pytest.mark.parametrize("urls", [[], ["no address"], ["ntfy://topic", "://x"]])
def test_an_invalid_address_is_refused_without_showing_it(urls: list[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        AppriseOptions.model_validate({"urls": urls})
    assert "topic" not in str(raised.value.errors(include_input=False)[0]["msg"])


def test_several_addresses_may_be_in_one_text() -> None:
    options = AppriseOptions.model_validate(
        {"urls": "ntfy://host/a,b , mailto://me:x,y@example.org,json://host"}
    )
    found = [url.get_secret_value() for url in options.urls]
    assert found == ["ntfy://host/a,b", "mailto://me:x,y@example.org", "json://host"]


def test_addresses_are_secrets() -> None:
    options = AppriseOptions.model_validate({"urls": f"json://me:{QUOTED}@example.org/token-4711"})
    assert "horse" not in repr(options)
    redactor = Redactor()
    redactor.learn(options)
    assert redactor.redact(f"POST /token-4711 as me:{QUOTED}") == "POST *** as me:***"
