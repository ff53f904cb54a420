"""Both listeners of a running engine."""

from __future__ import annotations

import asyncio

from aiohttp import web

from te_core.clock import Clock
from te_core.settings.schema import ListenSettings
from te_core.web.facade import EngineFacade, History
from te_core.web.listener import Listener
from te_core.web.private import private_site
from te_core.web.public import Webhooks


class Servers:
    """The public and the private site.

    They listen before the engine runs and until it has stopped; in between ``open`` lets alerts in: a sender
    who is refused with a 503 sends again, one who finds nobody listening does not.
    """

    def __init__(
        self, engine: EngineFacade, history: History, clock: Clock, settings: ListenSettings
    ) -> None:
        self._settings = settings
        self._webhooks = Webhooks(engine, clock, settings.public.trusted_proxies)
        self.public = Listener("public", web.Server(self._webhooks))
        self.private = Listener("private", private_site(engine, history, settings.private))

    async def start(self) -> None:
        """Listen. Raises ``ConfigError`` when an address cannot be had; then neither listens."""
        await self.public.start(self._settings.public.host, self._settings.public.port)
        try:
            await self.private.start(self._settings.private.host, self._settings.private.port)
        except BaseException:
            await self.public.stop()
            raise

    def open(self) -> None:
        """Let alerts in."""
        self._webhooks.closed = ""

    def drain(self) -> None:
        """Answer alerts with 503 from now on, so that their senders come again."""
        self._webhooks.closed = "the engine is stopping"

    async def stop(self) -> None:
        """Close both addresses and every connection."""
        await asyncio.gather(self.public.stop(), self.private.stop())
