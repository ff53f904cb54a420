"""Values for the pure rules: made by hand, and drawn for properties that hold for every input."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume
from hypothesis import strategies as st

from te_core.model.instrument import Instrument
from te_core.model.policy import AccountPolicy, Limits
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.target import Goal, Target
from te_core.rules.facts import Facts
from te_core.rules.sizing import smallest_quantity
from te_core.testing.virtual_clock import START

D = Decimal
ZERO = D(0)


def decimals(low: str, high: str, places: int = 6) -> st.SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


depths = decimals("-1", "1", 5)
prices = decimals("0.0001", "100000", 4)
steps = st.sampled_from([D("0.001"), D("0.0001"), D("0.1"), D(1), D(10), D("0.003")])


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    step = draw(steps)
    return Instrument(
        symbol="BTCUSDT",
        quantity_step=step,
        minimum_quantity=step * draw(st.integers(0, 20)),
        minimum_notional=draw(st.sampled_from([ZERO, D(5), D(100)])),
        contract_size=step,
        largest_market_quantity=draw(st.none() | st.integers(1, 500).map(lambda n: n * step)),
        largest_leverage=draw(st.none() | st.integers(1, 100)),
    )


HALF, HUNDRED, THOUSANDTH = D("0.5"), D(100), D("0.001")


def target(depth: Decimal = HALF, leverage: int = 1, revision: int = 1, **more: object) -> Target:
    return Target(
        account="a",
        symbol="BTCUSDT",
        revision=revision,
        depth=depth,
        leverage=leverage,
        margin_mode=MarginMode.ISOLATED,
        reason="test",
        created_at=START,
        **more,  # type: ignore[arg-type]
    )


def goal_of(
    quantity: Decimal, price: Decimal = HUNDRED, step: Decimal = THOUSANDTH, leverage: int = 1
) -> Goal:
    return Goal(
        account="a",
        symbol="BTCUSDT",
        revision=1,
        quantity=quantity,
        leverage=leverage,
        margin_mode=MarginMode.ISOLATED,
        depth=D("0.5"),
        equity=D(1),
        price=price,
        unrounded=quantity,
        contract_size=D(1),
        quantity_step=step,
        sized_at=START,
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[Position, Goal, Instrument]:
    instrument = draw(instruments())
    price = draw(prices)
    held = draw(st.integers(-3000, 3000)) * instrument.quantity_step
    want = draw(st.integers(-3000, 3000)) * instrument.quantity_step
    smallest = smallest_quantity(instrument, price)
    assume(want == 0 or abs(want) >= smallest)
    position = Position(
        symbol="BTCUSDT",
        quantity=held,
        leverage=draw(st.none() | st.integers(1, 5).map(D)),
        margin_mode=draw(st.none() | st.sampled_from(MarginMode)),
    )
    return position, goal_of(want, price, instrument.quantity_step, draw(st.integers(1, 5))), instrument


def facts(**changes: object) -> Facts:
    base: dict[str, object] = {
        "target": target(),
        "goal": None,
        "confirmation": None,
        "position": Position(symbol="BTCUSDT", quantity=ZERO),
        "equity": Equity(wallet=D(100), total=D(200)),
        "price": D(1),
        "instrument": Instrument(symbol="BTCUSDT", quantity_step=D(1)),
        "policy": AccountPolicy(),
        "limits": Limits(),
        "leverage_in_order": False,
        "ceiling": None,
        "now": START,
    }
    return Facts(**{**base, **changes})  # type: ignore[arg-type]
