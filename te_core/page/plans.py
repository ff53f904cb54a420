"""Describes what a command from the page will do, in sentences and numbers, before it is confirmed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from te_core.model.control import Action, Command
from te_core.reporting.figures import figure

ALL = "all"
ZERO = Decimal(0)


class Verb(StrEnum):
    """The commands."""

    HALT = "halt"
    FLATTEN = "flatten"
    RESUME = "resume"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    GO = "go"
    HEAL = "heal"
    """Restore positions that others changed, and retry at once what is held back."""
    ACCEPT = "accept"
    """Accept positions that others changed, until a source sends a signal for the symbol."""


OF_SOURCES = (Verb.PAUSE, Verb.UNPAUSE)
OF_CHANGED = (Verb.HEAL, Verb.ACCEPT)
"""They act on positions that others changed."""
STOPPING = (Verb.HALT, Verb.FLATTEN)
"""Planned at once from the known positions: stopping never waits for an exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A chosen command."""

    verb: Verb
    who: str = ALL
    """An account, a source, or ``all``."""
    symbol: str = ""
    """Empty for all."""
    close: bool = False
    """Whether a pause closes the share of the source instead of holding it."""
    next_signal: bool = False
    """Whether, after a resume, nothing is opened until a source sends a new signal."""
    flat: tuple[str, ...] = ()
    """Symbols that a resume leaves flat until a source sends a signal for them."""

    @property
    def title(self) -> str:
        """Return the title: the verb and its subject."""
        verb = {
            Verb.HALT: "Halt",
            Verb.FLATTEN: "Close everything",
            Verb.RESUME: "Resume",
            Verb.PAUSE: "Pause",
            Verb.UNPAUSE: "Resume",
            Verb.GO: "Allow trading",
            Verb.HEAL: "Restore",
            Verb.ACCEPT: "Accept",
        }[self.verb]
        about = "source " if self.verb in OF_SOURCES else ""
        who = "all accounts" if self.who == ALL else f"{about}{self.who}"
        return f"{verb}: {who}{f' {self.symbol}' if self.symbol else ''}"

    @property
    def query(self) -> str:
        """Return the query string of its page."""
        parts = [f"symbol={self.symbol}"] if self.symbol else []
        parts += [name for name, on in (("close=1", self.close), ("next=1", self.next_signal)) if on]
        parts += [f"flat={symbol}" for symbol in self.flat]
        return f"?{'&'.join(parts)}" if parts else ""

    @property
    def path(self) -> str:
        """Return the path of its page."""
        return f"/do/{self.verb}/{self.who}{self.query}"

    def leaving(self, symbol: str) -> Wanted:
        """Return a copy that toggles whether a symbol is left flat."""
        kept = tuple(one for one in self.flat if one != symbol)
        return replace(self, flat=kept if symbol in self.flat else (*self.flat, symbol))

    def command(self, *, by: str, reason: str) -> Command:
        """Return the engine's command."""
        action = Action.RESUME if self.verb is Verb.UNPAUSE else Action(self.verb)
        names = () if self.who == ALL else (self.who,)
        sources = self.verb in OF_SOURCES
        return Command(
            action=action,
            by=by,
            reason=reason,
            accounts=() if sources else names,
            sources=names if sources else (),
            symbol=self.symbol,
            close=self.close,
            from_next_signal=self.next_signal,
            leave_flat=self.flat,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A position at the last successful read of the account."""

    account: str
    symbol: str
    size: Decimal
    worth: Decimal | None
    """None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One account in a plan."""

    name: str
    paper: bool
    currency: str
    positions: int
    worth: Decimal | None
    read_at: str | None
    """ISO 8601; None if it has not been read yet."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A position that others changed, and its target; base units."""

    account: str
    symbol: str
    size: Decimal
    target: Decimal

    @property
    def to_do(self) -> Decimal:
        """Return the difference to the target."""
        return self.target - self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One order of a plan."""

    account: str
    symbol: str
    text: str
    """Such as ``buy 0.5``."""
    opens: bool
    worth: Decimal | None = None
    """Unsigned, at the last price; None if not known."""
    said: str = ""
    """The source it follows."""
    said_at: str | None = None
    """Time of that source's last signal, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingBasis:
    """Context of a planned order: the last price, and which source sent the last signal, and when."""

    price: Decimal | None = None
    source: str = ""
    at: str | None = None


NO_BASIS = SizingBasis()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a command will do."""

    wanted: Wanted
    sentences: tuple[str, ...]
    button: str
    accounts: tuple[AccountRow, ...] = ()
    orders: tuple[OrderRow, ...] = ()
    opens: bool = False
    """Whether it adds risk, so that the operator must tick that the list was read."""
    nothing: str = ""
    """Why there is nothing to do; then it cannot be confirmed."""
    mark: str = ""
    """Digest of the relevant parts; a confirmation of an outdated plan is refused."""


def plan_to_stop(wanted: Wanted, accounts: Iterable[AccountRow], held: Iterable[Held]) -> Plan:
    """Plan a halt or a flatten from the known positions, naming accounts that cannot be read. Waits for nothing."""
    rows = tuple(row for row in accounts if wanted.who in (ALL, row.name))
    positions = [
        one
        for one in held
        if wanted.who in (ALL, one.account) and wanted.symbol in ("", one.symbol) and one.size
    ]
    count, worth = _count(len(positions), "position"), _worth(positions, rows)
    unread = [row.name for row in rows if row.note.startswith("■")]
    if wanted.verb is Verb.HALT:
        sentences = [f"{count}{worth} {'stays' if len(positions) == 1 else 'stay'} as {_they(positions)}."]
        sentences.append("From now on, only reducing orders are sent.")
        button = f"■ Halt {_who(wanted)}"
    else:
        sentences = [
            f"{_count(len(positions), 'position')}{worth} {'is' if len(positions) == 1 else 'are'} closed, "
        ]
        sentences[0] += "with market orders that can only reduce."
        if unread:
            sentences.append(
                f"{', '.join(unread)} cannot be read: marked to be closed, and closed as soon as it responds."
            )
        sentences.append("Then nothing is opened until you resume.")
        button = f"■ Close {count}, then halt"
    sentences += [
        "Alerts are still accepted and recorded; after a resume, the latest ones apply.",
        "This persists across restarts and is sent to the notifiers.",
    ]
    orders = tuple(
        OrderRow(
            account=one.account,
            symbol=one.symbol,
            text=f"{'sell' if one.size > 0 else 'buy'} {abs(one.size):f}",
            opens=False,
        )
        for one in positions
    )
    mark = _mark(
        wanted, [row.name for row in rows], ((o.account, o.symbol, o.text.partition(" ")[0]) for o in orders)
    )
    return Plan(
        wanted=wanted,
        sentences=tuple(sentences),
        button=button,
        accounts=rows,
        orders=orders if wanted.verb is Verb.FLATTEN else (),
        mark=mark,
    )


def plan_to_heal(wanted: Wanted, accounts: Iterable[AccountRow], changed: Iterable[Changed]) -> Plan:
    """Plan to restore the positions of an account, or the one of a symbol, that others changed."""
    found = list(_changed(wanted, changed))
    orders = tuple(
        OrderRow(
            account=one.account,
            symbol=one.symbol,
            text=f"{'buy' if one.to_do > 0 else 'sell'} about {abs(one.to_do):f}",
            opens=abs(one.target) > abs(one.size) or one.target * one.size < 0,
        )
        for one in found
        if one.to_do
    )
    sentences = [
        f"{one.symbol}: held {figure(one.size)}, target {figure(one.target)}, resized at the current price."
        for one in found
    ]
    if not wanted.symbol:
        sentences.append("Everything that is held back on this account is retried at once.")
    return Plan(
        wanted=wanted,
        sentences=tuple(sentences),
        button=f"Restore {_changed_ones(wanted, found)}",
        accounts=tuple(row for row in accounts if row.name == wanted.who),
        orders=orders,
        opens=any(order.opens for order in orders),
        nothing="" if found else "No positions changed by others are left there.",
        mark=_mark(wanted, [wanted.who], ((o.account, o.symbol, o.text.partition(" ")[0]) for o in orders)),
    )


def plan_to_accept(wanted: Wanted, accounts: Iterable[AccountRow], changed: Iterable[Changed]) -> Plan:
    """Plan to accept the positions of an account, or the one of a symbol, that others changed."""
    found = list(_changed(wanted, changed))
    sentences = [
        f"{one.symbol}: {figure(one.size)} is kept instead of {figure(one.target)}." for one in found
    ]
    sentences.append("It is kept until a source sends a signal for the symbol. No order is sent.")
    return Plan(
        wanted=wanted,
        sentences=tuple(sentences),
        button=f"Accept {_changed_ones(wanted, found)}",
        accounts=tuple(row for row in accounts if row.name == wanted.who),
        nothing="" if found else "No positions changed by others are left there.",
        mark=_mark(wanted, [wanted.who], ((one.account, one.symbol, f"{one.size:f}") for one in found)),
    )


def _changed(wanted: Wanted, changed: Iterable[Changed]) -> Iterator[Changed]:
    """Return the positions that a command acts on."""
    return (one for one in changed if one.account == wanted.who and wanted.symbol in ("", one.symbol))


def _changed_ones(wanted: Wanted, found: Sequence[Changed]) -> str:
    """Return the text for them on a button."""
    return _who(wanted) if wanted.symbol else f"{_count(len(found), 'position')} of {wanted.who}"


def plan_to_go_on(
    wanted: Wanted,
    answer: Mapping[str, Any],
    accounts: Iterable[AccountRow],
    known: Mapping[tuple[str, str], SizingBasis] = MappingProxyType({}),
) -> Plan:
    """Plan a command that may add risk, from the engine's preview, for which every account was read.

    ``known``: prices and sources of orders, by account and symbol.
    """
    accounts = tuple(accounts)
    orders = tuple(_previewed(answer, known))
    opening = [order for order in orders if order.opens]
    names = list(answer.get("accounts", ()))
    sentences = [*_lifted(answer), *_ordered(orders, opening, accounts)]
    sentences += [f"{symbol} is left flat until a source sends a signal for it." for symbol in wanted.flat]
    sentences += [
        f"{name}: {found['error']}" for name, found in answer.get("accounts", {}).items() if "error" in found
    ]
    if wanted.verb is Verb.PAUSE:
        sentences.insert(0, _paused(wanted))
    if wanted.verb is Verb.RESUME and wanted.next_signal:
        sentences.append("Nothing is opened until a source sends a new signal for the symbol.")
    if wanted.verb is Verb.GO:
        sentences.insert(0, f"From now on {wanted.who} trades: orders that were only shown so far are sent.")
    nothing = ""
    if wanted.verb in (Verb.RESUME, Verb.UNPAUSE) and not answer.get("lifted") and not answer.get("breakers"):
        nothing = "Nothing there is halted, paused or set by hand."
    return Plan(
        wanted=wanted,
        sentences=tuple(sentences),
        button=_button(wanted, len(orders)),
        accounts=tuple(row for row in accounts if row.name in names),
        orders=orders,
        opens=bool(opening) or wanted.verb is Verb.GO,
        nothing=nothing,
        mark=_mark(wanted, names, ((o.account, o.symbol, o.text.partition(" ")[0]) for o in orders)),
    )


def _previewed(answer: Mapping[str, Any], known: Mapping[tuple[str, str], SizingBasis]) -> Iterator[OrderRow]:
    for account, found in answer.get("accounts", {}).items():
        for symbol, decision in found.get("symbols", {}).items():
            about = known.get((account, symbol), NO_BASIS)
            for step in decision["steps"]:
                if step["kind"] == "order":
                    yield OrderRow(
                        account=account,
                        symbol=symbol,
                        text=f"{step['side']} {step['quantity']}",
                        opens=not step["reduce_only"],
                        worth=None if about.price is None else Decimal(step["quantity"]) * about.price,
                        said=about.source,
                        said_at=about.at,
                    )


def _lifted(answer: Mapping[str, Any]) -> Iterator[str]:
    for text in answer.get("breakers", ()):
        yield f"Re-arms: {text.partition(';')[0]}."
    for row in answer.get("lifted", ()):
        yield f"Lifts: {row['text']}."


def _ordered(
    orders: tuple[OrderRow, ...], opening: list[OrderRow], accounts: tuple[AccountRow, ...]
) -> Iterator[str]:
    if not orders:
        yield "No orders are due now."
        return
    where = len({order.account for order in orders})
    yield (
        f"{_count(len(orders), 'order')} on {_count(where, 'account')}: {len(opening)} of them "
        f"open{'s' if len(opening) == 1 else ''} or increase{'s' if len(opening) == 1 else ''} a position"
        f"{_worth(opening, accounts)}."
    )


def _paused(wanted: Wanted) -> str:
    share = "Its share is closed." if wanted.close else "Its share stays as it is."
    return f"Alerts of {wanted.who} are recorded but ignored until you resume it. {share}"


def _button(wanted: Wanted, orders: int) -> str:
    match wanted.verb:
        case Verb.PAUSE:
            return f"Pause {wanted.who}, {'close' if wanted.close else 'hold'} its share"
        case Verb.GO:
            return f"Allow {wanted.who} to trade"
        case _:
            return f"Resume {_who(wanted)}" + (f", {_count(orders, 'order')}" if orders else "")


def _who(wanted: Wanted) -> str:
    return ("all accounts" if wanted.who == ALL else wanted.who) + (
        f" {wanted.symbol}" if wanted.symbol else ""
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _they(positions: list[Held]) -> str:
    return "it is" if len(positions) == 1 else "they are"


def _worth(positions: Sequence[Held | OrderRow], rows: tuple[AccountRow, ...]) -> str:
    """Return the worth of positions, paper money separately, and how many have an unknown worth."""
    paper = {row.name for row in rows if row.paper}
    currency = {row.name: row.currency for row in rows}
    sums: dict[str, Decimal] = {}
    unknown = 0
    for one in positions:
        if one.worth is None:
            unknown += 1
            continue
        name = f"{currency.get(one.account, '')}{' (paper)' if one.account in paper else ''}".strip()
        sums[name] = sums.get(name, ZERO) + abs(one.worth)
    parts = [f"{figure(value, places=0)} {name}".strip() for name, value in sums.items()]
    if unknown:
        parts.append(f"{unknown} of unknown worth")
    return f" worth {' and '.join(parts)}" if parts else ""


def _mark(wanted: Wanted, accounts: Iterable[str], orders: Iterable[tuple[str, str, str]]) -> str:
    """Return a digest of accounts, symbols and sides; sizes may change while the plan is being read."""
    lines = [wanted.path, *sorted(accounts), *(" ".join(one) for one in sorted(orders))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]
