"""What the operator's standing commands allow for a symbol of an account, and for a source.

Of all halts and resumes that cover a symbol, the newest counts: a later ``te halt`` overrides earlier resumes,
and ``te resume ACCOUNT`` lifts a global halt for that account alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from te_core.model.control import Action, Command, Control, ControlState, Topic
from te_core.model.target import Blend, Term
from te_core.rules.blend import blend_leverage

ZERO = Decimal(0)
BY_HAND = "by hand"
STOP = "stop"
"""The source names in a target's terms for the operator, and for a stop that closed the position."""
BREAKER = "breaker "
"""Prefix of ``by`` in commands of a circuit breaker."""
BY_HAND_STATES = (ControlState.SET, ControlState.STOPPED, ControlState.ACCEPTED)
SMALLEST_DEPTH = Decimal("0.0001")
FLATTENING = (ControlState.FLAT, ControlState.FOREIGN)
HALTING = (ControlState.HALTED, *FLATTENING)
Key = tuple[Topic, str, str]


def scope_of_book(book: str) -> str:
    """Return the scope of an account's book; it cannot be confused with a section's name."""
    return f"#{book}"


def new_here(book: str, at: datetime) -> Control:
    """Return the control by which a live account that is new to the journal observes."""
    return Control(
        topic=Topic.OBSERVE,
        scope=scope_of_book(book),
        symbol="",
        state=ControlState.OBSERVING,
        at=at,
        by="the engine",
        reason="new here",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The newest control of each topic, scope and symbol, with its sequence number."""

    by_key: Mapping[Key, tuple[int, Control]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Control]) -> Controls:
        """Collect controls, oldest first."""
        return cls().adding(rows)

    @property
    def last(self) -> int:
        """The largest sequence number so far; 0 if none."""
        return max((number for number, _ in self.by_key.values()), default=0)

    def adding(self, rows: Iterable[Control], *, after: int | None = None) -> Controls:
        """Return these controls with others added. ``after``: the sequence number they follow; None for ``last``."""
        by_key = dict(self.by_key)
        for number, row in enumerate(rows, (self.last if after is None else after) + 1):
            key = (row.topic, row.scope, row.symbol)
            if key not in by_key or by_key[key][0] < number:
                by_key[key] = (number, row)
        return Controls(by_key=by_key)

    def newest(self, topic: Topic, scopes: Iterable[str], symbols: Sequence[str]) -> Control | None:
        """Return the newest control of a topic in any of these scopes, for any of these symbols."""
        found = [
            entry
            for scope in scopes
            for symbol in symbols
            if (entry := self.by_key.get((topic, scope, symbol)))
        ]
        return max(found, key=lambda entry: entry[0])[1] if found else None

    def halt(self, scopes: Iterable[str], symbol: str) -> Control | None:
        """Return the newest halt or resume that covers a symbol of an account; None if there never was one."""
        return self.newest(Topic.HALT, ("", *scopes), ("", symbol) if symbol else ("",))

    def flattens(self, scopes: Iterable[str]) -> Sequence[tuple[int, Control]]:
        """Return the flattens that apply to an account or to single symbols of it, with their numbers, oldest first."""
        own = ("", *scopes)
        found = [
            (number, row)
            for (topic, scope, symbol), (number, row) in self.by_key.items()
            if topic is Topic.HALT
            and scope in own
            and row.state in FLATTENING
            and self.halt(own, symbol) is row
        ]
        return sorted(found, key=lambda entry: entry[0])

    def observing(self, scopes: Iterable[str]) -> Control | None:
        """Return the control by which an account observes; None if it may trade."""
        found = self.newest(Topic.OBSERVE, scopes, ("",))
        return found if found is not None and found.state is ControlState.OBSERVING else None

    def pause(self, source: str) -> Control | None:
        """Return the pause of a source; None if it is not paused."""
        found = self.newest(Topic.PAUSE, (source,), ("",))
        return found if found is not None and found.state is not ControlState.OVER else None

    def active(self) -> Iterator[Control]:
        """Yield the controls that are active and not overridden by newer ones, oldest first."""
        for number, row in sorted(self.by_key.values(), key=lambda entry: entry[0]):
            if row.state is ControlState.OVER or row.topic is Topic.CLOSED:
                continue
            wider = [("", ""), ("", row.symbol), (row.scope, "")] if row.topic is Topic.HALT else []
            newer = (self.by_key.get((row.topic, *key), (0, row)) for key in wider)
            if all(other <= number for other, _ in newer):
                yield row

    def resumed_out_of(self, halt: Control, scopes: Mapping[str, Sequence[str]]) -> list[str]:
        """Return what was resumed out of a wider halt, as texts. ``scopes``: of each account in the settings."""
        names = {scope: name for name, own in scopes.items() for scope in own}
        found = []
        for number, row in sorted(self.by_key.values(), key=lambda entry: entry[0]):
            if row.topic is not Topic.HALT or row.state is not ControlState.OVER:
                continue
            within = halt.scope in ("", row.scope) and halt.symbol in ("", row.symbol)
            newer = self.by_key[halt.topic, halt.scope, halt.symbol][0] < number
            counting = self.newest(Topic.HALT, dict.fromkeys(("", row.scope)), ("", row.symbol)) is row
            if within and newer and counting:
                found.append(f"{names.get(row.scope, row.scope) or 'all accounts'} {row.symbol}".strip())
        return list(dict.fromkeys(found))

    def holds_for(self, halt: Control, accounts: Iterable[Sequence[str]]) -> bool:
        """Return whether a halt still applies to any of these accounts; each is given by its scopes."""
        return any(self.halt(scopes, halt.symbol) is halt for scopes in accounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the commands allow for one symbol of one account."""

    halt: str = ""
    """Why only reductions are allowed; empty if increases are, too."""
    flat: bool = False
    """The whole position must be closed."""
    foreign: bool = False
    """That includes positions that the engine never opened."""
    fence: datetime | None = None
    """Opinions received until then do not count."""
    by_hand: Control | None = None
    """A manual depth that overrides the signals."""
    since: datetime | None = None
    """When the halt was commanded."""
    by_breaker: bool = False
    """Whether a circuit breaker commanded it, not the operator."""

    @property
    def accepted(self) -> Decimal | None:
        """The position that was accepted as it is, in signed base units; None if none was."""
        return self.by_hand.quantity if self.by_hand is not None else None


FREE = Standing()


def standing(
    controls: Controls, scopes: Sequence[str], symbol: str, blend: Blend | None, now: datetime
) -> Standing:
    """Return what the commands allow for a symbol of the account with these scopes."""
    by_hand = controls.newest(Topic.TARGET, scopes, (symbol,))
    if by_hand is not None and not counts(by_hand, blend, now):
        by_hand = None
    row = controls.halt(scopes, symbol)
    if row is None or row.state is ControlState.OVER:
        return Standing(by_hand=by_hand) if by_hand is not None else FREE
    if row.state is ControlState.NEXT_SIGNAL:
        waits = not spoken_since(blend, row.at) and by_hand is None
        why = f"{described(row)}: waiting for the next signal" if waits else ""
        return Standing(halt=why, fence=row.at, by_hand=by_hand, since=row.at)
    foreign = row.state is ControlState.FOREIGN
    flat = foreign or row.state is ControlState.FLAT
    tripped = row.by.startswith(BREAKER)
    return Standing(
        halt=described(row), flat=flat, foreign=foreign, by_hand=by_hand, since=row.at, by_breaker=tripped
    )


def counts(by_hand: Control, blend: Blend | None, now: datetime) -> bool:
    """Return whether a manual depth still overrides the signals."""
    if by_hand.state not in BY_HAND_STATES:
        return False
    return now < by_hand.until if by_hand.until is not None else not spoken_since(blend, by_hand.at)


def spoken_since(blend: Blend | None, at: datetime) -> bool:
    """Return whether a source of the symbol has sent a signal after that time."""
    return blend is not None and any(part.heard_at is not None and part.heard_at > at for part in blend.terms)


def commanded(symbol: str, blend: Blend | None, held: Standing) -> Blend | None:
    """Return the blend under the commands: a manual depth, or without opinions from before a resume."""
    if held.by_hand is not None and held.by_hand.depth is not None:
        return _by_hand(symbol, blend, held.by_hand, held.by_hand.depth)
    if blend is None or held.fence is None or held.halt:
        return blend
    terms = tuple(_fenced(part, held.fence) for part in blend.terms)
    depth = sum((part.weight * part.depth for part in terms), ZERO)
    return replace(blend, depth=depth, terms=terms, leverage=blend_leverage(terms, blend.leverage))


def _by_hand(symbol: str, blend: Blend | None, control: Control, depth: Decimal) -> Blend:
    note = f"{described(control)}, {_end(control)}"
    source = STOP if control.state is ControlState.STOPPED else BY_HAND
    term = Term(source=source, weight=Decimal(1), depth=depth, time=control.at, note=note)
    leverage = blend.leverage if blend is not None else 1
    return Blend(symbol=symbol, depth=depth, leverage=leverage, terms=(term,))


def _end(control: Control) -> str:
    if control.until is None:
        return "until the symbol's next signal"
    return f"until {control.until:%Y-%m-%d %H:%M:%S}Z"


def _fenced(part: Term, fence: datetime) -> Term:
    if part.heard_at is None or part.heard_at > fence:
        return part
    return replace(part, depth=ZERO, note=f"from before the resume (signal: {part.depth})")


VERBS = {
    ControlState.HALTED: "halted",
    ControlState.FLAT: "flattened",
    ControlState.FOREIGN: "flattened with foreign positions",
    ControlState.NEXT_SIGNAL: "resumed from the next signal on",
    ControlState.HOLD: "paused, its share held",
    ControlState.CLOSE: "paused, its share closed",
    ControlState.SET: "set by hand",
    ControlState.STOPPED: "closed",
    ControlState.ACCEPTED: "accepted as it is",
    ControlState.OVER: "resumed",
}


def described(control: Control) -> str:
    """Return as text what was commanded, by whom, when and why."""
    why = f" ({control.reason})" if control.reason else ""
    if control.state is ControlState.OBSERVING:
        return f"observing since {control.at:%Y-%m-%d %H:%M:%S}Z{why}: nothing is sent until te go"
    verb = "set live" if control.topic is Topic.OBSERVE else VERBS[control.state]
    return f"{verb} by {control.by} at {control.at:%Y-%m-%d %H:%M:%S}Z{why}"


def where(control: Control, *, but: Sequence[str] = ()) -> str:
    """Return as text what a control covers, and what was commanded. ``but``: what was resumed out of it."""
    about = "source " if control.topic is Topic.PAUSE else "account "
    what = f"{about}{control.scope}" if control.scope else "all accounts"
    symbol = f" {control.symbol}" if control.symbol else ""
    depth = "" if control.depth is None else f", depth {control.depth:f} {_end(control)}"
    if control.state is ControlState.STOPPED:
        depth = f"; stays flat {_end(control)}"
    if control.quantity is not None:
        depth = f"; {control.quantity:f} stays {_end(control)}"
    left = f" but {', '.join(but)}" if but else ""
    return f"{what}{symbol}{left}: {described(control)}{depth}"


def controls_of(command: Command, now: datetime, scopes: Mapping[str, Sequence[str]]) -> tuple[Control, ...]:
    """Return the controls that implement a command on accounts. ``scopes``: name and book of each account.

    Pauses are created elsewhere, where the sources' current signals are known.
    """
    states = {
        Action.HALT: ControlState.HALTED,
        Action.FLATTEN: ControlState.FOREIGN if command.foreign else ControlState.FLAT,
        Action.RESUME: ControlState.NEXT_SIGNAL if command.from_next_signal else ControlState.OVER,
        Action.TARGET: ControlState.SET,
        Action.GO: ControlState.OVER,
    }
    topics = {Action.TARGET: Topic.TARGET, Action.GO: Topic.OBSERVE}
    topic = topics.get(command.action, Topic.HALT)
    own = topic is not Topic.HALT  # it belongs to the account, independent of its section's name
    where = [scope for name in command.accounts for scope in scopes[name][-1 if own else 0 :]] or [""]
    until = None if command.lasts is None else now + command.lasts
    return tuple(
        Control(
            topic=topic,
            scope=scope,
            symbol=command.symbol,
            state=states[command.action],
            at=now,
            by=command.by,
            reason=command.reason,
            depth=command.depth,
            until=until,
        )
        for scope in dict.fromkeys(where)
    )


def stopped(scope: str, symbol: str, *, kind: str, reason: str, at: datetime) -> Control:
    """Return the control that keeps a symbol flat after a stop closed it. ``kind``: of the stop, as text."""
    return Control(
        topic=Topic.TARGET,
        scope=scope,
        symbol=symbol,
        state=ControlState.STOPPED,
        at=at,
        by=f"the {kind}",
        reason=reason,
        depth=ZERO,
    )


def accepted(
    command: Command, scope: str, symbol: str, *, quantity: Decimal, depth: Decimal, at: datetime
) -> Control:
    """Return the control that keeps a position as it is."""
    return Control(
        topic=Topic.TARGET,
        scope=scope,
        symbol=symbol,
        state=ControlState.ACCEPTED,
        at=at,
        by=command.by,
        reason=command.reason,
        depth=depth,
        held={"quantity": f"{quantity:f}"},
    )


def left_flat(command: Command, now: datetime, scopes: Mapping[str, Sequence[str]]) -> tuple[Control, ...]:
    """Return the controls with which a resume leaves symbols flat until the next signal of each."""
    names = command.accounts or tuple(scopes)
    return tuple(
        Control(
            topic=Topic.TARGET,
            scope=scopes[name][-1],
            symbol=symbol,
            state=ControlState.SET,
            at=now,
            by=command.by,
            reason=command.reason,
            depth=ZERO,
        )
        for symbol in command.leave_flat
        for name in names
    )


def implied_depth(quantity: Decimal, *, price: Decimal, equity: Decimal, leverage: int) -> Decimal:
    """Return the depth (target exposure in -1 … 1) that a position implies; never 0 unless it is flat."""
    depth = abs(quantity) * price / (equity * leverage)
    bounded = min(max(depth.quantize(SMALLEST_DEPTH), SMALLEST_DEPTH), Decimal(1))
    return bounded.copy_sign(quantity)


def lifted_by(command: Command, controls: Controls, scopes: Mapping[str, Sequence[str]]) -> Iterator[Control]:
    """Yield the controls that a resume lifts: all active ones on what it names, including wider halts."""
    everything = not (command.accounts or command.sources)
    names = [scopes[name] for name in (scopes if everything else command.accounts)]
    for row in controls.active():
        symbol = command.symbol or row.symbol
        within = row.symbol == symbol
        match row.topic:
            case Topic.PAUSE:
                taken = row.scope in command.sources
            case Topic.TARGET:
                taken = within and (everything or any(row.scope in named for named in names))
            case Topic.OBSERVE:
                taken = False
            case _:
                counting = any(controls.halt(named, symbol) is row for named in names)
                taken = (within or not row.symbol) and (counting or (everything and not command.symbol))
        if taken:
            yield row
