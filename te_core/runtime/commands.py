"""Execute the operator's commands: halt, flatten, resume, pause, depth by hand (target exposure, -1 … 1), go live.

Each command is journaled. One that restricts is active before it is durable, one that loosens only afterwards: a
crash in between leaves less open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from te_core.accounts.accepting import acceptable, changed_by_others
from te_core.accounts.reconciler import AsIf
from te_core.clock import LONGEST_SLEEP, Clock
from te_core.errors import CommandRefused, JournalError, nearest
from te_core.journal.journal import Journal
from te_core.model.control import Action, Command, Control, ControlState, Topic
from te_core.model.event import Event
from te_core.model.target import Blend
from te_core.rules.breakers import Trip
from te_core.rules.controls import (
    BREAKER,
    FLATTENING,
    HALTING,
    Controls,
    accepted,
    controls_of,
    counts,
    described,
    left_flat,
    lifted_by,
    stopped,
)
from te_core.rules.decision import Decision
from te_core.runtime.accounts import Accounts
from te_core.runtime.breakers import CircuitBreakers
from te_core.signals.netting import Netting
from te_core.tasks import unbroken

if TYPE_CHECKING:
    from loguru import Logger

ENGINE = "the engine"
Previews = Mapping[str, "Mapping[str, Decision] | str | BaseException"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command changed: the controls that it set, and those that it lifted."""

    set: tuple[Control, ...] = ()
    lifted: tuple[Control, ...] = ()
    rearmed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By scope, descriptions of the breakers that had tripped there and are armed again."""


class Commands:
    """One per engine. ``changed`` is called when the weight of the sources' signals changes."""

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        log: Logger,
        notify: Callable[[Event], None],
        netting: Netting,
        accounts: Accounts,
        sources: Callable[[], Iterable[str]],
        changed: Callable[[], None],
        breakers: CircuitBreakers,
    ) -> None:
        self.breakers = breakers
        self._journal = journal
        self._clock = clock
        self._log = log
        self._notify = notify
        self._netting = netting
        self._accounts = accounts
        self._sources = sources
        self._changed = changed
        self._next_sequence = self.controls.last
        self._timer: asyncio.TimerHandle | None = None

    @property
    def controls(self) -> Controls:
        """The active commands."""
        return self._accounts.controls

    def scopes(self) -> Mapping[str, Sequence[str]]:
        """Return the names of each account of the settings in commands."""
        return self._accounts.scopes()

    def start(self) -> None:
        """Activate pauses of an earlier run, and end what has expired meanwhile."""
        self._netting.pauses = _pauses(self.controls)
        self._end_what_expired()

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def execute(self, command: Command) -> Outcome:
        """Execute a command, even if the caller gives it up meanwhile.

        Raise `CommandRefused` if it is not valid, `JournalError` if it is not stored.
        """
        return await unbroken(self._execute(command))

    async def _execute(self, command: Command) -> Outcome:
        outcome = self._outcome(command)
        self._check_reason(command)
        if not outcome.set and not outcome.rearmed:
            return outcome
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + len(outcome.set)
        tightens = command.action in (Action.HALT, Action.FLATTEN)
        if tightens:
            self._apply(outcome.set, sequence)
        event = self._event(command, outcome)
        try:
            records = self.breakers.rearmed(outcome.rearmed, command.symbol)
            await self._journal.append(*outcome.set, *records, event, reduction=tightens)
        except JournalError as error:
            if not tightens:
                raise
            raise JournalError(
                f"active, but not persisted: it ends when the engine stops ({error})"
            ) from error
        if not tightens:
            self.breakers.rearm(outcome.rearmed, command.symbol)
            self._apply(outcome.set, sequence)
        self._report(event)
        return outcome

    async def preview(self, command: Command) -> tuple[Outcome, Previews]:
        """Return what a command would change, and what each affected account would order then; change nothing.

        Raise `CommandRefused` if the command is not valid.
        """
        outcome = self._outcome(command)
        self._check_reason(command)
        if not outcome.set and not outcome.rearmed:
            return outcome, {}
        controls = self.controls.adding(outcome.set)
        as_if = AsIf(controls=controls, blends=self._blends(_pauses(controls)))
        runners = self._accounts.runners
        names = [name for name in command.accounts or runners if runners[name].running]
        previews = (runners[name].worker.preview(as_if) for name in names)
        decisions = await asyncio.gather(*previews, return_exceptions=True)
        idle = {name: "not running" for name in command.accounts if name not in names}
        return outcome, {**idle, **dict(zip(names, decisions, strict=True))}

    def trip(self, account: str, symbol: str, reason: str) -> None:
        """Halt a symbol of an account because of a problem found there; only ``te resume`` lifts it."""
        found = self.controls.halt(self.scopes().get(account, (account,)), symbol)
        if found is not None and found.state in HALTING:
            return
        command = Command(action=Action.HALT, by=ENGINE, reason=reason, accounts=(account,), symbol=symbol)
        outcome = Outcome(set=controls_of(command, self._clock.now(), self.scopes()))
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + len(outcome.set)
        self._apply(outcome.set, sequence)
        event = self._event(command, outcome)
        self._journal.append(*outcome.set, event, awaited=False, reduction=True)
        self._log.warning("{}; te resume {} --symbol {} lifts it", event.text, account, symbol)
        self._notify(event)

    def met(self, account: str, scopes: Sequence[str], rows: Sequence[Control]) -> None:
        """Apply the persisted controls of an account's first connection, then its settings."""
        if rows:
            sequence, self._next_sequence = self._next_sequence, self._next_sequence + len(rows)
            self._apply(rows, sequence)
        for row in rows:
            text = f"{account}: {described(row)} {account}"
            event = Event(at=row.at, kind="observe", text=text, account=account)
            self._journal.append(event, awaited=False)
            self._report(event)
        self._follow_settings(account, scopes)

    def follow_settings(self) -> None:
        """End the observing of accounts whose settings state ``observe = false``."""
        for name, runner in self._accounts.runners.items():
            if runner.identified:
                self._follow_settings(name, runner.worker.scopes)

    def _follow_settings(self, account: str, scopes: Sequence[str]) -> None:
        row, runner = self.controls.observing(scopes), self._accounts.runners.get(account)
        if row is None or runner is None or runner.worker.settings.observe != "":
            return
        live = replace(row, state=ControlState.OVER, at=self._clock.now(), reason="observe = false")
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + 1
        event = Event(at=live.at, kind=str(Action.GO), text=f"{account}: {described(live)}", account=account)
        self._journal.append(live, event, awaited=False)
        self._apply([live], sequence)
        self._report(event)

    def _report(self, event: Event) -> None:
        self._log.warning("{}", event.text)
        self._notify(event)

    def enforce(self, account: str | None, trip: Trip) -> tuple[Control, ...]:
        """Apply what a circuit breaker commands and return it for the journal; never loosen anything."""
        action = Action.FLATTEN if trip.action == "flatten" else Action.HALT
        scopes = self.scopes()
        concerned = [scopes.get(account, (account,))] if account is not None else list(scopes.values())
        enough = (FLATTENING, HALTING)[action is Action.HALT]
        found = [self.controls.halt(own, trip.symbol) for own in concerned]
        if found and all(row is not None and row.state in enough for row in found):
            return ()
        command = Command(
            action=action,
            by=f"{BREAKER}{trip.name}",
            reason=trip.text,
            accounts=() if account is None else (account,),
            symbol=trip.symbol,
        )
        rows = controls_of(
            command, self._clock.now(), {**scopes, **({account: concerned[0]} if account else {})}
        )
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + len(rows)
        self._apply(rows, sequence)
        return rows

    def stopped(self, account: str, symbol: str, kind: str, reason: str) -> None:
        """Hold a symbol flat whose position a stop closed, until a source sends a signal or ``te resume`` lifts it."""
        scope = self.scopes().get(account, (account,))[-1]
        row = stopped(scope, symbol, kind=kind, reason=reason, at=self._clock.now())
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + 1
        self._apply([row], sequence)
        self._journal.append(row, awaited=False, reduction=True)

    def hold_everything(self, by: str) -> None:
        """Restrict all accounts to reductions in this run, without persisting it; later commands take precedence."""
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + 1
        halt = Control(
            topic=Topic.HALT, scope="", symbol="", state=ControlState.HALTED, at=self._clock.now(), by=by
        )
        self._apply([halt], sequence)

    def signals_came(self, symbols: Iterable[str] | None) -> None:
        """End depths by hand that apply until a source of their symbol sends a signal."""
        waiting = [row for row in self._by_hand() if row.until is None]
        named = None if symbols is None else set(symbols)
        waiting = [row for row in waiting if named is None or row.symbol in named]
        if waiting:
            blends = self._netting.blends({row.symbol for row in waiting})
            now = self._netting.time.now()
            self._end(
                [row for row in waiting if not counts(row, blends[row.symbol], now)], "a source sent a signal"
            )

    # -- interpretation of commands

    def _outcome(self, command: Command) -> Outcome:
        self._check(command)
        now, scopes = self._clock.now(), self._accounts.scopes()
        if command.action is Action.PAUSE:
            return Outcome(set=tuple(self._pause(command, source, now) for source in command.sources))
        if command.action is Action.ACCEPT:
            return Outcome(set=tuple(self._accepted(command, now)))
        if command.action is not Action.RESUME:
            return Outcome(set=controls_of(command, now, scopes))
        lifted = tuple(lifted_by(command, self.controls, scopes))
        made = [
            replace(row, state=ControlState.OVER, at=now, by=command.by, reason=command.reason)
            for row in lifted
        ]
        ended = tuple(replace(row, held={}) for row in made if row.topic is not Topic.HALT)
        halts = controls_of(command, now, scopes) if len(ended) < len(made) else ()
        flat = left_flat(command, now, scopes)
        return Outcome(set=(*halts, *ended, *flat), lifted=lifted, rearmed=self.breakers.lifted(command))

    def _check_reason(self, command: Command) -> None:
        """Refuse to lift a breaker without a reason."""
        if not command.reason.strip() and (found := self.breakers.holding(command, self.scopes())):
            raise CommandRefused(f'{found[0].partition(";")[0]}: lifting it needs a reason: add --reason "…"')

    def _check(self, command: Command) -> None:
        accounts, sources = self._accounts.runners, list(self._sources())
        for kind, named, known in (
            ("accounts", command.accounts, accounts),
            ("sources", command.sources, sources),
        ):
            for name in named:
                if name not in known:
                    raise CommandRefused(f"there is no [{kind}.{name}] in the settings{nearest(name, known)}")
        if command.action is Action.PAUSE and not command.sources:
            raise CommandRefused("a pause needs a source: te halt stops accounts")
        if command.action is Action.TARGET:
            self._check_target(command)
        if command.action is Action.GO:
            self._check_go(command)
        self._check_symbols(command)

    def _check_symbols(self, command: Command) -> None:
        if command.action in (Action.HALT, Action.FLATTEN, Action.ACCEPT) and command.symbol:
            self._check_symbol(command.symbol)
        for symbol in command.leave_flat:
            self._check_symbol(symbol)

    def _check_symbol(self, symbol: str) -> None:
        """Refuse an unknown symbol: a mistyped halt must not seem to be active."""
        workers = [runner.worker for runner in self._accounts.runners.values()]
        held = [one for worker in workers for one in (*worker.keepers, *worker.foreign)]
        known = list(dict.fromkeys([*self._netting.symbols, *held]))
        if symbol not in known:
            raise CommandRefused(
                f"no symbol {symbol} is in the settings or held anywhere{nearest(symbol, known)}"
            )

    def _check_target(self, command: Command) -> None:
        if len(command.accounts) != 1 or not command.symbol or command.depth is None:
            raise CommandRefused("a depth by hand needs an account, a symbol and the depth")
        keepers = self._accounts.runners[command.accounts[0]].worker.keepers
        if command.symbol in self._netting.symbols or (command.depth == 0 and command.symbol in keepers):
            return
        known = ", ".join(self._netting.symbols) or "none"
        raise CommandRefused(f"there is no [symbols.{command.symbol}] in the settings (there are: {known})")

    def _check_go(self, command: Command) -> None:
        if not command.accounts:
            raise CommandRefused("te go needs an account: te status shows which of them observe")
        for name in command.accounts:
            runner = self._accounts.runners[name]
            worker, reason = runner.worker, runner.health.reason
            if worker.settings.observe:
                raise CommandRefused(
                    f"{name} observes because of {worker.settings.observe}: te go does not lift that"
                )
            if not runner.identified:
                why = f" ({reason})" if reason else ""
                raise CommandRefused(f"{name} is not connected{why}: its account must be identified first")
            if not worker.observing:
                raise CommandRefused(f"{name} is not observing: it is already live")

    def _accepted(self, command: Command, now: datetime) -> Iterator[Control]:
        """Return what is accepted: one symbol, or all that were changed from outside and not corrected."""
        if not command.accounts:
            raise CommandRefused("te accept needs an account: te status shows what others changed")
        scopes = self._accounts.scopes()
        for name in command.accounts:
            worker = self._accounts.runners[name].worker
            if not self._accounts.runners[name].running or "positions" in worker.failing_reads:
                raise CommandRefused(f"{name} cannot be read now: its positions are not known")
            keepers = [
                keeper
                for symbol, keeper in worker.keepers.items()
                if symbol == command.symbol or (not command.symbol and changed_by_others(keeper))
            ]
            if not keepers:
                what = f"no target for {command.symbol}" if command.symbol else "nothing that others changed"
                raise CommandRefused(f"{name} has {what}")
            for keeper in keepers:
                found = acceptable(keeper, beliefs=worker.beliefs, settings=worker.settings)
                if isinstance(found, str):
                    raise CommandRefused(f"{name} {keeper.symbol} cannot be accepted: {found}")
                yield accepted(
                    command,
                    scopes[name][-1],
                    keeper.symbol,
                    quantity=found.quantity,
                    depth=found.depth,
                    at=now,
                )

    def _pause(self, command: Command, source: str, now: datetime) -> Control:
        before = self.controls.pause(source)
        held: Mapping[str, object] = {}
        if not command.close:
            held = self._netting.shares(source) if before is None else before.held
        return Control(
            topic=Topic.PAUSE,
            scope=source,
            symbol="",
            state=ControlState.CLOSE if command.close else ControlState.HOLD,
            at=now,
            by=command.by,
            reason=command.reason,
            held=held,
        )

    def _event(self, command: Command, outcome: Outcome) -> Event:
        where = ", ".join((*command.accounts, *command.sources)) or "all accounts"
        symbol = f" {command.symbol}" if command.symbol else ""
        done = described(outcome.set[-1]) if outcome.set else "breakers armed again"
        depth = f" to {command.depth:f}" if command.depth is not None else ""
        return Event(
            at=self._clock.now(),
            kind=str(command.action),
            text=f"{where}{symbol}: {done}{depth}",
            account=command.accounts[0] if len(command.accounts) == 1 else None,
            source=command.sources[0] if len(command.sources) == 1 else None,
            symbol=command.symbol or None,
            detail={
                "by": command.by,
                "reason": command.reason,
                "lifted": [described(r) for r in outcome.lifted],
                "breakers": [text for found in outcome.rearmed.values() for text in found],
            },
        )

    # -- applying

    def _apply(self, rows: Sequence[Control], sequence: int) -> None:
        controls = self.controls.adding(rows, after=sequence)
        before, self._netting.pauses = self._netting.pauses, _pauses(controls)
        self._accounts.command(controls)
        if before != self._netting.pauses:
            self._changed()
        self._watch_ends()

    def _blends(self, pauses: Mapping[str, Control]) -> Mapping[str, Blend | None]:
        symbols = dict.fromkeys([*self._netting.symbols, *self._accounts.symbols])
        return self._netting.blends(symbols, pauses)

    def _by_hand(self) -> list[Control]:
        return [row for row in self.controls.active() if row.topic is Topic.TARGET]

    def _watch_ends(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        ends = [row.until for row in self._by_hand() if row.until is not None]
        if ends:
            left = (min(ends) - self._netting.time.now()).total_seconds()
            self._timer = asyncio.get_running_loop().call_later(
                min(max(left, 0.0), LONGEST_SLEEP), self._end_what_expired
            )

    def _end_what_expired(self) -> None:
        now = self._netting.time.now()
        over = [row for row in self._by_hand() if row.until is not None and row.until <= now]
        self._end(over, "its time has expired")
        self._watch_ends()

    def _end(self, rows: Sequence[Control], why: str) -> None:
        """End depths by hand: the signals apply again."""
        now = self._clock.now()
        made = [replace(row, state=ControlState.OVER, at=now, by=ENGINE, reason=why) for row in rows]
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + len(made)
        for row, ended in zip(rows, made, strict=True):
            name = next((name for name, own in self.scopes().items() if row.scope in own), row.scope)
            event = Event(
                at=now,
                kind=str(Action.TARGET),
                text=f"{name} {row.symbol}: {described(row)}; {why}: the signals apply again",
                account=name,
                symbol=row.symbol,
            )
            self._journal.append(ended, event, awaited=False)
            self._report(event)
        if made:
            self._apply(made, sequence)


def _pauses(controls: Controls) -> dict[str, Control]:
    rows = (row for row in controls.active() if row.topic is Topic.PAUSE)
    return {row.scope: row for row in rows}
