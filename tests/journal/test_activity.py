"""Activities, one line each: an alert with all its orders, wherever the page ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.journal.journal import Journal
from te_core.journal.pages import Wanted
from te_core.model.cause import Cause
from te_core.model.order import IntentState
from te_core.reporting.history import JournalHistory
from tests.journal.journal_samples import (
    NOW,
    event,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    signal,
)

MS = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(tmp_path)
    yield opened
    opened.close()


async def alert(journal: Journal, number: int, *, accounts: int = 4, **more: Any) -> None:
    """Journal an alert with an order on each account, the first sent after 21 ms, the last done after 77."""
    at = NOW + number * MINUTE
    await journal.append(signal(symbol="ADAUSDT", received_at=at, delivery_id=str(number), **more))
    for account in range(accounts):
        order = f"{number}-{account}"
        made = at + 21 * MS + account * MS
        await journal.append(
            intent(order, f"a{account}", "ADAUSDT", created_at=made, cause=Cause.SIGNAL, caused_at=at)
        )
        await journal.append(order_outcome(order, at=at + (77 - account) * MS))


def shown(journal: Journal, **wanted: Any) -> list[Any]:
    return list(JournalHistory(journal).activity(Wanted(**wanted))["activity"])


async def test_an_alert_is_one_line_with_its_orders(journal: Journal) -> None:
    await alert(journal, 1, depth="0", price=Decimal("0.45265"))
    (one,) = shown(journal)
    assert f"{one['title']} → {one['outcome']}" == (
        "tradingview ADAUSDT flat @ 0.45265 → 4 orders filled on 4 accounts, first sent after 21 ms, "
        "all done after 77 ms"
    )
    assert (one["sent_ms"], one["done_ms"], one["problems"]) == (21, 77, [])
    assert [order["client_order_id"] for order in one["orders"]] == ["1-0", "1-1", "1-2", "1-3"]
    assert one["accounts"] == ["a0", "a1", "a2", "a3"]


async def test_what_did_not_work_is_named_with_its_reason(journal: Journal) -> None:
    await alert(journal, 1, accounts=1)
    late: Any = {"cause": Cause.SIGNAL, "caused_at": NOW + MINUTE, "created_at": NOW + MINUTE + 30 * MS}
    await journal.append(intent("r", "b", "ADAUSDT", **late), intent("u", "c", "ADAUSDT", **late))
    await journal.append(
        order_outcome("r", IntentState.REJECTED, reason="no margin", filled=None, average_price=None),
        order_outcome("u", IntentState.REFUSED, reason="above max_notional", filled=None, average_price=None),
    )
    (one,) = shown(journal)
    assert one["outcome"].startswith(
        "3 orders on 3 accounts: 1 filled, 1 rejected by the exchange, 1 refused by limits, first sent after"
    )
    assert one["problems"] == [
        "b ADAUSDT rejected by the exchange: no margin",
        "c ADAUSDT refused by limits: above max_notional",
    ]


async def test_pages_tear_no_alert_from_its_orders(journal: Journal) -> None:
    """Whatever the size of a page, every alert, order and event appears once, and alerts are complete."""
    for number in range(12):
        await alert(journal, number, accounts=number % 4)
        await journal.append(event(str(number)), quarantined())
    for limit in (1, 2, 3, 5, 7, 100):
        found: list[Any] = []
        before = None
        while True:
            page = JournalHistory(journal).activity(Wanted(limit=limit, before=before))
            assert len(page["activity"]) <= limit
            found += page["activity"]
            before = page["next"]
            if before is None:
                break
        numbers = [one["number"] for one in found]
        assert numbers == sorted(set(numbers), reverse=True)
        assert len(found) == 36
        alerts = [one for one in found if one["kind"] == "alert"][::-1]
        assert [len(one["orders"]) for one in alerts] == [n % 4 for n in range(12)]
        assert not [one for one in found if one["kind"] == "orders"]


async def test_orders_without_a_signal_are_grouped_by_what_caused_them(journal: Journal) -> None:
    def made(order: str, account: str, symbol: str, cause: Cause | None, after: timedelta) -> Any:
        return intent(order, account, symbol, cause=cause, caused_at=NOW + after, created_at=NOW + after)

    await journal.append(
        made("s1", "a", "X", Cause.SETTINGS, 0 * MS),
        made("s2", "b", "Y", Cause.SETTINGS, 5 * MS),
        made("s3", "b", "Y", Cause.SETTINGS, 2 * MINUTE),
        made("d1", "a", "X", Cause.DRIFT, 3 * MINUTE),
        made("d2", "b", "X", Cause.DRIFT, 3 * MINUTE),
    )
    assert [(one["title"], len(one["orders"])) for one in shown(journal)] == [
        ("position changed by others: X on b", 1),
        ("position changed by others: X on a", 1),
        ("settings edited: Y on b", 1),
        ("settings edited: 2 symbols on 2 accounts", 2),
    ]


async def test_an_order_long_after_its_signal_is_listed_alone(journal: Journal) -> None:
    await alert(journal, 1, accounts=1)
    at = NOW + MINUTE
    await journal.append(
        intent("late", "b", "ADAUSDT", cause=Cause.SIGNAL, caused_at=at, created_at=at + 30 * MINUTE)
    )
    late, first = shown(journal)
    assert (late["kind"], late["title"]) == ("orders", "an earlier signal: ADAUSDT on b")
    assert [order["client_order_id"] for order in first["orders"]] == ["1-0"]


async def test_a_refused_alert_is_there_once(journal: Journal) -> None:
    """Its source records an event for notifiers, too."""
    said: Any = {"kind": "refused", "account": None, "source": "tradingview"}
    await journal.append(quarantined(reason="not mapped", field="symbol"))
    await journal.append(
        event("alert refused: symbol: not mapped", **said), event("alert refused: other", **said)
    )
    assert [(one["kind"], one["title"]) for one in shown(journal)] == [
        ("event", "tradingview: alert refused: other"),
        ("refused", "tradingview: refused: symbol: not mapped"),
    ]


async def test_activity_is_filtered_by_account_symbol_kind_and_time(journal: Journal) -> None:
    for number in range(3):
        await alert(journal, number, accounts=number)
    await journal.append(event("mine", account="a1"), event("other", account="zz"))
    assert [one["title"] for one in shown(journal, account="a1")] == [
        "a1: mine",
        "tradingview ADAUSDT long 0.5",
    ]
    assert [one["title"] for one in shown(journal, kind="event")] == ["zz: other", "a1: mine"]
    assert shown(journal, symbol="BTCUSDT") == []
    assert len(shown(journal, symbol="ADAUSDT", source="tradingview", kind="alert")) == 3
    until = shown(journal, kind="alert", since=NOW + MINUTE, until=NOW + 2 * MINUTE)
    assert [(one["kind"], len(one["orders"])) for one in until] == [("alert", 1)]
