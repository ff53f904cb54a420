"""The path of a request through faults, limits, authentication and its handler; shared by HTTP and streams."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal

from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.counts import Request
from te_emulators.core.credentials import ApiKey
from te_emulators.core.exchange import Exchange
from te_emulators.core.faults import FILL_FAULTS, Fault, FaultKind, FaultScript
from te_emulators.core.limits import RateLimits
from te_emulators.core.order import FILL_ALL, FillPlan
from te_emulators.wire.call import Call, Handler, Outcome

FAILURES = frozenset(
    {
        FaultKind.REFUSED,
        FaultKind.DROPPED,
        FaultKind.TIMED_OUT,
        FaultKind.SERVER_ERROR,
        FaultKind.HTML,
        FaultKind.TRUNCATED,
        FaultKind.RATE_LIMITED,
        FaultKind.MAINTENANCE,
    }
)
"""Faults of the response; the first one of a request wins."""


class Processing(ABC):
    """Owned by a wire server; independent of the form of responses."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        limits: RateLimits,
        faults: FaultScript | None = None,
        latency: float = 0.0,
    ) -> None:
        self.exchange = exchange
        self.limits = limits
        self.faults = faults or FaultScript()
        self.latency = latency
        """Seconds of a round trip: half of it on the way here, half on the way back."""

    @abstractmethod
    def authenticate(self, call: Call) -> None:
        """Verify signature, time and key; set ``call.key`` and ``call.owner`` (see ``known_key``)."""

    def known_key(self, call: Call, name: str | None) -> ApiKey:
        """Set the key of that name on the call; raises MissingCredentials, BadKey, ExpiredKey, IpRefused."""
        if not name:
            raise errors.MissingCredentials("no API key")
        if name not in self.exchange.keys:
            raise errors.BadKey("no such API key")
        key, account = self.exchange.keys[name]
        if key.expired:
            raise errors.ExpiredKey("the API key has expired")
        if key.allowed_ips is not None and call.ip not in key.allowed_ips:
            raise errors.IpRefused(f"{call.ip} is not on the list of this API key")
        call.key, call.owner = key, account
        return key

    def counted_as(self, call: Call) -> str | None:
        """Return whom windows per key count: the user, whichever key is used."""
        known = self.exchange.keys.get(call.key_name or "")
        return str(known[1].uid) if known else call.key_name

    async def process(
        self, call: Call, handler: Handler, *, private: bool = True, permission: str = "read"
    ) -> Outcome:
        """Carry out a request unless a fault prevents it.

        A private one is authenticated first, unless ``call.owner`` is set (a stream logs in once).
        """
        self._count(call)
        faults = self.faults.consume(call.kind, key=call.key_name)
        for fault in faults:
            self.exchange.counts.faults[fault.kind] += 1
        if waiting := sum(f.seconds for f in faults if f.kind is FaultKind.LATENCY):
            await asyncio.sleep(waiting)
        failure = next((f for f in faults if f.kind in FAILURES), None)
        self._happen(call, faults)
        outcome = Outcome(fault=failure, doubled=any(f.kind is FaultKind.DUPLICATE_ANSWER for f in faults))
        if failure is None or failure.accepted or failure.kind is FaultKind.TRUNCATED:
            call.plan = _plan(faults)
            self._carry_out(call, handler, faults, outcome, private=private, permission=permission)
            if any(f.kind is FaultKind.REPEATED for f in faults):
                self._carry_out(call, handler, [], outcome, private=private, permission=permission)
        if call.kind == "tickers":
            outcome.data = without_hidden(outcome.data, self.exchange.market.unlisted)
        if any(f.kind is FaultKind.EMPTY for f in faults):
            outcome.data = None
        self.exchange.request_passed()
        return outcome

    def _count(self, call: Call) -> None:
        counts, now = self.exchange.counts, self.exchange.clock.monotonic()
        counts.requests[call.kind] += 1
        counts.log.append(
            Request(
                kind=call.kind,
                method=call.method,
                path=call.path,
                key=call.key_name,
                at=now,
                came=now if call.came is None else call.came,
            )
        )

    def _happen(self, call: Call, faults: list[Fault]) -> None:
        """Apply what others do to the account, before the request is handled."""
        for fault in faults:
            if fault.kind is FaultKind.CLOCK_SKEW:
                self.exchange.clock.skew_ms = int(fault.seconds * 1000)
            if fault.kind not in {FaultKind.POSITION_CHANGED, FaultKind.LIQUIDATION}:
                continue
            instrument = self.exchange.market.named(fault.symbol)
            contracts = fault.size / instrument.contract_size // instrument.size_step * instrument.size_step
            for account in self._concerned(call):
                if fault.kind is FaultKind.LIQUIDATION:
                    self.exchange.liquidate(account, instrument.symbol)
                    continue
                try:
                    self.exchange.trade_by_hand(account, instrument.symbol, contracts)
                except errors.OrderRefused:
                    self.exchange.counts.faults["impossible"] += 1

    def _concerned(self, call: Call) -> list[Account]:
        if call.key_name in self.exchange.keys:
            return [self.exchange.keys[call.key_name][1]]
        return list(self.exchange.accounts.values())

    def _carry_out(
        self,
        call: Call,
        handler: Handler,
        faults: list[Fault],
        outcome: Outcome,
        *,
        private: bool,
        permission: str,
    ) -> None:
        outcome.data = outcome.error = None
        try:
            self._admit(call, outcome)
            if private and call.owner is None:
                self.authenticate(call)
            if private and call.key is not None and permission not in call.key.permissions:
                raise errors.PermissionRefused(f"the API key lacks the permission {permission!r}")
            for fault in faults:
                if fault.kind is FaultKind.REJECTED:
                    raise named_error(fault.error)
            outcome.data = handler(call)
        except errors.DomainError as error:
            outcome.error = error

    def _admit(self, call: Call, outcome: Outcome) -> None:
        if not call.limited:
            return
        clock = self.exchange.clock
        owner = self.counted_as(call)
        outcome.standings = self.limits.admit(call.kind, key=owner, ip=call.ip, now=clock.monotonic())
        if outcome.standings and outcome.standings[0].refused:
            self.exchange.counts.refusals[outcome.standings[0].window.name] += 1
            raise errors.RateLimited(f"limit {outcome.standings[0].window.name} reached")


NAMES = ("symbol", "instId", "contract")


def without_hidden(data: object, unlisted: set[str]) -> object:
    """Return rows of prices without hidden contracts."""
    if not unlisted:
        return data
    if isinstance(data, list):
        return [row for row in data if without_hidden(row, unlisted) is not None]
    if isinstance(data, dict) and isinstance(data.get("list"), list):
        return {**data, "list": without_hidden(data["list"], unlisted)}
    hidden = isinstance(data, dict) and not unlisted.isdisjoint(data.get(name) for name in NAMES)
    return None if hidden else data


def named_error(name: str) -> errors.DomainError:
    """An error of ``core.errors`` by its class name."""
    found: Callable[[str], errors.DomainError] | None = getattr(errors, name, None)
    if not (isinstance(found, type) and issubclass(found, errors.DomainError)):
        raise ValueError(f"te_emulators.core.errors has no error {name!r}")
    return found(f"{name} by a fault")


def _plan(faults: list[Fault]) -> FillPlan:
    for fault in faults:
        if fault.kind not in FILL_FAULTS:
            continue
        if fault.kind is FaultKind.REJECTED_LATER:
            return FillPlan(immediate=Decimal(0), rejected=fault.error or "rejected")
        return FillPlan(
            immediate=fault.fraction,
            rest=fault.rest or fault.kind is FaultKind.LATE_FILL,
            after_requests=fault.requests,
            after_seconds=fault.seconds or None,
        )
    return FILL_ALL
