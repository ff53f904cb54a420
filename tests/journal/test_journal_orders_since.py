"""The number of orders of the last minute is known after a restart, too."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from te_core.journal.reader import MOST_ORDERS
from te_core.model.order import IntentState
from tests.journal.journal_samples import NOW, intent, open_journal, order_outcome

SECOND = timedelta(seconds=1)


async def test_orders_since_a_time_are_counted_over_restarts(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(
        intent("o1", created_at=NOW - SECOND),
        intent("o3", created_at=NOW + 2 * SECOND),
        intent("o2", created_at=NOW),
        intent("o4", "bybit", "ETHUSDT", created_at=NOW + SECOND),
    )
    journal.close()
    again = open_journal(tmp_path)
    assert again.orders_since(NOW) == {"paper": [NOW, NOW + 2 * SECOND], "bybit": [NOW + SECOND]}
    assert again.orders_since(NOW + 3 * SECOND) == {}
    again.close()


@pytest.mark.parametrize("state", list(IntentState))
async def test_only_orders_that_certainly_never_left_are_not_counted(
    tmp_path: Path, state: IntentState
) -> None:
    journal = open_journal(tmp_path)
    await journal.append(intent("o1"), order_outcome("o1", state))
    never_left = state in (IntentState.UNSENT, IntentState.REFUSED)
    assert journal.orders_since(NOW) == ({} if never_left else {"paper": [NOW]})
    journal.close()


async def test_only_the_newest_are_looked_at_however_long_the_history(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    spare = 5
    for first in range(0, MOST_ORDERS + spare, 1000):
        count = min(1000, MOST_ORDERS + spare - first)
        await journal.append(*(intent(f"o{first + n}", step=first + n) for n in range(count)))
    assert len(journal.orders_since(NOW)["paper"]) == MOST_ORDERS
    journal.close()
