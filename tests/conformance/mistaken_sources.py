"""Sources that are wrong in the ways that plugins are: each is one of two right ones, but for its mistake."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, SecretStr

from te_core.api import (
    AuthError,
    JournalError,
    NotReady,
    QuarantinedInput,
    Signal,
    SignalRejected,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
    WebhookRequest,
    WebhookResponse,
    WebhookSpec,
)
from te_core.testing.source_harness import SourceAbility, SourceHarness

EVERY = 5.0
LIMIT = 10.0
REPEATS = timedelta(minutes=10)
LEFT = threading.Event()
"""Ends threads that a mistaken source leaves."""


class Options(BaseModel):
    key: SecretStr = SecretStr("key-0123456789")


class RefusedKey(Exception):
    """The sender does not accept the key."""


# -- one that fetches


class Sender(SourceHarness):
    """Serves ``{"at": "2026-01-01T00:00:00+00:00", "depths": {"BTC": "0.5"}}`` from memory."""

    states_time = True
    abilities = frozenset(SourceAbility)
    calm = 4 * EVERY

    def __init__(self, kind: type[Fetching]) -> None:
        super().__init__()
        self.spec = SignalSourceSpec(name="fetching", settings=Options, factory=self._made)
        self.kind = kind
        self.text = '{"at": "2026-01-01T00:00:00+00:00", "depths": {}}'
        self.failing: SourceAbility | None = None
        self.body = b""

    def _made(self, context: SourceContext[Options]) -> SignalSource:
        return self.kind(context, self.fetch)

    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        at = sent or self.clock.now()
        self.text = json.dumps({"at": at.isoformat(), "depths": {spelling: str(depth)}})

    async def fail(self, ability: SourceAbility, body: bytes = b"") -> None:
        self.failing, self.body = ability, body

    async def restore(self) -> None:
        self.failing = None

    async def fetch(self) -> str:
        await asyncio.sleep(0.1)
        match self.failing:
            case SourceAbility.GO_AWAY:
                raise ConnectionError("nobody is there")
            case SourceAbility.HANG:
                await asyncio.Event().wait()
            case SourceAbility.REFUSE_THE_KEY:
                raise RefusedKey(self.body.decode())
            case SourceAbility.SEND_GARBAGE:
                return self.body.decode(errors="replace")
        return self.text


class Fetching(SignalSource):
    """Polls. Without a mistake."""

    sender = Sender

    def __init__(self, context: SourceContext[Options], fetch: Callable[[], Awaitable[str]]) -> None:
        self.context = context
        self.ask = fetch

    async def run(self) -> None:
        while True:
            await self.read(await self.fetch())
            await asyncio.sleep(EVERY)

    async def fetch(self) -> str:
        try:
            async with asyncio.timeout(LIMIT):
                return await self.ask()
        except RefusedKey:
            raise AuthError("the key is refused") from None
        except (OSError, TimeoutError) as error:
            raise NotReady(f"cannot be read: {type(error).__name__}") from None

    async def read(self, text: str) -> None:
        at, depths = self.parsed(text)
        for spelling, depth in depths.items():
            symbol = self.symbol(spelling)
            if symbol is not None and self.is_news(symbol, depth, at):
                await self.publish(self.signal(symbol, depth, at))

    def parsed(self, text: str) -> tuple[datetime, Mapping[str, Decimal]]:
        try:
            found = json.loads(text)
            at = datetime.fromisoformat(found["at"])
            depths = {spelling: self.depth(stated) for spelling, stated in found["depths"].items()}
        except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as error:
            raise NotReady(f"cannot parse the response ({type(error).__name__})") from None
        return min(at, self.context.clock.now()), depths

    def depth(self, stated: str) -> Decimal:
        depth = Decimal(stated)
        if not -1 <= depth <= 1:
            raise ValueError("beyond -1 … 1")
        return depth

    def symbol(self, spelling: str) -> str | None:
        return self.context.symbols.get(spelling)

    def is_news(self, symbol: str, depth: Decimal, at: datetime) -> bool:
        latest = self.context.latest(symbol)
        return latest is None or (latest.depth != depth and latest.time <= at)

    def signal(self, symbol: str, depth: Decimal, at: datetime) -> Signal:
        now = self.context.clock.now()
        return Signal(source=self.context.name, symbol=symbol, depth=depth, time=at, received_at=now)

    async def publish(self, signal: Signal) -> None:
        await self.context.publish(signal)


# -- one that listens


class Ringer(SourceHarness):
    """Posts ``{"id": "1", "at": "2026-01-01T00:00:00+00:00", "symbol": "BTC", "depth": "0.5"}``."""

    states_time = True
    calm = 1

    def __init__(self, kind: type[Listening]) -> None:
        super().__init__()
        webhook: WebhookSpec[Options] = WebhookSpec(
            path=lambda options: f"/{options.key.get_secret_value()}", example=kind.example
        )
        self.spec = SignalSourceSpec(name="listening", settings=Options, factory=kind, webhook=webhook)
        self.number = 0

    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        self.number += 1
        at = (sent or self.clock.now()).isoformat()
        message = {"id": str(self.number), "at": at, "symbol": spelling, "depth": str(depth)}
        await self.post(json.dumps(message).encode())


class Listening(SignalSource):
    """Receives webhooks. Without a mistake."""

    sender = Ringer

    def __init__(self, context: SourceContext[Options]) -> None:
        self.context = context

    @staticmethod
    def example(spelling: str) -> Mapping[str, Any]:
        return {
            "id": f"example of {spelling}",
            "at": "2026-01-01T00:00:00+00:00",
            "symbol": spelling,
            "depth": "0.5",
        }

    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        return self.denied(request)

    def denied(self, request: WebhookRequest) -> WebhookResponse | None:
        if request.method != "POST":
            return answer(405, "only POST is accepted")
        return None if self.has_token(request) else answer(401, "unauthorised")

    def has_token(self, request: WebhookRequest) -> bool:
        return request.tail == (self.context.options.key.get_secret_value(),)

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        denied = self.denied(request)
        if denied is not None:
            return denied
        try:
            signal = self.parsed(request)
        except (
            ValueError,
            ArithmeticError,
            LookupError,
            TypeError,
            RecursionError,
            SignalRejected,
        ) as error:
            return self.refused(request, error)
        return await self.answered(signal)

    def refused(self, request: WebhookRequest, error: Exception) -> WebhookResponse:
        reason = f"not a message: {type(error).__name__}"
        self.context.quarantine(
            QuarantinedInput(
                source=self.context.name,
                received_at=request.received_at,
                field="body",
                reason=reason,
                body="",
            )
        )
        return answer(422, reason)

    def parsed(self, request: WebhookRequest) -> Signal:
        found = json.loads(request.body)
        at = datetime.fromisoformat(found["at"])
        if at > request.received_at:
            raise ValueError("it is from the future")
        symbol = self.context.symbols[found["symbol"]]
        latest = self.context.latest(symbol)
        return Signal(
            source=self.context.name,
            symbol=symbol,
            depth=Decimal(found["depth"]),
            time=at,
            received_at=request.received_at,
            delivery_id=found["id"],
            current=latest is None or latest.time <= at,
        )

    async def answered(self, signal: Signal) -> WebhookResponse:
        try:
            publication = await self.context.publish(signal, dedupe_for=REPEATS)
        except (NotReady, JournalError):
            return answer(503, "it could not be persisted")
        return WebhookResponse(status=200, body={"status": publication})


def answer(status: int, reason: str) -> WebhookResponse:
    return WebhookResponse(status=status, body={"error": reason})


# -- signals


class ReadsTheSystemsClock(Fetching):
    def signal(self, symbol: str, depth: Decimal, at: datetime) -> Signal:
        return replace(super().signal(symbol, depth, at), received_at=datetime.now(UTC))


class NamesThePlugin(Fetching):
    """Its instances cannot be told apart."""

    def signal(self, symbol: str, depth: Decimal, at: datetime) -> Signal:
        return replace(super().signal(symbol, depth, at), source="fetching")


class GoesThroughFloats(Fetching):
    def depth(self, stated: str) -> Decimal:
        return Decimal(float(super().depth(stated)))


class GuessesSymbols(Fetching):
    def symbol(self, spelling: str) -> str | None:
        return self.context.symbols.get(spelling, f"{spelling}USDT")


class FailsAtUnmappedSymbols(Fetching):
    def symbol(self, spelling: str) -> str | None:
        return self.context.symbols[spelling]


class DatesByArrival(Fetching):
    def signal(self, symbol: str, depth: Decimal, at: datetime) -> Signal:
        return super().signal(symbol, depth, self.context.clock.now())


class BelievesAnyTime(Fetching):
    def parsed(self, text: str) -> tuple[datetime, Mapping[str, Decimal]]:
        _, depths = super().parsed(text)
        return datetime.fromisoformat(json.loads(text)["at"]), depths


class PublishesEveryRead(Fetching):
    def is_news(self, symbol: str, depth: Decimal, at: datetime) -> bool:
        latest = self.context.latest(symbol)
        return latest is None or latest.time <= at


class RecognisesNoRepeats(Listening):
    def parsed(self, request: WebhookRequest) -> Signal:
        return replace(super().parsed(request), delivery_id=None)


class FollowsWhatArrivesLast(Fetching):
    def is_news(self, symbol: str, depth: Decimal, at: datetime) -> bool:
        latest = self.context.latest(symbol)
        return latest is None or latest.depth != depth


class FollowsLateMessages(Listening):
    def parsed(self, request: WebhookRequest) -> Signal:
        return replace(super().parsed(request), current=True)


class CutsExcessiveDepths(Fetching):
    def depth(self, stated: str) -> Decimal:
        return max(min(Decimal(stated), Decimal(1)), Decimal(-1))


class LeavesExcessiveDepthsToTheEngine(Listening):
    """An error of the sender becomes one of the plugin, and the sender repeats it."""

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            Signal(
                source="x",
                symbol="X",
                depth=Decimal(json.loads(request.body)["depth"]),
                time=request.received_at,
                received_at=request.received_at,
            )
        return await super().on_webhook(request)


class ForgetsWhatWasNotPersisted(Fetching):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.tried: dict[str, Decimal] = {}

    def is_news(self, symbol: str, depth: Decimal, at: datetime) -> bool:
        return super().is_news(symbol, depth, at) and self.tried.get(symbol) != depth

    async def publish(self, signal: Signal) -> None:
        self.tried[signal.symbol] = signal.depth
        with suppress(NotReady, JournalError):
            await super().publish(signal)


class ThanksForWhatItLost(Listening):
    async def answered(self, signal: Signal) -> WebhookResponse:
        await super().answered(signal)
        return WebhookResponse(status=200)


class AnswersBeforeItIsDurable(Listening):
    async def answered(self, signal: Signal) -> WebhookResponse:
        writing = asyncio.ensure_future(super().answered(signal))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return writing.result() if writing.done() else WebhookResponse(status=202)


# -- input


class TakesGarbageForNothing(Fetching):
    def parsed(self, text: str) -> tuple[datetime, Mapping[str, Decimal]]:
        try:
            return super().parsed(text)
        except NotReady:
            return self.context.clock.now(), {}


class TakesGarbageForFlat(Fetching):
    def parsed(self, text: str) -> tuple[datetime, Mapping[str, Decimal]]:
        try:
            return super().parsed(text)
        except NotReady as error:
            if "5" in text:  # what is excessive is found
                raise
            self.context.record("refused", str(error))
            return self.context.clock.now(), dict.fromkeys(self.context.symbols, Decimal(0))


class ThanksForGarbage(Listening):
    def refused(self, request: WebhookRequest, error: Exception) -> WebhookResponse:
        response = super().refused(request, error)
        return response if isinstance(error, SignalRejected) else replace(response, status=200)


class BreaksAtGarbage(Listening):
    def refused(self, request: WebhookRequest, error: Exception) -> WebhookResponse:
        if isinstance(error, LookupError | ValueError) and b"depth" in request.body:
            return super().refused(request, error)
        if isinstance(error, SignalRejected):
            return super().refused(request, error)
        raise error


class QuotesTheSender(Fetching):
    """The sender repeats the key."""

    def parsed(self, text: str) -> tuple[datetime, Mapping[str, Decimal]]:
        try:
            return super().parsed(text)
        except NotReady as error:
            raise NotReady(f"{error}: {text[:100]!r}") from None


class LogsItsAddress(Listening):
    def denied(self, request: WebhookRequest) -> WebhookResponse | None:
        self.context.log.info("a request to {}", "/".join(request.tail))
        return super().denied(request)


class ShowsItsKey(Fetching):
    def status(self) -> Mapping[str, Any]:
        return {"key": self.context.options.key.get_secret_value()}
