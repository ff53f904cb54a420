"""Polls an address that returns ``{"at": "2026-01-01T00:00:00Z", "depths": {"BTC": 0.5, "ETH": -0.25}}``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError

from te_core.api import (
    AuthError,
    Duration,
    NotReady,
    Signal,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
    hookimpl,
)

Pause = Annotated[Duration, Field(ge=timedelta(seconds=1))]
Depth = Annotated[Decimal, Field(ge=-1, le=1)]


class FeedOptions(BaseModel):
    """Settings of ``[sources.<name>]`` with ``plugin = "feed"``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl = Field(description="Address of the depths.")
    token: SecretStr | None = Field(default=None, description="Bearer token; it belongs in .secrets.toml.")
    every: Pause = Field(default=timedelta(seconds=10), description="Pause between two reads.")
    timeout: Pause = Field(
        default=timedelta(seconds=10), description="Longest time that a response may take."
    )


class Depths(BaseModel):
    """A response. All of it is valid, or none of it is used."""

    at: AwareDatetime
    depths: dict[str, Depth]


class FeedSource(SignalSource):
    """Publishes each depth that changed. What ``run`` raises is reported once, and ``run`` is called again later."""

    def __init__(self, context: SourceContext[FeedOptions]) -> None:
        self._context = context
        self._reads = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            found = parse(await self._fetch())
            self._reads += 1
            said_at = min(found.at, self._context.clock.now())  # a clock that is ahead must not win for hours
            for spelling, depth in found.depths.items():
                await self._publish(spelling, depth, said_at)
            await asyncio.sleep(self._context.options.every.total_seconds())

    def status(self) -> Mapping[str, Any]:
        """Return what ``te status --json`` shows of this source."""
        return {"reads": self._reads}

    async def _fetch(self) -> bytes:
        import aiohttp  # late: settings are checked without it

        options = self._context.options
        headers = {"Authorization": f"Bearer {options.token.get_secret_value()}"} if options.token else {}
        timeout = aiohttp.ClientTimeout(total=options.timeout.total_seconds())
        try:
            async with self._context.http().get(
                str(options.url), headers=headers, timeout=timeout
            ) as response:
                status, content = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotReady(f"{options.url.host} cannot be read: {type(error).__name__}") from error
        if status in {401, 403}:
            raise AuthError(f"{options.url.host} returned status {status}: check token of this source")
        if status != 200:
            raise NotReady(f"{options.url.host} returned status {status}")
        return content

    async def _publish(self, spelling: str, depth: Decimal, said_at: datetime) -> None:
        context = self._context
        symbol = context.symbols.get(spelling)
        if symbol is None:  # not in the settings' mapping: never guess one
            return
        latest = context.latest(symbol)
        if latest is not None and (latest.depth == depth or said_at < latest.time):
            return
        now = context.clock.now()
        await context.publish(
            Signal(source=context.name, symbol=symbol, depth=depth, time=said_at, received_at=now)
        )


def parse(content: bytes) -> Depths:
    """Parse a response; numbers go from text to ``Decimal``. Raises ``NotReady``."""
    try:
        return Depths.model_validate(json.loads(content, parse_float=Decimal, parse_int=Decimal))
    except (ValidationError, ValueError, RecursionError) as error:
        raise NotReady(f"cannot parse the response ({type(error).__name__})") from error


@hookimpl
def te_signal_sources() -> Iterable[SignalSourceSpec[Any]]:
    """Offer the source to the engine."""
    yield SignalSourceSpec(
        name="feed", settings=FeedOptions, factory=FeedSource, summary="depths from an address"
    )
