"""Sends events to the configured chats, and answers permitted users. Long polling only: no open port."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from te_core.api import AuthError, Event, NoticeRefused, Notifier, NotifierContext, NotReady, TradeEngineError
from te_notify_telegram.confirmations import Confirmations
from te_notify_telegram.options import TelegramOptions

if TYPE_CHECKING:
    from telegram import Update

    from te_notify_telegram.bot import Bot
    from te_notify_telegram.conversation import Conversation

AT_ONCE = 8
"""Messages answered concurrently, so that one that waits for an exchange does not block the others."""


def _new_token() -> str:
    return secrets.token_urlsafe(16)


class TelegramNotifier(Notifier):
    """Sends events; one is delivered once any chat accepts it, so a failing chat never blocks the others."""

    def __init__(
        self, context: NotifierContext[TelegramOptions], *, new_token: Callable[[], str] = _new_token
    ) -> None:
        self._context = context
        self._options = context.options
        self._new_token = new_token
        self._bot: Bot | None = None
        self._counts: Counter[str] = Counter(dict.fromkeys(("heard", "strangers", "commands", "refused"), 0))

    async def _connected(self) -> Bot:
        if self._bot is None:
            made = await asyncio.to_thread(_bot_class)
            options = self._options
            self._bot = made(
                options.token.get_secret_value(),
                api=options.api,
                http=self._context.http,
                timeout=options.timeout,
            )
        return self._bot

    async def notify(self, event: Event) -> None:
        """Send an event to every chat. Raises if none accepts it."""
        bot = await self._connected()
        errors: list[TradeEngineError] = []
        for chat in self._options.chats:
            try:
                await bot.send(chat, f"{event.headline}\n{event.text}")
            except (NotReady, AuthError, NoticeRefused) as error:
                errors.append(error)
        if len(errors) == len(self._options.chats):
            # Temporary errors take precedence, then errors that the operator must fix.
            raise min(errors, key=lambda one: (NotReady, AuthError, NoticeRefused).index(type(one)))
        for failed in errors:
            self._context.log.warning("a chat did not accept a notice: {}", failed)

    async def answer(self, up: Callable[[], None]) -> None:
        """Answer messages, each in its own task."""
        conversation = await self._conversation()
        bot = await self._connected()
        up()
        await self._offer(bot)
        tasks: set[asyncio.Task[None]] = set()
        free = asyncio.Semaphore(AT_ONCE)
        try:
            while True:
                for update in await bot.updates():
                    await free.acquire()
                    task = asyncio.create_task(self._hear(conversation, update))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    task.add_done_callback(lambda _: free.release())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _offer(self, bot: Bot) -> None:
        """Set each user's commands in the bot's menu; a failure is only logged."""
        from te_notify_telegram.requests import allowed

        for user, role in self._options.users.items():
            try:
                await bot.offer(user, allowed(role))
            except TradeEngineError as error:  # most likely the user has not pressed Start yet
                self._context.log.info("cannot show the commands to user {}: {}", user, error)

    async def _conversation(self) -> Conversation:
        from te_notify_telegram.conversation import Conversation

        bot, control = await self._connected(), self._context.control
        assert control is not None
        return Conversation(
            bot=bot,
            username=await bot.username(),
            options=self._options,
            control=control,
            clock=self._context.clock,
            log=self._context.log,
            confirmations=Confirmations(self._new_token),
            counts=self._counts,
        )

    async def _hear(self, conversation: Conversation, update: Update) -> None:
        try:
            await conversation.hear(update)
        except TradeEngineError as error:
            self._context.log.warning("cannot answer a message: {}", error)
        except Exception as error:  # noqa: BLE001 - a bug in answering one message must not affect others
            self._context.log.opt(exception=error).error("cannot answer a message: {}", error)

    def status(self) -> Mapping[str, Any]:
        """Return the counters of this instance."""
        return dict(self._counts)


def _bot_class() -> type[Bot]:
    from te_notify_telegram.bot import Bot

    return Bot
