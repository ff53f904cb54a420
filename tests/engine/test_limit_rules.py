"""Limits hold back increases and nothing else, and the stricter one wins."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume, given

from te_core.model.instrument import Instrument
from te_core.model.policy import Limits
from te_core.rules.limits import Ceiling, Exposure, OrderCheck, ceiling, hold_back, refusal
from te_core.settings.policies import effective_limits
from te_core.settings.schema import GlobalLimitSettings, LimitSettings
from tests.engine.rule_values import ZERO, decimals, instruments, prices

D = Decimal


@given(
    decimals("-100", "100", 3), decimals("-100", "100", 3), prices, instruments(), decimals("0", "10000", 2)
)
def test_a_limit_holds_back_increases_and_nothing_else(
    want: Decimal, held: Decimal, price: Decimal, instrument: Instrument, top: Decimal
) -> None:
    ceiling_now = Ceiling(notional=top, limit="symbol_exposure")
    for known in (price, None):
        left = hold_back(want, held=held, ceiling=ceiling_now, price=known, instrument=instrument)
        kept = min(abs(held), abs(want)) if held * want > 0 else ZERO
        assert kept <= abs(left.quantity) <= abs(want)
        assert left.quantity * want >= 0
        assert abs(left.quantity) <= kept or abs(left.quantity) * price <= top
        assert bool(left.cut) == (left.quantity != want)
        assert known is not None or abs(left.quantity) == kept
    assert hold_back(want, held=held, ceiling=None, price=None, instrument=None).quantity == want


@given(
    decimals("0", "10000", 2),
    decimals("0", "10000", 2),
    decimals("0", "10000", 2),
    decimals("0", "10000", 2),
    decimals("0", "30000", 2),
)
def test_an_admitted_increase_keeps_every_exposure_limit(
    symbol: Decimal, account: Decimal, total: Decimal, others: Decimal, wanted: Decimal
) -> None:
    assume(min(symbol, account, total) > 0)
    limits = Limits(symbol_exposure=symbol, account_exposure=account, total_exposure=total)
    exposure = Exposure(account_others=others, total_others=others * 2)
    check = OrderCheck(
        notional=wanted,
        notional_after=wanted,
        reduce_only=False,
        enabled=True,
        leverage=1,
        price=D(1),
        signal_price=None,
        orders_last_minute=0,
        exposure=exposure,
    )
    if refusal(check, limits) is None:
        assert wanted <= symbol
        assert wanted + others <= account or wanted == 0
        assert wanted + others * 2 <= total or wanted == 0
    top = ceiling(limits, exposure)
    assert top is not None
    assert top.notional >= 0


def test_the_stricter_limit_wins() -> None:
    limits = effective_limits(
        GlobalLimitSettings(leverage=10, order_notional=D(5)), LimitSettings(leverage=20)
    )
    assert (limits.leverage, limits.order_notional, limits.orders_per_minute) == (10, D(5), 600)


def test_a_default_never_overrides_a_limit_that_was_stated() -> None:
    limits = effective_limits(GlobalLimitSettings(orders_per_minute=6000), LimitSettings())
    assert limits.orders_per_minute == 6000
