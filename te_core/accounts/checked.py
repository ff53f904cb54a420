"""What an account's methods returned, checked against their contract: a plugin's mistake names its method and field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from te_core.errors import OutcomeUnknown
from te_core.model.instrument import Instrument
from te_core.model.order import OrderReport, OrderStatus
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Known


class BadAnswer(OutcomeUnknown):
    """A plugin returned something that its contract does not allow; it is taken for no answer."""


def known(method: str, answer: Any) -> Known[Any]:
    """Return a dated answer. Raises ``BadAnswer`` for anything else."""
    _is(method, "", answer, Known)
    _is(method, "as_of", answer.as_of, datetime)
    if answer.as_of.tzinfo is None:
        raise BadAnswer(f"{method}: as_of has no time zone, expected an aware UTC datetime")
    return answer  # type: ignore[no-any-return]


def equity(answer: Any) -> Equity:
    """Return an equity whose amounts are finite decimals."""
    _is("equity", "value", answer, Equity)
    for field in ("wallet", "total", "free"):
        amount = getattr(answer, field)
        if amount is not None or field != "free":
            number("equity", field, amount)
    return answer  # type: ignore[no-any-return]


def position(method: str, symbol: str, answer: Any) -> Position:
    """Return a position of that symbol whose amounts are finite decimals."""
    _is(method, symbol, answer, Position)
    if answer.symbol != symbol:
        raise BadAnswer(f"{method}: {symbol} has a position of {answer.symbol!r}")
    number(method, f"{symbol}.quantity", answer.quantity)
    for field in ("entry_price", "leverage", "unrealised_pnl", "liquidation_price"):
        if getattr(answer, field) is not None:
            number(method, f"{symbol}.{field}", getattr(answer, field))
    if answer.margin_mode is not None:
        _is(method, f"{symbol}.margin_mode", answer.margin_mode, MarginMode)
    return answer  # type: ignore[no-any-return]


def positions(answer: Any) -> Mapping[str, Position]:
    """Return positions by symbol."""
    _is("positions", "value", answer, Mapping)
    return {
        _symbol("positions", symbol): position("positions", symbol, one) for symbol, one in answer.items()
    }


def prices(answer: Any) -> Mapping[str, Decimal]:
    """Return prices by symbol."""
    _is("prices", "value", answer, Mapping)
    return {_symbol("prices", symbol): number("prices", symbol, one) for symbol, one in answer.items()}


def instruments(answer: Any) -> Mapping[str, Instrument]:
    """Return instruments by symbol."""
    _is("instruments", "value", answer, Mapping)
    for symbol, one in answer.items():
        _is("instruments", _symbol("instruments", symbol), one, Instrument)
    return dict(answer)


def report(method: str, answer: Any) -> OrderReport:
    """Return an order report; one that makes no sense is no answer, so the order is looked up."""
    _is(method, "", answer, OrderReport)
    _is(method, "status", answer.status, OrderStatus)
    for field in ("filled", "average_price", "fee"):
        if getattr(answer, field) is not None:
            number(method, field, getattr(answer, field))
    return answer  # type: ignore[no-any-return]


def number(method: str, field: str, value: Any) -> Decimal:
    """Return a finite decimal."""
    _is(method, field, value, Decimal)
    if not value.is_finite():
        raise BadAnswer(f"{method}: {field} is {value}, expected a finite Decimal")
    return value  # type: ignore[no-any-return]


def _symbol(method: str, symbol: Any) -> str:
    _is(method, "symbol", symbol, str)
    return symbol  # type: ignore[no-any-return]


def _is(method: str, field: str, value: Any, expected: type) -> None:
    if not isinstance(value, expected) or isinstance(value, bool):
        where = f"{method}: {field} is" if field else f"{method} returned"
        raise BadAnswer(f"{where} {type(value).__name__}, expected {expected.__name__}")
