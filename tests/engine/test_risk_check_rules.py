"""What verdicts allow of a position: never more, never the other side, never less than what is held (I17)."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from te_core.model.instrument import Instrument
from te_core.model.review import Allowance, Verdict
from te_core.rules.limits import Held
from te_core.rules.risk_checks import combined, lowered

D = Decimal
INSTRUMENT = Instrument(symbol="BTCUSDT", quantity_step=D("0.001"), minimum_quantity=D("0.001"))
quantities = st.integers(-10_000, 10_000).map(lambda steps: steps * D("0.001"))
sizes = st.decimals(0, 10, places=5)
verdicts = st.lists(
    st.tuples(st.sampled_from("abc"), st.builds(Verdict, largest=st.none() | sizes, reason=st.just("why"))),
    max_size=4,
)
instruments = st.sampled_from([None, INSTRUMENT])


def left(
    want: Decimal, held: Decimal, given: list[tuple[str, Verdict]], instrument: Instrument | None
) -> Held:
    return lowered(Held(quantity=want), held=held, allowance=combined(given), instrument=instrument)


@given(quantities, quantities, verdicts, instruments)
def test_a_verdict_never_raises_and_never_flips(
    want: Decimal, held: Decimal, given: list[tuple[str, Verdict]], instrument: Instrument | None
) -> None:
    found = left(want, held, given, instrument).quantity
    assert abs(found) <= abs(want)
    assert found * want >= 0


@given(quantities, quantities, verdicts, instruments)
def test_a_reduction_is_never_touched_made_or_enlarged(
    want: Decimal, held: Decimal, given: list[tuple[str, Verdict]], instrument: Instrument | None
) -> None:
    found = left(want, held, given, instrument).quantity
    if held * want > 0:
        assert abs(found) >= min(abs(held), abs(want))
        if abs(want) <= abs(held):
            assert found == want
    if want == 0:
        assert found == 0


@given(quantities, quantities, verdicts, verdicts, instruments)
def test_another_verdict_never_leaves_more(
    want: Decimal,
    held: Decimal,
    given: list[tuple[str, Verdict]],
    more: list[tuple[str, Verdict]],
    instrument: Instrument | None,
) -> None:
    assert abs(left(want, held, given + more, instrument).quantity) <= abs(
        left(want, held, given, instrument).quantity
    )


@given(quantities, quantities, verdicts)
def test_no_more_is_bought_than_the_strictest_allows(
    want: Decimal, held: Decimal, given: list[tuple[str, Verdict]]
) -> None:
    found = abs(left(want, held, given, INSTRUMENT).quantity)
    strictest = min((each.largest for _, each in given if each.largest is not None), default=None)
    if strictest is not None and found > strictest:
        assert found == min(abs(held), abs(want)), "only what is held already may stay above it"


def test_the_strictest_is_named_with_its_reason() -> None:
    allowance = combined(
        [("a", Verdict.lower(D("0.5"), "half")), ("b", Verdict.veto("news")), ("c", Verdict.approve())]
    )
    assert allowance == Allowance(largest=D(0), by="b", reason="news")
    found = lowered(Held(quantity=D(1)), held=D(0), allowance=allowance, instrument=INSTRUMENT)
    assert found.cut == "risk check b leaves 0 of 1.000: news".replace("1.000", "1")
    assert found.limit == "risk check b"


def test_without_an_objection_a_limit_keeps_its_words() -> None:
    limited = Held(quantity=D("0.4"), limit="symbol_exposure", cut="limit symbol_exposure leaves 20000")
    assert lowered(limited, held=D(0), allowance=None, instrument=INSTRUMENT) is limited
    looser = Allowance(largest=D(1), by="a")
    assert lowered(limited, held=D(0), allowance=looser, instrument=INSTRUMENT) is limited
