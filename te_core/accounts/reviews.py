"""What risk checks say of the symbols of one account: asked before anything is increased, each symbol on its own.

A pass never waits for an answer. It holds the increase back, lets reductions go, and the answer asks for the next pass.
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
"""Up to so many times the quantity that was approved is covered by the approval: prices move while a check is asked."""
AFTER = 0.01
"""Seconds after an answer has lost its validity until it is asked for again: rounding must not put that before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What all checks together leave of a proposal, and for how many seconds that counts."""

    allowance: Allowance | None
    seconds: float


class Reviewer(Protocol):
    """The risk checks of the settings."""

    @property
    def names(self) -> Sequence[str]:
        """Those that are asked about anything."""
        ...

    def asked_about(self, account: str, symbol: str) -> Sequence[str]:
        """Return the names of those that are asked about a symbol of an account."""
        ...

    async def review(self, proposal: Proposal) -> Reviewed:
        """Ask them. Never raises for what a check does wrong, and takes no longer than their time limits."""
        ...


@dataclass(slots=True)
class _Record:
    """The newest answer about a symbol, and the question that is under way."""

    proposal: Proposal
    allowance: Allowance | None = None
    until: float = float("-inf")
    """Steady-clock seconds until which the answer counts; an objection counts until the next answer."""
    answered: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a review stands: ``waiting_for`` names the checks that have not answered; empty when all have."""

    allowance: Allowance | None = None
    waiting_for: tuple[str, ...] = ()


class Reviews:
    """Those of one account. ``wake`` asks for the next pass."""

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
        """Whether there is no risk check at all: then nothing is asked, and nothing is looked up."""
        return self._reviewer is None or not self._reviewer.names

    def _asked(self, symbol: str) -> Sequence[str]:
        return () if self._reviewer is None else self._reviewer.asked_about(self._account, symbol)

    def known(self, symbol: str, revision: int) -> Allowance | None:
        """Return what stands against a target's increase now, asking nobody."""
        record = self._records.get(symbol)
        if record is None or record.proposal.revision != revision or not record.answered:
            return None
        return record.allowance if self._asked(symbol) else None

    def standing(self, proposal: Proposal) -> Standing:
        """Return what the checks leave of a proposal; has them asked where that is not known."""
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
            return Standing(allowance=record.allowance)  # an objection counts until it is taken back
        return Standing(waiting_for=tuple(names))

    def ask_again(self) -> None:
        """Let no earlier answer count any more, except that objections do until they are taken back."""
        for record in self._records.values():
            record.until = float("-inf")
        if self._records:
            self._wake()

    def close(self) -> None:
        """Ask nothing any more."""
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
    """Return whether an answer about one proposal has anything to say of another."""
    return asked.revision == now.revision and (asked.quantity > 0) == (now.quantity > 0)


def _covers(record: _Record, proposal: Proposal) -> bool:
    """Return whether an answer is about as large a position: an objection is about every size."""
    if record.allowance is not None:
        return True
    return abs(proposal.quantity) <= COVERED * abs(record.proposal.quantity)
