"""Increases keep a distance from the estimated liquidation price; the estimate is checked against a margin account."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from te_core.api import Equity, Instrument, MarginMode, Position
from te_core.rules.limits import hold_back
from te_core.rules.liquidation import liquidation_ceiling, maintenance_rate
from te_core.settings.schema import LimitSettings
from te_core.testing.fake_account import FakeAccount
from tests.engine.worker_harness import Open

D = Decimal
ISOLATED, CROSS = MarginMode.ISOLATED, MarginMode.CROSS
NEARLY = D("1e-12")

sides = st.sampled_from((1, -1))
distances = st.decimals("0.01", "0.9", places=3)
prices = st.decimals("1", "100", places=2)
leverages = st.integers(1, 100)
INSTRUMENT = Instrument(symbol="BTCUSDT", quantity_step=D("0.001"), largest_leverage=50)


def flat() -> Position:
    return Position(symbol="BTCUSDT", quantity=D(0))


def margin_left(side: int, quantity: Decimal, entry: Decimal, margin: Decimal, price: Decimal) -> Decimal:
    """Return by how much a position's margin exceeds its maintenance margin at a price."""
    worth = quantity * price
    return margin + side * quantity * (price - entry) - worth * maintenance_rate(INSTRUMENT)


@given(
    sides,
    distances,
    prices,
    prices,
    st.decimals("0.001", "10", places=3),
    leverages,
    st.decimals("0.001", "50", places=3),
)
def test_an_isolated_position_keeps_its_liquidation_distance(
    side: int,
    distance: Decimal,
    entry: Decimal,
    price: Decimal,
    held: Decimal,
    leverage: int,
    more: Decimal,
) -> None:
    position = replace(flat(), quantity=side * held, entry_price=entry)
    top = liquidation_ceiling(
        distance,
        side=side,
        held=position,
        price=price,
        leverage=leverage,
        margin_mode=ISOLATED,
        equity=None,
        others=D(0),
        instrument=INSTRUMENT,
    )
    want = side * (held + more)
    allowed = hold_back(want, held=side * held, ceiling=top, price=price, instrument=None).quantity * side
    assert held <= allowed <= held + more
    added = allowed - held
    average = (held * entry + added * price) / allowed
    left = margin_left(side, allowed, average, allowed * average / leverage, price * (1 - side * distance))
    if added:
        assert left >= -NEARLY
    elif top is not None and not top.notional:
        # Cut to what is held: the smallest increase would be too close, or it is too close already.
        now = margin_left(side, held, entry, held * entry / leverage, price * (1 - side * distance))
        fresh = margin_left(side, D(1), price, price / leverage, price * (1 - side * distance))
        assert min(now, fresh) < NEARLY


@given(sides, distances, prices, st.decimals("1", "10000", places=2), st.decimals("0", "10000", places=2))
def test_a_cross_position_keeps_its_distance_up_to_its_ceiling(
    side: int, distance: Decimal, price: Decimal, equity: Decimal, others: Decimal
) -> None:
    top = liquidation_ceiling(
        distance,
        side=side,
        held=flat(),
        price=price,
        leverage=10,
        margin_mode=CROSS,
        equity=equity,
        others=others,
        instrument=INSTRUMENT,
    )
    assert top is not None
    assume(top.notional > 0)
    for share, survives in ((D("0.999"), True), (D("1.001"), False)):
        quantity = top.notional * share / price
        margin = equity - others * maintenance_rate(INSTRUMENT)
        left = margin_left(side, quantity, price, margin, price * (1 - side * distance))
        assert (left >= 0) is survives


def test_maintenance_margin_is_half_of_the_least_initial_margin() -> None:
    known = {
        largest: maintenance_rate(replace(INSTRUMENT, largest_leverage=largest)) for largest in (100, 20, 500)
    }
    assert known == {100: D("0.005"), 20: D("0.025"), 500: D("0.004")}
    assert maintenance_rate(None) == D("0.01")


async def test_leverage_that_is_too_high_opens_nothing(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(liquidation_distance=D("0.2")))
    await harness.want("BTCUSDT", "0.1", 10, wait=30)
    assert account.quantity("BTCUSDT") == 0
    assert harness.worker.keepers["BTCUSDT"].status == "limited"
    assert "leverage 10 puts the liquidation price closer than" in harness.worker.keepers["BTCUSDT"].reason
    await harness.want("BTCUSDT", "0.1", 4, wait=30)
    assert account.quantity("BTCUSDT") == D("0.08")


async def test_a_position_near_already_is_neither_increased_nor_cut(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(liquidation_distance=D("0.15")))
    await harness.want("BTCUSDT", "0.1", 5, wait=10)
    held = account.quantity("BTCUSDT")
    account.price["BTCUSDT"] = D(45000)  # 11 % away from its liquidation now
    await harness.go(60)
    await harness.want("BTCUSDT", "0.3", 5, wait=30)
    assert account.quantity("BTCUSDT") == held
    await harness.want("BTCUSDT", "0", wait=30)
    assert account.quantity("BTCUSDT") == 0


async def test_a_cross_position_is_cut_to_what_the_account_can_bear(
    open_harness: Open, account: FakeAccount
) -> None:
    account.instrument_of = lambda symbol: replace(INSTRUMENT, symbol=symbol)
    harness = open_harness(limits=LimitSettings(liquidation_distance=D("0.5")), margin_mode="cross")
    await harness.want("BTCUSDT", "0.9", 5, wait=30)
    bears = Equity(wallet=D(10000), total=D(10000)).total / (D("0.5") + D("0.5") * D("0.01"))
    assert D(-50) <= account.quantity("BTCUSDT") * 50000 - bears <= 0
    assert "limit liquidation_distance leaves" in harness.worker.keepers["BTCUSDT"].limited
