"""Both listeners of a running engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web

from te_core.clock import Clock
from te_core.contracts.exchange import Finding
from te_core.reporting.queries import Queries
from te_core.settings.listeners import ListenSettings
from te_core.web.client_address import Senders
from te_core.web.exposure import exposure, forwarded_by
from te_core.web.guards import Tokens
from te_core.web.interfaces import AlertReceiver, EngineCommands, Pages
from te_core.web.listener import Listener
from te_core.web.private import private_site
from te_core.web.public import Webhooks
from te_core.web.tls import Certificate

_EVENT = "listener"
"""The kind of both listeners' events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFiles:
    """Folders of the files in the settings: certificates next to ``settings.toml``, the socket in the state folder."""

    settings: Path
    state: Path


class Servers:
    """The public and the private site.

    They listen before the engine runs and until it has stopped; ``open`` starts accepting alerts: a sender that gets a
    503 retries, one whose connection is refused does not. ``token``: of the private listener. ``nonce``: proves to
    ``te`` that this engine is responding. ``pages``: what browsers are served there.

    Raises `ConfigError` for a certificate that cannot be used.
    """

    def __init__(
        self,
        queries: Queries,
        commands: EngineCommands,
        clock: Clock,
        settings: ListenSettings,
        *,
        files: ServerFiles,
        token: str,
        nonce: str = "",
        pages: Pages | None = None,
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._files = files
        self._commands = commands
        self._forwarder = ""
        public, report = settings.public, partial(commands.report_event, _EVENT)
        senders = Senders(public.trusted_proxies, self._forwarded)
        certificate = Certificate(public, files.settings) if public.certificate is not None else None
        certified = public.client_certificate is not None
        self._webhooks = Webhooks(clock, senders, certified=certified)
        self.public = Listener(
            "public",
            web.Server(self._webhooks),
            certificate=certificate,
            trusted=senders.trusted,
            report=lambda text: report(f"public listener: {text}"),
        )
        self.tokens = Tokens(token, report)
        site = private_site(
            queries, commands, settings.private, clock=clock, tokens=self.tokens, nonce=nonce, pages=pages
        )
        self.private = Listener("private", site, report=lambda text: report(f"private listener: {text}"))

    async def start(self) -> None:
        """Start listening. Raise `ConfigError` if an address is not available; then neither listens."""
        await self.public.start(self._settings.public.host, self._settings.public.port)
        private = self._settings.private
        try:
            if private.socket is None:
                await self.private.start(private.host, private.port)
            else:
                await self.private.start_at(self._files.state / private.socket)
        except BaseException:
            await self.public.stop()
            raise

    def open(self, engine: AlertReceiver) -> None:
        """Accept alerts for the engine from now on."""
        self._webhooks.open(engine)

    def drain(self) -> None:
        """Respond to alerts with 503 from now on, so that their senders retry."""
        reason = "the engine is stopping"
        self._webhooks.close(reason)
        if self._pages is not None:
            self._pages.leave(reason)

    async def stop(self) -> None:
        """Close both addresses and every connection."""
        await asyncio.gather(self.public.stop(), self.private.stop())

    def findings(self) -> Iterator[Finding]:
        """Return findings on the exposure by the settings, and on what requests have shown since the start."""
        yield from exposure(self._settings)
        if self._forwarder:
            yield forwarded_by(self._forwarder)

    def _forwarded(self, peer: str) -> None:
        if not self._forwarder:
            self._forwarder = peer
            found = forwarded_by(peer)
            self._commands.report_event(_EVENT, f"{found.text}; {found.remedy}")
