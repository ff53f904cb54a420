"""Retention deletes what is old and no longer active, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from te_core.journal import retention
from te_core.model.order import IntentState
from tests.journal.journal_samples import (
    NOW,
    confirmation,
    event,
    goal,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    signal,
    target,
)

OLD = NOW - timedelta(days=91)
KEEP = timedelta(days=90)


async def test_old_history_goes_and_what_is_active_stays(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for revision in (1, 2, 3):
        await journal.append(
            signal(received_at=OLD, sequence=str(revision)),
            target(revision=revision, created_at=OLD),
            goal(revision=revision, sized_at=OLD),
            goal(revision=revision, sized_at=OLD, equity=goal().equity + 1),
            intent(f"open {revision}", revision=revision, created_at=OLD),
            intent(f"done {revision}", revision=revision, step=2, created_at=OLD),
            order_outcome(f"done {revision}", IntentState.FILLED),
            confirmation(revision=revision, at=OLD),
            event(f"old {revision}", at=OLD),
            quarantined(body=f"old {revision}", received_at=OLD),
        )
    await journal.append(signal("tv2", received_at=NOW), signal("tv2", received_at=NOW), event("young"))
    before = journal.snapshot()

    await journal.prune(KEEP)

    assert journal.snapshot() == before
    assert [read.sequence for read in journal.signals(99)] == [None, None, "3"]
    assert [read.revision for read in journal.targets(9, account="paper", symbol="BTCUSDT")] == [3]
    assert [read.revision for read in journal.goals(9, account="paper", symbol="BTCUSDT")] == [3, 3]
    left = [record.intent.client_order_id for record in journal.intents(99)]
    assert left == ["done 3", "open 3", "open 2", "open 1"]
    assert [read.text for read in journal.events(9)] == ["young"]
    assert journal.quarantine(9) == []
    journal.close()


async def test_rows_of_a_wrong_clock_do_not_preserve_others(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    ahead = NOW + timedelta(days=4000)
    await journal.append(
        *(event(f"ahead {n}", at=ahead) for n in range(3)), event("old", at=OLD), event("young")
    )
    with patch.object(retention, "CHUNK", 2):
        await journal.prune(KEEP)
    assert [read.text for read in journal.events(9)] == ["young", "ahead 2", "ahead 1", "ahead 0"]
    journal.close()


async def test_the_active_goal_stays_although_the_target_has_moved_on(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(target(created_at=OLD), goal(sized_at=OLD), confirmation(at=OLD))
    await journal.append(target(revision=2, created_at=OLD))
    await journal.prune(KEEP)
    book = journal.snapshot().books["paper", "BTCUSDT"]
    assert (book.target.revision, book.goal, book.confirmation) == (
        2,
        goal(sized_at=OLD),
        confirmation(at=OLD),
    )
    journal.close()


async def test_more_than_one_chunk_goes_between_the_appends_of_others(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(*(signal(received_at=OLD, sequence=str(n)) for n in range(57)))
    with patch.object(retention, "CHUNK", 10):
        pruned = asyncio.ensure_future(journal.prune(KEEP))
        while not pruned.done():
            await journal.append(signal("other", received_at=NOW))
    await pruned
    assert [read.sequence for read in journal.signals(999, source="tradingview")] == ["56"]
    assert len(journal.signals(999, source="other")) >= 6
    journal.close()


async def test_what_becomes_active_while_pruning_stays_however_old(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(target(created_at=OLD), *(signal(received_at=OLD) for _ in range(20)))
    with patch.object(retention, "CHUNK", 3):
        pruned = asyncio.ensure_future(journal.prune(timedelta(days=-1)))
        revision = 1
        while not pruned.done():
            revision += 1
            await journal.append(signal(received_at=OLD, sequence=str(revision)))
            await journal.append(target(revision=revision, created_at=OLD))
            snapshot = journal.snapshot()
            assert [read.sequence for read in snapshot.signals] == [str(revision)]
            assert snapshot.books["paper", "BTCUSDT"].target.revision == revision
            if revision > 50:
                break
    pruned.cancel()
    journal.close()


async def test_numbers_go_on_after_everything_was_pruned(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(target(), goal(), *(event() for _ in range(9)))
    await journal.prune(timedelta(days=-1))
    journal.close()
    again = open_journal(tmp_path)
    await again.append(goal(revision=2), event("new"))
    assert again.snapshot().books["paper", "BTCUSDT"].goal == goal(revision=2)
    again.close()
