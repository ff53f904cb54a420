"""Why an order was created and its outcome, even if a part of the story is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.cli.orders import story_lines
from te_core.journal.journal import Journal
from te_core.journal.order_lookup import NoSuchOrder
from te_core.model.cause import Cause
from te_core.model.order import IntentState, StopKind
from te_core.model.target import Term
from te_core.reporting.history import JournalHistory
from tests.journal.journal_samples import (
    NOW,
    confirmation,
    fill,
    goal,
    intent,
    open_journal,
    order_outcome,
    signal,
    target,
)

MS = timedelta(milliseconds=1)
D = Decimal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(tmp_path)
    yield opened
    opened.close()


def story(journal: Journal, name: str) -> Any:
    return JournalHistory(journal).order(name)


def lines(journal: Journal, name: str) -> str:
    return "\n".join(story_lines(story(journal, name)))


async def planned(journal: Journal) -> None:
    """Journal two signals, the target they led to, its goal, and a plan of a close and an opening in two orders."""
    received = NOW - 30 * MS
    said: Any = {"received_at": received, "time": received}
    await journal.append(
        signal("tradingview", depth="-0.5", **said),
        signal("bittensor", depth="0.2", **said),
        signal("other", depth="0.9", **said),
        signal("tradingview", depth="0.7", received_at=NOW + timedelta(hours=1)),
    )
    terms = tuple(
        Term(source=source, weight=D(weight), depth=D(depth), heard_at=received, time=received)
        for source, weight, depth in (("tradingview", "0.1", "-0.5"), ("bittensor", "0.05", "0.2"))
    )
    made: Any = {"cause": Cause.SIGNAL, "caused_at": received}
    await journal.append(target(depth=D("-0.04"), terms=terms, **made))
    await journal.append(goal(depth=D("-0.04"), revision=1))
    await journal.append(intent("close-1", reduce_only=True, step=1, chunk=0, **made))
    await journal.append(intent("open-1", step=2, chunk=0, **made), intent("open-2", step=2, chunk=1, **made))
    await journal.append(*(order_outcome(f"{name}", at=NOW + 77 * MS) for name in ("close-1", "open-1")))
    await journal.append(fill("close-1", price=D("64935"), fee=D("4.5"), gained=D("12.5")))


async def test_an_order_is_explained_from_its_signals_to_its_fee(journal: Journal) -> None:
    await planned(journal)
    await journal.append(confirmation())
    found = story(journal, "close-1")
    assert set(found["signals"]) == {"tradingview", "bittensor"}, "those that its target goes by"
    assert found["signals"]["tradingview"]["depth"] == "-0.5", "as it was then"
    assert (found["plan"]["step"], found["plan"]["steps"], found["plan"]["orders_in_step"]) == (1, 2, 1)
    assert found["latency"] == {"cause_to_sent_ms": 30.0, "sent_to_known_ms": 77.0}
    assert found["slippage_percent"] == "0.1", "sold for less"
    said = lines(journal, "close-1")
    for line in (
        "because of: a signal",
        "signal tradingview: weight 0.1 x depth -0.5 = -0.05",
        "signal bittensor: weight 0.05 x depth 0.2 = 0.01",
        "depth -0.04 (their sum)",
        "plan: step 1 of 2",
        "filled 0.01 at 64935 (0.1% worse)",
        "fee 4.5 USDT; realised 12.5 before it",
        "confirmed -0.01",
    ):
        assert line in said
    assert "one of 2 orders" in lines(journal, "open-1")
    assert "its outcome is not known yet" in lines(journal, "open-2")


async def test_what_was_not_reported_is_shown_as_missing(journal: Journal) -> None:
    await planned(journal)
    untold = fill("open-1", price=None, fee=None, fee_currency="", shares={})
    await journal.append(untold)
    await journal.append(replace(order_outcome("open-2"), average_price=None))
    said = lines(journal, "open-2")
    assert "filled 0.01 at a price that the exchange did not report" in said
    assert "fee not reported; realised not known" in said
    assert story(journal, "open-1")["order"]["fee"] is None


async def test_an_order_that_was_not_sent_has_a_reason(journal: Journal) -> None:
    await journal.append(intent("r1"), intent("u1", step=2), intent("x1", step=3), intent("l1", step=4))
    nothing: Any = {"filled": None, "average_price": None}
    await journal.append(
        order_outcome("r1", IntentState.REFUSED, reason="above order_notional", **nothing),
        order_outcome("u1", IntentState.UNSENT, reason="no longer needed", **nothing),
        order_outcome("x1", IntentState.REJECTED, reason="no margin", **nothing),
        order_outcome("l1", IntentState.LOST, **nothing),
    )
    assert "not sent: refused by a limit: above order_notional" in lines(journal, "r1")
    assert "decided at" in lines(journal, "r1")
    assert "sent at" not in lines(journal, "u1")
    assert "refused by the exchange: no margin" in lines(journal, "x1")
    assert "never reached the exchange" in lines(journal, "l1")
    assert "its target is no longer in the journal" in lines(journal, "r1")


async def test_a_stop_is_described(journal: Journal) -> None:
    await journal.append(intent("s1", stop=StopKind.LOSS, cause=Cause.STOP, reduce_only=True))
    said = lines(journal, "s1")
    assert "sell 0.01 BTCUSDT (stop loss)" in said
    assert "because of: a stop" in said


async def test_orders_are_found_by_number_id_or_its_beginning(journal: Journal) -> None:
    await journal.append(intent("abcd-1"), intent("abcd-2", step=2), intent("7000", step=3))
    numbers = {name: story(journal, name)["order"]["number"] for name in ("abcd-1", "abcd-2", "7000")}
    for name, number in numbers.items():
        assert story(journal, str(number))["order"]["client_order_id"] == name
    with pytest.raises(NoSuchOrder, match="matches several orders: abcd-1, abcd-2"):
        story(journal, "abcd")
    for nothing in ("abc", "9" * 30, "zzzz", "", "abcd_1", "%"):
        with pytest.raises(NoSuchOrder, match="use a number"):
            story(journal, nothing)
