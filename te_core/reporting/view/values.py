"""The frozen values of a view."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Severity(StrEnum):
    """How urgently the operator is needed, worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Sign:
    """How a state is drawn without colour: a glyph, one ASCII character, and its meaning."""

    glyph: str
    ascii: str
    meaning: str


class Mark(StrEnum):
    """The state of a cell at a glance; each has its own ``sign``."""

    AT_TARGET = "at_target"
    NO_TARGET = "no_target"
    WORKING = "working"
    WAITING = "waiting"
    LIMITED = "limited"
    CHANGED = "changed"
    BLOCKED = "blocked"
    HALTED = "halted"
    OBSERVING = "observing"
    FOREIGN = "foreign"
    OFF = "off"
    UNKNOWN = "unknown"

    @property
    def sign(self) -> Sign:
        """Return how the mark is drawn."""
        return SIGNS[self]


SIGNS = {
    Mark.AT_TARGET: Sign("", "", "at target"),
    Mark.NO_TARGET: Sign(" ", " ", "no target"),
    Mark.WORKING: Sign("↻", "~", "working"),
    Mark.WAITING: Sign("…", ":", "waiting"),
    Mark.LIMITED: Sign("\N{DOWN TACK}", "^", "limited"),
    Mark.CHANGED: Sign("≠", "#", "changed by others"),
    Mark.BLOCKED: Sign("✕", "x", "blocked"),
    Mark.HALTED: Sign("‖", "=", "halted"),
    Mark.OBSERVING: Sign("◇", "o", "observing"),
    Mark.FOREIGN: Sign("†", "@", "not the engine's"),
    Mark.OFF: Sign("○", "/", "account off"),
    Mark.UNKNOWN: Sign("?", "?", "unknown"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One symbol of one account."""

    account: str
    symbol: str
    mark: Mark
    size: Decimal | None
    """What is held, base units, signed; None if unknown."""
    as_last_seen: bool
    """Whether ``size`` and derived values are from before the account became unreadable."""
    price: Decimal | None
    worth: Decimal | None
    """``size`` at the last price, signed, in the account's currency."""
    unrealised: Decimal | None
    entry: Decimal | None = None
    liquidation: Decimal | None = None
    leverage: Decimal | None = None
    """The position's leverage as the exchange reports it."""
    margin_mode: str = ""
    depth: Decimal | None = None
    """The target exposure, -1 … 1; None if there is no target."""
    target_leverage: Decimal | None = None
    quantity: Decimal | None = None
    """What the target means, base units, signed; None until it is sized."""
    counts: bool = False
    """Whether there is a target, and an enabled account to reach it."""
    status: str = ""
    words: str = ""
    """The status in a few words, with its duration or the time to the next retry."""
    why: str = ""
    limited_by: str = ""
    """The name of the limit that holds it back."""
    held_back: bool = False
    """Whether something failed and is retried."""
    since: datetime | None = None
    read_age: float | None = None
    last_order_at: datetime | None = None
    notes: tuple[str, ...] = ()
    stops: str = ""

    @property
    def at_target(self) -> bool:
        """Whether a recent read showed the position at its target."""
        return self.mark is Mark.AT_TARGET

    @property
    def to_do(self) -> Decimal | None:
        """Return the difference to the target, base units, signed; None if either is unknown."""
        if self.quantity is None or self.size is None or self.as_last_seen:
            return None
        return self.quantity - self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One account: the sums of its cells, and its equity."""

    name: str
    plugin: str
    paper: bool | None
    """Whether it is a paper account; None while its plugin is not loaded."""
    currency: str
    shadow_of: str
    status: str
    severity: Severity | None
    """How bad its status is; None if nothing is wrong."""
    cause: str
    """What is wrong, in a few words; otherwise why it observes, or which account it shadows."""
    detail: str
    """The same in the exchange's words."""
    since: datetime | None
    retry_at: datetime | None
    read_age: float | None
    equity: Decimal | None
    """Its value with unrealised profit; None if it was never known."""
    wallet: Decimal | None
    free: Decimal | None
    free_unknown: str
    """Why ``free``, and with it the margin, is unknown; empty if it is known."""
    as_last_seen: bool
    """Whether the equity is from before it became unreadable."""
    seen_at: datetime | None
    """When the equity was seen."""
    unrealised: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    held: int | None
    """The number of positions; None if that was never known."""
    at_target: int
    targets: int
    unpriced: tuple[str, ...] = ()
    """Held symbols that are missing in a sum, because their price or profit is unknown."""
    rejected: int = 0
    """Orders that the exchange rejected in 24 hours."""

    @property
    def leverage(self) -> Decimal | None:
        """Return the exposure as a multiple of the equity."""
        return _ratio(self.gross, self.equity)

    @property
    def margin(self) -> Decimal | None:
        """Return the share of the equity that is not free."""
        free = _ratio(self.free, self.equity)
        return None if free is None else min(max(1 - free, Decimal(0)), Decimal(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of the account rows of one kind of money, and of nothing else."""

    paper: bool | None
    currency: str
    accounts: tuple[str, ...]
    live: int
    as_last_seen: tuple[str, ...]
    """Accounts whose part is old."""
    unknown: tuple[str, ...]
    """Accounts whose equity is missing in the sum: it was never known."""
    equity: Decimal | None
    unrealised: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    free: Decimal | None
    """Of the accounts that report it."""
    free_of: Decimal | None
    """The equity of those accounts."""
    held: int
    at_target: int
    targets: int
    unpriced: tuple[tuple[str, str], ...]
    """Positions that are missing in a sum, as (account, symbol)."""
    without_free: tuple[tuple[str, str], ...] = ()
    """Accounts that are missing in ``free`` and the margin, as (account, reason)."""

    @property
    def leverage(self) -> Decimal | None:
        """Return the exposure as a multiple of the equity."""
        return _ratio(self.gross, self.equity)

    @property
    def margin(self) -> Decimal | None:
        """Return the share that is not free, of the equity of the accounts that report it."""
        free = _ratio(self.free, self.free_of)
        return None if free is None else min(max(1 - free, Decimal(0)), Decimal(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """The signal of one source on one symbol."""

    source: str
    weight: Decimal
    depth: Decimal | None
    """None while there is none."""
    age: float | None
    """In seconds."""
    at: datetime | None
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRow:
    """One symbol on all accounts."""

    symbol: str
    in_settings: bool
    leverage: Decimal | None
    depth: Decimal | None
    """The target of every account; None if they differ, or if there is none."""
    opinions: tuple[Opinion, ...]
    cells: tuple[Cell, ...]
    """In the order of ``View.accounts``."""
    net: Decimal | None
    unrealised: Decimal | None
    """Both are sums over the accounts of ``View.totals[0]``."""

    @property
    def held(self) -> bool:
        """Return whether any account holds it, as far as is known."""
        return any(cell.size for cell in self.cells)

    @property
    def at_target(self) -> bool:
        """Return whether every account with a target has reached it."""
        return all(cell.at_target for cell in self.cells if cell.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One source."""

    name: str
    plugin: str
    status: str
    severity: Severity | None
    reason: str
    last_signal_at: datetime | None
    age: float | None
    silent_since: datetime | None
    expired: tuple[str, ...]
    """Symbols whose newest signal has expired."""
    signals: int
    warning: str
    """The source's own warning."""
    refused: int = 0
    """Alerts that it refused in 24 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """A limit or a breaker with its usage."""

    name: str
    account: str
    symbol: str
    """Both are empty if it is not specific to one."""
    breaker: bool
    tripped_at: datetime | None
    now: Decimal | None
    limit: Decimal | None
    """Both are None for a breaker, whose ``text`` has them, and if they are unknown."""
    used: Decimal | None
    """1 is all of it; None if there is no usage between orders, or it is unknown."""
    text: str
    action: str = ""
    """What a breaker does when it trips: ``warn``, ``halt`` or ``flatten``."""
    as_of: datetime | None = None
    """The time of a breaker's sums; None: now for a limit, not yet for a breaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierRow:
    """One notifier."""

    name: str
    plugin: str
    status: str
    reason: str
    sent: int
    waiting: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that the operator should know, once, however many symbols it concerns."""

    severity: Severity
    kind: str
    """``halt``, ``breaker``, ``flatten``, ``engine``, ``settings``, ``account``, ``changed``, ``source``, ``order``,
    ``blocked``, ``waiting``, ``observing``, ``pause``, ``notifier``, ``listener``, ``limit``, ``by_hand``, ``stop``,
    ``foreign``.
    """
    title: str
    text: str = ""
    """One or two sentences: what it means, and what the engine does about it."""
    detail: str = ""
    """The literal message of an exchange or a plugin."""
    remedy: str = ""
    """The command that ends it, if there is one."""
    since: datetime | None = None
    accounts: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLine:
    """The engine itself."""

    status: str
    """``ready``, ``degraded``, ``halted``, ``observing``, ``stopped`` or ``not answering``."""
    version: str
    pid: int | None
    started_at: datetime | None
    now: datetime | None
    up: float | None
    """Seconds since its start."""
    reasons: tuple[str, ...]
    """Why it is not ready, as ``/readyz`` reports."""

    @property
    def running(self) -> bool:
        """Whether it is running and answers."""
        return self.pid is not None

    @property
    def ready(self) -> bool:
        """Whether everything that must work works."""
        return self.running and not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything to show. Rows are in the order of the settings, ``attention`` is worst first."""

    engine: EngineLine
    attention: tuple[Item, ...]
    ground: str
    """The evidence that nothing needs attention, if that is so, otherwise empty."""
    totals: tuple[Totals, ...]
    """One for each kind of money, real money first."""
    accounts: tuple[AccountRow, ...]
    symbols: tuple[SymbolRow, ...]
    left: tuple[str, ...]
    """Symbols that the settings no longer name and no account holds."""
    sources: tuple[SourceRow, ...]
    limits: tuple[LimitRow, ...]
    notifiers: tuple[NotifierRow, ...]

    def count(self, severity: Severity) -> int:
        """Return the number of items of that severity."""
        return sum(item.severity is severity for item in self.attention)

    @property
    def well(self) -> bool:
        """Whether the engine is ready, and no item is critical."""
        return self.engine.ready and not self.count(Severity.CRITICAL)


def _ratio(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return None if part is None or whole is None or whole <= 0 else part / whole
