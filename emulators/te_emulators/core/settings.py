"""Changes of leverage, margin mode and position mode, and the reasons to refuse them."""

from __future__ import annotations

from decimal import Decimal

from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.margin import available
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.core.position import Position

ALL_SIDES = tuple(PositionSide)


def set_leverage(
    exchange: Exchange,
    account: Account,
    symbol: str,
    leverage: Decimal,
    *,
    margin_mode: MarginMode | None = None,
    sides: tuple[PositionSide, ...] = ALL_SIDES,
) -> None:
    """Set it for a contract; an open position adopts it.

    Raises UnknownSymbol, LeverageTooHigh, LeverageTooLow, LeverageNotModified, InsufficientMargin.
    """
    instrument = exchange.market.instrument(symbol)
    if leverage > instrument.max_leverage:
        raise errors.LeverageTooHigh(f"leverage {leverage} is above {instrument.max_leverage}")
    if leverage < instrument.min_leverage:
        raise errors.LeverageTooLow(f"leverage {leverage} is below {instrument.min_leverage}")
    modes = (margin_mode,) if margin_mode else tuple(MarginMode)
    keys = [(symbol, mode, side) for mode in modes for side in sides]
    if all(account.leverages.get(key, account.default_leverage) == leverage for key in keys):
        raise errors.LeverageNotModified(f"leverage is {leverage} already")
    held = [p for p in account.held(symbol) if p.side in sides and p.margin_mode in modes]
    _check_margin(exchange, account, held, leverage)
    for key in keys:
        account.leverages[key] = leverage
    for position in held:
        position.leverage = leverage
        if position.margin_mode is MarginMode.ISOLATED:
            position.margin = position.value(position.entry_price) / leverage
        exchange.position_event(account, position)


def _check_margin(exchange: Exchange, account: Account, held: list[Position], leverage: Decimal) -> None:
    more = Decimal(0)
    for position in held:
        mark = exchange.market.mark(position.symbol)
        isolated = position.margin_mode is MarginMode.ISOLATED
        needed = position.value(position.entry_price if isolated else mark) / leverage
        if isolated and needed + position.unrealised(mark) <= position.maintenance_margin(mark):
            raise errors.InsufficientMargin(f"leverage {leverage} would liquidate {position.symbol} at once")
        more += needed - position.initial_margin(mark)
    if more > 0 and more > available(account, exchange.market):
        raise errors.InsufficientMargin(f"leverage {leverage} needs {more} {account.coin} more margin")


def set_margin_mode(account: Account, mode: MarginMode, symbol: str | None = None) -> None:
    """For one contract or, without ``symbol``, the whole account.

    Raises MarginModeNotModified, PositionExists, OrdersExist.
    """
    current = account.margin_mode(symbol) if symbol else account.default_margin_mode
    if current is mode:
        raise errors.MarginModeNotModified(f"margin mode is {mode} already")
    refuse_if_busy(account, symbol)
    if symbol:
        account.margin_modes[symbol] = mode
    else:
        account.default_margin_mode = mode
        account.margin_modes.clear()


def set_position_mode(account: Account, mode: PositionMode, symbol: str | None = None) -> None:
    """For one contract or, without ``symbol``, the whole account.

    Raises PositionModeNotModified, PositionExists, OrdersExist.
    """
    current = account.position_mode(symbol) if symbol else account.default_position_mode
    if current is mode:
        raise errors.PositionModeNotModified(f"position mode is {mode} already")
    refuse_if_busy(account, symbol)
    if symbol:
        account.position_modes[symbol] = mode
    else:
        account.default_position_mode = mode
        account.position_modes.clear()


def refuse_if_busy(account: Account, symbol: str | None) -> None:
    """Raises PositionExists or OrdersExist if the contract (or the account) holds any."""
    where = symbol or "the account"
    if account.held(symbol):
        raise errors.PositionExists(f"{where} has an open position")
    if account.orders_open(symbol):
        raise errors.OrdersExist(f"{where} has open orders")
