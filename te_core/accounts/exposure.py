"""The current exposure of all accounts, and the last check before the wire (I14).

One ledger serves all workers. Everything here is synchronous: nothing is awaited between check and reservation. The
cost of a check does not depend on the number of accounts and symbols.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Context, Decimal

from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.journal.snapshot import SymbolRecord
from te_core.model.policy import Limits
from te_core.model.target import Goal
from te_core.rules.limits import Ceiling, Exposure, OrderCheck, ceiling, refusal

ZERO = Decimal(0)
Key = tuple[str, str]
Sides = tuple[Decimal, Decimal]
"""The notional that counts on the long side and on the short side, each >= 0."""
FLAT: Sides = (ZERO, ZERO)

_EXACT = Context(prec=2000)
"""Sums are updated by addition and subtraction, which must not round: a remainder would stay forever."""

_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What counts towards the limits of one account now: notionals in quote currency, and orders."""

    account: Decimal
    total: Decimal
    largest: tuple[str, Decimal]
    """The symbol with the largest notional, and that notional."""
    long: Decimal
    short: Decimal
    groups: Mapping[str, Decimal]
    """By group of symbols."""
    orders_last_minute: int


class ExposureLedger:
    """Counts, per account and symbol, the largest of: the observed position, the reservations, the goal."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: dict[Key, Sides] = {}
        self._reserved: dict[Key, Sides] = {}
        self._goals: dict[Key, Sides] = {}
        self._held: defaultdict[str, dict[str, Sides]] = defaultdict(dict)
        self._sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._sides: defaultdict[str, Sides] = defaultdict(lambda: FLAT)
        """By account: the sums on each side."""
        self._groups: Mapping[str, Sequence[str]] = {}
        """By symbol: the groups that it belongs to."""
        self._grouped: defaultdict[Key, Decimal] = defaultdict(Decimal)
        """By account and group: the sum of its symbols."""
        self._total = ZERO
        self._shadows: dict[str, str] = {}
        """Accounts that are not part of the total, each with the account that it would replace in it."""
        self._sent: defaultdict[str, deque[float]] = defaultdict(deque)

    def observe(self, account: str, symbol: str, notional: Decimal, *, side_known: bool = True) -> None:
        """Replace reservations by a read that is newer than every order of ours.

        ``notional`` is signed; without ``side_known`` it counts on both sides.
        """
        self._known[account, symbol] = _sides(notional) if side_known else (abs(notional), abs(notional))
        self._reserved.pop((account, symbol), None)
        self._count((account, symbol))

    def reserve_goal(self, account: str, symbol: str, notional: Decimal) -> None:
        """Count a goal from the moment it is decided, so that two symbols never use the same room under a limit."""
        self._goals[account, symbol] = _sides(notional)
        self._count((account, symbol))

    def shadow(self, account: str, of: str | None) -> None:
        """Exclude an account from the total; its own limit on the total is checked as if it replaced ``of``.

        None counts it like any other account.
        """
        before = self._shadows.pop(account, None)
        if of is not None:
            self._shadows[account] = of
        if (before is None) != (of is None):
            change = _EXACT.add if of is None else _EXACT.subtract
            self._total = change(self._total, self._sums.get(account, ZERO))

    def forget(self, account: str) -> None:
        """Drop an account that left the settings. Its orders of the last minute still count if it returns."""
        for symbol in self._held.pop(account, {}):
            for table in (self._known, self._reserved, self._goals):
                table.pop((account, symbol), None)
        self._sides.pop(account, None)
        for key in [key for key in self._grouped if key[0] == account]:
            del self._grouped[key]
        gone = self._sums.pop(account, ZERO)
        if account not in self._shadows:
            self._total = _EXACT.subtract(self._total, gone)

    def group(self, groups: Mapping[str, Iterable[str]]) -> None:
        """Use these groups of symbols from now on."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, symbols in groups.items():
            for symbol in dict.fromkeys(symbols):
                found[symbol].append(name)
        if found == self._groups:
            return
        self._groups = dict(found)
        self._grouped.clear()
        for account, held in self._held.items():
            for symbol, sides in held.items():
                self._count_groups(account, symbol, max(sides))

    def seed(self, account: str, sent: Iterable[float]) -> None:
        """Count orders that were sent before this process began, by their monotonic times, which may be negative."""
        recent = self._sent[account]
        first = recent[0] if recent else self._monotonic()
        recent.extendleft(sorted((at for at in sent if at < first), reverse=True))

    def held(self, key: Key) -> Decimal:
        """Return the notional that counts for a symbol of an account."""
        return max(self._held_sides(key))

    def _held_sides(self, key: Key) -> Sides:
        account, symbol = key
        return self._held.get(account, {}).get(symbol, FLAT)

    def of(self, account: str) -> Decimal:
        """Return the notional of all symbols of an account."""
        return self._sums.get(account, ZERO)

    def usage(self, account: str) -> Usage:
        """Return what counts towards an account's limits; for display, at a cost proportional to its symbols."""
        held = self._held.get(account, {})
        largest = max(held, key=lambda symbol: max(held[symbol]), default="")
        long, short = self._sides.get(account, FLAT)
        return Usage(
            account=self.of(account),
            total=self._total,
            largest=(largest, max(held[largest]) if largest else ZERO),
            long=long,
            short=short,
            groups={group: sum_ for (name, group), sum_ in self._grouped.items() if name == account},
            orders_last_minute=len(self._recent(account)),
        )

    def beside(self, account: str, symbol: str, side: int = 0) -> Exposure:
        """Return the exposure of everything but one symbol. ``side``: 1 for long, -1 for short, 0 for neither."""
        own = self._held_sides((account, symbol))
        others = _EXACT.subtract(self._sums.get(account, ZERO), max(own))
        stands_for = self._shadows.get(account, account)
        elsewhere = _EXACT.subtract(self._total, self._sums.get(stands_for, ZERO))
        one_side = ZERO
        if side:
            index = 0 if side > 0 else 1
            one_side = _EXACT.subtract(self._sides.get(account, FLAT)[index], own[index])
        return Exposure(
            account_others=others,
            total_others=_EXACT.add(elsewhere, others),
            side_others=one_side,
            group_others={
                name: _EXACT.subtract(self._grouped.get((account, name), ZERO), max(own))
                for name in self._groups.get(symbol, ())
            },
        )

    def ceiling(
        self, account: str, symbol: str, limits: Limits, *, side: int = 0, equity: Decimal | None = None
    ) -> Ceiling | None:
        """Return the largest notional that the limits allow for a symbol now, on the wanted side.

        ``equity``: in quote currency; None if unknown.
        """
        beside = self.beside(account, symbol, side) if limits.counts_others else Exposure()
        return ceiling(limits, beside, equity=equity)

    def admit(self, account: str, symbol: str, check: OrderCheck, limits: Limits) -> str | None:
        """Check an order and, if it may be sent, reserve it. Returns the reason for a refusal, or None."""
        recent = self._recent(account)
        beside = self.beside(account, symbol, check.side) if limits.counts_others else Exposure()
        full = replace(check, orders_last_minute=len(recent), exposure=beside)
        reason = refusal(full, limits)
        if reason is None:
            recent.append(self._monotonic())
            key = (account, symbol)
            long, short = self._reserved.get(key, FLAT)
            after = check.notional_after
            self._reserved[key] = (long, max(short, after)) if check.side < 0 else (max(long, after), short)
            self._count(key)
        return reason

    def _count(self, key: Key) -> None:
        """Update the sums after a change of one symbol."""
        account, symbol = key
        before = self._held_sides(key)
        found = [table.get(key, FLAT) for table in (self._known, self._reserved, self._goals)]
        after = (max(long for long, _ in found), max(short for _, short in found))
        self._held[account][symbol] = after
        if after == before:
            return
        long, short = self._sides[account]
        self._sides[account] = (
            _EXACT.add(long, _EXACT.subtract(after[0], before[0])),
            _EXACT.add(short, _EXACT.subtract(after[1], before[1])),
        )
        change = _EXACT.subtract(max(after), max(before))
        if change:
            self._sums[account] = _EXACT.add(self._sums[account], change)
            self._count_groups(account, symbol, change)
            if account not in self._shadows:
                self._total = _EXACT.add(self._total, change)

    def _count_groups(self, account: str, symbol: str, change: Decimal) -> None:
        for name in self._groups.get(symbol, ()):
            self._grouped[account, name] = _EXACT.add(self._grouped[account, name], change)

    def _recent(self, account: str) -> deque[float]:
        recent = self._sent[account]
        while recent and recent[0] <= self._monotonic() - _MINUTE:
            recent.popleft()
        return recent


def _sides(notional: Decimal) -> Sides:
    """Return a signed notional split into its sides."""
    return (ZERO, abs(notional)) if notional < 0 else (abs(notional), ZERO)


def count_journaled(
    ledger: ExposureLedger, journal: Journal, books: Mapping[Key, SymbolRecord], clock: Clock
) -> None:
    """At a start, count what the journal contains: goals, possible positions, and the orders of the last minute.

    This includes books that no section trades any more, and applies for as long as an account cannot be read.
    """
    largest = journal.largest_positions()
    for (book, symbol), record in books.items():
        if record.goal is not None:
            ledger.reserve_goal(book, symbol, record.goal.quantity * record.goal.price)
            held = largest.get((book, symbol), ZERO) * record.goal.price
            ledger.observe(book, symbol, held, side_known=False)  # orders of both sides may have led there
    now, monotonic = clock.now(), clock.monotonic()
    for book, times in journal.orders_since(now - timedelta(seconds=_MINUTE)).items():
        ledger.seed(book, [monotonic - max((now - at).total_seconds(), 0.0) for at in times])


def reserve_goals(ledger: ExposureLedger, book: str, goals: Iterable[Goal | None]) -> None:
    """Count the goals that an account was working towards when its engine ended."""
    for goal in goals:
        if goal is not None:
            ledger.reserve_goal(book, goal.symbol, goal.quantity * goal.price)
