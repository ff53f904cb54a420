"""Run the circuit breakers: count what the books report, trip, and persist the state in the journal.

A trip, its commands and its event are one append: after a crash all of it is there, or nothing; then the older sums
trip the breaker again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from pydantic import ValidationError

from te_core.accounts.books import Books, Counted
from te_core.clock import Clock
from te_core.journal.entries import Entry
from te_core.journal.journal import Journal
from te_core.journal.snapshot import JournalSnapshot
from te_core.model.breaker import BreakerRecord
from te_core.model.control import Action, Command, Control
from te_core.model.event import Event
from te_core.rules.breakers import (
    Breakers,
    Level,
    Sums,
    Trip,
    begun,
    counted,
    jumped,
    levels,
    needs_reason,
    rearmed,
    rejected,
    slipped,
    tripping,
    trips,
)
from te_core.rules.profit import NOTHING, Change, Money
from te_core.runtime.breaker_state import StateWriter, read_state
from te_core.settings.policies import armed_breakers
from te_core.settings.schema import Settings

if TYPE_CHECKING:
    from loguru import Logger

EVERYTHING = ""
"""The scope of all accounts together."""
ZERO = Decimal(0)
Enforce = Callable[[str | None, Trip], tuple[Control, ...]]


@dataclass(slots=True)
class Scope:
    """One scope: a book, or all books."""

    name: str = ""
    """The section that trades it now."""
    sums: Sums = field(default_factory=Sums)
    money: Money | None = None
    at: datetime | None = None
    estimate: Change = NOTHING
    """The change in value by prices since the account was last valued; not included in the sums."""
    writer: StateWriter = field(default_factory=StateWriter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The state of a breaker: ``trip`` if it has tripped, otherwise its ``level``."""

    account: str
    """Empty for all."""
    trip: Trip | None = None
    level: Level | None = None
    as_of: datetime | None = None


class CircuitBreakers:
    """One per engine. ``enforce`` applies the commands of a trip, and returns the controls to be journaled."""

    def __init__(
        self,
        journal: Journal,
        snapshot: JournalSnapshot,
        *,
        clock: Clock,
        log: Logger,
        notify: Callable[[Event], None],
        enforce: Enforce,
        rejected: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._notify = notify
        self._enforce = enforce
        self._rejected = rejected
        self._scopes = {EVERYTHING: Scope()}
        self._armed: Mapping[str, Breakers] = {}
        """By section; ``EVERYTHING`` for those over all accounts."""
        self._shadows: frozenset[str] = frozenset()
        self._seen = {sample.account: sample for sample in snapshot.equity}
        for record in snapshot.breakers:
            self._restore(record)

    def _restore(self, record: BreakerRecord) -> None:
        try:
            sums, money = read_state(record.state)
        except ValidationError as error:
            self._log.error(
                "cannot read the stored breaker state of {}; its breakers start from zero: {}",
                record.scope or "all",
                error,
            )
            return
        self._scopes[record.scope] = Scope(sums=sums, money=money, at=record.at)

    # -- settings

    def configure(self, settings: Settings) -> None:
        """Arm the breakers of the settings, and check at once whether one trips."""
        before = self._armed
        self._shadows = frozenset(n for n, one in settings.accounts.items() if one.shadow_of is not None)
        self._armed = {
            EVERYTHING: armed_breakers(settings.breakers, settings.breakers),
            **{
                name: armed_breakers(settings.breakers, one.breakers)
                for name, one in settings.accounts.items()
            },
        }
        if self._armed != before:
            for key, scope in self._scopes.items():
                if key == EVERYTHING or scope.name:
                    self._check_scope(key, scope)

    def counted(self, name: str, book: str) -> Counted:
        """Return the stored books of an account, for the section that trades it from now on."""
        for other in self._scopes.values():
            if other.name == name:  # another account had this name before
                other.name = ""
        scope = self._scopes.setdefault(book, Scope())
        scope.name = name
        return Counted(
            money=scope.money,
            at=scope.at,
            seen=self._seen.get(book),
            report=self.report,
            would_trip=partial(self._would_trip, book),
        )

    # -- reports

    def report(self, books: Books) -> None:
        """Count the changes of an account's books, journal them, and trip the breakers that must trip."""
        if books.rejected is not None:
            self._rejected(books.book)
        scope = self._scopes.setdefault(books.book, Scope())
        scope.name, scope.money, scope.estimate = books.account, books.money, NOTHING
        entries: list[Entry] = list(books.entries)
        affected = [books.book] if books.account in self._shadows else [books.book, EVERYTHING]
        tripped = False
        for key in affected:
            tripped = self._count(key, self._scopes[key], books, entries) or tripped
        if entries or tripped or books.rejected or books.change.transfer:
            entries += [self._record(key) for key in affected]
            self._append(entries, tripped=tripped)

    def _count(self, key: str, scope: Scope, books: Books, entries: list[Entry]) -> bool:
        breakers, now, change = self._breakers(key), self._clock.now(), books.change
        equity = self._equity(key)
        sums = counted(begun(scope.sums, breakers, now), change, equity)
        if books.rejected is not None:
            sums = rejected(sums, breakers, books.rejected)
        found = chain(
            levels(sums, breakers, now),
            slipped(breakers, books.slipped[1], books.slipped[0]) if books.slipped else (),
            jumped(breakers, change.transfer, equity),
        )
        made = trips(sums, found, now)
        scope.sums, scope.at = tripping(sums, made), now
        for trip in made:
            entries += self._carry_out(key, trip)
        return bool(made)

    def _would_trip(self, book: str, change: Change) -> bool:
        """Return whether a breaker would trip with this change in an account's value, and the others' estimates."""
        scope = self._scopes[book]
        scope.estimate = change
        if scope.name in self._shadows:
            return self._trips_at(book, change)
        of_all = [one.estimate.result for one in self._scopes.values() if one.name not in self._shadows]
        return self._trips_at(book, change) or self._trips_at(EVERYTHING, Change(result=sum(of_all, ZERO)))

    def _trips_at(self, key: str, change: Change) -> bool:
        breakers, now, sums = self._breakers(key), self._clock.now(), self._scopes[key].sums
        if not breakers.armed:
            return False
        equity = self._equity(key)
        value = None if equity is None else equity + change.result
        then = counted(begun(sums, breakers, now), change, value)
        return bool(trips(then, levels(then, breakers, now), now))

    def _check_scope(self, key: str, scope: Scope) -> None:
        """Trip what must trip by the sums so far, as after a start or an edit of the settings."""
        now, breakers = self._clock.now(), self._breakers(key)
        if scope.at is None or not breakers.armed:
            return
        scope.sums = begun(scope.sums, breakers, now)
        made = trips(scope.sums, levels(scope.sums, breakers, now), now)
        scope.sums = tripping(scope.sums, made)
        entries: list[Entry] = [entry for trip in made for entry in self._carry_out(key, trip)]
        if made:
            self._append([*entries, self._record(key)], tripped=True)

    def _carry_out(self, key: str, trip: Trip) -> list[Entry]:
        name = self._scopes[key].name
        controls = () if trip.action == "warn" else self._enforce(name or None, trip)
        event = Event(
            at=trip.at,
            kind="breaker",
            text=in_words(name, trip),
            account=name or None,
            symbol=trip.symbol or None,
            detail={"breaker": trip.name, "action": trip.action},
        )
        self._log.error("{}", event.text)
        self._notify(event)
        return [*controls, event]

    def _breakers(self, key: str) -> Breakers:
        name = self._scopes[key].name if key != EVERYTHING else EVERYTHING
        return self._armed.get(name, Breakers())

    def _equity(self, key: str) -> Decimal | None:
        if key != EVERYTHING:
            money = self._scopes[key].money
            return money.total if money is not None else None
        seen = [
            one.money.total
            for one in self._scopes.values()
            if one.money is not None
            and one.name
            and one.name not in self._shadows
            and one.money.total is not None
        ]
        return sum(seen, ZERO) if seen else None

    def _record(self, key: str, sums: Sums | None = None) -> BreakerRecord:
        scope = self._scopes[key]
        state = scope.writer.write(sums or scope.sums, scope.money)
        return BreakerRecord(scope=key, at=scope.at or self._clock.now(), state=state)

    def _append(self, entries: Sequence[Entry], *, tripped: bool) -> None:
        appended = self._journal.append(*entries, awaited=tripped, reduction=tripped)
        if tripped:
            appended.add_done_callback(self._appended)

    def _appended(self, appended: asyncio.Future[None]) -> None:
        if not appended.cancelled() and (error := appended.exception()) is not None:
            self._log.error("a breaker tripped and is active, but not persisted: {}", error)

    # -- the operator

    def holding(self, command: Command, scopes: Mapping[str, Sequence[str]]) -> list[str]:
        """Return descriptions of the breakers that require a reason for this resume."""
        if command.action is not Action.RESUME or (command.sources and not command.accounts):
            return []
        names = command.accounts or tuple(scopes)
        concerned = [
            (key, one) for key, one in self._scopes.items() if key == EVERYTHING or one.name in names
        ]
        return [
            in_words(one.name, trip)
            for _, one in concerned
            for trip in needs_reason(one.sums, command.symbol)
        ]

    def lifted(self, command: Command) -> Mapping[str, list[str]]:
        """Return, by scope, descriptions of the tripped breakers that a resume arms again."""
        if command.action is not Action.RESUME or (command.sources and not command.accounts):
            return {}
        found = {}
        for key, scope in self._scopes.items():
            covered = not command.accounts or (key != EVERYTHING and scope.name in command.accounts)
            words = [
                in_words(scope.name, trip)
                for trip in scope.sums.tripped.values()
                if not command.symbol or trip.symbol == command.symbol
            ]
            if covered and words:
                found[key] = words
        return found

    def rearmed(self, keys: Iterable[str], symbol: str) -> list[BreakerRecord]:
        """Return the records to journal when these scopes are armed again; ``rearm`` arms them."""
        return [self._record(key, rearmed(self._scopes[key].sums, symbol)) for key in keys]

    def rearm(self, keys: Iterable[str], symbol: str) -> None:
        """Arm these scopes again; everything is measured from now on."""
        for key in keys:
            scope = self._scopes[key]
            scope.sums, scope.at = rearmed(scope.sums, symbol), self._clock.now()
            self._journal.append(self._record(key), awaited=False)

    def shown(self) -> Iterator[Shown]:
        """Return every breaker that tripped, then every armed one."""
        now = self._clock.now()
        known = [
            (key, one) for key, one in self._scopes.items() if key == EVERYTHING or one.name in self._armed
        ]
        for _, scope in known:
            for trip in scope.sums.tripped.values():
                yield Shown(account=scope.name, trip=trip, as_of=scope.at)
        for key, scope in known:
            breakers = self._breakers(key)
            for level in levels(begun(scope.sums, breakers, now), breakers, now):
                yield Shown(account=scope.name, level=level, as_of=scope.at)


def remembered(snapshot: JournalSnapshot) -> list[Shown]:
    """Return the tripped breakers according to the journal, for when no engine is running."""
    names = {record.book: record.name for record in snapshot.accounts}
    found = []
    for record in snapshot.breakers:
        try:
            sums, _ = read_state(record.state)
        except ValidationError:
            continue
        name = names.get(record.scope, record.scope)
        found += [Shown(account=name, trip=trip, as_of=record.at) for trip in sums.tripped.values()]
    return found


def in_words(name: str, trip: Trip) -> str:
    """Return a description of a trip: what tripped, what it does, and how to lift it."""
    what = {"warn": "only a warning", "halt": "halted", "flatten": "flattened"}[trip.action]
    lift = "te resume" + (f" {name}" if name else "") + (f" --symbol {trip.symbol}" if trip.symbol else "")
    reason = "" if trip.action == "warn" else ' --reason "…"'
    return f"breaker {trip.text} ({name or 'all accounts'}): {what}; {lift}{reason} lifts it"
