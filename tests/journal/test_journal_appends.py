"""Appending: durable when told, all or nothing, in order, and unharmed by what others append."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from te_core.errors import EntryRefused, JournalError
from te_core.journal import database
from te_core.journal.committer import Work
from te_core.journal.journal import MAX_BATCH, Journal
from te_core.journal.writer import ThreadWriter
from te_core.model.order import IntentState
from tests.journal.journal_samples import (
    NOW,
    confirmation,
    event,
    full_signal,
    goal,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    signal,
    target,
    written,
)


@contextmanager
def commits(journal: Journal) -> Iterator[list[int]]:
    """Count the transactions that are committed within the block."""
    counted: list[int] = []
    with written(journal) as executed:
        yield counted
    counted += [1 for statement in executed if statement == "COMMIT"]


def _note(resolved: list[int], number: int, _done: object) -> None:
    resolved.append(number)


async def test_every_kind_of_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    entries = (
        full_signal(),
        quarantined(),
        target(),
        goal(),
        intent(),
        confirmation(),
        event(detail={"a": [1]}),
    )
    await journal.append(*entries)
    journal.close()

    again = open_journal(tmp_path)
    assert again.signals(9) == [full_signal()]
    assert again.quarantine(9) == [quarantined()]
    assert again.targets(9, account="paper", symbol="BTCUSDT") == [target()]
    assert again.goals(9, account="paper", symbol="BTCUSDT") == [goal()]
    assert [record.intent for record in again.intents(9)] == [intent()]
    assert again.events(9) == [event(detail={"a": [1]})]
    book = again.snapshot().books["paper", "BTCUSDT"]
    assert (book.target, book.goal, book.confirmation) == (target(), goal(), confirmation())
    again.close()


async def test_decimals_keep_every_digit_and_times_every_microsecond(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(signal(depth="0.10", price=Decimal("0.00000000000000000000012345678901234567890")))
    (read,) = journal.signals(1)
    assert str(read.depth) == "0.10"
    assert str(read.price) == "1.2345678901234567890E-22"
    assert read.time == NOW
    assert read.time.microsecond == 123456
    journal.close()


async def test_all_entries_of_an_append_are_kept_or_none(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(intent("o1"))
    with pytest.raises(JournalError, match="o1: an intent with this client order id is already recorded"):
        await journal.append(target(), event(), intent("o1"))
    assert journal.events(9) == []
    assert journal.snapshot().books == {}
    journal.close()


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


async def test_invalid_or_unwritable_entries_are_refused_without_harm(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for bad in (
        "text",
        replace(event(), at=NOW.replace(tzinfo=None)),
        intent("o", step=2**70),
        event(detail={"x": deep}),
    ):
        with pytest.raises(JournalError, match=r"journal .*journal\.sqlite3"):
            await journal.append(bad)  # type: ignore[arg-type]  # on purpose
    await journal.append(event("fine"))
    assert [read.text for read in journal.events(9)] == ["fine"]
    journal.close()


async def test_text_that_no_database_keeps_is_made_storable(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    odd = "a\0b\ud800c é"
    await journal.append(quarantined(body=odd), signal(sequence=odd, detail={odd: odd}))
    assert journal.quarantine(1)[0].body == "a\N{REPLACEMENT CHARACTER}b?c é"
    assert journal.signals(1)[0].detail == {odd: odd}
    journal.close()


@pytest.mark.parametrize("state", list(IntentState))
async def test_an_intent_is_recorded_once_whatever_became_of_it(tmp_path: Path, state: IntentState) -> None:
    journal = open_journal(tmp_path)
    await journal.append(intent("o1"))
    await journal.append(order_outcome("o1", state))
    with pytest.raises(EntryRefused, match="o1: an intent with this client order id is already recorded"):
        await journal.append(intent("o1", quantity=Decimal("0.02")))
    (record,) = journal.intents(9)
    assert (record.intent, record.state) == (intent("o1"), state)
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


async def test_quarantine_is_bounded_per_source(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, quarantine_limit=3)
    for number in range(7):
        await journal.append(quarantined("noisy", str(number)), quarantined("noisy", f"{number}b"))
    await journal.append(quarantined("quiet", "kept"))
    assert [read.body for read in journal.quarantine(9, source="noisy")] == ["6b", "6", "5b"]
    assert [read.body for read in journal.quarantine(9, source="quiet")] == ["kept"]
    journal.close()

    none = open_journal(tmp_path, quarantine_limit=0)
    await none.append(quarantined("noisy"))
    assert none.quarantine(9, source="noisy") == []
    none.close()


async def test_no_secret_is_written(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, redact=lambda text: text.replace('s3"cret', "***"))
    secret = 'my s3"cret!'
    await journal.append(
        signal(detail={"token": secret, "list": [{"deep": secret}], secret: 1}),
        quarantined(body=secret, field=secret, reason=secret),
        event(secret, detail={"url": secret}),
        intent("o1"),
        order_outcome("o1", IntentState.REJECTED, reason=secret),
    )
    assert journal.signals(1)[0].detail == {"token": "my ***!", "list": [{"deep": "my ***!"}], "my ***!": 1}
    assert journal.events(1)[0].text == "my ***!"
    journal.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"my ***!" in written
    assert b'3"cret' not in written
    assert json.dumps('3"cret').encode()[1:-1] not in written


async def test_detail_that_is_not_json_is_kept_as_text(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event(detail={"price": Decimal("1.50"), "at": NOW, "pair": (1, 2)}))
    assert journal.events(1)[0].detail == {"price": "1.50", "at": str(NOW), "pair": [1, 2]}
    journal.close()


@pytest.mark.real_clock
async def test_a_full_disk_fails_the_append_and_the_journal_goes_on(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    await journal.append(event("before"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "journal.sqlite3").stat().st_size, hard))
    try:
        outcomes = await asyncio.gather(
            *(journal.append(event("x" * 200_000)) for _ in range(3)), return_exceptions=True
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [type(outcome) for outcome in outcomes] == [JournalError] * 3
    assert "disk" in str(outcomes[0])
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after", "before"]
    journal.close()


@contextmanager
def full(journal: Journal) -> Iterator[None]:
    """Keep the file from growing within the block."""
    connection = journal._committer.connection
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    connection.rollback()
    yield
    connection.exec_driver_sql("PRAGMA max_page_count=1000000000")
    connection.rollback()


async def test_hours_on_a_full_disk_cost_one_attempt_per_append(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path)
    long = "x" * 20_000
    attempts, grown = 0, [0]
    with full(journal), written(journal) as executed:
        tracemalloc.start()
        for number in range(1200):
            with pytest.raises(JournalError, match="free disk space"):
                await journal.append(signal(delivery_id=f"{number}", detail={"text": long}))
            journal.append(event(long), awaited=False)
            await asyncio.sleep(6)
            if number % 400 == 399:
                attempts = sum(statement.startswith("BEGIN") for statement in executed)
                executed.clear()
                grown.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert attempts <= 2 * 400
    assert grown[-1] - grown[-2] < 100_000, "400 alerts and as many events of 20 kB each"
    await journal.append(signal(delivery_id="after"))
    assert [read.delivery_id for read in journal.signals(9)] == ["after"]
    journal.close()


@pytest.mark.real_clock
async def test_a_locked_file_fails_the_append_and_the_journal_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    journal = open_journal(tmp_path, inline=False)
    other = sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(JournalError, match="another program holds the file: close it"):
            await journal.append(event("held up"))
    other.close()
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after"]
    journal.close()


async def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    connection = journal._committer.connection
    with connection.begin():
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "2 is FULL"
    journal.close()


@pytest.mark.real_clock
async def test_closing_keeps_what_was_appended_and_refuses_what_comes_later(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    waiting = [journal.append(event(f"line {n}")) for n in range(100)]
    journal.close()
    journal.close()
    await asyncio.gather(*waiting)
    with pytest.raises(JournalError, match="closed"):
        await journal.append(event("late"))
    again = open_journal(tmp_path)
    assert len(again.events(999)) == 100
    again.close()


async def test_closing_inline_keeps_what_was_appended_in_the_same_tick(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    done = journal.append(event("last words"))
    journal.close()
    assert done.done()
    assert done.exception() is None
    again = open_journal(tmp_path)
    assert [read.text for read in again.events(9)] == ["last words"]
    again.close()


@pytest.mark.real_clock
async def test_who_stops_waiting_does_not_take_the_entry_back(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    given_up = journal.append(event("given up"))
    given_up.cancel()
    await journal.append(event("next"))
    assert [read.text for read in journal.events(9)] == ["next", "given up"]
    journal.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.real_clock
async def test_a_defect_in_the_writer_leaves_nobody_waiting() -> None:
    def broken(_batch: object) -> Any:
        raise AssertionError("defect")

    writer = ThreadWriter(broken)
    for _ in range(3):
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        writer.submit([Work((), done)])
        with pytest.raises(JournalError, match="restart the engine"):
            await done
    writer.close()


async def test_what_nobody_awaits_is_committed_with_what_comes_next(tmp_path: Path) -> None:
    """Else an order's intent would wait for two commits: its target's, begun just before, and its own."""
    journal = open_journal(tmp_path)
    with written(journal) as statements:
        first = journal.append(event("not awaited"), awaited=False)
        await journal.append(event("awaited"))
    assert first.done()
    assert sum(statement.startswith("COMMIT") for statement in statements) == 1
    assert [read.text for read in journal.events(9)] == ["awaited", "not awaited"]
    journal.close()


async def test_what_nobody_awaits_becomes_durable_all_the_same(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event("alone"), awaited=False)
    assert [read.text for read in journal.events(9)] == ["alone"]
    journal.close()


@pytest.mark.real_clock
async def test_closing_keeps_what_nobody_awaited(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    journal.append(event("just before"), awaited=False)
    journal.close()
    journal = open_journal(tmp_path)
    assert [read.text for read in journal.events(9)] == ["just before"]
    journal.close()


async def test_what_nobody_awaits_hurts_nobody_if_it_cannot_be_kept(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(event("never"), intent("o1"), intent("o1"), awaited=False)
    await journal.append(event("next"))
    assert [read.text for read in journal.events(9)] == ["next"]
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
async def test_an_awaited_append_commits_what_came_before_without_delay(tmp_path: Path) -> None:
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
async def test_what_a_stream_may_not_append_is_told_after_the_call(tmp_path: Path) -> None:
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
async def test_a_receiver_with_a_defect_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    journal.stream(Failing(), event("first"))
    await streamed(journal, "second")
    assert [type(error) for error in told] == [ArithmeticError]
    assert [read.text for read in journal.events(9)] == ["second", "first"]
    journal.close()
