"""Sources that go wrong over time: their life, a sender that fails, and requests."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from te_core.api import (
    AuthError,
    NotReady,
    Signal,
    WebhookRequest,
    WebhookResponse,
)
from tests.conformance.mistaken_sources import EVERY, LEFT, LIMIT, Fetching, Listening, RefusedKey, answer

# -- its life


class KnowsItsStateOnlyOnceItRuns(Fetching):
    async def run(self) -> None:
        self.reads = 0
        await super().run()

    def status(self) -> Mapping[str, Any]:
        return {"reads": self.reads}


class ReportsWhatIsNotJson(Fetching):
    def report(self) -> Mapping[str, Any]:
        return {"symbols": set(self.context.symbols)}


class MistakesItsCancellation(Fetching):
    async def run(self) -> None:
        try:
            await super().run()
        except asyncio.CancelledError:
            raise NotReady("interrupted") from None


class LeavesATask(Fetching):
    async def run(self) -> None:
        self.task = asyncio.ensure_future(asyncio.sleep(100_000))
        await super().run()


class LeavesAThread(Fetching):
    async def run(self) -> None:
        threading.Thread(target=LEFT.wait, daemon=True).start()
        await super().run()


class KnowsOnlyItsOwnSignals(Fetching):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.published: dict[str, Signal] = {}

    def is_news(self, symbol: str, depth: Decimal, at: datetime) -> bool:
        latest = self.published.get(symbol)
        return latest is None or (latest.depth != depth and latest.time <= at)

    async def publish(self, signal: Signal) -> None:
        await super().publish(signal)
        self.published[signal.symbol] = signal


class SharesItsMemory(Fetching):
    """What one instance has published is not news to another."""

    published: ClassVar[WeakKeyDictionary[Any, dict[str, Decimal]]] = WeakKeyDictionary()

    def is_news(self, symbol: str, depth: Decimal, at: datetime) -> bool:
        known = self.published.setdefault(asyncio.get_running_loop(), {})
        return super().is_news(symbol, depth, at) and known.get(symbol) != depth

    async def publish(self, signal: Signal) -> None:
        await super().publish(signal)
        self.published[asyncio.get_running_loop()][signal.symbol] = signal.depth


class SleepsOnTheLoop(Fetching):
    async def fetch(self) -> str:
        time.sleep(0)
        return await super().fetch()


class ConnectsOnTheLoop(Fetching):
    async def fetch(self) -> str:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=1).close()
        return await super().fetch()


# -- the sender fails


class TakesAnOutageForFlat(Fetching):
    async def fetch(self) -> str:
        try:
            return await super().fetch()
        except NotReady as error:
            if "ConnectionError" not in str(error):
                raise
        self.context.outages.failing("sender", "away")
        return json.dumps({"at": self.context.clock.now().isoformat(), "depths": {"BTC": "0"}})


class IsSilentAboutOutages(Fetching):
    async def fetch(self) -> str:
        while True:
            try:
                return await super().fetch()
            except NotReady as error:
                if "ConnectionError" not in str(error):
                    raise
            await asyncio.sleep(EVERY)


class NeverRecovers(Fetching):
    async def fetch(self) -> str:
        try:
            return await super().fetch()
        except NotReady as error:
            if "ConnectionError" not in str(error):
                raise
        self.context.outages.failing("sender", "away")
        await asyncio.Event().wait()
        raise AssertionError


class NeverSaysThatItIsWell(Fetching):
    async def fetch(self) -> str:
        while True:
            try:
                return await super().fetch()
            except NotReady as error:
                if "ConnectionError" not in str(error):
                    raise
            self.context.outages.failing("sender", "away")
            await asyncio.sleep(EVERY)


class LetsTheClientsErrorsPass(Fetching):
    """They are defects to the engine."""

    async def fetch(self) -> str:
        async with asyncio.timeout(LIMIT):
            try:
                return await self.ask()
            except RefusedKey:
                raise AuthError("the key is refused") from None


class HasNoTimeLimit(Fetching):
    async def fetch(self) -> str:
        try:
            return await self.ask()
        except RefusedKey:
            raise AuthError("the key is refused") from None
        except OSError as error:
            raise NotReady(f"cannot be read: {type(error).__name__}") from None


class IsSilentAboutARefusedKey(Fetching):
    async def fetch(self) -> str:
        while True:
            with suppress(AuthError):
                return await super().fetch()
            await asyncio.sleep(EVERY)


# -- requests


class ChecksNoToken(Listening):
    def has_token(self, request: WebhookRequest) -> bool:
        return True


class LocksEverybodyOut(Listening):
    """Whoever guesses a token ten times ends the alerts of the right sender."""

    wrong = 0

    def denied(self, request: WebhookRequest) -> WebhookResponse | None:
        self.wrong += not self.has_token(request)
        return answer(429, "too many wrong tokens") if self.wrong > 10 else super().denied(request)


class AcceptsAnyMethod(Listening):
    def denied(self, request: WebhookRequest) -> WebhookResponse | None:
        return super().denied(replace(request, method="POST"))


class ScreensMessagesAway(Listening):
    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        return self.denied(request) or answer(400, "there is no message")


class ChecksOnlyWhatIsScreened(Listening):
    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        return super().denied(request)

    def denied(self, request: WebhookRequest) -> WebhookResponse | None:
        return super().denied(replace(request, method="POST"))


class GoesOnWithoutItsSender(Listening):
    async def answered(self, signal: Signal) -> WebhookResponse:
        writing = asyncio.ensure_future(super().answered(signal))
        with suppress(asyncio.CancelledError):
            return await asyncio.shield(writing)
        return await writing


class ExplainsAnotherFormat(Listening):
    @staticmethod
    def example(spelling: str) -> Mapping[str, Any]:
        return {"ticker": spelling, "side": "buy"}
