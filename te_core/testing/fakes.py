"""Stand-ins for the engine, so that a plugin can be tested on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from loguru import logger
from pydantic import BaseModel

from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext
from te_core.contracts.source import Publication, SourceContext
from te_core.contracts.webhook import WebhookRequest
from te_core.model.event import Event
from te_core.model.reading import Known
from te_core.model.signal import QuarantinedInput, Signal
from te_core.outage import Outages
from te_core.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

Options = TypeVar("Options", bound=BaseModel)
AccountOptions = TypeVar("AccountOptions", bound=BaseModel)


class SourceRecorder:
    """Acts as the engine towards one signal source and records what the source does.

    It honours the contract of ``Publish``: a signal is active from the call on, a delivery repeated within
    ``dedupe_for`` changes nothing, and a signal that is not current never becomes the latest. ``durable_after``:
    seconds that a signal takes to become durable.
    """

    def __init__(self, *, clock: Clock | None = None, durable_after: float = 0) -> None:
        self.clock = clock or VirtualClock()
        self.durable_after = durable_after
        self.failure: Exception | None = None
        """Set it to make every call of ``publish`` raise this error and store nothing."""
        self.attempts = 0
        """The number of calls of ``publish``, including those that failed."""
        self.published: list[Signal] = []
        """Every signal that was stored, in order."""
        self.quarantined: list[QuarantinedInput] = []
        self.events: list[Event] = []
        self.current: dict[str, Signal] = {}
        self.arrived: dict[str, Signal] = {}
        self._deliveries: dict[str, datetime] = {}

    def context(
        self,
        options: Options,
        *,
        symbols: Mapping[str, str] | None = None,
        name: str = "source",
        state_dir: Path | None = None,
    ) -> SourceContext[Options]:
        """Build the context to pass to a source's factory."""
        return SourceContext(
            name=name,
            symbols=symbols or {},
            options=options,
            clock=self.clock,
            log=logger.bind(source=name),
            state_dir=state_dir or Path(),
            publish=self.publish,
            latest=self.current.get,
            arrived=self.arrived.get,
            quarantine=self.quarantined.append,
            record=self._record,
            http=_no_http,
            outages=Outages(self.clock, logger, self.events.append, source=name),
        )

    def publish(self, signal: Signal, *, dedupe_for: timedelta | None = None) -> Awaitable[Publication]:
        """Accept a signal as the engine does; the result resolves once the signal is durable."""
        self.attempts += 1
        if self.failure is not None:
            return asyncio.ensure_future(self._fail(self.failure))
        return asyncio.ensure_future(self._durable(self._accept(signal, dedupe_for)))

    def depths(self) -> dict[str, Decimal]:
        """Return the depth (target exposure, -1 … 1) of the newest current signal of every symbol."""
        return {symbol: signal.depth for symbol, signal in self.current.items()}

    def _record(self, kind: str, text: str, *, symbol: str | None = None) -> None:
        self.events.append(Event(at=self.clock.now(), kind=kind, text=text, symbol=symbol))

    def _accept(self, signal: Signal, dedupe_for: timedelta | None) -> Publication:
        seen = self._deliveries.get(signal.delivery_id or "")
        if seen is not None and dedupe_for is not None and signal.received_at - seen <= dedupe_for:
            return Publication.DUPLICATE
        if signal.delivery_id is not None:
            self._deliveries[signal.delivery_id] = signal.received_at
        self.published.append(signal)
        self.arrived[signal.symbol] = signal
        if not signal.current:
            return Publication.SUPERSEDED
        self.current[signal.symbol] = signal
        return Publication.ACCEPTED

    async def _durable(self, publication: Publication) -> Publication:
        await asyncio.sleep(self.durable_after)
        return publication

    async def _fail(self, failure: Exception) -> NoReturn:
        await asyncio.sleep(self.durable_after)
        raise failure


def _no_http() -> ClientSession:
    raise RuntimeError("this context has no HTTP session; pass the source one that responds from memory")


def account_context(
    *,
    options: AccountOptions,
    clock: Clock,
    state_dir: Path,
    name: str = "test",
    log: Logger | None = None,
    signal_price: Callable[[str], Known[Decimal] | None] = lambda _symbol: None,
    http: Callable[[], ClientSession] = _no_http,
    record: Callable[[Event], None] = lambda _event: None,
    date: Callable[[], datetime] | None = None,
) -> AccountContext[AccountOptions]:
    """Build the context to pass to an account's factory. ``date``: None dates every request with the current time."""
    log = log or logger.bind(account=name)
    return AccountContext(
        name=name,
        options=options,
        clock=clock,
        log=log,
        state_dir=state_dir,
        signal_price=signal_price,
        http=http,
        outages=Outages(clock, log, record, account=name),
        record=partial(_recorded, record, clock, name),
        date=date or clock.now,
    )


def _recorded(
    record: Callable[[Event], None],
    clock: Clock,
    account: str,
    kind: str,
    text: str,
    *,
    symbol: str | None = None,
) -> None:
    record(Event(at=clock.now(), kind=kind, text=text, account=account, symbol=symbol))


def webhook_request(
    body: bytes,
    *,
    received_at: datetime,
    method: str = "POST",
    tail: tuple[str, ...] = (),
    query: Mapping[str, str] | None = None,
    client: str = "203.0.113.7",
) -> WebhookRequest:
    """Build a request as the public listener would. ``tail``: the path segments after the source's name."""
    return WebhookRequest(
        method=method,
        tail=tail,
        query=query or {},
        headers={},
        body=body,
        client=client,
        received_at=received_at,
    )
