"""Circuit breakers: when too much was lost, refused or slipped, and what that leaves running. Pure.

A scope is an account, or all of them together. Its running sums are all that is remembered: no fill is looked up again.
What tripped holds until the operator resumes it, whatever the sums do meanwhile; then all is measured from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from te_core.rules.profit import Change

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)
RUIN = Decimal("1e-6")
"""What is left at least, so that growth goes on after everything was lost."""
Act = Literal["warn", "halt", "flatten"]
MOST_REJECTIONS = 1_000


# -- what the operator set


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss that trips: ``percent`` of what was there before it, or ``amount``; whichever comes first."""

    percent: Decimal | None = None
    amount: Decimal | None = None
    action: Act = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """So many in a row, or within ``within``."""

    count: int
    within: timedelta = timedelta(minutes=10)
    action: Act = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakers:
    """What is armed in one scope. None: nothing of that kind."""

    daily_loss: Loss | None = None
    drawdown: Loss | None = None
    symbol_loss: Loss | None = None
    losing_trades: Streak | None = None
    rejections: Streak | None = None
    slippage: Loss | None = None
    equity_jump: Loss | None = None
    reset_at: time = time()
    zone: str = "UTC"

    @property
    def armed(self) -> bool:
        """Whether there is any."""
        kinds = (self.daily_loss, self.drawdown, self.symbol_loss, self.losing_trades)
        return any(kinds) or any((self.rejections, self.slippage, self.equity_jump))


# -- what is remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A breaker that tripped. ``symbol``: the one that it is about; empty for the whole scope."""

    name: str
    at: datetime
    text: str
    action: Act
    symbol: str = ""

    @property
    def key(self) -> str:
        """What it is remembered by: a breaker trips once, until it is lifted."""
        return f"{self.name} {self.symbol}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The running sums of one scope. Profit counts from the first sight of each account, without what was paid in.

    ``equity``: of all its accounts, as last seen. ``day``: the trading day that ``day_profit`` and ``day_symbols`` were
    taken at the start of. ``high``: the largest profit since it was last armed.
    """

    equity: Decimal | None = None
    profit: Decimal = ZERO
    day: date | None = None
    day_profit: Decimal = ZERO
    high: Decimal = ZERO
    growth: Decimal = ONE
    day_growth: Decimal = ONE
    high_growth: Decimal = ONE
    """The same as shares, by which percentages go: each result over what was there before it, one after the other."""
    symbols: Mapping[str, Decimal] = field(default_factory=dict)
    """What each symbol came to since the day began, or since it was armed again."""
    losing: int = 0
    rejections: tuple[datetime, ...] = ()
    tripped: Mapping[str, Trip] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How near a breaker is. ``used``: 1 is where it trips."""

    name: str
    now: Decimal
    limit: Decimal
    unit: str
    action: Act
    symbol: str = ""

    @property
    def used(self) -> Decimal:
        """The share of the limit that is used."""
        return self.now / self.limit

    def __str__(self) -> str:
        """Put into words how far it is."""
        what = f"{self.name} {self.symbol}".strip()
        if self.unit in ("%", ""):
            return f"{what} {_figure(self.now)}{self.unit} of {_figure(self.limit)}{self.unit}"
        return f"{what} {_figure(self.now)} of {_figure(self.limit)} {self.unit}"


# -- what happens


def trading_day(at: datetime, breakers: Breakers) -> date:
    """Return the day that a moment belongs to: days change at ``reset_at`` in ``zone``."""
    local = at.astimezone(ZoneInfo(breakers.zone))
    before = local.time() < breakers.reset_at
    return local.date() - timedelta(days=1) if before else local.date()


def begun(sums: Sums, breakers: Breakers, now: datetime) -> Sums:
    """Begin a new trading day if one is due. What only warned is armed again; what halts stays tripped."""
    day = trading_day(now, breakers)
    if sums.day is not None and day <= sums.day:
        return sums
    return replace(
        sums,
        day=day,
        day_profit=sums.profit,
        day_growth=sums.growth,
        symbols={},
        tripped={key: trip for key, trip in sums.tripped.items() if trip.action != "warn"},
    )


def counted(sums: Sums, change: Change, equity: Decimal | None) -> Sums:
    """Count what trading came to. ``equity``: what all accounts of the scope are worth; None if one was never seen."""
    profit = sums.profit + change.result
    growth = sums.growth * _grown(change, equity)
    symbols = dict(sums.symbols)
    for symbol, moved in change.symbols.items():
        symbols[symbol] = symbols.get(symbol, ZERO) + moved
    losing = sums.losing
    if change.round_trip is not None:
        losing = losing + 1 if change.round_trip[1] < 0 else 0
    return replace(
        sums,
        equity=equity,
        profit=profit,
        high=max(sums.high, profit),
        growth=growth,
        high_growth=max(sums.high_growth, growth),
        symbols=symbols,
        losing=losing,
    )


def _grown(change: Change, equity: Decimal | None) -> Decimal:
    """Return what trading multiplied the value by; 1 where the value is not known."""
    before = ZERO if equity is None else equity - change.result - change.transfer
    return max(ONE + change.result / before, RUIN) if before > 0 else ONE


def rejected(sums: Sums, breakers: Breakers, at: datetime) -> Sums:
    """Count an order that the exchange refused."""
    span = breakers.rejections.within if breakers.rejections is not None else timedelta()
    kept = tuple(one for one in sums.rejections if timedelta() <= at - one < span)
    return replace(sums, rejections=(*kept, at)[-MOST_REJECTIONS:])


def levels(sums: Sums, breakers: Breakers, now: datetime) -> Iterator[Level]:
    """Return how near each armed breaker is, except those that look at single orders or payments."""
    share = ONE - sums.growth / sums.day_growth
    yield from _loss("daily_loss", breakers.daily_loss, sums.day_profit - sums.profit, share)
    share = ONE - sums.growth / sums.high_growth
    yield from _loss("drawdown", breakers.drawdown, sums.high - sums.profit, share)
    by_symbol = sums.symbols or {"": ZERO} if breakers.symbol_loss is not None else {}
    for symbol, result in by_symbol.items():
        known = sums.equity is not None and sums.equity - result > 0
        share = -result / (sums.equity - result) if known and sums.equity is not None else ZERO
        yield from _loss("symbol_loss", breakers.symbol_loss, -result, share, symbol)
    if (rule := breakers.losing_trades) is not None:
        yield _count("losing_trades", rule, sums.losing)
    if (rule := breakers.rejections) is not None:
        recent = sum(timedelta() <= now - one < rule.within for one in sums.rejections)
        yield _count("rejections", rule, recent)


def slipped(breakers: Breakers, share: Decimal, symbol: str) -> Iterator[Level]:
    """Return how far an order's price was from the signal's, to our cost. ``share``: 0.01 is one percent."""
    if (rule := breakers.slippage) is not None and rule.percent is not None and share > 0:
        limit = rule.percent
        yield Level(
            name="slippage", now=share * HUNDRED, limit=limit, unit="%", action=rule.action, symbol=symbol
        )


def jumped(breakers: Breakers, transfer: Decimal, equity: Decimal | None) -> Iterator[Level]:
    """Return how large a change of the value is that no order explains."""
    before = None if equity is None else equity - transfer
    if (rule := breakers.equity_jump) is not None and transfer:
        if rule.amount is not None:
            yield _level("equity_jump", rule, abs(transfer), rule.amount, "")
        if rule.percent is not None and before is not None and before > 0:
            yield _level("equity_jump", rule, abs(transfer) / before * HUNDRED, rule.percent, "%")


def trips(sums: Sums, found: Iterable[Level], now: datetime) -> list[Trip]:
    """Return what trips now: what has reached its limit, and has not tripped before."""
    made: dict[str, Trip] = {}
    for level in found:
        if level.used >= 1:
            trip = Trip(name=level.name, at=now, text=str(level), action=level.action, symbol=level.symbol)
            if trip.key not in sums.tripped:
                made.setdefault(trip.key, trip)
    return list(made.values())


def tripping(sums: Sums, made: Iterable[Trip]) -> Sums:
    """Remember what tripped."""
    return replace(sums, tripped={**sums.tripped, **{trip.key: trip for trip in made}})


def rearmed(sums: Sums, symbol: str = "") -> Sums:
    """Lift what tripped, of one symbol or all, and measure from here on: the old loss does not trip it again."""
    if symbol:
        left = {key: trip for key, trip in sums.tripped.items() if trip.symbol != symbol}
        symbols = {name: result for name, result in sums.symbols.items() if name != symbol}
        return replace(sums, tripped=left, symbols=symbols)
    return replace(
        sums,
        tripped={},
        day_profit=sums.profit,
        day_growth=sums.growth,
        high=sums.profit,
        high_growth=sums.growth,
        symbols={},
        losing=0,
        rejections=(),
    )


def needs_reason(sums: Sums, symbol: str = "") -> list[Trip]:
    """Return the trips that hold something back and that a resume would lift or be let out of."""
    holding = (trip for trip in sums.tripped.values() if trip.action != "warn")
    return [trip for trip in holding if not symbol or trip.symbol in ("", symbol)]


def _loss(name: str, rule: Loss | None, lost: Decimal, share: Decimal, symbol: str = "") -> Iterator[Level]:
    if rule is None:
        return
    if rule.amount is not None:
        yield _level(name, rule, max(lost, ZERO), rule.amount, "", symbol)
    if rule.percent is not None:
        yield _level(name, rule, max(share, ZERO) * HUNDRED, rule.percent, "%", symbol)


def _level(name: str, rule: Loss, now: Decimal, limit: Decimal, unit: str, symbol: str = "") -> Level:
    return Level(name=name, now=now, limit=limit, unit=unit, action=rule.action, symbol=symbol)


def _count(name: str, rule: Streak, now: int) -> Level:
    return Level(name=name, now=Decimal(now), limit=Decimal(rule.count), unit="", action=rule.action)


def _figure(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.01')).normalize():f}"
