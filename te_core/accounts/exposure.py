"""The present exposure of all accounts, and the last check before the wire (I14).

One ledger serves all workers. Everything here is synchronous: between check and reservation nothing is awaited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from te_core.model.policy import Limits
from te_core.rules.limits import Ceiling, Exposure, OrderCheck, ceiling, refusal

ZERO = Decimal(0)
Key = tuple[str, str]


class ExposureLedger:
    """Counts, per account and symbol, the largest of: what was read, what was reserved, what is aimed at."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: dict[Key, Decimal] = {}
        self._reserved: dict[Key, Decimal] = {}
        self._aimed: dict[Key, Decimal] = {}
        self._sent: dict[str, deque[float]] = {}

    def observe(self, account: str, symbol: str, notional: Decimal) -> None:
        """Take a read that is newer than every own order: it replaces reservations."""
        self._known[account, symbol] = abs(notional)
        self._reserved.pop((account, symbol), None)

    def aim(self, account: str, symbol: str, notional: Decimal) -> None:
        """Count a goal from the moment it is decided, so that two symbols never share one room."""
        self._aimed[account, symbol] = abs(notional)

    def forget(self, account: str) -> None:
        """Drop an account that is gone from the settings."""
        for table in (self._known, self._reserved, self._aimed):
            for key in [key for key in table if key[0] == account]:
                del table[key]

    def held(self, key: Key) -> Decimal:
        """Give the notional that counts for a symbol of an account."""
        return max(self._known.get(key, ZERO), self._reserved.get(key, ZERO), self._aimed.get(key, ZERO))

    def beside(self, account: str, symbol: str) -> Exposure:
        """Give what counts beside one symbol."""
        keys = {**self._known, **self._reserved, **self._aimed}.keys() - {(account, symbol)}
        return Exposure(
            account_others=sum((self.held(key) for key in keys if key[0] == account), ZERO),
            total_others=sum((self.held(key) for key in keys), ZERO),
        )

    def ceiling(self, account: str, symbol: str, limits: Limits) -> Ceiling | None:
        """Give the largest notional that the limits leave for a symbol now."""
        return ceiling(limits, self.beside(account, symbol) if limits.counts_others else Exposure())

    def admit(self, account: str, symbol: str, check: OrderCheck, limits: Limits) -> str | None:
        """Check an order and, when it may leave, reserve it. Returns the reason of a refusal, or None."""
        recent = self._recent(account)
        beside = self.beside(account, symbol) if limits.counts_others else Exposure()
        full = replace(check, orders_last_minute=len(recent), exposure=beside)
        reason = refusal(full, limits)
        if reason is None:
            recent.append(self._monotonic())
            key = (account, symbol)
            self._reserved[key] = max(self._reserved.get(key, ZERO), check.notional_after)
        return reason

    def _recent(self, account: str) -> deque[float]:
        recent = self._sent.setdefault(account, deque())
        while recent and recent[0] <= self._monotonic() - 60:
            recent.popleft()
        return recent
