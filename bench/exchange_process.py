"""Emulated exchanges in a process of their own, and what they counted."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.emulators.wire.server import WireServer

BALANCE = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an emulator listens. ``paces``: route kind to (requests, seconds) that the exchange allows one key."""

    url: str
    ws_url: str
    paces: Mapping[str, tuple[int, float]]


@dataclass(slots=True)
class Tally:
    """What an emulator saw. ``orders``: when each order reached it, in seconds of the machine's steady clock."""

    requests: Counter[str] = field(default_factory=Counter)
    orders: list[float] = field(default_factory=list)
    refused: int = 0
    doubled: int = 0


class Exchanges:
    """Starts them with ``accounts`` accounts each (keys K1, K2, …) and stops them."""

    def __init__(self, names: Sequence[str], *, accounts: int, latency: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, names, accounts, latency), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.addresses: dict[str, Address] = self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send("stop")
        self._process.join(10)

    def take(self) -> dict[str, Tally]:
        """Give what was counted since the last time."""
        self._pipe.send("take")
        found: dict[str, Tally] = self._pipe.recv()
        return found

    def held(self) -> dict[tuple[str, str, str], Decimal]:
        """Give every position, by exchange, account and coin; base units."""
        self._pipe.send("held")
        found: dict[tuple[str, str, str], Decimal] = self._pipe.recv()
        return found


def _run(pipe: Connection, names: Sequence[str], accounts: int, latency: float) -> None:
    asyncio.run(_serve(pipe, names, accounts, latency))


async def _serve(pipe: Connection, names: Sequence[str], accounts: int, latency: float) -> None:
    from tests.emulators.core.modes import MarginMode
    from tests.emulators.venues import server

    servers = {}
    for name in names:
        made = servers[name] = server(name, key="K1", balance=BALANCE, latency=latency)
        for number in range(2, accounts + 1):
            made.exchange.open_account(f"account-{number}", key=f"K{number}", balance=BALANCE)
        for account in made.exchange.accounts.values():
            account.default_margin_mode = MarginMode.ISOLATED
        await made.start()
    pipe.send({name: Address(made.url, made.ws_url, _paces(made)) for name, made in servers.items()})
    while (asked := await asyncio.to_thread(pipe.recv)) != "stop":
        if asked == "held":
            pipe.send(
                {
                    (name, owner, position.instrument.base): position.size * position.instrument.contract_size
                    for name, made in servers.items()
                    for owner, account in made.exchange.accounts.items()
                    for symbol in made.exchange.market.instruments
                    for position in account.held(symbol)
                }
            )
            continue
        tallies = {}
        for name, made in servers.items():
            counts = made.exchange.counts
            tallies[name] = Tally(
                requests=Counter(counts.requests),
                orders=[request.at for request in counts.log if request.kind == "order"],
                refused=counts.refusals.total(),
                doubled=len(counts.doubled),
            )
            counts.clear()
        pipe.send(tallies)
    for made in servers.values():
        await made.stop()


def _paces(server: WireServer) -> dict[str, tuple[int, float]]:
    return {
        kind: (window.capacity // window.weights.get(kind, 1), window.seconds)
        for kind in ("order", "leverage")
        for window in server.limits.windows
        if window.scope == "key" and window.kinds is not None and kind in window.kinds
    }
