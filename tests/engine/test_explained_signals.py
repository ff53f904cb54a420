"""Who contributed to a depth, as far as a source reports it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from te_core.cli.explain import explanation_lines
from te_core.errors import SignalRejected
from te_core.model.exits import Exit, Exits, ExitUnit
from te_core.model.signal import Signal
from te_core.reporting.explain import explain_signals
from te_core.testing.virtual_clock import START


def signal(**detail: Any) -> Signal:
    return Signal(
        source="s", symbol="BTCUSDT", depth=Decimal("0.3"), time=START, received_at=START, detail=detail
    )


def test_contributors_are_shown_with_all_details_of_the_source() -> None:
    parts = [{"name": "a", "part": "0.2", "why": "best"}, {"name": "b", "part": "0.1"}]
    found = explain_signals({"s": signal(contributors=parts, further_contributors=3)})["s"]
    assert found["depth"] == "0.3"
    assert found["contributors"] == parts
    assert found["further_contributors"] == 3


@pytest.mark.parametrize("detail", [{}, {"contributors": None}, {"contributors": "a, b"}])
def test_a_source_that_reports_none_has_none(detail: dict[str, Any]) -> None:
    assert "contributors" not in explain_signals({"s": signal(**detail)})["s"]


def test_what_does_not_contribute_is_omitted() -> None:
    found = explain_signals({"s": signal(contributors=[1, {"name": "a"}], further_contributors="many")})["s"]
    assert found["contributors"] == [{"name": "a"}]
    assert found["further_contributors"] == 0


def test_exits_that_a_signal_states_are_shown() -> None:
    levels = Exits(
        take_profit=(Exit(value=Decimal(110), unit=ExitUnit.PRICE, share=Decimal("0.5")),),
        stop_loss=Exit(value=Decimal("1.50"), unit=ExitUnit.PERCENT),
        trailing_stop=Exit(value=Decimal(3), unit=ExitUnit.DISTANCE),
    )
    shown = explain_signals({"s": replace(signal(), exits=levels)})["s"]
    assert shown["exits"] == "take profit 110 for 0.5, stop 1.50 %, trailing stop 3 away"
    assert shown["exits_otherwise"] == ["take profit 110 for 0.5, a part of the position, is ignored"]
    assert "exits" not in explain_signals({"s": signal()})["s"]
    term = {"source": "s", "weight": "1", "depth": "0.3", "share": "0.3", "leverage": None, "note": ""}
    found = {"symbol": "BTCUSDT", "revision": 1, "reason": "signals", "created_at": "now", "terms": [term]}
    text = list(islice(explanation_lines("one", found, {"s": shown}), 4))[2:]
    assert text == [
        "    wants take profit 110 for 0.5, stop 1.50 %, trailing stop 3 away",
        "    but take profit 110 for 0.5, a part of the position, is ignored",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Exit(value=Decimal(0), unit=ExitUnit.PRICE),
        lambda: Exit(value=Decimal("NaN"), unit=ExitUnit.PRICE),
        lambda: Exit(value=Decimal(1), unit=ExitUnit.PRICE, share=Decimal("1.1")),
        lambda: Exits(trailing_stop=Exit(value=Decimal(1), unit=ExitUnit.PRICE)),
        lambda: replace(signal(), exits="110"),  # type: ignore[arg-type]  # what is refused
    ],
)
def test_exits_that_mean_nothing_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(SignalRejected, match="exits"):
        wrong()
