"""Emulated exchanges in a process of their own, and what they counted."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from te_emulators.wire.server import WireServer

BALANCE = Decimal(1_000_000)
MOVED_EVERY = 1.0
"""Seconds between two moves of a price. One that has not moved for ten seconds is read before it is used."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A limit per key: ``capacity`` units in ``seconds``."""

    capacity: int
    seconds: float
    units: Mapping[str, int]
    """What a request of each route kind costs."""

    def wait(self, requests: Mapping[str, int]) -> float:
        """Return the least seconds between the first and the last of these requests of one key."""
        units = sum(count * self.units.get(kind, 0) for kind, count in requests.items())
        return max(-(-units // self.capacity) - 1, 0) * self.seconds


@dataclass(frozen=True, slots=True)
class Address:
    """Where an emulator listens, and how many requests it accepts from one key."""

    url: str
    ws_url: str
    paces: Sequence[Pace]


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """A request."""

    came: float
    """When its bytes were there, in seconds of the machine's steady clock."""
    kind: str
    exchange: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What the emulators counted."""

    seen: list[Seen]
    refused: int
    """Requests refused by a rate limit."""
    doubled: int
    """Orders that were executed twice."""


class Exchanges:
    """Starts them with ``accounts`` accounts each (keys K1, K2, …) and stops them.

    ``latency`` is seconds of a round trip. ``lifted``: they set no limit to what one key may send. ``unlimited``: nor
    to what one address may.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        accounts: int,
        latency: float,
        lifted: bool = False,
        unlimited: bool = False,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.latency = latency
        self._pipe, theirs = context.Pipe()
        scopes = frozenset() if unlimited else frozenset({"ip"}) if lifted else frozenset({"ip", "key"})
        given = (theirs, names, accounts, latency, scopes)
        self._process = context.Process(target=_run, args=given, daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.addresses: dict[str, Address] = self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send("stop")
        self._process.join(10)

    def drain(self) -> Tally:
        """Return what was counted since the last call, and reset it."""
        self._pipe.send("drain")
        found: Tally = self._pipe.recv()
        return found

    def held(self) -> dict[tuple[str, str, str], Decimal]:
        """Return every position, by exchange, account and coin; base units."""
        self._pipe.send("held")
        found: dict[tuple[str, str, str], Decimal] = self._pipe.recv()
        return found


def _run(
    pipe: Connection, names: Sequence[str], accounts: int, latency: float, scopes: frozenset[str]
) -> None:
    asyncio.run(_serve(pipe, names, accounts, latency, scopes))


async def _serve(
    pipe: Connection, names: Sequence[str], accounts: int, latency: float, scopes: frozenset[str]
) -> None:
    servers = {name: _server(name, accounts, latency, scopes) for name in names}
    for made in servers.values():
        await made.start()
    pipe.send({name: Address(made.url, made.ws_url, _paces(made)) for name, made in servers.items()})
    moving = asyncio.create_task(_move(list(servers.values())))
    while (asked := await asyncio.to_thread(pipe.recv)) != "stop":
        pipe.send(_held(servers) if asked == "held" else _drain(servers))
    moving.cancel()
    for made in servers.values():
        await made.stop()


async def _move(servers: Sequence[WireServer]) -> None:
    """Move prices up and down by their smallest step, one contract after the other, as in a market that is traded."""
    quoted = [(made.exchange, one) for made in servers for one in made.exchange.market.instruments.values()]
    for steps in itertools.cycle((1, 0)):
        for exchange, instrument in quoted:
            exchange.set_price(instrument.symbol, instrument.price + steps * instrument.tick)
            await asyncio.sleep(MOVED_EVERY / len(quoted))


def _server(name: str, accounts: int, latency: float, scopes: frozenset[str]) -> WireServer:
    from te_emulators.core.limits import RateLimits
    from te_emulators.core.modes import MarginMode
    from te_emulators.venues import server

    made = server(name, key="K1", balance=BALANCE, latency=latency)
    for number in range(2, accounts + 1):
        made.exchange.open_account(f"account-{number}", key=f"K{number}", balance=BALANCE)
    for account in made.exchange.accounts.values():
        account.default_margin_mode = MarginMode.ISOLATED
    made.limits = RateLimits(window for window in made.limits.windows if window.scope in scopes)
    return made


def _held(servers: Mapping[str, WireServer]) -> dict[tuple[str, str, str], Decimal]:
    return {
        (name, owner, position.instrument.base): position.size * position.instrument.contract_size
        for name, made in servers.items()
        for owner, account in made.exchange.accounts.items()
        for symbol in made.exchange.market.instruments
        for position in account.held(symbol)
    }


def _drain(servers: Mapping[str, WireServer]) -> Tally:
    seen: list[Seen] = []
    refused = doubled = 0
    for name, made in servers.items():
        counts = made.exchange.counts
        seen += [Seen(request.came, request.kind, name) for request in counts.log]
        refused += counts.refusals.total()
        doubled += len(counts.doubled)
        counts.clear()
    return Tally(sorted(seen), refused, doubled)


def _paces(server: WireServer) -> list[Pace]:
    return [
        Pace(window.capacity, window.seconds, {kind: window.weights.get(kind, 1) for kind in window.kinds})
        for window in server.limits.windows
        if window.scope == "key" and window.kinds is not None
    ]
