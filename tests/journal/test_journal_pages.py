"""The history is read a page at a time, newest first, by account, symbol, source and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.journal import pages
from te_core.journal.journal import Journal
from te_core.journal.pages import (
    Page,
    Wanted,
    event_page,
    flow_page,
    number_at,
    order_page,
    refusal_page,
    sample_page,
    signal_page,
)
from te_core.journal.tables import signals
from te_core.model.target import Term
from tests.journal.journal_samples import (
    NOW,
    event,
    fill,
    flow,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    sample,
    signal,
    target,
)

SECOND = timedelta(seconds=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(tmp_path)
    yield opened
    opened.close()


def asked(journal: Journal, page: Any, **wanted: Any) -> Page[Any]:
    return journal.read(lambda connection: page(connection, Wanted(**wanted)))


def walked(journal: Journal, page: Any, **wanted: Any) -> list[Any]:
    """Return everything that matches, one page after the other."""
    found, before = [], None
    for _ in range(200):
        part = asked(journal, page, before=before, **wanted)
        assert len(part.rows) <= wanted["limit"]
        found += [entry for _, entry in part.rows]
        if part.next is None:
            return found
        assert before is None or part.next < before
        before = part.next
    raise AssertionError("it does not end")


async def test_every_page_goes_on_where_the_last_one_ended(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if few of many rows match: then a page reads only a part of them."""
    monkeypatch.setattr(pages, "SCANNED", 7)
    made = [
        signal(
            symbol="RAREUSDT" if n in (2, 29) else "BTCUSDT", received_at=NOW + n * SECOND, delivery_id=f"{n}"
        )
        for n in range(40)
    ]
    await journal.append(*made)
    for limit in (1, 3, 40, 100):
        assert walked(journal, signal_page, limit=limit) == made[::-1]
        assert walked(journal, signal_page, limit=limit, symbol="RAREUSDT") == [made[29], made[2]]
    assert walked(journal, signal_page, limit=5, source="bittensor") == []
    between: Any = {"since": made[10].received_at, "until": made[30].received_at}
    assert walked(journal, signal_page, limit=4, **between) == made[29:9:-1]
    assert walked(journal, signal_page, limit=4, symbol="RAREUSDT", **between) == [made[29]]


async def test_times_are_found_by_their_numbers(journal: Journal) -> None:
    def first(at: Any) -> int:
        return journal.read(lambda connection: number_at(connection, signals, signals.c.received_at, at))

    assert first(NOW) == 0
    made = [signal(received_at=NOW + n // 2 * SECOND, delivery_id=f"{n}") for n in range(21)]
    for one in made:
        await journal.append(one, event())  # numbers with gaps
    numbers = [number for number, _ in asked(journal, signal_page, limit=99).rows][::-1]
    assert first(NOW - SECOND) == numbers[0]
    for n in range(10):
        assert numbers[2 * n - 1] < first(NOW + n * SECOND) <= numbers[2 * n] or n == 0
    assert first(NOW + 99 * SECOND) > numbers[-1]


async def test_an_order_comes_with_its_outcome_and_what_it_cost(journal: Journal) -> None:
    await journal.append(intent("o1"), intent("o2", chunk=2), intent("o3", chunk=3))
    await journal.append(order_outcome("o1"), order_outcome("o2"), fill("o2"))
    (three, two, one) = [order for _, order in asked(journal, order_page).rows]
    assert (three.record.outcome, three.fill) == (None, None), "open"
    assert (two.record.outcome, two.fill) == (order_outcome("o2"), fill("o2"))
    assert (one.record.outcome, one.fill) == (order_outcome("o1"), None), "never told"


async def test_orders_are_found_by_account_and_by_source(
    journal: Journal,
) -> None:
    first = await journal.identify(name="main", plugin="bybit", host="x", uid="1")
    second = await journal.identify(name="main", plugin="bybit", host="x", uid="2")
    assert first != second
    term = Term(source="bittensor", weight=Decimal("0.1"), depth=Decimal(1))
    await journal.append(
        target(first), target(second, terms=(term,)), target("paper", terms=(replace(term, source="bitten"),))
    )
    await journal.append(intent("o1", first), intent("o2", second), intent("o3", "paper"))

    def ids(**wanted: Any) -> list[str]:
        rows = asked(journal, order_page, **wanted).rows
        return [order.record.intent.client_order_id for _, order in rows]

    assert ids(account="main") == ["o2", "o1"], "both that were called so"
    assert ids(account=second) == ["o2"]
    assert ids(account="nobody") == []
    assert ids(source="bittensor") == ["o2"]
    assert ids(source="tradingview", account="main") == ["o1"]
    assert ids(symbol="ETHUSDT") == []


async def test_events_payments_samples_and_refusals(journal: Journal) -> None:
    await journal.append(
        event("a", kind="drift"), event("b", symbol="X"), event("c", account=None, source="tv")
    )
    await journal.append(flow("f1"), flow("f2", account="b"), sample(1), sample(0, account="b"))
    await journal.append(quarantined(), quarantined("bittensor"))

    def texts(**wanted: Any) -> list[str]:
        return [one.text for _, one in asked(journal, event_page, **wanted).rows]

    assert texts() == ["c", "b", "a"]
    assert texts(kind="drift") == ["a"]
    assert texts(account="paper") == ["b", "a"]
    assert texts(symbol="X") == ["b"]
    assert texts(source="tv") == ["c"]
    assert [one.key for _, one in asked(journal, flow_page, account="b").rows] == ["f2"]
    assert [one.key for _, one in asked(journal, flow_page, kind="funding").rows] == ["f2", "f1"]
    assert asked(journal, flow_page, kind="deposit", symbol="BTCUSDT").rows == []
    assert [one.account for _, one in asked(journal, sample_page).rows] == ["b", "paper"]
    assert [one.source for _, one in asked(journal, refusal_page, source="bittensor").rows] == ["bittensor"]


async def test_who_waits_for_news_is_woken_by_a_durable_event(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    news = journal.news()
    assert journal.news() is news, "all wait for the same"
    await journal.append(signal())
    assert not news.done()
    journal.append(event(), awaited=False)
    await news
    assert len(journal.events(9)) == 1
    assert not journal.news().done(), "the next one"
    journal.close()
