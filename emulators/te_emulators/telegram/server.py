"""The Bot API on loopback, as https://core.telegram.org/bots/api describes it: forms in, ``{"ok": …}`` out.

Updates are dropped once their offset was confirmed; a second poll ends the first one's request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

TOKEN = "123456789:AAE-token-of-the-bot-under-test-0"
BOT = {"id": 123456789, "is_bot": True, "first_name": "Engine", "username": "engine_under_test_bot"}


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user."""

    id: int
    first_name: str
    last_name: str = ""
    is_bot: bool = False

    @property
    def shown(self) -> dict[str, Any]:
        """Return the user as in updates."""
        last = {"last_name": self.last_name} if self.last_name else {}
        return {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name, **last}


@dataclass(kw_only=True)
class Message:
    """A message of the bot with its current text."""

    id: int
    chat: int
    text: str
    buttons: dict[str, str] = field(default_factory=dict)
    """Data by label."""


class Refused(Exception):
    """A refusal of the API. ``more``: parameters of the response."""

    def __init__(self, status: int, description: str, **more: Any) -> None:
        self.status, self.description, self.more = status, description, more
        super().__init__(description)


class BotApi:
    """One bot, and everybody who writes to it. ``blocked``: chats that refuse its messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.toasts: list[str] = []
        """What was shown to users who pressed a button."""
        self.blocked: set[int] = set()
        self.menus: dict[int, list[str]] = {}
        """The commands that users see."""
        self.faults: dict[str, list[Refused]] = {}
        """Responses to the next calls of a method."""
        self.calls: list[str] = []
        self.gone = False
        """Do not respond at all."""
        self.url = ""
        self._updates: list[dict[str, Any]] = []
        self._presses: set[str] = set()
        self._number = 700
        self._news = asyncio.Event()
        self._polling: asyncio.Event | None = None

    # -- what people do

    def say(self, who: Person, text: str, *, chat: int | None = None, sent: datetime | None = None) -> None:
        """Send a message from a user, to the bot alone unless a group is named."""
        self._update("message", self._message(who, chat, text, sent))

    def post(self, channel: str, text: str, *, sent: datetime | None = None) -> None:
        """Post in a public channel (``@name``) that the bot is an administrator of."""
        date = int((sent or datetime.now(UTC)).timestamp())
        place = {"id": -1001234567890, "type": "channel", "title": channel[1:], "username": channel[1:]}
        post = {"message_id": self._next(), "sender_chat": place, "chat": place, "date": date, "text": text}
        self._update("channel_post", post)

    def repeat(self) -> None:
        """Deliver the newest message again under another number, as after a confirmation that was lost."""
        kind, content = self._newest
        self._update(kind, content)

    def press(self, who: Person, label: str, *, message: Message | None = None) -> None:
        """Press a button of a message as a user, by default of the newest one with buttons."""
        on = message or next(one for one in reversed(self.messages) if one.buttons)
        number = str(self._next())
        self._presses.add(number)
        shown = {**self._message(who, on.chat, on.text, None), "from": BOT, "message_id": on.id}
        data = on.buttons[label]
        self._update(
            "callback_query",
            {"id": number, "from": who.shown, "message": shown, "chat_instance": "1", "data": data},
        )

    def texts(self, chat: int) -> list[str]:
        """Return what a chat shows of the bot's messages."""
        return [message.text for message in self.messages if message.chat == chat]

    def _message(self, who: Person, chat: int | None, text: str, sent: datetime | None) -> dict[str, Any]:
        place = {"id": who.id, "type": "private"} if chat in (None, who.id) else {"id": chat, "type": "group"}
        date = int((sent or datetime.now(UTC)).timestamp())
        return {"message_id": self._next(), "from": who.shown, "chat": place, "date": date, "text": text}

    def _update(self, kind: str, content: Mapping[str, Any]) -> None:
        self._newest = kind, content
        self._updates.append({"update_id": self._next(), kind: content})
        self._news.set()

    def _next(self) -> int:
        self._number += 1
        return self._number

    # -- what the bot asks for

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        method = request.match_info["method"]
        self.calls.append(method)
        if self.gone and request.transport is not None:
            request.transport.close()
        try:
            if request.match_info["token"] != TOKEN:
                raise Refused(401, "Unauthorized")
            if waiting := self.faults.get(method):
                raise waiting.pop(0)
            call: Callable[[Mapping[str, Any]], Any] | None = getattr(self, f"_{method}", None)
            if call is None:
                raise Refused(404, "Not Found")
            found = call(await request.post())
            result = await found if asyncio.iscoroutine(found) else found
        except Refused as error:
            more = {"parameters": error.more} if error.more else {}
            body = {"ok": False, "error_code": error.status, "description": error.description, **more}
            return web.json_response(body, status=error.status)
        return web.json_response({"ok": True, "result": result})

    def _getMe(self, _form: Mapping[str, Any]) -> Any:  # noqa: N802 - named as the API's method
        return BOT

    async def _getUpdates(self, form: Mapping[str, Any]) -> Any:  # noqa: N802
        offset, timeout = int(form.get("offset", 0)), float(form.get("timeout", 0))
        if self._polling is not None:
            self._polling.set()
        mine = self._polling = asyncio.Event()
        self._updates = [one for one in self._updates if one["update_id"] >= offset]
        deadline = asyncio.get_running_loop().time() + timeout
        while not self._updates and not mine.is_set():
            self._news.clear()
            waits = [asyncio.create_task(event.wait()) for event in (self._news, mine)]
            left = deadline - asyncio.get_running_loop().time()
            done, pending = await asyncio.wait(waits, timeout=left, return_when="FIRST_COMPLETED")
            for one in pending:
                one.cancel()
            if not done:
                break
        if mine.is_set():
            raise Refused(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            )
        self._polling = None
        return self._updates

    def _setMyCommands(self, form: Mapping[str, Any]) -> Any:  # noqa: N802
        scope = json.loads(form["scope"])
        if scope["chat_id"] in self.blocked:
            raise Refused(400, "Bad Request: chat not found")
        self.menus[scope["chat_id"]] = [one["command"] for one in json.loads(form["commands"])]
        return True

    def _sendMessage(self, form: Mapping[str, Any]) -> Any:  # noqa: N802
        chat, text = int(form["chat_id"]), self._text(form)
        if chat in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        buttons = self._buttons(form)
        made = Message(id=self._next(), chat=chat, text=text, buttons=buttons)
        self.messages.append(made)
        return self._shown(made)

    def _editMessageText(self, form: Mapping[str, Any]) -> Any:  # noqa: N802
        found = next((one for one in self.messages if one.id == int(form["message_id"])), None)
        if found is None:
            raise Refused(400, "Bad Request: message to edit not found")
        found.text, found.buttons = self._text(form), self._buttons(form)
        return self._shown(found)

    def _answerCallbackQuery(self, form: Mapping[str, Any]) -> Any:  # noqa: N802
        if form["callback_query_id"] not in self._presses:
            raise Refused(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        self._presses.remove(form["callback_query_id"])
        self.toasts.append(form.get("text", ""))
        return True

    def _shown(self, message: Message) -> dict[str, Any]:
        chat = {"id": message.chat, "type": "private" if message.chat > 0 else "group"}
        return {"message_id": message.id, "from": BOT, "chat": chat, "date": 0, "text": message.text}

    def _text(self, form: Mapping[str, Any]) -> str:
        text = str(form.get("text", ""))
        if not text.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if len(text) > 4096:
            raise Refused(400, "Bad Request: message is too long")
        return text

    def _buttons(self, form: Mapping[str, Any]) -> dict[str, str]:
        rows = json.loads(form.get("reply_markup", "{}")).get("inline_keyboard", [])
        found = {one["text"]: one["callback_data"] for row in rows for one in row}
        if any(not 1 <= len(data.encode()) <= 64 for data in found.values()):
            raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
        return found


@asynccontextmanager
async def bot_api() -> AsyncIterator[BotApi]:
    """Run one; its ``url`` goes into the option ``api``."""
    api = BotApi()
    site = web.Application()
    site.router.add_post("/bot{token}/{method}", api.serve)
    runner = web.AppRunner(site, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()
