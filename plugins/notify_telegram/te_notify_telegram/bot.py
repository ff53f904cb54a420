"""The connection to Telegram: python-telegram-bot over the engine's HTTP session, which follows no redirects.

Its import takes half a second, so import this module in a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import aiohttp
from telegram import Bot as Client
from telegram import (
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Update,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import BaseRequest, RequestData

from te_core.api import AuthError, NoticeRefused, NotReady

if TYPE_CHECKING:
    from aiohttp import ClientSession

T = TypeVar("T")

# Makes times timedeltas, as in the next version; without it the library warns at every `RetryAfter`.
os.environ.setdefault("PTB_TIMEDELTA", "true")

LONG_POLL = 25
"""Seconds for which Telegram holds a request for updates while there are none."""
LONGEST = 4096
"""Maximum length of a message."""
Buttons = Sequence[tuple[str, str]]
"""Label and data of each button."""


class EngineRequest(BaseRequest):
    """Sends requests of python-telegram-bot through the engine's session. ``timeout``: seconds."""

    def __init__(self, http: Callable[[], ClientSession], timeout: float) -> None:
        self._http = http
        self._timeout = timeout

    @property
    def read_timeout(self) -> float:
        """Return the timeout in seconds."""
        return self._timeout

    async def initialize(self) -> None:
        """Do nothing: the session belongs to the engine."""

    async def shutdown(self) -> None:
        """Do nothing: the session belongs to the engine."""

    async def do_request(  # noqa: PLR0917 - the signature of python-telegram-bot
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = None,
        write_timeout: Any = None,
        connect_timeout: Any = None,
        pool_timeout: Any = None,
    ) -> tuple[int, bytes]:
        """Send one request. Raises ``TimedOut``, ``NetworkError``, without the address, which contains the token."""
        del write_timeout, connect_timeout, pool_timeout
        seconds = read_timeout if isinstance(read_timeout, int | float) else self._timeout
        try:
            async with self._http().request(
                method,
                url,
                data=request_data.json_parameters if request_data is not None else None,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                return response.status, await response.read()
        except aiohttp.ClientResponseError as error:  # what the engine's sessions raise for a redirect
            raise NetworkError(f"answered {error.status}, a redirect, which is not followed") from None
        except TimeoutError:
            raise TimedOut from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NetworkError(f"cannot be reached: {type(error).__name__}") from None


class Bot:
    """The operations that the plugin uses. Each raises ``NotReady``, ``AuthError`` or ``NoticeRefused``."""

    def __init__(
        self, token: str, *, api: str, http: Callable[[], ClientSession], timeout: timedelta
    ) -> None:
        request = EngineRequest(http, timeout.total_seconds())
        self._client = Client(token, base_url=f"{api}/bot", request=request, get_updates_request=request)
        self._next = 0

    async def username(self) -> str:
        """Return the bot's user name. Raises ``AuthError`` for an invalid token."""
        return (await _told(self._client.get_me())).username or ""

    async def offer(self, user: int, commands: Mapping[str, str]) -> None:
        """Set the commands that a user sees in the bot's menu."""
        scope = BotCommandScopeChat(user)
        await _told(self._client.set_my_commands(list(commands.items()), scope=scope))

    async def send(self, chat: int, text: str, buttons: Buttons = ()) -> int:
        """Send a message; return its id."""
        sent = await _told(
            self._client.send_message(
                chat,
                shortened(text),
                reply_markup=_keyboard(buttons),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        )
        return sent.message_id

    async def edit(self, chat: int, message: int, text: str) -> None:
        """Replace a message and remove its buttons."""
        await _told(self._client.edit_message_text(shortened(text), chat_id=chat, message_id=message))

    async def acknowledge(self, press: str, text: str = "") -> None:
        """Acknowledge a button press, with a short text for the user who pressed it."""
        await _told(self._client.answer_callback_query(press, text=text or None))

    async def updates(self) -> Sequence[Update]:
        """Wait for messages and button presses. Each is returned once, whatever happens to it."""
        found = await _told(
            self._client.get_updates(
                offset=self._next, timeout=LONG_POLL, allowed_updates=["message", "callback_query"]
            )
        )
        if found:
            self._next = found[-1].update_id + 1
        return found


def shortened(text: str) -> str:
    """Return a text cut to the length of one message."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


def _keyboard(buttons: Buttons) -> InlineKeyboardMarkup | None:
    if not buttons:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(label, callback_data=data)] for label, data in buttons]
    )


async def _told(work: Coroutine[Any, Any, T]) -> T:
    """Await a call, and convert its errors to the engine's."""
    try:
        return await work
    except asyncio.CancelledError:
        raise
    except TelegramError as error:
        _raise(error)


def _raise(error: TelegramError) -> NoReturn:
    match error:
        case RetryAfter():
            after = error.retry_after
            seconds = after.total_seconds() if isinstance(after, timedelta) else float(after)
            raise NotReady("Telegram request limit reached", retry_after=seconds) from None
        case InvalidToken():
            raise AuthError(
                "Telegram does not accept the token of this bot: check token in the settings"
            ) from None
        case Forbidden():
            raise AuthError(
                f"Telegram does not let the bot into a chat ({error.message}): start the bot there, or check chats"
            ) from None
        case Conflict():
            raise NotReady("another program requests this bot's updates: only one may") from None
        case ChatMigrated():
            raise NoticeRefused(
                f"a group has become a supergroup: change its id in chats to {error.new_chat_id}"
            ) from None
        case BadRequest():
            raise NoticeRefused(f"Telegram refused it: {error.message}") from None
        case TimedOut():
            raise NotReady("Telegram did not answer in time") from None
        case _:
            raise NotReady(f"Telegram: {error.message}") from None
