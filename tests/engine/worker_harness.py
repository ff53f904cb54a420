"""A worker and its environment, on the virtual clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.accounts.books import Counted
from te_core.accounts.exposure import ExposureLedger
from te_core.accounts.targets import WorkerSettings
from te_core.accounts.worker import AccountWorker
from te_core.api import Capabilities, ExchangeAccount
from te_core.errors import TradeEngineError
from te_core.journal.journal import Journal
from te_core.model.event import Event
from te_core.model.order import Intent
from te_core.model.policy import Limits
from te_core.model.target import Blend, Term
from te_core.outage import Outages
from te_core.rules.controls import Controls
from te_core.settings.hours import parse_hours
from te_core.settings.policies import account_policy, effective_limits
from te_core.settings.schema import AccountSettings, EngineSettings, GlobalLimitSettings, LimitSettings
from te_core.testing.faults import Fault, scripted
from te_core.testing.virtual_clock import START, VirtualClock


def blend_for(symbol: str, depth: str, leverage: int = 1, price: str | None = None) -> Blend:
    amount = Decimal(depth)
    return Blend(
        symbol=symbol,
        depth=amount,
        leverage=leverage,
        terms=(Term(source="tv", weight=Decimal(1), depth=amount, time=START),),
        price=Decimal(price) if price else None,
    )


class WorkerHarness:
    """One account's worker; `go` runs it for some virtual seconds. ``name``: of the account in the journal."""

    def __init__(
        self, path: Path, account: ExchangeAccount, clock: VirtualClock, *, name: str = "a", **settings: Any
    ) -> None:
        self.name = name
        self.controls = Controls()
        """What the operator commanded; it outlives a crash."""
        self.path = path
        self.account = account
        self.clock = clock
        self.capabilities = Capabilities()
        self.events: list[Event] = []
        self.lines: list[str] = []
        self.ledger = ExposureLedger(clock.monotonic)
        self.settings = self.make_settings(**settings)
        self.log = logger.bind(account="a")
        self.start()

    def make_settings(
        self,
        *,
        enabled: bool = True,
        limits: LimitSettings | None = None,
        symbols: tuple[str, ...] = (),
        hours: Mapping[str, tuple[str, ...]] | None = None,
        start_delay: float = 0,
        observe: bool = False,
        **keys: Any,
    ) -> WorkerSettings:
        section = AccountSettings(plugin="fake", **keys)
        return WorkerSettings(
            policy=account_policy(section),
            concurrency=section.concurrency,
            limits=effective_limits(GlobalLimitSettings(), limits) if limits else Limits(),
            engine=EngineSettings(start_delay=timedelta(seconds=start_delay)),
            enabled=enabled,
            symbols=symbols,
            hours={symbol: tuple(map(parse_hours, texts)) for symbol, texts in (hours or {}).items()},
            observe="told to" if observe else "",
        )

    def start(self) -> None:
        self.journal = Journal.open(
            self.path / "j.sqlite3", clock=self.clock, new_id=lambda: "journal-1", inline=True
        )
        snapshot = self.journal.snapshot()
        self.worker = AccountWorker(
            name=self.name,
            settings=self.settings,
            journal=self.journal,
            ledger=self.ledger,
            clock=self.clock,
            log=self.log,
            outages=Outages(self.clock, self.log, self.events.append, account="a"),
            record=self.events.append,
            books={symbol: book for (name, symbol), book in snapshot.books.items() if name == self.name},
            controls=self.controls,
            open_intents=[held for held in snapshot.open_intents if held.account == self.name],
            counted=self.counted(),
        )
        self.task = asyncio.create_task(self.worker.run(self.account, self.capabilities))

    def counted(self) -> Counted | None:
        """Return what is known of the account's books, and the receiver of changes; None: no receiver."""
        return None

    async def crash(self) -> None:
        """Kill it and forget everything that is not in the journal."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.journal.close()
        await asyncio.sleep(0.001)  # no process starts at the moment another one dies

    async def restart(self) -> None:
        await self.crash()
        self.start()

    async def want(
        self, symbol: str, depth: str, leverage: int = 1, *, wait: float = 1, price: str | None = None
    ) -> None:
        self.worker.retarget({symbol: blend_for(symbol, depth, leverage, price)})
        await self.go(wait)

    async def go(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.task.done():
            self.task.result()

    def configure(self, **settings: Any) -> None:
        self.settings = self.make_settings(**settings)
        self.worker.configure(self.settings)

    def intents(self) -> list[Intent]:
        return [record.intent for record in self.journal.intents(1000)]

    def outcomes(self) -> Mapping[str, str]:
        return {record.intent.client_order_id: str(record.state) for record in self.journal.intents(1000)}


class SupervisedHarness(WorkerHarness):
    """A worker that is restarted after any failure, as under its supervisor, and whose stream is followed."""

    def __init__(
        self, path: Path, account: ExchangeAccount, clock: VirtualClock, *, streams: bool, **settings: Any
    ) -> None:
        self.streams = streams
        super().__init__(path, account, clock, **settings)

    def start(self) -> None:
        super().start()
        self.stream = asyncio.create_task(self._follow()) if self.streams else None

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TradeEngineError):
                await self.account.watch(self.worker.stream)
            await asyncio.sleep(5)

    async def crash(self) -> None:
        if self.stream is not None:
            self.stream.cancel()
            await asyncio.gather(self.stream, return_exceptions=True)
        await super().crash()

    async def go(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            if (await asyncio.wait([self.task], timeout=left))[0]:
                assert self.task.cancelled() or self.task.exception() is not None, "it ended by itself"
                await asyncio.sleep(5)
                self.task = asyncio.create_task(self.worker.run(self.account, self.capabilities))


def with_leverage(settings: WorkerSettings, leverage: int) -> WorkerSettings:
    return replace(settings, limits=Limits(leverage=leverage))


Open = Callable[..., WorkerHarness]
"""The fixture ``open_harness``: its arguments are those of a harness."""


def fail(**faults: list[Fault | None]) -> Callable[[str, int], Fault | None]:
    """Return faults for the next calls of some methods; None: the call succeeds."""
    return scripted(faults)
