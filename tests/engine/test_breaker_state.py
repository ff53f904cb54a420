"""The state of a breaker's scope is written piecemeal, and reads back as if it had been written as a whole."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from te_core.rules.breakers import Sums, Trip
from te_core.rules.profit import Money, SymbolMoney
from te_core.runtime.breaker_state import StateWriter, read_state

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

amounts = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)
symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "1000PEPEUSDT", ""])
trips = st.builds(
    Trip,
    name=st.text(st.characters(codec="utf-8")),
    at=st.just(NOW),
    text=st.just("x"),
    action=st.just("halt"),
)
sums = st.builds(
    Sums,
    equity=st.none() | amounts,
    profit=amounts,
    day=st.none() | st.just(date(2026, 1, 1)),
    symbols=st.dictionaries(symbols, amounts),
    rejections=st.lists(st.just(NOW), max_size=2).map(tuple),
    tripped=st.dictionaries(symbols, trips, max_size=2),
)
moneys = st.builds(
    Money,
    total=st.none() | amounts,
    suspect_at=st.none() | st.just(NOW),
    symbols=st.dictionaries(
        symbols,
        st.builds(SymbolMoney, quantity=amounts, cost=st.none() | amounts, price=st.none() | amounts),
    ),
)


@given(st.lists(st.tuples(sums, st.none() | moneys), min_size=1, max_size=5))
def test_any_earlier_form_of_the_state_is_read_back(
    states: list[tuple[Sums, Money | None]],
) -> None:
    writer = StateWriter()
    for state in states:
        assert read_state(writer.write(*state)) == state


def test_a_state_that_was_written_as_a_whole_means_the_same() -> None:
    state = Sums(
        profit=Decimal("-1.50"), day=date(2026, 1, 1), symbols={"BTCUSDT": Decimal("1E+3")}, rejections=(NOW,)
    )
    money = Money(total=Decimal(7), symbols={"BTCUSDT": SymbolMoney(quantity=Decimal("0.1"), cost=None)})
    earlier = (
        f'{{"sums":{TypeAdapter(Sums).dump_json(state).decode()},'
        f'"money":{TypeAdapter(Money).dump_json(money).decode()}}}'
    )
    assert read_state(earlier) == (state, money)
    assert json.loads(StateWriter().write(state, money)) == json.loads(earlier)


def test_only_symbols_that_changed_are_encoded() -> None:
    class Counted(Decimal):
        shown = 0

        def __format__(self, *spec: Any) -> str:
            Counted.shown += 1
            return super().__format__(*spec)

    writer, results = StateWriter(), {f"C{number}USDT": Counted(number) for number in range(100)}
    writer.write(Sums(symbols=results), None)
    assert Counted.shown == 100
    writer.write(Sums(symbols={**results, "C7USDT": Counted(8)}), None)
    assert Counted.shown == 101
