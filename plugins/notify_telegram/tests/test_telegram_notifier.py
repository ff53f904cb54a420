"""The bot sends and listens by the Bot API's rules; the API's answers decide what happens next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from loguru import logger

from te_core.api import AuthError, Command, Event, NoticeRefused, NotifierContext, NotReady, http_session
from te_core.clock import SystemClock
from te_emulators.telegram.server import TOKEN, BotApi, Person, Refused, bot_api
from te_notify_telegram.notifier import TelegramNotifier
from te_notify_telegram.options import TelegramOptions

pytestmark = pytest.mark.real_clock

ADA = Person(id=101, first_name="Ada")
EVENT = Event(at=datetime(2026, 1, 1, tzinfo=UTC), kind="outage", text="positions: no answer", account="main")


class Control:
    """An engine whose reads hang on demand, and which records commands."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.done: list[Command] = []

    def state(self) -> Mapping[str, Any]:
        one: dict[str, Any] = {"positions": {}, "targets": {}, "foreign": {}}
        return {"accounts": {"main": one}, "sources": {}, "symbols": {}}

    def explain(self, symbol: str) -> Mapping[str, Any]:
        raise ZeroDivisionError(symbol)

    async def summary(self, last: timedelta) -> Mapping[str, Any]:
        del last
        await self.free.wait()
        return {"accounts": {}, "live": None, "attention": []}

    async def preview(self, command: Command) -> Mapping[str, Any]:
        return {"set": [{"text": str(command.action)}], "lifted": [], "breakers": [], "accounts": {}}

    async def execute(self, command: Command) -> Mapping[str, Any]:
        self.done.append(command)
        return {"set": [{"text": str(command.action)}], "lifted": [], "breakers": []}


def made(
    api: BotApi, session: ClientSession, control: Control | None = None, **given: Any
) -> TelegramNotifier:
    options = {"token": TOKEN, "chats": [101], "users": {"101": "control"}, "api": api.url, **given}
    return TelegramNotifier(
        NotifierContext(
            name="phone",
            options=TelegramOptions.model_validate(options),
            clock=SystemClock(),
            log=logger,
            state_dir=Path(),
            http=lambda: session,
            control=control,
        )
    )


@asynccontextmanager
async def answering(api: BotApi, control: Control, **given: Any) -> AsyncIterator[asyncio.Task[None]]:
    async with http_session() as session:
        task = asyncio.create_task(made(api, session, control, **given).answer(lambda: None))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_every_chat_is_notified_though_one_is_gone() -> None:
    async with bot_api() as api, http_session() as session:
        notifier = made(api, session, chats=[101, -5])
        await notifier.notify(EVENT)
        assert api.texts(-5) == api.texts(101) == ["outage main\npositions: no answer"]
        api.blocked = {101}
        await notifier.notify(EVENT)
        assert len(api.texts(-5)) == 2
        api.blocked = {101, -5}
        with pytest.raises(AuthError, match="bot was blocked by the user"):
            await notifier.notify(EVENT)


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Refused(429, "Too Many Requests: retry after 7", retry_after=7), NotReady, "request limit reached"),
        (Refused(400, "Bad Request: chat not found"), NoticeRefused, "Chat not found"),
        (Refused(401, "Unauthorized"), AuthError, "does not accept the token"),
        (Refused(502, "Bad Gateway"), NotReady, "Bad Gateway"),
        (
            Refused(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1001),
            NoticeRefused,
            "change its id in chats to -1001",
        ),
    ],
)
async def test_the_answer_decides(fault: Refused, error: type[Exception], said: str) -> None:
    async with bot_api() as api, http_session() as session:
        api.faults["sendMessage"] = [fault]
        with pytest.raises(error, match=said) as raised:
            await made(api, session).notify(EVENT)
        assert TOKEN not in f"{raised.value!r}"
        if isinstance(raised.value, NotReady) and fault.status == 429:
            assert raised.value.retry_after == 7


async def test_an_unreachable_service_is_retried_without_its_token() -> None:
    async with bot_api() as api, http_session() as session:
        api.gone = True
        with pytest.raises(NotReady, match="Telegram: cannot be reached") as raised:
            await made(api, session).notify(EVENT)
        assert TOKEN not in f"{raised.value!r}{raised.value.__cause__!r}"


async def test_a_text_longer_than_a_message_is_cut() -> None:
    async with bot_api() as api, http_session() as session:
        await made(api, session).notify(Event(at=EVENT.at, kind="several", text="x" * 9000))
        assert api.texts(101)[0].endswith("x …")


async def test_a_waiting_question_or_a_defect_delays_no_other() -> None:
    control = Control()
    control.free.clear()
    async with bot_api() as api, answering(api, control) as task:
        api.say(ADA, "/pnl")
        api.say(ADA, "/why BTCUSDT")
        api.say(ADA, "/positions")
        await until(lambda: api.texts(101))
        assert api.texts(101) == ["no positions and no targets"]
        control.free.set()
        await until(lambda: len(api.texts(101)) == 2)
        assert not task.done()


async def test_a_command_counts_though_its_confirmation_is_not_sent() -> None:
    control = Control()
    async with bot_api() as api, answering(api, control):
        api.say(ADA, "/halt: now")
        await until(lambda: api.messages)
        api.faults["answerCallbackQuery"] = [Refused(502, "Bad Gateway")]
        api.faults["editMessageText"] = [Refused(502, "Bad Gateway")]
        api.press(ADA, "Halt everything")
        await until(lambda: control.done)
        assert (control.done[0].by, control.done[0].reason) == ("Ada (101)", "now")
        await until(lambda: api.calls.count("editMessageText") == 1)
        api.press(ADA, "Halt everything")
        await until(lambda: api.toasts)
        assert api.toasts == ["this button no longer works"]
        assert len(control.done) == 1


async def test_a_second_program_that_polls_is_named_and_retried() -> None:
    async with bot_api() as api, answering(api, Control()) as first:
        await until(lambda: "getUpdates" in api.calls)
        async with answering(api, Control()):
            with pytest.raises(NotReady, match="another program requests this bot's updates"):
                async with asyncio.timeout(10):
                    await first


async def test_a_wrong_token_is_found_before_anything_is_heard() -> None:
    async with bot_api() as api, http_session() as session:
        heard: list[bool] = []
        notifier = made(api, session, Control(), token=f"{TOKEN}x")
        with pytest.raises(AuthError, match="check token in the settings"):
            await notifier.answer(lambda: heard.append(True))
        assert not heard
