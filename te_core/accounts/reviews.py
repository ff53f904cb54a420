"""Risk-check reviews of one account: requested before any increase, separately for each symbol.

A pass never waits for a review. It holds the increase back and lets reductions through; the result requests the next
pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from te_core.clock import Clock
from te_core.model.review import Allowance, Proposal

COVERED = Decimal("1.02")
"""An approval covers up to this multiple of the approved quantity: prices move while a check runs."""
AFTER = 0.01
"""Seconds between a result's expiry and the next request: rounding must not put the request before the expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What all checks together allow of a proposal, and for how many seconds that counts."""

    allowance: Allowance | None
    seconds: float


class Reviewer(Protocol):
    """The risk checks in the settings."""

    @property
    def names(self) -> Sequence[str]:
        """The names of all active risk checks."""
        ...

    def asked_about(self, account: str, symbol: str) -> Sequence[str]:
        """Return the names of the checks that apply to a symbol of an account."""
        ...

    async def review(self, proposal: Proposal) -> Reviewed:
        """Run the checks. Never raises for a check's defect, and takes no longer than their time limits."""
        ...


@dataclass(slots=True)
class _Record:
    """The newest result for a symbol, and the request that is under way."""

    proposal: Proposal
    allowance: Allowance | None = None
    until: float = float("-inf")
    """Monotonic seconds until which the result counts; an objection counts until the next result."""
    answered: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of a review."""

    allowance: Allowance | None = None
    waiting_for: tuple[str, ...] = ()
    """The checks that have not answered; empty if all have."""


class Reviews:
    """The reviews of one account. ``wake`` requests the next pass."""

    def __init__(
        self, account: str, reviewer: Reviewer | None, *, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._account = account
        self._reviewer = reviewer
        self._clock = clock
        self._wake = wake
        self._records: dict[str, _Record] = {}

    @property
    def nobody(self) -> bool:
        """Whether there is no risk check at all: then nothing is reviewed."""
        return self._reviewer is None or not self._reviewer.names

    def _asked(self, symbol: str) -> Sequence[str]:
        return () if self._reviewer is None else self._reviewer.asked_about(self._account, symbol)

    def known(self, symbol: str, revision: int) -> Allowance | None:
        """Return the current objection to a target's increase, without running any check."""
        record = self._records.get(symbol)
        if record is None or record.proposal.revision != revision or not record.answered:
            return None
        return record.allowance if self._asked(symbol) else None

    def standing(self, proposal: Proposal) -> Standing:
        """Return what the checks allow of a proposal; request a review if that is unknown."""
        symbol = proposal.symbol
        names = self._asked(symbol)
        record = self._records.get(symbol)
        if not names:
            if record is not None:
                self._forget(symbol)
            return Standing()
        if record is None or not _of_one_question(record.proposal, proposal):
            self._forget(symbol)
            record = self._records[symbol] = _Record(proposal)
        if self._clock.monotonic() < record.until and _covers(record, proposal):
            return Standing(allowance=record.allowance)
        if record.task is None:
            record.proposal = proposal
            record.task = asyncio.create_task(self._ask(record, proposal))
        if record.answered and record.allowance is not None:
            return Standing(allowance=record.allowance)  # an objection counts until it is withdrawn
        return Standing(waiting_for=tuple(names))

    def ask_again(self) -> None:
        """Invalidate earlier results; objections still count until they are withdrawn."""
        for record in self._records.values():
            record.until = float("-inf")
        if self._records:
            self._wake()

    def close(self) -> None:
        """Stop all reviews."""
        for symbol in list(self._records):
            self._forget(symbol)

    async def _ask(self, record: _Record, proposal: Proposal) -> None:
        assert self._reviewer is not None
        try:
            reviewed = await self._reviewer.review(proposal)
        finally:
            record.task = None
        record.allowance, record.answered = reviewed.allowance, True
        record.until = self._clock.monotonic() + reviewed.seconds
        if record.timer is not None:
            record.timer.cancel()
            record.timer = None
        if reviewed.allowance is not None:
            record.timer = asyncio.get_running_loop().call_later(reviewed.seconds + AFTER, self._wake)
        self._wake()

    def _forget(self, symbol: str) -> None:
        record = self._records.pop(symbol, None)
        if record is None:
            return
        if record.task is not None:
            record.task.cancel()
        if record.timer is not None:
            record.timer.cancel()


def _of_one_question(asked: Proposal, now: Proposal) -> bool:
    """Return whether a result for one proposal also applies to another: same revision and side."""
    return asked.revision == now.revision and (asked.quantity > 0) == (now.quantity > 0)


def _covers(record: _Record, proposal: Proposal) -> bool:
    """Return whether a result covers the size of a proposal; an objection covers every size."""
    if record.allowance is not None:
        return True
    return abs(proposal.quantity) <= COVERED * abs(record.proposal.quantity)
