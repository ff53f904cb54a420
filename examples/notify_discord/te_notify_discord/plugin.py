"""Posts events to a Discord channel through one of its webhooks, in the words of a template.

https://discord.com/developers/docs/resources/webhook#execute-webhook has the length of ``content`` and ``wait``:
without it a message that is not saved returns no error. ``Retry-After``, in seconds, and that a webhook with status 404
must not be used again at once: https://discord.com/developers/docs/topics/rate-limits
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from string import Template
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, TypeAdapter, field_validator

from te_core.api import (
    AuthError,
    Duration,
    Event,
    NoticeRefused,
    Notifier,
    NotifierContext,
    NotifierSpec,
    NotReady,
    hookimpl,
)

LONGEST = 2000
"""Characters of ``content``."""
FIELDS = {"headline", "text", "kind", "account", "source", "symbol", "at"}


class DiscordOptions(BaseModel):
    """Settings of ``[notifiers.<name>]`` with ``plugin = "discord"``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr = Field(description="The webhook's address; whoever has it can post, so: .secrets.toml.")
    template: str = Field(
        default="**$headline**\n$text",
        description="A message with $headline, $text, $kind, $account, $source, $symbol and $at.",
    )
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1))] = Field(
        default=timedelta(seconds=10), description="Longest time that a response may take."
    )

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        TypeAdapter(HttpUrl).validate_python(url.get_secret_value())
        return url

    @field_validator("template")
    @classmethod
    def _known(cls, template: str) -> str:
        found = Template(template)
        if not found.is_valid():
            raise ValueError("a $ that begins no name is written $$")
        if unknown := set(found.get_identifiers()) - FIELDS:
            raise ValueError(f"${min(unknown)} is unknown; known: {', '.join(sorted(FIELDS))}")
        return template


class DiscordNotifier(Notifier):
    """Posts one event at a time. What it raises decides what becomes of the event."""

    def __init__(self, context: NotifierContext[DiscordOptions]) -> None:
        self._context = context

    async def notify(self, event: Event) -> None:
        """Post one event; nobody is pinged by what its text happens to contain."""
        import aiohttp  # late: settings are checked without it

        options = self._context.options
        body = {"content": message(event, options.template), "allowed_mentions": {"parse": []}}
        timeout = aiohttp.ClientTimeout(total=options.timeout.total_seconds())
        try:
            async with self._context.http().post(
                options.url.get_secret_value(), params={"wait": "true"}, json=body, timeout=timeout
            ) as response:
                status, wait = response.status, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotReady(f"Discord cannot be reached: {type(error).__name__}") from None
        if status == 429 or status >= 500:
            seconds = float(wait) if wait.replace(".", "", 1).isdecimal() else None
            raise NotReady(f"Discord returned status {status}", retry_after=seconds)
        if status in {401, 403, 404}:
            raise AuthError(f"Discord returned status {status}: check url of this notifier in .secrets.toml")
        if status >= 300:
            raise NoticeRefused(f"Discord returned status {status}")


def message(event: Event, template: str) -> str:
    """Fill in the template; what Discord would refuse for its length is cut."""
    names = {name: getattr(event, name) or "" for name in FIELDS - {"at"}}
    text = Template(template).substitute(names, at=f"{event.at:%Y-%m-%d %H:%M} UTC")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


@hookimpl
def te_notifiers() -> Iterable[NotifierSpec[Any]]:
    """Offer the notifier to the engine."""
    yield NotifierSpec(
        name="discord", settings=DiscordOptions, factory=DiscordNotifier, summary="posts to a Discord channel"
    )
