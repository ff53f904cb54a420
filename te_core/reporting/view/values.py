"""The frozen values that a view is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Severity(StrEnum):
    """How much something needs somebody, worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Sign:
    """How a state is drawn where colour is not seen: a glyph, one ASCII character, and what it means."""

    glyph: str
    ascii: str
    meaning: str


class Mark(StrEnum):
    """What is to be known of a cell at a glance; ``sign`` of each is its own."""

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
        """Return how it is drawn."""
        return SIGNS[self]


SIGNS = {
    Mark.AT_TARGET: Sign("", "", "at target"),
    Mark.NO_TARGET: Sign(" ", " ", "no target"),
    Mark.WORKING: Sign("↻", "~", "working"),
    Mark.WAITING: Sign("…", ":", "waiting"),
    Mark.LIMITED: Sign("\N{DOWN TACK}", "^", "limit"),
    Mark.CHANGED: Sign("≠", "#", "changed by others"),
    Mark.BLOCKED: Sign("✕", "x", "blocked"),
    Mark.HALTED: Sign("‖", "=", "halted"),
    Mark.OBSERVING: Sign("◇", "o", "observing"),
    Mark.FOREIGN: Sign("†", "@", "not the engine's"),
    Mark.OFF: Sign("○", "/", "account off"),
    Mark.UNKNOWN: Sign("?", "?", "not known"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One symbol of one account."""

    account: str
    symbol: str
    mark: Mark
    size: Decimal | None
    """What is held, base units, signed; None where it is not known."""
    as_last_seen: bool
    """``size`` and what follows from it are from before the account could no longer be read."""
    price: Decimal | None
    worth: Decimal | None
    """``size`` at the last price, signed, in the account's currency."""
    unrealised: Decimal | None
    entry: Decimal | None = None
    liquidation: Decimal | None = None
    leverage: Decimal | None = None
    """As the exchange has it for the position."""
    margin_mode: str = ""
    depth: Decimal | None = None
    """The target; None where there is none."""
    target_leverage: Decimal | None = None
    quantity: Decimal | None = None
    """What the target means, base units, signed; None until it was sized."""
    counts: bool = False
    """There is a target, and an account that is there to reach it."""
    status: str = ""
    words: str = ""
    """The status in a few words, with how long it lasts or when it is tried again."""
    why: str = ""
    limited_by: str = ""
    """The name of the limit that holds it back."""
    held_back: bool = False
    """Something failed, and is tried again."""
    since: datetime | None = None
    read_age: float | None = None
    last_order_at: datetime | None = None
    notes: tuple[str, ...] = ()
    stops: str = ""

    @property
    def at_target(self) -> bool:
        """Whether a recent read showed it where it should be."""
        return self.mark is Mark.AT_TARGET

    @property
    def to_do(self) -> Decimal | None:
        """What is missing to the target, base units, signed; None where either is not known."""
        if self.quantity is None or self.size is None or self.as_last_seen:
            return None
        return self.quantity - self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One account: the sums of its cells, and its equity."""

    name: str
    plugin: str
    paper: bool | None
    """Whether its money is paper; None while its plugin is not there to say so."""
    currency: str
    shadow_of: str
    status: str
    severity: Severity | None
    """How bad its status is; None where nothing is wrong."""
    cause: str
    """What is wrong, in a few words; else why it observes, or whose shadow it is."""
    detail: str
    """The same as the exchange said it."""
    since: datetime | None
    retry_at: datetime | None
    read_age: float | None
    equity: Decimal | None
    """Its value with unrealised profit; None where it was never known."""
    wallet: Decimal | None
    free: Decimal | None
    free_unknown: str
    """Why ``free``, and with it the margin, is not known; empty where it is."""
    as_last_seen: bool
    """The equity is from before it could no longer be read."""
    seen_at: datetime | None
    """When the equity was seen."""
    unrealised: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    held: int | None
    """How many positions; None where that was never known."""
    at_target: int
    targets: int
    unpriced: tuple[str, ...] = ()
    """Symbols that are held and missing in a sum, as their price or their profit is not known."""
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
    """The sums of the account rows of one kind of money; nothing else is in them.

    ``as_last_seen``: accounts whose part is old. ``unknown``: accounts whose equity is missing in the sum: it was never
    known. ``unpriced``: positions that are missing in a sum, as (account, symbol). ``without_free``: accounts that
    are missing in ``free`` and the margin, as (account, reason).
    """

    paper: bool | None
    currency: str
    accounts: tuple[str, ...]
    live: int
    as_last_seen: tuple[str, ...]
    unknown: tuple[str, ...]
    equity: Decimal | None
    unrealised: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    free: Decimal | None
    """Of those accounts that say so."""
    free_of: Decimal | None
    """The equity of those accounts."""
    held: int
    at_target: int
    targets: int
    unpriced: tuple[tuple[str, str], ...]
    without_free: tuple[tuple[str, str], ...] = ()

    @property
    def leverage(self) -> Decimal | None:
        """Return the exposure as a multiple of the equity."""
        return _ratio(self.gross, self.equity)

    @property
    def margin(self) -> Decimal | None:
        """Return the share that is not free, of the equity of those accounts that say so."""
        free = _ratio(self.free, self.free_of)
        return None if free is None else min(max(1 - free, Decimal(0)), Decimal(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one source says of one symbol. ``depth``: None while it has said nothing. ``age``: in seconds."""

    source: str
    weight: Decimal
    depth: Decimal | None
    age: float | None
    at: datetime | None
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRow:
    """One symbol on all accounts.

    ``cells``: in the order of ``View.accounts``. ``depth``: the target of every account; None where they differ, or
    there is none. ``net``, ``unrealised``: the sums over the accounts of ``View.totals[0]``.
    """

    symbol: str
    in_settings: bool
    leverage: Decimal | None
    depth: Decimal | None
    opinions: tuple[Opinion, ...]
    cells: tuple[Cell, ...]
    net: Decimal | None
    unrealised: Decimal | None

    @property
    def held(self) -> bool:
        """Whether any account holds it, as far as is known."""
        return any(cell.size for cell in self.cells)

    @property
    def at_target(self) -> bool:
        """Whether every account that has a target is there."""
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
    """What the source itself warns of."""
    refused: int = 0
    """Alerts that it refused in 24 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """A limit or a breaker with what is used of it. ``account`` and ``symbol``: empty where it is wider.

    ``now``, ``limit``: None for a breaker, whose ``text`` says both, and where they are not known.
    """

    name: str
    account: str
    symbol: str
    breaker: bool
    tripped_at: datetime | None
    now: Decimal | None
    limit: Decimal | None
    used: Decimal | None
    """1 is all of it; None where nothing is used up between orders, or that is not known."""
    text: str
    action: str = ""
    """What a breaker does when it trips: ``warn``, ``halt`` or ``flatten``."""
    as_of: datetime | None = None
    """Of when a breaker's sums are; None: of now for a limit, not yet for a breaker."""


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
    """One thing that somebody should know of, once, however many symbols it concerns.

    ``kind``: ``halt``, ``breaker``, ``flatten``, ``engine``, ``settings``, ``account``, ``changed``, ``source``,
    ``order``, ``blocked``, ``waiting``, ``observing``, ``pause``, ``notifier``, ``listener``, ``limit``, ``by_hand``,
    ``stop``, ``foreign``.
    """

    severity: Severity
    kind: str
    title: str
    text: str = ""
    """One or two sentences: what it means, and what the engine does about it."""
    detail: str = ""
    """Word by word what an exchange or a plugin said."""
    remedy: str = ""
    """The command that ends it, where there is one."""
    since: datetime | None = None
    accounts: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLine:
    """The engine itself. ``status``: ``ready``, ``degraded``, ``halted``, ``observing`` or ``stopped``."""

    status: str
    version: str
    pid: int | None
    started_at: datetime | None
    now: datetime | None
    up: float | None
    """Seconds since its start."""
    reasons: tuple[str, ...]
    """Why it is not ready; as ``/readyz`` says."""

    @property
    def running(self) -> bool:
        """Whether it runs at all."""
        return self.pid is not None

    @property
    def ready(self) -> bool:
        """Whether everything that is wanted works."""
        return self.running and not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything there is to show. Rows stand in the order of the settings, ``attention`` worst first.

    ``ground``: on what it rests that nothing needs anybody, where that is so; else empty. ``left``: symbols that the
    settings no longer name and that nobody holds. ``totals``: one for each kind of money, real money first.
    """

    engine: EngineLine
    attention: tuple[Item, ...]
    ground: str
    totals: tuple[Totals, ...]
    accounts: tuple[AccountRow, ...]
    symbols: tuple[SymbolRow, ...]
    left: tuple[str, ...]
    sources: tuple[SourceRow, ...]
    limits: tuple[LimitRow, ...]
    notifiers: tuple[NotifierRow, ...]

    def count(self, severity: Severity) -> int:
        """Return how many items are that bad."""
        return sum(item.severity is severity for item in self.attention)

    @property
    def well(self) -> bool:
        """Whether the engine is ready, and nothing critical is to be told."""
        return self.engine.ready and not self.count(Severity.CRITICAL)


def _ratio(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return None if part is None or whole is None or whole <= 0 else part / whole
