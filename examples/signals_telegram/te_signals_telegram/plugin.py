"""Reads a Telegram channel through the Bot API: posts such as ``LONG BTC 50 %`` and ``FLAT ETH``.

The bot has to be an administrator of the channel; others are sent no posts (https://core.telegram.org/bots/api).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, field_validator

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
REPEATS = timedelta(minutes=10)
PATTERN = r"(?P<side>LONG|SHORT|FLAT)\s+#?(?P<symbol>\w+)(?:\s+(?P<percent>\d{1,3})\s*%)?"
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


class ChannelSource(SignalSource):
    """Publishes what a post says. A post is confirmed to Telegram once its signal is durable, so none is lost."""

    def __init__(self, context: SourceContext[ChannelOptions]) -> None:
        self._context = context
        self._pattern = re.compile(context.options.pattern, re.IGNORECASE)
        self._offset = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            for update in await self._updates():
                post = update.get("channel_post") or {}
                if (
                    f"@{post.get('chat', {}).get('username', '')}".lower()
                    == self._context.options.channel.lower()
                ):
                    await self._read(post)
                self._offset = update["update_id"] + 1

    async def _updates(self) -> list[Mapping[str, Any]]:
        import aiohttp  # late: settings are checked without it

        options = self._context.options
        url = f"{str(options.api).rstrip('/')}/bot{options.token.get_secret_value()}/getUpdates"
        asked = {"offset": self._offset, "timeout": POLL, "allowed_updates": '["channel_post"]'}
        try:
            async with self._context.http().post(
                url, data=asked, timeout=aiohttp.ClientTimeout(total=POLL + 10)
            ) as response:
                answer: Mapping[str, Any] = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotReady(
                f"Telegram cannot be read: {type(error).__name__}"
            ) from None  # its text has the token
        if not answer.get("ok"):
            self._refused(answer)
        found: list[Mapping[str, Any]] = answer["result"]
        return found

    def _refused(self, answer: Mapping[str, Any]) -> None:
        said = f"Telegram refused to list posts: {answer.get('description')}"
        if answer.get("error_code") in {401, 404}:
            raise AuthError(f"{said}: check token of this source in .secrets.toml")
        raise NotReady(said, retry_after=answer.get("parameters", {}).get("retry_after"))

    async def _read(self, post: Mapping[str, Any]) -> None:
        context, text = self._context, str(post.get("text", ""))
        now = context.clock.now()
        found = self._pattern.search(text)
        if found is None:
            return  # talk
        groups = found.groupdict()
        side, percent = SIDES.get(groups["side"].lower()), int(groups.get("percent") or 100)
        symbol = context.symbols.get(groups["symbol"].upper())
        if symbol is None:
            return
        if side is None or percent > 100:
            reason = f"{found[0]!r} does not name a side and at most 100 %"
            refused = QuarantinedInput(
                source=context.name, received_at=now, field="text", reason=reason, body=text
            )
            context.quarantine(refused)
            return
        signal = Signal(
            source=context.name,
            symbol=symbol,
            depth=side * Decimal(percent) / 100,
            time=datetime.fromtimestamp(post["date"], UTC),
            received_at=now,
            delivery_id=f"{post['chat']['id']}/{post['message_id']}",
        )
        await context.publish(signal, dedupe_for=REPEATS)


@hookimpl
def te_signal_sources() -> Iterable[SignalSourceSpec[Any]]:
    """Offer the source to the engine."""
    yield SignalSourceSpec(
        name="telegram-channel",
        settings=ChannelOptions,
        factory=ChannelSource,
        summary="posts of a Telegram channel",
    )
