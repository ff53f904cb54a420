"""The largest possible position is known from the journal alone: after a restart an account may be unreadable for
hours."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.model.order import IntentState, Side
from tests.journal.journal_samples import (
    NOW,
    confirmation,
    goal,
    intent,
    open_journal,
    order_outcome,
    target,
)

D = Decimal
PAPER = ("paper", "BTCUSDT")
LATER = NOW + timedelta(minutes=1)


async def test_orders_since_the_confirmation_move_what_may_be_held(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(target(), goal(), confirmation(quantity=D("0.5")))
    assert journal.largest_positions() == {PAPER: D("0.5")}
    await journal.append(intent("o1", side=Side.SELL, quantity=D("0.2"), created_at=LATER))
    assert journal.largest_positions() == {PAPER: D("0.5")}, "it may not have been executed"
    await journal.append(order_outcome("o1", IntentState.CANCELLED, filled=D("0.1"), at=LATER))
    assert journal.largest_positions() == {PAPER: D("0.4")}
    await journal.append(intent("o2", side=Side.SELL, quantity=D(3), step=2, created_at=LATER))
    assert journal.largest_positions() == {PAPER: D("2.6")}, "it may have turned the position round"
    journal.close()


async def test_orders_before_the_confirmation_are_part_of_it(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(
        target(),
        goal(),
        intent("o1", side=Side.BUY, quantity=D(2)),
        order_outcome("o1", IntentState.FILLED, filled=D(2), at=NOW),
        confirmation(quantity=D(2), at=LATER),
    )
    assert journal.largest_positions() == {PAPER: D(2)}
    journal.close()


@pytest.mark.parametrize("state", [IntentState.REJECTED, IntentState.UNSENT, IntentState.LOST])
async def test_orders_that_were_never_executed_move_nothing(tmp_path: Path, state: IntentState) -> None:
    journal = open_journal(tmp_path)
    await journal.append(target(), goal(), intent("o1", side=Side.BUY, quantity=D(2)))
    assert journal.largest_positions() == {PAPER: D(2)}
    await journal.append(order_outcome("o1", state, filled=None, at=LATER))
    assert journal.largest_positions() == {PAPER: D(0)}
    journal.close()
