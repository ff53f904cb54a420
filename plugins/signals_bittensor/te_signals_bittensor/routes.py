"""Asks upstream for what it states beside positions: limits of pairs, accounts, eliminations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urljoin

from te_core.api import Clock
from te_signals_bittensor.fetching import asked_with_key, without_key
from te_signals_bittensor.limits import ELIMINATED, Account, Limits, PairLimits, PairTable
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.parsing import loads
from te_signals_bittensor.route_parsing import (
    read_accounts,
    read_bucket,
    read_eliminations,
    read_trade_pairs,
)

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

T = TypeVar("T")
Offload = Callable[..., Awaitable[Any]]
Ask = Callable[[str, Mapping[str, Any]], Awaitable[bytes]]
"""Return the body that a path, relative to the address of the routes, is answered with. Raises ``RouteFailed``."""

_LARGEST = 64 << 20
_LONGEST_REFUSAL = 200
_TIMEOUT = 10.0
_FIRST_RETRY = 15.0
_GRACE = 300.0
"""Seconds that signals wait at a start for routes that fail but are not refused."""
_AT_ONCE = 25
"""Miners that are asked for one by one between two reads of the routes, where eliminations are not served."""

_TRADE_PAIRS, _ACCOUNTS, _ELIMINATIONS = "trade-pairs", "collateral/", "eliminations"


class RouteFailed(Exception):
    """No answer that can be used. ``refused``: not now, nor as long as key and server are as they are."""

    def __init__(self, reason: str, *, refused: bool) -> None:
        self.refused = refused
        super().__init__(reason)


@dataclass(slots=True)
class Route(Generic[T]):
    """One route, and what it answered last. ``problem``: why there is no newer answer, "" when there is one."""

    path: str
    read: Callable[[Any], T]
    question: Mapping[str, Any]
    answer: T | None = None
    problem: str = ""
    refused: bool = False

    @property
    def open(self) -> bool:
        """Return whether it is still to be seen what the route says."""
        return self.answer is None and not self.refused

    async def ask(self, ask: Ask, offload: Offload) -> bool:
        """Ask once; return whether the answer is another than before. What was answered stays when asking fails."""
        try:
            body = await ask(self.path, self.question)
            found: T = await offload(self._parsed, body)
        except RouteFailed as error:
            self.problem, self.refused = str(error), error.refused
            return False
        self.problem, self.refused = "", False
        if found == self.answer:
            return False
        self.answer = found
        return True

    def _parsed(self, body: bytes) -> T:
        try:
            return self.read(loads(body))
        except (ValueError, RecursionError) as error:
            raise RouteFailed(f"/{self.path}: {error}"[:200], refused=True) from None


class Facts(Protocol):
    """What upstream states beside positions; ``Routes`` is the real one."""

    @property
    def limits(self) -> Limits:
        """Return all that is known about limits."""
        ...

    @property
    def eliminated(self) -> Collection[str]:
        """Return the hotkeys of eliminated miners."""
        ...

    async def refresh(self, idle: Sequence[str]) -> bool:
        """Ask for what is due; return whether anything changed. ``idle``: miners that count and hold nothing."""
        ...

    def awaited(self, assets: Collection[str]) -> str:
        """Return what signals have to wait for, "" when nothing."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return what is missing, for ``te status``."""
        ...


class Routes:
    """The routes beside ``/miner-positions``. Nothing is ever forgotten: what fails leaves the last answer as it is."""

    def __init__(
        self, options: BittensorOptions, http: Callable[[], ClientSession], clock: Clock, offload: Offload
    ) -> None:
        with_key = asked_with_key(options)
        self._options = options
        self._http = http
        self._clock = clock
        self._offload = offload
        self._base = f"{options.facts_url.rstrip('/')}/" if options.facts_url else options.url
        self._pairs: Route[dict[str, PairLimits]] = Route(_TRADE_PAIRS, read_trade_pairs, {})
        self._accounts: Route[dict[str, Account]] = Route(
            _ACCOUNTS, read_accounts, {**with_key, "params": {"most_recent": "true"}}
        )
        self._eliminations: Route[frozenset[str]] = Route(_ELIMINATIONS, read_eliminations, with_key)
        self._buckets: dict[str, tuple[float, bool]] = {}
        self._limits = Limits(PairTable(options.max_leverage, {}), {})
        self._began: float | None = None
        self._due = 0.0
        self._pause = _FIRST_RETRY

    @property
    def limits(self) -> Limits:
        """Return all that is known about limits."""
        return self._limits

    @property
    def eliminated(self) -> Collection[str]:
        """Return the hotkeys of eliminated miners; none if they are to be kept."""
        if not self._options.exclude_eliminated:
            return frozenset()
        one_by_one = (hotkey for hotkey, (_, out) in self._buckets.items() if out)
        by_account = (
            hotkey for hotkey, account in self._limits.accounts.items() if account.bucket == ELIMINATED
        )
        return (self._eliminations.answer or frozenset()).union(one_by_one, by_account)

    def awaited(self, assets: Collection[str]) -> str:
        """Return what signals have to wait for, "" when nothing.

        A depth is a share of a limit: without one, the first signals of a start would be larger than what is meant.
        Limits are waited for as long as the operator does not state them; the others, for 5 minutes.
        """
        if self._pairs.open and not all(asset in self._options.max_leverage for asset in assets):
            return (
                f"{self._pairs.problem}; signals wait for limits: max_leverage states them without upstream"
            )
        if self._began is not None and self._clock.monotonic() - self._began < _GRACE:
            waiting = [route.problem for route in self._others if route.open and route.problem]
            return f"{'; '.join(waiting)}; signals wait up to {_GRACE / 60:g} minutes" if waiting else ""
        return ""

    @property
    def _others(self) -> tuple[Route[Any], ...]:
        eliminations = (self._eliminations,) if self._options.exclude_eliminated else ()
        return (self._accounts, *eliminations)

    def status(self) -> Mapping[str, Any]:
        """Return what is missing, for ``te status``."""
        problems = [route.problem for route in (self._pairs, *self._others) if route.problem]
        return {"not_served": "; ".join(problems)} if problems else {}

    async def refresh(self, idle: Sequence[str]) -> bool:
        """Ask for what is due; return whether anything changed."""
        changed = False
        now = self._clock.monotonic()
        if self._began is None:
            self._began = self._due = now
        if now >= self._due:
            routes = (self._pairs, *self._others)
            results = await asyncio.gather(*(route.ask(self._ask, self._offload) for route in routes))
            self._schedule(any(route.problem and not route.refused for route in routes))
            changed = any(results)
        if self._options.exclude_eliminated and self._eliminations.refused:
            changed = await self._ask_one_by_one(idle) or changed
        if changed:
            self._replace_limits()
        return changed

    def _schedule(self, failing: bool) -> None:
        longest = self._options.facts_interval.total_seconds()
        self._due = self._clock.monotonic() + (min(self._pause, longest) if failing else longest)
        self._pause = min(2 * self._pause, longest) if failing else _FIRST_RETRY

    def _replace_limits(self) -> None:
        table = self._limits.table
        pairs = self._pairs.answer or {}
        if pairs != table.pairs:
            table = PairTable(self._options.max_leverage, pairs)
        self._limits = Limits(table, self._accounts.answer or {})

    async def _ask_one_by_one(self, hotkeys: Sequence[str]) -> bool:
        """Ask for the stage of each miner that was not asked for lately; an eliminated one stays so."""
        now = self._clock.monotonic()
        oldest = now - self._options.facts_interval.total_seconds()
        found = False
        for hotkey in [h for h in hotkeys if self._buckets.get(h, (oldest - 1, False))[0] < oldest][
            :_AT_ONCE
        ]:
            route = Route(f"challenge-period/{quote(hotkey)}", read_bucket, asked_with_key(self._options))
            await route.ask(self._ask, self._offload)
            out = route.answer == ELIMINATED or self._buckets.get(hotkey, (now, False))[1]
            self._buckets[hotkey] = (now, out)
            found = found or out
            if (
                route.problem and "HTTP 404" not in route.problem
            ):  # 404: upstream does not know this miner any more
                break
        return found

    async def _ask(self, path: str, question: Mapping[str, Any]) -> bytes:
        import aiohttp  # late: listing plugins needs no HTTP client

        seconds = min(_TIMEOUT, self._options.timeout.total_seconds())
        try:
            async with self._http().get(
                urljoin(self._base, path),
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,  # the key is for this address only
                **question,
            ) as answer:
                return await self._body(path, answer)
        except TimeoutError:
            raise RouteFailed(f"/{path}: no complete answer within {seconds:g} s", refused=False) from None
        except (aiohttp.ClientError, OSError) as error:
            reason = without_key(f"/{path}: {type(error).__name__}: {error}", self._options)
            raise RouteFailed(reason, refused=False) from None

    async def _body(self, path: str, answer: ClientResponse) -> bytes:
        if answer.status != 200:
            said = (await answer.content.read(_LONGEST_REFUSAL)).decode(errors="replace")
            shown = without_key(said, self._options).strip()
            refused = answer.status < 500 and answer.status not in {408, 425, 429}
            raise RouteFailed(f"/{path}: HTTP {answer.status} {shown}", refused=refused)
        pieces = []
        size = 0
        async for piece, _ in answer.content.iter_chunks():
            size += len(piece)
            if size > _LARGEST:
                raise RouteFailed(f"/{path}: larger than {_LARGEST >> 20} MiB", refused=True)
            pieces.append(piece)
        return b"".join(pieces)
