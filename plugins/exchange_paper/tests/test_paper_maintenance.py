"""Maintenance margin in tiers, and the arithmetic of funding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import FundingRate
from te_exchange_paper.funding import payment, quantity_at, rates_due
from te_exchange_paper.maintenance import Maintenance

D = Decimal
START = datetime(2026, 1, 1, tzinfo=UTC)

rates = st.decimals("0", "0.4", places=4)
tiers = st.lists(
    st.tuples(st.integers(0, 10**7).map(Decimal), rates), min_size=1, max_size=8, unique_by=lambda row: row[0]
)
rising = st.tuples(st.sets(st.integers(0, 10**7), min_size=1, max_size=8), st.sets(rates, min_size=8)).map(
    lambda sets: list(zip(map(Decimal, sorted(sets[0])), sorted(sets[1]), strict=False))
)
values = st.decimals("0", "20000000", places=2)
prices = st.decimals("0.01", "100000", places=2)


@given(tiers, values, values)
def test_the_margin_of_tiers_is_continuous_and_never_falls(
    rows: list[tuple[Decimal, Decimal]], one: Decimal, other: Decimal
) -> None:
    maintenance = Maintenance.tiered(rows)
    low, high = sorted((one, other))
    steepest = max(rate for _, rate in rows)
    assert 0 <= maintenance.margin(high) - maintenance.margin(low) <= (high - low) * steepest
    for tier, below in zip(maintenance.tiers[1:], maintenance.tiers, strict=False):
        assert maintenance.margin(tier.floor) == tier.floor * below.rate - below.deduction


@given(rising, values)
def test_the_margin_is_what_each_slice_of_the_value_asks_for(
    rows: list[tuple[Decimal, Decimal]], value: Decimal
) -> None:
    floors = [D(0), *(floor for floor, _ in rows[1:])]
    slices = zip(floors, [*floors[1:], D("Infinity")], (rate for _, rate in rows), strict=True)
    asked = sum((rate * max(min(value, top) - floor, D(0)) for floor, top, rate in slices), D(0))
    assert Maintenance.tiered(rows).margin(value) == asked


@given(
    rising, st.decimals("-500", "500", places=3).filter(bool), prices, st.decimals("1", "1000000", places=2)
)
def test_at_its_liquidation_price_a_position_has_just_its_margin(
    rows: list[tuple[Decimal, Decimal]], quantity: Decimal, entry: Decimal, backing: Decimal
) -> None:
    maintenance, cost = Maintenance.tiered(rows), quantity * entry
    price = maintenance.liquidation_price(quantity, cost, backing)
    if price is None:
        assert quantity > 0, "a short one can always lose more"
        assert backing >= cost, "a long one that can lose everything it cost"
        return
    left = backing + quantity * price - cost
    assert abs(left - maintenance.margin(abs(quantity) * price)) < D("1E-6")


def test_tiers_of_a_table_as_exchanges_print_it() -> None:
    """Binance prints the deductions next to its tiers; these agree."""
    table = [(0, "0.004", 0), (50_000, "0.005", 50), (500_000, "0.01", 2_550), (1_000_000, "0.025", 17_550)]
    maintenance = Maintenance.tiered([(D(floor), D(rate)) for floor, rate, _ in table])
    assert [tier.deduction for tier in maintenance.tiers] == [amount for _, _, amount in table]


@pytest.mark.parametrize("rows", [[], [(D(0), D(1))], [(D(0), D("-0.1"))]])
def test_invalid_tables_of_tiers_are_refused(rows: list[tuple[Decimal, Decimal]]) -> None:
    with pytest.raises(ValueError, match="invalid tiers"):
        Maintenance.tiered(rows)


def test_longs_pay_a_positive_rate_and_shorts_receive_it() -> None:
    assert payment(D("0.5"), D(60_000), D("0.0001")) == 3
    assert payment(D("-0.5"), D(60_000), D("0.0001")) == -3
    assert payment(D("0.5"), D(60_000), D("-0.0001")) == -3


hours = st.integers(0, 100).map(lambda hour: START + timedelta(hours=hour))
settlements = st.builds(FundingRate, at=hours, rate=st.decimals("-0.01", "0.01", places=6))


@given(st.lists(settlements), st.none() | settlements, st.lists(hours, min_size=1))
def test_however_often_one_looks_each_funding_falls_due_once(
    past: list[FundingRate], announced: FundingRate | None, times: list[datetime]
) -> None:
    until, met = START, []
    for now in sorted(times):
        found = rates_due(until, past=past, announced=announced, now=now)
        met += [one.at for one in found]
        until = found[-1].at if found else until
    stated = {one.at for one in past} | ({announced.at} if announced else set())
    assert met == sorted(at for at in stated if START < at <= max(times))


def test_the_history_counts_before_what_was_announced() -> None:
    at = START + timedelta(hours=8)
    settled = FundingRate(at=at + timedelta(milliseconds=4), rate=D("0.0002"))
    found = rates_due(START, past=[settled], announced=FundingRate(at=at, rate=D("0.0001")), now=at)
    assert found == (FundingRate(at=at, rate=D("0.0002")),)


@given(st.lists(st.tuples(hours, st.decimals("-5", "5", places=3)), unique_by=lambda trade: trade[0]), hours)
def test_an_earlier_position_follows_from_the_trades_since(
    trades: list[tuple[datetime, Decimal]], time: datetime
) -> None:
    now = sum((quantity for _, quantity in trades), D(0))
    held = sum((quantity for at, quantity in trades if at <= time), D(0))
    assert quantity_at(time, now, trades) == held
