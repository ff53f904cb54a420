"""Fetches what upstream states besides positions: limits of pairs, accounts, eliminations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urljoin

from te_core.api import Clock
from te_signals_bittensor.fetching import authenticated_request, without_key
from te_signals_bittensor.json_parsing import loads
from te_signals_bittensor.limits import ELIMINATED, Account, Limits, PairLimits, PairTable
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.route_parsing import (
    parse_accounts,
    parse_bucket,
    parse_eliminations,
    parse_trade_pairs,
)

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

T = TypeVar("T")
Offload = Callable[..., Awaitable[Any]]
Get = Callable[[str, Mapping[str, Any]], Awaitable[bytes]]
"""Return the body at a path relative to the base address of the routes. Raises ``RouteFailed``.

The second argument holds further arguments of the request.
"""

_LARGEST = 64 << 20
_LONGEST_REFUSAL = 200
_TIMEOUT = 10.0
_FIRST_RETRY = 15.0
_GRACE = 300.0
"""Seconds that signals wait after a start for routes that fail but are not refused."""
_AT_ONCE = 25
"""Miners that are queried one by one between two reads of the routes, if eliminations are not served."""

_TRADE_PAIRS, _ACCOUNTS, _ELIMINATIONS = "trade-pairs", "collateral/", "eliminations"


class RouteFailed(Exception):
    """No response that can be used."""

    def __init__(self, reason: str, *, refused: bool) -> None:
        self.refused = refused
        """Whether it will stay like this until the key or the server changes."""
        super().__init__(reason)


@dataclass(slots=True)
class Route(Generic[T]):
    """One route and its last response."""

    path: str
    parse: Callable[[Any], T]
    request: Mapping[str, Any]
    """Further arguments of the request."""
    found: T | None = None
    """What the last usable response stated. It stays while the route fails."""
    problem: str = ""
    """Why there is no newer response; empty if there is one."""
    refused: bool = False

    @property
    def undecided(self) -> bool:
        """Whether the route may still respond for the first time."""
        return self.found is None and not self.refused

    async def refresh(self, get: Get, offload: Offload) -> bool:
        """Request once; return whether the response states anything new."""
        try:
            body = await get(self.path, self.request)
            found: T = await offload(self._parsed, body)
        except RouteFailed as error:
            self.problem, self.refused = str(error), error.refused
            return False
        self.problem, self.refused = "", False
        if found == self.found:
            return False
        self.found = found
        return True

    def _parsed(self, body: bytes) -> T:
        try:
            return self.parse(loads(body))
        except (ValueError, RecursionError) as error:
            raise RouteFailed(f"/{self.path}: {error}"[:200], refused=True) from None


class Facts(Protocol):
    """What upstream states besides positions; ``Routes`` is the real implementation."""

    @property
    def limits(self) -> Limits:
        """Everything that is known about limits."""
        ...

    @property
    def eliminated(self) -> Collection[str]:
        """The hotkeys of eliminated miners."""
        ...

    async def refresh(self, idle: Sequence[str]) -> bool:
        """Request what is due; return whether anything changed. ``idle``: miners that count and hold nothing."""
        ...

    def awaited(self, assets: Collection[str]) -> str:
        """Return what signals have to wait for; empty if nothing."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return what is not served, for ``te status``."""
        ...


class Routes:
    """The routes other than ``/miner-positions``. A route that fails leaves its last response in use."""

    def __init__(
        self, options: BittensorOptions, http: Callable[[], ClientSession], clock: Clock, offload: Offload
    ) -> None:
        with_key = authenticated_request(options)
        self._options = options
        self._http = http
        self._clock = clock
        self._offload = offload
        self._base = f"{options.facts_url.rstrip('/')}/" if options.facts_url else options.url
        self._pairs: Route[dict[str, PairLimits]] = Route(_TRADE_PAIRS, parse_trade_pairs, {})
        self._accounts: Route[dict[str, Account]] = Route(
            _ACCOUNTS, parse_accounts, {**with_key, "params": {"most_recent": "true"}}
        )
        self._eliminations: Route[frozenset[str]] = Route(_ELIMINATIONS, parse_eliminations, with_key)
        self._buckets: dict[str, tuple[float, bool]] = {}
        self._limits = Limits(PairTable(options.max_leverage, {}), {})
        self._began: float | None = None
        self._due = 0.0
        self._pause = _FIRST_RETRY

    @property
    def limits(self) -> Limits:
        """Everything that is known about limits."""
        return self._limits

    @property
    def eliminated(self) -> Collection[str]:
        """The hotkeys of eliminated miners; none if ``exclude_eliminated`` is off."""
        if not self._options.exclude_eliminated:
            return frozenset()
        one_by_one = (hotkey for hotkey, (_, eliminated) in self._buckets.items() if eliminated)
        by_account = (
            hotkey for hotkey, account in self._limits.accounts.items() if account.bucket == ELIMINATED
        )
        return (self._eliminations.found or frozenset()).union(one_by_one, by_account)

    def awaited(self, assets: Collection[str]) -> str:
        """Return what signals have to wait for; empty if nothing.

        A depth is a share of a limit: without the limit, the first signals after a start would be too large. Signals
        wait for limits until they are known, unless the operator states them, and for the other routes up to 5 minutes.
        """
        if self._pairs.undecided and not all(asset in self._options.max_leverage for asset in assets):
            return (
                f"{self._pairs.problem}; signals wait for limits: set max_leverage to do without upstream's"
            )
        if self._began is not None and self._clock.monotonic() - self._began < _GRACE:
            waiting = [route.problem for route in self._others if route.undecided and route.problem]
            return f"{'; '.join(waiting)}; signals wait up to {_GRACE / 60:g} minutes" if waiting else ""
        return ""

    @property
    def _others(self) -> tuple[Route[Any], ...]:
        eliminations = (self._eliminations,) if self._options.exclude_eliminated else ()
        return (self._accounts, *eliminations)

    def status(self) -> Mapping[str, Any]:
        """Return what is not served, for ``te status``."""
        problems = [route.problem for route in (self._pairs, *self._others) if route.problem]
        return {"not_served": "; ".join(problems)} if problems else {}

    async def refresh(self, idle: Sequence[str]) -> bool:
        """Request what is due; return whether anything changed."""
        changed = False
        now = self._clock.monotonic()
        if self._began is None:
            self._began = self._due = now
        if now >= self._due:
            routes = (self._pairs, *self._others)
            results = await asyncio.gather(*(route.refresh(self._get, self._offload) for route in routes))
            self._schedule(any(route.problem and not route.refused for route in routes))
            changed = any(results)
        if self._options.exclude_eliminated and self._eliminations.refused:
            changed = await self._query_one_by_one(idle) or changed
        if changed:
            self._replace_limits()
        return changed

    def _schedule(self, failing: bool) -> None:
        longest = self._options.facts_interval.total_seconds()
        self._due = self._clock.monotonic() + (min(self._pause, longest) if failing else longest)
        self._pause = min(2 * self._pause, longest) if failing else _FIRST_RETRY

    def _replace_limits(self) -> None:
        table = self._limits.table
        pairs = self._pairs.found or {}
        if pairs != table.pairs:
            table = PairTable(self._options.max_leverage, pairs)
        self._limits = Limits(table, self._accounts.found or {})

    async def _query_one_by_one(self, hotkeys: Sequence[str]) -> bool:
        """Query the stage of each miner that was not queried lately; an elimination is final."""
        now = self._clock.monotonic()
        oldest = now - self._options.facts_interval.total_seconds()
        found = False
        due = [hotkey for hotkey in hotkeys if self._buckets.get(hotkey, (oldest - 1, False))[0] < oldest]
        for hotkey in due[:_AT_ONCE]:
            route = Route(
                f"challenge-period/{quote(hotkey)}", parse_bucket, authenticated_request(self._options)
            )
            await route.refresh(self._get, self._offload)
            eliminated = route.found == ELIMINATED or self._buckets.get(hotkey, (now, False))[1]
            self._buckets[hotkey] = (now, eliminated)
            found = found or eliminated
            if route.problem and "HTTP 404" not in route.problem:  # 404: upstream no longer knows this miner
                break
        return found

    async def _get(self, path: str, request: Mapping[str, Any]) -> bytes:
        import aiohttp  # late: listing plugins needs no HTTP client

        seconds = min(_TIMEOUT, self._options.timeout.total_seconds())
        try:
            async with self._http().get(
                urljoin(self._base, path),
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,  # the key is for this address only
                **request,
            ) as response:
                return await self._body(path, response)
        except TimeoutError:
            raise RouteFailed(f"/{path}: no complete response within {seconds:g} s", refused=False) from None
        except (aiohttp.ClientError, OSError) as error:
            reason = without_key(f"/{path}: {type(error).__name__}: {error}", self._options)
            raise RouteFailed(reason, refused=False) from None

    async def _body(self, path: str, response: ClientResponse) -> bytes:
        if response.status != 200:
            body = (await response.content.read(_LONGEST_REFUSAL)).decode(errors="replace")
            shown = without_key(body, self._options).strip()
            refused = response.status < 500 and response.status not in {408, 425, 429}
            raise RouteFailed(f"/{path}: HTTP {response.status} {shown}", refused=refused)
        pieces = []
        size = 0
        async for piece, _ in response.content.iter_chunks():
            size += len(piece)
            if size > _LARGEST:
                raise RouteFailed(f"/{path}: larger than {_LARGEST >> 20} MiB", refused=True)
            pieces.append(piece)
        return b"".join(pieces)
