"""Circuit breakers: trip when too much was lost, rejected or slipped. Pure.

A scope is one account, or all of them together. Only its running sums are stored: no fill is looked up again.
A tripped breaker stays tripped until the operator resumes it, whatever the sums do meanwhile; then everything is
measured from there.
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
"""Lower bound of the growth factor, so that growth stays defined after everything was lost."""
Act = Literal["warn", "halt", "flatten"]
MOST_REJECTIONS = 1_000


# -- settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss that trips: ``percent`` of the value before it, or ``amount``; whichever comes first."""

    percent: Decimal | None = None
    amount: Decimal | None = None
    action: Act = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """``count`` events in a row, or within ``within``."""

    count: int
    within: timedelta = timedelta(minutes=10)
    action: Act = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakers:
    """The breakers that are armed in one scope. None: not armed."""

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
        """Whether any breaker is armed."""
        kinds = (self.daily_loss, self.drawdown, self.symbol_loss, self.losing_trades)
        return any(kinds) or any((self.rejections, self.slippage, self.equity_jump))


# -- state


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A breaker that tripped."""

    name: str
    at: datetime
    text: str
    action: Act
    symbol: str = ""
    """Empty for the whole scope."""

    @property
    def key(self) -> str:
        """The key of the trip: a breaker trips only once until it is lifted."""
        return f"{self.name} {self.symbol}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The running sums of one scope. Profit counts from when each account was first seen, without deposits."""

    equity: Decimal | None = None
    """Of all accounts of the scope, as last seen."""
    profit: Decimal = ZERO
    day: date | None = None
    """The current trading day."""
    day_profit: Decimal = ZERO
    """``profit`` at the start of that day, or when the breakers were last rearmed."""
    high: Decimal = ZERO
    """The largest profit since the breakers were last armed."""
    growth: Decimal = ONE
    """``profit`` as a growth factor, for percentages: each result relative to the value before it, multiplied up."""
    day_growth: Decimal = ONE
    high_growth: Decimal = ONE
    symbols: Mapping[str, Decimal] = field(default_factory=dict)
    """The result of each symbol since the day began, or since it was rearmed."""
    losing: int = 0
    rejections: tuple[datetime, ...] = ()
    tripped: Mapping[str, Trip] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How close a breaker is to tripping."""

    name: str
    now: Decimal
    limit: Decimal
    unit: str
    action: Act
    symbol: str = ""

    @property
    def used(self) -> Decimal:
        """The used share of the limit; it trips at 1."""
        return self.now / self.limit

    def __str__(self) -> str:
        """Return the level as text: current value of limit."""
        what = f"{self.name} {self.symbol}".strip()
        if self.unit in ("%", ""):
            return f"{what} {_figure(self.now)}{self.unit} of {_figure(self.limit)}{self.unit}"
        return f"{what} {_figure(self.now)} of {_figure(self.limit)} {self.unit}"


# -- updates


def trading_day(at: datetime, breakers: Breakers) -> date:
    """Return the trading day of a time: days change at ``reset_at`` in ``zone``."""
    local = at.astimezone(ZoneInfo(breakers.zone))
    before = local.time() < breakers.reset_at
    return local.date() - timedelta(days=1) if before else local.date()


def begun(sums: Sums, breakers: Breakers, now: datetime) -> Sums:
    """Begin a new trading day if one is due. Breakers that only warned are rearmed; those that halt stay tripped."""
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
    """Count a trading result. ``equity``: the value of all accounts of the scope; None if one was never seen."""
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
    """Return the factor by which trading changed the value; 1 if the value is unknown."""
    before = ZERO if equity is None else equity - change.result - change.transfer
    return max(ONE + change.result / before, RUIN) if before > 0 else ONE


def rejected(sums: Sums, breakers: Breakers, at: datetime) -> Sums:
    """Count an order that the exchange rejected."""
    span = breakers.rejections.within if breakers.rejections is not None else timedelta()
    kept = tuple(one for one in sums.rejections if timedelta() <= at - one < span)
    return replace(sums, rejections=(*kept, at)[-MOST_REJECTIONS:])


def levels(sums: Sums, breakers: Breakers, now: datetime) -> Iterator[Level]:
    """Yield the level of each armed breaker, except those that check single orders or payments."""
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
    """Yield the level for an order whose price was worse than the signal's. ``share``: 0.01 is one percent."""
    if (rule := breakers.slippage) is not None and rule.percent is not None and share > 0:
        limit = rule.percent
        yield Level(
            name="slippage", now=share * HUNDRED, limit=limit, unit="%", action=rule.action, symbol=symbol
        )


def jumped(breakers: Breakers, transfer: Decimal, equity: Decimal | None) -> Iterator[Level]:
    """Yield the levels for a change of the value that no order explains."""
    before = None if equity is None else equity - transfer
    if (rule := breakers.equity_jump) is not None and transfer:
        if rule.amount is not None:
            yield _level("equity_jump", rule, abs(transfer), rule.amount, "")
        if rule.percent is not None and before is not None and before > 0:
            yield _level("equity_jump", rule, abs(transfer) / before * HUNDRED, rule.percent, "%")


def trips(sums: Sums, found: Iterable[Level], now: datetime) -> list[Trip]:
    """Return the breakers that trip now: those that have reached their limit and are not tripped yet."""
    made: dict[str, Trip] = {}
    for level in found:
        if level.used >= 1:
            trip = Trip(name=level.name, at=now, text=str(level), action=level.action, symbol=level.symbol)
            if trip.key not in sums.tripped:
                made.setdefault(trip.key, trip)
    return list(made.values())


def tripping(sums: Sums, made: Iterable[Trip]) -> Sums:
    """Return the sums with these trips added."""
    return replace(sums, tripped={**sums.tripped, **{trip.key: trip for trip in made}})


def rearmed(sums: Sums, symbol: str = "") -> Sums:
    """Lift the trips of one symbol, or all, and measure from here on, so that the old loss does not trip again."""
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
    """Return the trips that hold something back and that a resume of ``symbol`` (empty: of all) would override."""
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
