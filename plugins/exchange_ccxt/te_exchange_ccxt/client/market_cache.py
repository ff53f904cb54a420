"""Market structures: read once for all accounts of an exchange, and cached on disk between starts."""

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
"""Age after which markets are read again in the background; the engine asks every hour."""
RETRY_AFTER = timedelta(minutes=5)
"""Least time between two background reads, whatever triggers them: the old list can be used meanwhile."""
USABLE_FOR = timedelta(hours=24)
"""Age above which a cached file is used only after a read was tried and failed."""


class MarketCache:
    """Markets of one exchange host. While there are any, nobody waits for a read."""

    def __init__(self, identity: str, clock: Clock, log: Logger) -> None:
        self._identity = identity
        self._clock = clock
        self._log = log
        self._failing = False
        self._tried_at: float | None = None
        self._outdated = False
        self._files: dict[Path, None] = {}
        self._loading: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self.markets: list[Market] = []
        self.read_at: datetime | None = None

    @property
    def age(self) -> timedelta:
        """Time since they were read from the exchange."""
        return self._clock.now() - self.read_at if self.read_at else timedelta.max

    @property
    def loading(self) -> bool:
        """Whether they are being read."""
        return self._loading is not None

    def renew(self, fetch: Fetch) -> None:
        """Read them again in the background, at most every ``RETRY_AFTER``: an order was rejected for its size."""
        self._outdated = True
        self._refresh_if_due(fetch)

    async def get(self, fetch: Fetch, file: Path) -> list[Market]:
        """Return the markets from memory, else from the file, else from the exchange. Raises what ``fetch`` raises."""
        if file not in self._files:
            self._files[file] = None
            if not self.markets:
                self._set(await asyncio.to_thread(_read, file, self._identity))
        if not self.markets:
            await self._load(fetch)
        elif self.age > USABLE_FOR and self._tried_at is None:
            self._tried_at = self._clock.monotonic()
            await self._refreshed(self._start(fetch))
        else:
            self._refresh_if_due(fetch)
        return self.markets

    def _refresh_if_due(self, fetch: Fetch) -> None:
        if self._loading is None and (self._outdated or self.age > REFRESH_AFTER) and self._may_refresh:
            self._tried_at = self._clock.monotonic()
            task = asyncio.create_task(self._refreshed(self._start(fetch)))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    @property
    def _may_refresh(self) -> bool:
        elapsed = None if self._tried_at is None else self._clock.monotonic() - self._tried_at
        return elapsed is None or elapsed >= RETRY_AFTER.total_seconds()

    async def _refreshed(self, task: asyncio.Task[None]) -> None:
        """Wait until the read is done; if it fails, keep the old list and try again after a pause."""
        await asyncio.wait([task])
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not self._failing:
            text = "cannot refresh the list of instruments; using the one of {:%Y-%m-%d %H:%M} UTC ({})"
            self._log.warning(text, self.read_at, error)
        self._failing = True

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
        self._set((markets, asked_at))
        self._outdated = False
        if self._failing:
            self._failing = False
            self._log.info("list of instruments refreshed")
        with suppress(OSError):  # without the file the next start takes a little longer
            await asyncio.to_thread(_write, list(self._files), self._identity, markets, asked_at)

    def _set(self, found: tuple[list[Market], datetime] | None) -> None:
        if found is not None:
            self.markets, self.read_at = found


def _read(file: Path, identity: str) -> tuple[list[Market], datetime] | None:
    """Read the file; a missing, damaged or foreign one counts as absent."""
    try:
        head, *lines = file.read_bytes().splitlines()
        header = json.loads(head)
        if header["format"] != FORMAT or header["identity"] != identity or header["count"] != len(lines):
            return None
        return [json.loads(line) for line in lines], datetime.fromisoformat(header["read_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(files: list[Path], identity: str, markets: list[Market], read_at: datetime) -> None:
    """Write one line per market: a single JSON text would block all other threads while it is built or parsed."""
    header = {"format": FORMAT, "identity": identity, "read_at": read_at.isoformat(), "count": len(markets)}
    lines = [json.dumps(one, separators=(",", ":"), default=str) for one in (header, *markets)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        fresh.write_text("\n".join(lines), encoding="utf-8")
        fresh.replace(file)
