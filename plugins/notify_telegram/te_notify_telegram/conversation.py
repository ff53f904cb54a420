"""Answers permitted users; messages of all others are counted and not answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from te_core.api import (
    Clock,
    Command,
    CommandRefused,
    ControlContext,
    JournalError,
    NotReady,
    TradeEngineError,
    printable,
)
from te_notify_telegram import words
from te_notify_telegram.confirmations import Confirmations, Pending
from te_notify_telegram.options import TelegramOptions
from te_notify_telegram.requests import RISKY, Unclear, Written, command_of, read, span_of

if TYPE_CHECKING:
    from loguru import Logger
    from telegram import CallbackQuery, Message, Update, User

    from te_notify_telegram.bot import Bot

LATE = timedelta(minutes=2)
"""Age from which on a message is not carried out: it arrived while the engine was not listening."""
STRANGERS_NAMED = 20
"""Maximum number of unknown users whose ids are logged (once each), so that the operator can permit one."""
YES, NO = "yes ", "no "
LONGEST_NAME = 40
Answer = Callable[[Written], Awaitable[str]]


class Conversation:
    """The conversation of one notifier instance. ``counts``: heard, strangers, commands, refused."""

    def __init__(
        self,
        *,
        bot: Bot,
        username: str,
        options: TelegramOptions,
        control: ControlContext,
        clock: Clock,
        log: Logger,
        confirmations: Confirmations,
        counts: Counter[str],
    ) -> None:
        self._bot = bot
        self._username = username.lower()
        self._options = options
        self._control = control
        self._clock = clock
        self._log = log
        self._confirmations = confirmations
        self._counts = counts
        self._strangers: set[int] = set()
        self._views: Mapping[str, Answer] = {
            "status": self._status,
            "positions": self._positions,
            "pnl": self._pnl,
            "why": self._why,
        }

    async def hear(self, update: Update) -> None:
        """Answer one update. Raises what the bot raises."""
        if update.callback_query is not None:
            await self._pressed(update.callback_query)
        elif update.message is not None and update.message.text:
            await self._said(update.message)

    def _role(self, user: User | None, chat: int) -> str:
        """Return a user's role in a chat; empty for none."""
        if user is None or user.is_bot:
            return ""
        return self._options.users.get(user.id, "") if chat in (*self._options.chats, user.id) else ""

    def _stranger(self, user: User | None, chat: int) -> None:
        self._counts["strangers"] += 1
        who = user.id if user is not None else 0
        if who not in self._strangers and len(self._strangers) < STRANGERS_NAMED:
            self._strangers.add(who)
            self._log.info("user {} wrote in chat {} without permission; not answered", who, chat)

    # -- messages

    async def _said(self, message: Message) -> None:
        user, chat = message.from_user, message.chat.id
        role = self._role(user, chat)
        if not role or user is None:
            self._stranger(user, chat)
            return
        written = read(message.text or "")
        if written is None or written.bot.lower() not in ("", self._username):
            return
        self._counts["heard"] += 1
        if self._clock.now() - message.date > LATE:
            await self._bot.send(
                chat,
                f"/{written.name} arrived while the engine was not listening and is too old: send it again",
            )
            return
        if written.name in RISKY:
            await self._propose(written, user, chat, role)
            return
        await self._bot.send(chat, await self._view(written, role))

    async def _view(self, written: Written, role: str) -> str:
        answer = self._views.get(written.name)
        if answer is None:
            return words.help_text(role)
        return await self._said_or_why_not(answer(written))

    async def _said_or_why_not(self, answer: Awaitable[str]) -> str:
        try:
            return await answer
        except (Unclear, CommandRefused, NotReady, JournalError) as error:
            self._counts["refused"] += 1
            return f"not done: {error}"

    async def _status(self, _written: Written) -> str:
        return words.status_text(self._control.state())

    async def _positions(self, written: Written) -> str:
        return words.positions_text(self._control.state(), written.words)

    async def _pnl(self, written: Written) -> str:
        last = span_of(written.words)
        return words.pnl_text(await self._control.summary(last), last)

    async def _why(self, written: Written) -> str:
        if len(written.words) != 1:
            raise Unclear("name a symbol, such as /why BTCUSDT")
        return words.why_text(self._control.explain(written.words[0].upper()))

    # -- commands

    async def _propose(self, written: Written, user: User, chat: int, role: str) -> None:
        """Show what a command would order, with a button to confirm it."""
        if role != "control":
            self._counts["refused"] += 1
            await self._bot.send(chat, "you may read, but not send commands")
            return
        try:
            command = command_of(written, self._control.state(), _name(user))
            preview = await self._control.preview(command)
        except (Unclear, CommandRefused, NotReady, JournalError) as error:
            self._counts["refused"] += 1
            await self._bot.send(chat, f"not done: {error}")
            return
        if not preview["set"] and not preview["breakers"]:
            await self._bot.send(chat, "there is nothing to change")
            return
        within = self._options.confirm_within
        ends = self._clock.monotonic() + within.total_seconds()
        token = self._confirmations.add(Pending(command=command, chat=chat, user=user.id, ends=ends))
        meant = words.meaning(command)
        buttons = [(f"{meant[:1].upper()}{meant[1:]}"[:60], YES + token), ("Leave it", NO + token)]
        await self._bot.send(chat, words.plan_text(command, preview, within), buttons)

    async def _pressed(self, press: CallbackQuery) -> None:
        chat = press.message.chat.id if press.message is not None else 0
        role = self._role(press.from_user, chat)
        if not role:
            self._stranger(press.from_user, chat)
            return
        if role != "control":
            self._counts["refused"] += 1
            await self._bot.acknowledge(press.id, "you may read, but not send commands")
            return
        data = press.data or ""
        wanted, token = data.startswith(YES), data.removeprefix(YES).removeprefix(NO)
        found = self._confirmations.redeem(
            token, chat=chat, user=press.from_user.id, now=self._clock.monotonic()
        )
        if isinstance(found, str):
            self._counts["refused"] += 1
            await self._bot.acknowledge(press.id, found)
            return
        text = "cancelled; nothing was changed"
        if wanted:
            text = await self._said_or_why_not(self._carry_out(found.command))
        # The command has been carried out, whether Telegram accepts the answer or not.
        await self._try_sending(self._bot.acknowledge(press.id))
        if press.message is not None:
            await self._try_sending(self._bot.edit(chat, press.message.message_id, text))

    async def _carry_out(self, command: Command) -> str:
        outcome: Mapping[str, Any] = await self._control.execute(command)
        self._counts["commands"] += 1
        return words.done_text(command, outcome)

    async def _try_sending(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except TradeEngineError as error:
            self._log.warning("cannot send an answer: {}", error)


def _name(user: User) -> str:
    """Return name and id of a user: the name is freely chosen, the id is not."""
    return f"{printable(' '.join(user.full_name.split()))[:LONGEST_NAME]} ({user.id})"
