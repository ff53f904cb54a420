"""Market structures: loaded once for all accounts of an exchange, and kept on disk between starts."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from te_core.api import Clock
from te_exchange_ccxt.symbols import is_linear_perpetual

if TYPE_CHECKING:
    from loguru import Logger

Market = dict[str, Any]
Fetch = Callable[[], Awaitable[list[Market]]]

FORMAT = 2
REFRESH_AFTER = timedelta(minutes=55)
"""Older ones are read again in the background; the engine asks every hour."""
RETRY_AFTER = timedelta(minutes=5)
"""Pause after a background read that failed: what is there can be used meanwhile."""
USABLE_FOR = timedelta(hours=24)
"""Older ones are not used before they were read again."""


class Markets:
    """The markets of one exchange host. Whoever needs them while they are being read waits for the same read."""

    def __init__(self, identity: str, clock: Clock, log: Logger) -> None:
        self._identity = identity
        self._clock = clock
        self._log = log
        self._failed_at: datetime | None = None
        self._files: dict[Path, None] = {}
        self._loading: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self.markets: list[Market] = []
        self.read_at: datetime | None = None

    @property
    def age(self) -> timedelta:
        """Time since they were read from the exchange."""
        return self._clock.now() - self.read_at if self.read_at else timedelta.max

    def expire(self) -> None:
        """Read them again before the next use: an order was refused for its size."""
        self.read_at = None

    async def get(self, fetch: Fetch, file: Path) -> list[Market]:
        """Give the markets: from memory, else from the file, else from the exchange. Raises what ``fetch`` raises."""
        if file not in self._files:
            self._files[file] = None
            if not self.markets:
                self._take(await asyncio.to_thread(_read, file, self._identity))
        if self.age > USABLE_FOR:
            await self._load(fetch)
        elif self.age > REFRESH_AFTER and self._loading is None and self._may_refresh:
            task = asyncio.create_task(self._refresh(fetch))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        return self.markets

    @property
    def _may_refresh(self) -> bool:
        return self._failed_at is None or abs(self._clock.now() - self._failed_at) >= RETRY_AFTER

    async def _refresh(self, fetch: Fetch) -> None:
        """Read again without anyone waiting; when it fails, whoever comes after a pause has it tried again."""
        task = self._start(fetch)
        await asyncio.wait([task])
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._failed_at is None:
            text = "the list of instruments cannot be read again, the one of {:%H:%M} UTC stays in use: {}"
            self._log.warning(text, self.read_at, error)
        self._failed_at = self._clock.now()

    async def _load(self, fetch: Fetch) -> None:
        await asyncio.shield(self._start(fetch))

    def _start(self, fetch: Fetch) -> asyncio.Task[None]:
        if self._loading is None:
            self._loading = asyncio.create_task(self._fetch(fetch))
            self._loading.add_done_callback(self._ended)
        return self._loading

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()

    async def _fetch(self, fetch: Fetch) -> None:
        asked_at = self._clock.now()
        markets = [market for market in await fetch() if is_linear_perpetual(market)]
        self._take((markets, asked_at))
        if self._failed_at is not None:
            self._failed_at = None
            self._log.info("the list of instruments could be read again")
        with suppress(OSError):  # without the file the next start takes a moment longer
            await asyncio.to_thread(_write, list(self._files), self._identity, markets, asked_at)

    def _take(self, found: tuple[list[Market], datetime] | None) -> None:
        if found is not None:
            self.markets, self.read_at = found


def _read(file: Path, identity: str) -> tuple[list[Market], datetime] | None:
    """Read the file; one that is missing, damaged or of something else counts as absent."""
    try:
        head, *lines = file.read_bytes().splitlines()
        kept = json.loads(head)
        if kept["format"] != FORMAT or kept["identity"] != identity or kept["count"] != len(lines):
            return None
        return [json.loads(line) for line in lines], datetime.fromisoformat(kept["read_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(files: list[Path], identity: str, markets: list[Market], read_at: datetime) -> None:
    """Write a line per market: one text for all would hold up every other thread while it is made, and read."""
    kept = {"format": FORMAT, "identity": identity, "read_at": read_at.isoformat(), "count": len(markets)}
    lines = [json.dumps(one, separators=(",", ":"), default=str) for one in (kept, *markets)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        fresh.write_text("\n".join(lines), encoding="utf-8")
        fresh.replace(file)
