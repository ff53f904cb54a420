"""Type checks of the results of a plugin's account: a result of a wrong type is a failed call, never a number.

Each check returns the result unchanged. Reads raise `NotReady`, orders `OutcomeUnknown`, as they may be executed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from te_core.contracts.exchange import AccountIdentity, Finding, TradingTerms
from te_core.errors import NotReady, OutcomeUnknown, a_kind
from te_core.model.funding import FundingRate
from te_core.model.instrument import Instrument
from te_core.model.money import CashFlow
from te_core.model.order import OrderReport, OrderStatus, RestingStop
from te_core.model.position import Equity, Position
from te_core.model.reading import Known
from te_core.texts import plain

T = TypeVar("T")

MOST_BUDGETS, LONGEST_NAME = 50, 60
"""Maximum number of request limits per account, and characters of their names: each is a series of the metrics."""


def identity(result: Any) -> AccountIdentity | None:
    """Check what ``identity`` returned."""
    if result is None:
        return None
    _expect("identity()", result, AccountIdentity, "AccountIdentity or None")
    for field in ("host", "uid"):
        _expect(f"identity().{field}", getattr(result, field), str, "str")
    if result.key_expires_at is not None:
        _aware("identity().key_expires_at", result.key_expires_at)
    found: AccountIdentity = result
    return found


def instruments(result: Any) -> Mapping[str, Instrument]:
    """Check what ``instruments`` returned."""
    _expect("instruments()", result, Mapping, "a mapping of symbols to Instrument")
    for symbol, instrument in result.items():
        _expect(f"instruments()[{symbol!r}]", instrument, Instrument, "Instrument")
        _numbers(
            f"instruments()[{symbol!r}]", instrument, "quantity_step", "minimum_quantity", "contract_size"
        )
    found: Mapping[str, Instrument] = result
    return found


def equity(result: Any) -> Known[Equity]:
    """Check what ``equity`` returned."""
    value = _value("equity()", result)
    _expect("equity().value", value, Equity, "Equity")
    _numbers("equity().value", value, "wallet", "total")
    found: Known[Equity] = result
    return found


def positions(result: Any) -> Known[Mapping[str, Position]]:
    """Check what ``positions`` returned."""
    value = _value("positions()", result)
    _expect("positions().value", value, Mapping, "a mapping of symbols to Position")
    for symbol, position in value.items():
        _expect(f"positions().value[{symbol!r}]", position, Position, "Position")
        if not _is_number(position.quantity):
            _numbers(f"positions().value[{symbol!r}]", position, "quantity")
    found: Known[Mapping[str, Position]] = result
    return found


def prices(result: Any) -> Known[Mapping[str, Decimal]]:
    """Check what ``prices`` returned."""
    value = _value("prices()", result)
    _expect("prices().value", value, Mapping, "a mapping of symbols to Decimal")
    for symbol, price in value.items():
        if not _is_number(price):
            raise NotReady(wrong(f"prices().value[{symbol!r}]", price, "a finite Decimal"))
    found: Known[Mapping[str, Decimal]] = result
    return found


def funding(result: Any) -> Mapping[str, FundingRate] | None:
    """Check what ``funding`` returned."""
    if result is None:
        return None
    _expect("funding()", result, Mapping, "a mapping of symbols to FundingRate, or None")
    for symbol, rate in result.items():
        _expect(f"funding()[{symbol!r}]", rate, FundingRate, "FundingRate")
        _numbers(f"funding()[{symbol!r}]", rate, "rate")
        _aware(f"funding()[{symbol!r}].at", rate.at)
    found: Mapping[str, FundingRate] = result
    return found


def report(method: str, result: Any) -> OrderReport:
    """Check the report of an order."""
    if not isinstance(result, OrderReport) or not isinstance(result.status, OrderStatus):
        raise OutcomeUnknown(wrong(method, result, "OrderReport"))
    for field in ("filled", "average_price", "fee", "realised"):
        number = getattr(result, field)
        if number is not None and not _is_number(number):
            raise OutcomeUnknown(wrong(f"{method}.{field}", number, "a finite Decimal or None"))
    return result


def budgets(result: Any) -> Mapping[str, float]:
    """Return the valid part of what ``request_budgets`` returned; it only feeds metrics."""
    if not isinstance(result, Mapping):
        return {}
    found = itertools.islice(result.items(), MOST_BUDGETS)
    return {
        plain(name, LONGEST_NAME): min(max(float(left), 0.0), 1.0)
        for name, left in found
        if isinstance(name, str) and isinstance(left, int | float) and math.isfinite(left)
    }


def cash_flows(result: Any) -> Sequence[CashFlow]:
    """Check what ``cash_flows`` returned."""
    found = _sequence("cash_flows()", result, CashFlow)
    for flow in found:
        _expect("cash_flows().at", flow.at, datetime, "an aware datetime")
        _numbers("cash_flows()", flow, "amount")
    return found


def stops(result: Any) -> Sequence[RestingStop]:
    """Check what ``stops`` returned."""
    return _sequence("stops()", result, RestingStop)


def findings(result: Any) -> Sequence[Finding]:
    """Check what ``diagnose`` returned."""
    return _sequence("diagnose()", result, Finding)


def terms(result: Any) -> TradingTerms:
    """Check what ``trading_terms`` returned."""
    _expect("trading_terms()", result, TradingTerms, "TradingTerms")
    for field in ("taker_fee", "spread"):
        if getattr(result, field) is not None:
            _numbers("trading_terms()", result, field)
    found: TradingTerms = result
    return found


def pushed_position(result: Any) -> Position:
    """Check a pushed position."""
    _expect("watch(): position", result, Position, "Position")
    _expect("watch(): position.symbol", result.symbol, str, "str")
    _numbers(f"watch(): position of {result.symbol}", result, "quantity")
    found: Position = result
    return found


def pushed_equity(result: Any) -> Equity:
    """Check a pushed equity."""
    _expect("watch(): equity", result, Equity, "Equity")
    _numbers("watch(): equity", result, "wallet", "total")
    found: Equity = result
    return found


def pushed_price(symbol: Any, price: Any) -> Decimal:
    """Check a pushed price."""
    _expect("watch(): symbol of a price", symbol, str, "str")
    if not _is_number(price):
        raise NotReady(wrong(f"watch(): price of {symbol}", price, "a finite Decimal"))
    found: Decimal = price
    return found


def _value(method: str, result: Any) -> Any:
    _expect(method, result, Known, "Known")
    _aware(f"{method}.as_of", result.as_of)
    return result.value


def _aware(where: str, time: Any) -> None:
    _expect(where, time, datetime, "an aware datetime")
    if time.tzinfo is None:
        raise NotReady(wrong(where, time, "an aware datetime"))


def _sequence(method: str, result: Any, kind: type[T]) -> Sequence[T]:
    expected = f"a sequence of {kind.__name__}"
    _expect(method, result, Sequence, expected)
    for one in result:
        _expect(method, one, kind, expected)
    found: Sequence[T] = result
    return found


def _expect(where: str, result: Any, kind: type, expected: str) -> None:
    if not isinstance(result, kind):
        raise NotReady(wrong(where, result, expected))


def _numbers(where: str, result: Any, *fields: str) -> None:
    for field in fields:
        if not _is_number(number := getattr(result, field)):
            raise NotReady(wrong(f"{where}.{field}", number, "a finite Decimal"))


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite()


def wrong(where: str, result: Any, expected: str) -> str:
    """Return what is wrong with a result: which call or field, what was returned, what is expected."""
    found = str(result) if isinstance(result, Decimal) else a_kind(result)
    return f"defect of the plugin: {where} is {found} instead of {expected}"
