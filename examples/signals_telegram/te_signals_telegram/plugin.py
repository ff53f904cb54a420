"""Reads a Telegram channel through the Bot API: posts such as ``LONG BTC 50 %`` and ``FLAT ETH``.

The bot has to be an administrator of the channel; others are sent no posts (https://core.telegram.org/bots/api).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    field_validator,
)

from te_core.api import (
    AuthError,
    NotReady,
    QuarantinedInput,
    Signal,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
    hookimpl,
)

POLL = 50
"""Seconds that Telegram holds a request while nothing is posted."""
PAUSE = 0.2
"""Seconds between two requests, however soon they are answered."""
REPEATS = timedelta(minutes=10)
PATTERN = r"(?P<side>LONG|SHORT|FLAT)\s+#?(?P<symbol>\w+)(?:\s+(?P<percent>\d{1,3}(?:\.\d+)?)\s*%)?"
SIDES = {"long": 1, "short": -1, "flat": 0}


class ChannelOptions(BaseModel):
    """Settings of ``[sources.<name>]`` with ``plugin = "telegram-channel"``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(description="The bot's token; it belongs in .secrets.toml.")
    channel: str = Field(pattern=r"^@\w{5,32}$", description="The channel's public name, such as @signals.")
    pattern: str = Field(
        default=PATTERN,
        description="Regular expression with the groups side (long, short, flat), symbol and, if it has one, percent.",
    )
    api: HttpUrl = Field(default=HttpUrl("https://api.telegram.org"), description="Address of the Bot API.")

    @field_validator("pattern")
    @classmethod
    def _groups(cls, pattern: str) -> str:
        missing = {"side", "symbol"} - re.compile(pattern).groupindex.keys()
        if missing:
            raise ValueError(f"it has no group named {' and '.join(sorted(missing))}")
        return pattern


class Chat(BaseModel):
    """Where something was posted."""

    id: int
    username: str = ""


class Post(BaseModel):
    """A post, as far as it is used."""

    chat: Chat
    message_id: int
    date: AwareDatetime
    text: str = ""


class Update(BaseModel):
    """One update that a bot receives."""

    update_id: int
    channel_post: Post | None = None


class Answer(BaseModel):
    """A response. All of it is valid, or none of it is used."""

    ok: bool
    result: list[Update] | None = None
    description: str = ""
    error_code: int = 0
    parameters: dict[str, float] = {}


class ChannelSource(SignalSource):
    """Publishes what a post says. A post is confirmed to Telegram once its signal is durable, so none is lost."""

    def __init__(self, context: SourceContext[ChannelOptions]) -> None:
        self._context = context
        self._pattern = re.compile(context.options.pattern, re.IGNORECASE)
        self._offset = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        channel = self._context.options.channel.lower()
        while True:
            for update in await self._updates():
                post = update.channel_post
                if post is not None and f"@{post.chat.username}".lower() == channel:
                    await self._read(post)
                self._offset = update.update_id + 1
            await asyncio.sleep(PAUSE)

    async def _updates(self) -> list[Update]:
        import aiohttp  # late: settings are checked without it

        options = self._context.options
        url = f"{str(options.api).rstrip('/')}/bot{options.token.get_secret_value()}/getUpdates"
        asked = {"offset": self._offset, "timeout": POLL, "allowed_updates": '["channel_post"]'}
        timeout = aiohttp.ClientTimeout(total=POLL + 10)
        try:
            async with self._context.http().post(url, data=asked, timeout=timeout) as response:
                answer = Answer.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
            # Without its text and cause: they have the token.
            raise NotReady(f"Telegram cannot be read: {type(error).__name__}") from None
        if answer.ok and answer.result is not None:
            return answer.result
        said = f"Telegram refused to list posts: {answer.description}"
        if answer.error_code in {401, 404}:
            raise AuthError(f"{said}: check token of this source in .secrets.toml")
        raise NotReady(said, retry_after=answer.parameters.get("retry_after"))

    async def _read(self, post: Post) -> None:
        context, now = self._context, self._context.clock.now()
        found = self._pattern.search(post.text)
        if found is None:
            return  # talk
        symbol = context.symbols.get(found["symbol"].upper())
        if symbol is None:
            return
        depth = stated_depth(found)
        if depth is None:
            reason = f"{found[0]!r} does not name a side and at most 100 %"
            refused = QuarantinedInput(
                source=context.name, received_at=now, field="text", reason=reason, body=post.text
            )
            context.quarantine(refused)
            return
        latest = context.latest(symbol)
        signal = Signal(
            source=context.name,
            symbol=symbol,
            depth=depth,
            time=min(post.date, now),  # a clock that is ahead must not win for hours
            received_at=now,
            delivery_id=f"{post.chat.id}/{post.message_id}",
            current=latest is None or post.date >= latest.time,
        )
        await context.publish(signal, dedupe_for=REPEATS)


def stated_depth(found: re.Match[str]) -> Decimal | None:
    """Return the depth that a post states; None if it states none that is valid.

    A number after the symbol that is not read as a percentage (``12,5 %``) must not become a full position.
    """
    groups = found.groupdict()
    side = SIDES.get(groups["side"].lower())
    percent = groups.get("percent")
    if side is None or (percent is None and re.match(r"\s*\d", found.string[found.end() :])):
        return None
    depth = side * Decimal(percent or 100) / 100
    return depth if abs(depth) <= 1 else None


@hookimpl
def te_signal_sources() -> Iterable[SignalSourceSpec[Any]]:
    """Offer the source to the engine."""
    yield SignalSourceSpec(
        name="telegram-channel",
        settings=ChannelOptions,
        factory=ChannelSource,
        summary="posts of a Telegram channel",
    )
