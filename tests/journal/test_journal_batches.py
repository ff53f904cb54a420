"""Large commits are split, and signals go first."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.errors import EntryRefused
from te_core.journal import database
from te_core.journal.committer import Work
from te_core.journal.journal import Journal
from te_core.journal.writer import LARGEST_COMMIT, next_batch
from te_core.model.order import IntentState
from tests.journal.journal_samples import intent, open_journal, order_outcome, written


def work(number: int, *, first: bool) -> Work:
    return Work(writes=(), done=number, first=first)  # type: ignore[arg-type]  # tells works apart


def numbered(one: Work) -> Any:
    return one.done


@given(st.lists(st.booleans(), max_size=4 * LARGEST_COMMIT))
def test_every_append_is_committed_once_and_in_order_of_its_kind(kinds: list[bool]) -> None:
    waiting = [work(number, first=first) for number, first in enumerate(kinds)]
    committed: list[Work] = []
    while waiting:
        before = len(waiting)
        batch, waiting = next_batch(waiting)
        assert len(batch) == min(before, LARGEST_COMMIT)
        assert len(batch) + len(waiting) == before
        committed += batch
    for first in (True, False):
        numbers = [numbered(one) for one in committed if one.first is first]
        assert numbers == [number for number, kind in enumerate(kinds) if kind is first]


@given(st.lists(st.booleans(), max_size=4 * LARGEST_COMMIT))
def test_each_kind_gets_half_of_a_commit_if_it_fills_it(kinds: list[bool]) -> None:
    batch, _ = next_batch([work(number, first=first) for number, first in enumerate(kinds)])
    for first in (True, False):
        assert sum(one.first is first for one in batch) >= min(kinds.count(first), LARGEST_COMMIT // 2)


def test_a_signal_is_in_the_next_commit() -> None:
    waiting = [work(number, first=False) for number in range(5 * LARGEST_COMMIT)]
    waiting.append(work(-1, first=True))
    assert numbered(next_batch(waiting)[0][0]) == -1


def test_a_small_batch_keeps_its_order() -> None:
    waiting = [work(1, first=False), work(2, first=True), work(3, first=False)]
    assert next_batch(waiting) == (waiting, [])


def test_a_flood_of_signals_holds_no_order_back() -> None:
    waiting = [work(number, first=True) for number in range(2 * LARGEST_COMMIT)]
    waiting.insert(0, work(-1, first=False))
    assert -1 in map(numbered, next_batch(waiting)[0])


def outcomes_of(journal: Journal) -> dict[str, tuple[str, str | None, str]]:
    with closing(sqlite3.connect(journal.path)) as connection:
        rows = connection.execute("SELECT client_order_id, state, filled, reason FROM intents")
        return {order: (state, filled, reason) for order, *(state, filled, reason) in rows}


@pytest.mark.parametrize("together", [True, False], ids=["one statement", "old SQLite"])
async def test_a_commit_records_then_resolves_orders_in_few_statements(
    tmp_path: Path, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_UPDATES_TOGETHER", together)
    journal = open_journal(tmp_path)
    await journal.append(*(intent(f"old{number}") for number in range(20)))
    with written(journal) as statements:
        await asyncio.gather(
            *(
                journal.append(order_outcome(f"old{n}", reason=f"r{n}"), intent(f"new{n}", revision=9))
                for n in range(20)
            ),
            *(
                journal.append(order_outcome(f"new{n}", IntentState.REJECTED, filled=Decimal(n)))
                for n in range(0, 20, 2)
            ),
        )
    journal.close()
    found = outcomes_of(journal)
    assert len(found) == 40
    for n in range(20):
        assert found[f"old{n}"] == ("filled", "0.01", f"r{n}")
        assert found[f"new{n}"] == (("open", None, "") if n % 2 else ("rejected", f"{n}", ""))
    updates = [text for text in statements if text.startswith("UPDATE intents")]
    assert len(updates) == (4 if together else 30), "30 rows are 16 + 8 + 4 + 2"


async def test_of_two_outcomes_in_one_commit_the_last_one_counts(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await asyncio.gather(
        journal.append(intent("o1"), intent("o2"), order_outcome("o1", reason="first")),
        journal.append(order_outcome("o2"), order_outcome("o1", reason="second")),
    )
    journal.close()
    assert outcomes_of(journal)["o1"] == ("filled", "0.01", "second")


async def test_an_unknown_order_among_many_is_refused_alone(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(*(intent(f"o{number}") for number in range(8)))
    appends = [journal.append(order_outcome(f"o{number}")) for number in range(8)]
    appends.insert(3, journal.append(order_outcome("nobody's")))
    ended = await asyncio.gather(*appends, return_exceptions=True)
    journal.close()
    assert [type(one) for one in ended] == [*[type(None)] * 3, EntryRefused, *[type(None)] * 5]
    assert {state for state, _, _ in outcomes_of(journal).values()} == {"filled"}
