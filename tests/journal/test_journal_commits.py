"""What is appended together shares a commit, in order, and harms no other of its batch."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from te_core.errors import JournalError
from te_core.journal.committer import Work
from te_core.journal.journal import MAX_BATCH, Journal
from te_core.model.order import IntentState
from tests.journal.journal_samples import event, intent, open_journal, order_outcome, target, written


@contextmanager
def commits(journal: Journal) -> Iterator[list[int]]:
    """Count the transactions that are committed within the block."""
    counted: list[int] = []
    with written(journal) as executed:
        yield counted
    counted += [1 for statement in executed if statement == "COMMIT"]


def _note(resolved: list[int], number: int, _done: object) -> None:
    resolved.append(number)


async def test_appends_of_one_tick_share_a_commit(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with commits(journal) as counted:
        await asyncio.gather(*(journal.append(event(f"line {n}")) for n in range(50)))
    assert len(counted) == 1
    assert [read.text for read in journal.events(99)] == [f"line {n}" for n in reversed(range(50))]
    journal.close()


@pytest.mark.real_clock
async def test_what_queues_while_a_commit_runs_shares_the_next_one(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    other = sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    resolved: list[int] = []
    with commits(journal) as counted:
        waiting = [journal.append(event(f"line {n}")) for n in range(50)]
        for number, done in enumerate(waiting):
            done.add_done_callback(partial(_note, resolved, number))
        other.execute("ROLLBACK")
        await asyncio.gather(*waiting)
    assert 1 <= len(counted) <= 2
    assert resolved == list(range(50))
    other.close()
    journal.close()


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.real_clock
async def test_an_unfit_append_harms_no_other_of_its_batch(tmp_path: Path, inline: bool) -> None:
    journal = open_journal(tmp_path, inline=inline)
    await journal.append(intent("used"), target(revision=7))
    batch = [journal.append(event(f"line {n}")) for n in range(20)]
    batch.insert(3, journal.append(intent("used"), event("never")))
    batch.insert(9, journal.append(target(revision=7)))
    batch.insert(15, journal.append(order_outcome("unknown"), event("never")))
    outcomes = await asyncio.gather(*batch, return_exceptions=True)
    failed = [number for number, outcome in enumerate(outcomes) if outcome is not None]
    assert failed == [3, 9, 15]
    assert all(isinstance(outcomes[number], JournalError) for number in failed)
    assert [read.text for read in journal.events(99)] == [f"line {n}" for n in reversed(range(20))]
    journal.close()


async def test_sent_and_settled_twice_in_one_batch_keeps_the_order(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    unsent = order_outcome("o1", IntentState.UNSENT, filled=None, average_price=None)
    entries = (intent("o1"), unsent, intent("o2", step=2), order_outcome("o1"))
    with commits(journal) as counted:
        await asyncio.gather(*(journal.append(entry) for entry in entries))
    assert len(counted) == 1
    later, earlier = journal.intents(9)
    assert (later.outcome, earlier.outcome) == (None, order_outcome("o1"))
    journal.close()


async def test_an_append_that_is_not_awaited_shares_the_next_commit(tmp_path: Path) -> None:
    """Otherwise an order's intent would wait for two commits: its target's, which just started, and its own."""
    journal = open_journal(tmp_path)
    with written(journal) as statements:
        first = journal.append(event("not awaited"), awaited=False)
        await journal.append(event("awaited"))
    assert first.done()
    assert sum(statement.startswith("COMMIT") for statement in statements) == 1
    assert [read.text for read in journal.events(9)] == ["awaited", "not awaited"]
    journal.close()


async def test_an_append_of_nothing_waits_for_those_before_it(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    before = journal.append(event("first"))
    await journal.append()
    assert before.done()
    journal.close()


def streamed(journal: Journal, text: str) -> asyncio.Future[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    journal.stream(done, event(text))
    return done


@pytest.mark.real_clock
async def test_a_stream_shares_a_commit_across_turns_of_the_loop(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    with commits(journal) as counted:
        waiting = []
        for number in range(30):
            waiting.append(streamed(journal, f"line {number}"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        await streamed(journal, "alone")
    assert len(counted) == 2
    assert [read.text for read in journal.events(99)] == [
        "alone",
        *(f"line {n}" for n in reversed(range(30))),
    ]
    journal.close()


@pytest.mark.real_clock
async def test_an_awaited_append_commits_what_came_before_at_once(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    with commits(journal) as counted:
        first = streamed(journal, "of a stream")
        await journal.append(event("an order's"))
        assert first.done()
    assert len(counted) == 1
    journal.close()


@pytest.mark.real_clock
async def test_a_long_stream_is_committed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = open_journal(tmp_path, inline=False)
    real, sizes = journal._writer.submit, []

    def submit(works: Sequence[Work]) -> None:
        sizes.append(len(works))
        real(works)

    monkeypatch.setattr(journal._writer, "submit", submit)
    await asyncio.gather(*(streamed(journal, f"line {number}") for number in range(2 * MAX_BATCH + 3)))
    assert sizes == [MAX_BATCH, MAX_BATCH, 3]
    journal.close()


@pytest.mark.real_clock
async def test_what_a_stream_may_not_append_is_reported_after_the_call(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    unfit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    journal.stream(unfit, object())  # type: ignore[arg-type]
    kept = streamed(journal, "kept")
    assert not unfit.done()
    with pytest.raises(JournalError, match="not a journal entry"):
        await unfit
    await kept
    journal.close()
    late = streamed(journal, "late")
    assert not late.done()
    with pytest.raises(JournalError, match="closed"):
        await late


class Failing:
    """A receiver with a defect."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return False

    def set_result(self, result: None, /) -> None:
        raise ArithmeticError("a defect")

    def set_exception(self, exception: JournalError, /) -> None:
        raise AssertionError from exception


@pytest.mark.real_clock
async def test_a_receiver_with_a_defect_does_not_affect_the_others(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    journal.stream(Failing(), event("first"))
    await streamed(journal, "second")
    assert [type(error) for error in told] == [ArithmeticError]
    assert [read.text for read in journal.events(9)] == ["second", "first"]
    journal.close()
