"""The heartbeat: request an address at regular intervals while the engine is ready, and not otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from te_core.outage import Outages
from te_core.settings.notices import NoticesSettings

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

TIMEOUT = 10.0
"""Seconds that a response may take."""


class SignOfLife:
    """Sends heartbeats to a service that raises an alarm when they stop; failures here are only logged."""

    def __init__(
        self,
        *,
        settings: Callable[[], NoticesSettings],
        readiness: Callable[[], Mapping[str, Any]],
        http: Callable[[], ClientSession],
        log: Logger,
        outages: Outages,
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._http = http
        self._log = log
        self._outages = outages
        self._changed = asyncio.Event()
        self._silent = False

    def settings_changed(self) -> None:
        """Read the settings again."""
        self._changed.set()

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            self._changed.clear()
            section = self._settings()
            if section.heartbeat_url is not None:
                await self._beat(section.heartbeat_url.get_secret_value())
            every = None if section.heartbeat_url is None else section.heartbeat_every.total_seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._changed.wait()

    async def _beat(self, url: str) -> None:
        readiness = self._readiness()
        if not readiness["ready"]:
            if not self._silent:
                self._log.warning("no heartbeat while not ready: {}", "; ".join(readiness["reasons"]))
            self._silent = True
            return
        self._silent = False
        if reason := await self._ask(url):
            self._outages.failing("heartbeat", f"{urlsplit(url).hostname}: {reason}; trading continues")
        else:
            self._outages.well("heartbeat")

    async def _ask(self, url: str) -> str:
        """Request the address; return why that failed, or an empty text."""
        from aiohttp import ClientError, ClientTimeout

        try:
            async with self._http().get(url, timeout=ClientTimeout(total=TIMEOUT)) as response:
                return "" if response.status < 300 else f"answered {response.status}"
        except TimeoutError:
            return f"no response within {TIMEOUT:g} s"
        except (ClientError, OSError, ValueError) as error:
            return f"cannot be reached: {type(error).__name__}"
