"""Both listeners of a running engine, and what a change of ``[listen]`` does to them."""

from __future__ import annotations

from aiohttp import web

from te_core.clock import Clock
from te_core.settings.schema import ListenSettings
from te_core.web.facade import EngineFacade, History
from te_core.web.listener import Listener, runner_of
from te_core.web.private import PrivateApi
from te_core.web.public import Webhooks


class Servers:
    """The public and the private site of one engine.

    They listen before the engine runs and after it has stopped; in between ``open`` lets alerts in: a sender
    who is refused with a 503 sends again, one who finds nobody listening does not.
    """

    def __init__(self, engine: EngineFacade, history: History, clock: Clock) -> None:
        self._webhooks = Webhooks(engine, clock)
        self._api = PrivateApi(engine, history)
        self._settings: ListenSettings | None = None
        self._public: Listener | None = None
        self._private: Listener | None = None

    @property
    def public_url(self) -> str:
        """Where webhooks arrive, as seen from this machine."""
        assert self._public is not None
        return self._public.url

    @property
    def private_url(self) -> str:
        """Where the API is, as seen from this machine."""
        assert self._private is not None
        return self._private.url

    def open(self) -> None:
        """Let alerts in."""
        self._webhooks.closed = ""

    def drain(self) -> None:
        """Answer alerts with 503 from now on, so that their senders come again."""
        self._webhooks.closed = "the engine is stopping"

    async def apply(self, settings: ListenSettings) -> None:
        """Listen as settings say, moving only what they change.

        Raises ``ConfigError`` when an address cannot be had; what listened before then goes on.
        """
        old = self._settings
        self._webhooks.trust(settings.public.trusted_proxies)
        if old is None or (old.public.host, old.public.port) != (settings.public.host, settings.public.port):
            listener = Listener("public", runner_of(web.Server(self._webhooks)))
            await listener.start(settings.public.host, settings.public.port)
            self._public = await _replace(self._public, listener)
        if old is None or old.private != settings.private:
            self._private = await self._private_listener(settings, old)
        self._settings = settings

    async def _private_listener(self, settings: ListenSettings, old: ListenSettings | None) -> Listener:
        address = (settings.private.host, settings.private.port)
        listener = Listener("private", runner_of(self._api.application(settings.private)))
        if old is not None and self._private is not None and (old.private.host, old.private.port) == address:
            await self._private.stop()
            await listener.start(settings.private.host, self._private.port)
            return listener
        await listener.start(*address)
        return await _replace(self._private, listener)

    async def stop(self) -> None:
        """Close both addresses and every connection."""
        for listener in (self._public, self._private):
            if listener is not None:
                await listener.stop()
        self._public = self._private = None


async def _replace(old: Listener | None, new: Listener) -> Listener:
    if old is not None:
        await old.stop()
    return new
