"""A conversation by Telegram with a running engine: queries, commands, and their traces."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from loguru import logger

from te_core.app.application import Application
from te_core.app.paths import Paths
from te_core.clock import SystemClock
from te_core.plugins.registry import Registry
from te_emulators.telegram.server import TOKEN, BotApi, Message, Person, bot_api

pytestmark = pytest.mark.real_clock

ADA = Person(id=101, first_name="Ada", last_name="L")
BEN = Person(id=102, first_name="Ben")
EVE = Person(id=666, first_name="Ada", last_name="L")
"""She has the same display name as Ada."""
ROBOT = Person(id=101_000, first_name="Robot", is_bot=True)
GROUP = -4001
ALERT = {"symbol": "BTCUSDT.P", "direction": "long", "size": "50/100", "price": "50000"}
WEBHOOK = "a-token-for-tests-1234567890"
SETTINGS = """
[listen.public]
port = 0
[listen.private]
port = 0
[sources.tradingview]
plugin = "tradingview"
symbols = {{ "BTCUSDT.P" = "BTCUSDT" }}
[accounts.paper]
plugin = "paper"
balance = 10000
[symbols.BTCUSDT]
leverage = 3
weights = {{ tradingview = 0.5 }}
[notifiers.phone]
plugin = "telegram"
chats = [101, {group}]
users = {{ 101 = "control", 102 = "view" }}
api = "{url}"
gather = 0
control = true
"""


class Phones:
    """The bot as every user sees it, and the engine behind it."""

    def __init__(self, api: BotApi, application: Application) -> None:
        self.api, self.application = api, application

    async def ask(self, who: Person, text: str, *, chat: int | None = None, **more: Any) -> Message:
        """Write, and return the answer."""
        chat_id, before = chat or who.id, len(self.api.messages)
        self.api.say(who, text, chat=chat, **more)

        def answers() -> list[Message]:
            return [
                one for one in self.api.messages[before:] if one.chat == chat_id and not _is_notice(one.text)
            ]

        await until(answers)
        return answers()[0]

    async def press(self, who: Person, label: str, message: Message) -> str:
        """Press a button, and return the message's new text, or what was shown to the user who pressed it."""
        toasts, text = len(self.api.toasts), message.text
        self.api.press(who, label, message=message)
        await until(lambda: len(self.api.toasts) > toasts)
        if self.api.toasts[-1]:
            return self.api.toasts[-1]
        await until(lambda: message.text != text)
        return message.text

    def counters(self) -> dict[str, int]:
        found: dict[str, int] = self.application.queries.state()["notifiers"]["phone"]["control"]["counters"]
        return found

    def target(self) -> dict[str, Any]:
        found: dict[str, Any] = self.application.queries.state()["accounts"]["paper"]["targets"].get(
            "BTCUSDT", {}
        )
        return found

    async def journaled(self, kind: str) -> list[Any]:
        assert self.application.engine is not None
        journal = self.application.engine._journal
        await journal.append()
        return [event for event in journal.events(99) if event.kind == kind]


NOTICES = ("started", "settings", "halt", "flatten", "resume", "pause", "outage", "recovery")


def _is_notice(text: str) -> bool:
    """Whether it is a notice: the first line states what happened to what."""
    kind, _, whom = text.partition("\n")[0].partition(" ")
    return kind in NOTICES and whom in {"", "paper", "tradingview"}


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def phones(folder: Path) -> AsyncIterator[Phones]:
    ids = itertools.count()
    async with bot_api() as api:
        (folder / "settings.toml").write_text(SETTINGS.format(url=api.url, group=GROUP))
        secrets = folder / ".secrets.toml"
        secrets.write_text(f'[notifiers.phone]\ntoken = "{TOKEN}"\n')
        secrets.chmod(0o600)
        application = Application(
            Paths(folder / "settings.toml", folder / "state"),
            env={},
            clock=SystemClock(),
            new_id=lambda: f"id-{next(ids)}",
            new_secret=lambda: WEBHOOK,
            registry=Registry(),
        )
        await application.start()
        try:
            yield Phones(api, application)
        finally:
            await application.stop()
            logger.remove()


async def alert(application: Application) -> None:
    url = f"{application.servers.public.url}/hooks/tradingview/{WEBHOOK}"
    async with ClientSession() as http, http.post(url, json=ALERT) as response:
        assert response.status == 200


async def ask_as_a_reader(world: Phones) -> None:
    """A user who may only view asks and gets an answer."""
    status = await world.ask(BEN, "/status")
    assert status.text.splitlines()[0] == "engine ready"
    assert "paper: running, equity " in status.text
    positions = await world.ask(BEN, "/positions BTCUSDT")
    assert positions.text == "paper BTCUSDT long 0.15 at 50010, target 0.15, at target"
    pnl = await world.ask(BEN, "/pnl 7d")
    assert pnl.text.splitlines()[0] == "last 7 d, without deposits and withdrawals"
    assert pnl.text.splitlines()[1].startswith("paper (paper): ")
    why = await world.ask(BEN, "/why BTCUSDT")
    assert "tradingview: 0.5 x 0.5 = 0.25" in why.text
    assert "10,000.00 x 0.25 x 3 / 50000 = 0.15" in why.text
    assert (await world.ask(BEN, "/why DOGEUSDT")).text == "not done: no account has a target for DOGEUSDT"
    assert "/flatten" not in (await world.ask(BEN, "/start")).text
    assert world.api.menus[BEN.id] == ["status", "positions", "pnl", "why"]
    assert world.api.menus[ADA.id][4:] == ["halt", "flatten", "resume", "pause"]
    assert (await world.ask(BEN, "/halt")).text == "you may read, but not send commands"


async def preview_and_leave(world: Phones) -> None:
    """Who may command sees what it would order first, and may leave it."""
    plan = await world.ask(ADA, "/flatten PAPER: a bad feeling")
    assert plan.text == (
        "not done: no account, source or symbol is named PAPER; did you mean paper? (a reason follows a colon)"
    )
    plan = await world.ask(ADA, "/flatten paper: a bad feeling")
    assert plan.text.splitlines() == [
        "flatten paper?",
        "reason: a bad feeling",
        "it would order:",
        "  paper BTCUSDT: sell 0.15 reduce-only",
        "confirm within 60 s",
    ]
    assert list(plan.buttons) == ["Flatten paper", "Leave it"]
    left = plan.buttons.copy()
    assert await world.press(ADA, "Leave it", plan) == "cancelled; nothing was changed"
    assert world.target()["quantity"] == "0.15"
    plan.buttons = left
    assert await world.press(ADA, "Flatten paper", plan) == "this button no longer works"
    assert world.target()["quantity"] == "0.15"


async def confirm_in_a_group(world: Phones) -> None:
    """In a group only who asked may confirm; it is carried out once, and journaled with who it was."""
    plan = await world.ask(ADA, "/flatten@engine_under_test_bot : weekend", chat=GROUP)
    buttons = plan.buttons.copy()
    assert await world.press(BEN, "Flatten everything", plan) == "you may read, but not send commands"
    done = await world.press(ADA, "Flatten everything", plan)
    assert done.startswith("done: flatten everything\n")
    assert "telegram Ada L (101)" in done
    await until(lambda: not world.application.queries.state()["accounts"]["paper"]["positions"])
    plan.buttons = buttons
    assert await world.press(ADA, "Flatten everything", plan) == "this button no longer works"
    assert [event.detail["by"] for event in await world.journaled("flatten") if "by" in event.detail] == [
        "telegram Ada L (101)"
    ]


async def lift_and_pause(world: Phones) -> None:
    """What was halted is lifted the same way."""
    plan = await world.ask(ADA, "/resume: it is Monday")
    assert "  paper BTCUSDT: buy 0." in plan.text
    assert "lifts: " in plan.text
    await world.press(ADA, "Resume everything", plan)
    await until(lambda: world.target().get("confirmed") and world.target()["quantity"] != "0")
    plan = await world.ask(ADA, "/pause tradingview close")
    assert plan.text.splitlines()[0] == "pause tradingview, closing its share?"
    await world.press(ADA, "Pause tradingview, closing its share", plan)
    await until(lambda: world.target()["depth"] == "0")


async def test_a_conversation_reads_previews_confirms_and_lifts(tmp_path: Path) -> None:
    async with phones(tmp_path) as world:
        await alert(world.application)
        await until(lambda: world.target().get("confirmed"))
        await ask_as_a_reader(world)
        await preview_and_leave(world)
        await confirm_in_a_group(world)
        await lift_and_pause(world)

        # The notices of all this arrived, too.
        assert [text for text in world.api.texts(101) if text.startswith("flatten")]
        assert world.counters() == {"heard": 12, "strangers": 0, "commands": 3, "refused": 6}


async def test_strangers_get_no_answer_and_are_counted(tmp_path: Path) -> None:
    async with phones(tmp_path) as world:
        await until(lambda: world.counters)
        plan = await world.ask(ADA, "/halt", chat=GROUP)
        before = len(world.api.messages)
        for who, chat in ((EVE, None), (EVE, GROUP), (ROBOT, GROUP), (ADA, -999), (BEN, -999)):
            world.api.say(who, "/status", chat=chat)
        world.api.press(EVE, "Halt everything", message=plan)
        world.api.say(ADA, "good morning")
        world.api.say(ADA, "/status@another_bot")
        old = datetime.now(UTC) - timedelta(hours=2)
        late = await world.ask(ADA, "/halt", sent=old)
        assert late.text == "/halt arrived while the engine was not listening and is too old: send it again"
        assert len(world.api.messages) == before + 1
        assert world.api.toasts == []
        assert world.counters() == {"heard": 2, "strangers": 6, "commands": 0, "refused": 0}
        assert not world.application.queries.readiness()["halts"]
