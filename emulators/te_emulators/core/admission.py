"""Which orders are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.instrument import Instrument
from te_emulators.core.margin import available
from te_emulators.core.market import Market
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide, Side
from te_emulators.core.order import OrderRequest, OrderType
from te_emulators.core.position import Position
from te_emulators.core.rules import Rules

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """The closing and the opening part of an order, in contracts; and its settings."""

    size: Decimal
    closing: Decimal
    opening: Decimal
    margin_mode: MarginMode
    leverage: Decimal


def admit(account: Account, market: Market, request: OrderRequest, rules: Rules) -> Admitted:
    """Check an order against the contract and the account; raise the matching error."""
    instrument = market.instrument(request.symbol)
    if not instrument.tradable:
        raise errors.NotTradable(f"{request.symbol} takes no orders")
    _check_side(account, request)
    position = account.position(request.symbol, request.position_side)
    closable = _closable(position, request.side)
    size = closable if request.close_all else request.size
    if not request.close_all:
        _check_size(instrument, request, market, rules)
    if is_closing_only(request):
        if not closable:
            raise errors.ReduceOnlyRejected(f"no position in {request.symbol} to reduce")
        size = min(size, closable)
    closing = min(size, closable)
    mode, leverage = _settings(account, instrument, request, position, opening=size - closing)
    admitted = Admitted(
        size=size, closing=closing, opening=size - closing, margin_mode=mode, leverage=leverage
    )
    _check_margin(account, market, instrument, request, position, admitted)
    return admitted


def is_closing_only(request: OrderRequest) -> bool:
    """Reduce-only, or the closing direction of a hedge-mode position."""
    closing_side = {PositionSide.LONG: Side.SELL, PositionSide.SHORT: Side.BUY}.get(request.position_side)
    return request.reduce_only or request.close_all or request.side is closing_side


def _check_side(account: Account, request: OrderRequest) -> None:
    hedged = account.position_mode(request.symbol) is PositionMode.HEDGE
    if hedged == (request.position_side is PositionSide.NET):
        raise errors.PositionModeMismatch(
            f"position side {request.position_side} does not fit {account.position_mode(request.symbol)} mode"
        )


def _closable(position: Position | None, side: Side) -> Decimal:
    if position is None or position.direction is not side.opposite:
        return ZERO
    return abs(position.size)


def _check_size(instrument: Instrument, request: OrderRequest, market: Market, rules: Rules) -> None:
    size = request.size
    if size <= 0 or size < instrument.min_size:
        raise errors.BelowMinimum(f"size {size} is below the minimum {instrument.min_size}")
    if size % instrument.size_step:
        raise errors.WrongStep(f"size {size} is not a multiple of {instrument.size_step}")
    market_order = request.type is OrderType.MARKET
    highest = instrument.max_market_size if market_order else instrument.max_limit_size
    if size > highest and not (rules.splits_reducing and is_closing_only(request)):
        raise errors.AboveMaximum(f"size {size} is above the maximum {highest}")
    price = request.price or market.quotes[instrument.symbol].price_for(request.side)
    if instrument.min_notional and not is_closing_only(request):
        value = instrument.notional(size, price)
        if value < instrument.min_notional:
            raise errors.BelowNotional(f"value {value} is below the minimum {instrument.min_notional}")


def _settings(
    account: Account,
    instrument: Instrument,
    request: OrderRequest,
    position: Position | None,
    *,
    opening: Decimal,
) -> tuple[MarginMode, Decimal]:
    held = position is not None and bool(position.size)
    setting = position.margin_mode if held and position else account.margin_mode(request.symbol)
    mode = request.margin_mode or setting
    if held and mode is not setting:
        raise errors.MarginModeMismatch(f"{request.symbol} has a {setting} position, the order says {mode}")
    leverage = request.leverage if opening else None
    leverage = leverage or account.leverage(request.symbol, request.position_side, mode)
    if leverage > instrument.max_leverage:
        raise errors.LeverageTooHigh(f"leverage {leverage} is above {instrument.max_leverage}")
    return mode, leverage


def _check_margin(
    account: Account,
    market: Market,
    instrument: Instrument,
    request: OrderRequest,
    position: Position | None,
    admitted: Admitted,
) -> None:
    """Raise unless margin and fee for the opening part are available; the closing part frees its own margin."""
    if not admitted.opening:
        return
    quote = market.quotes[request.symbol]
    price = request.price or quote.price_for(request.side)
    needed = instrument.notional(admitted.opening, price) / admitted.leverage
    needed += instrument.notional(admitted.size, price) * instrument.taker_fee
    free = available(account, market) if instrument.quote == account.coin else ZERO
    if position is not None and admitted.closing:
        share = admitted.closing / abs(position.size)
        free += share * position.initial_margin(quote.mark)
        if position.margin_mode is MarginMode.ISOLATED:
            free += share * position.unrealised(price)
    if needed > free:
        raise errors.InsufficientMargin(
            f"needs {needed:.8f} {instrument.quote} of margin, available are {free:.8f}"
        )
