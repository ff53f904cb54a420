"""Reading next to a running engine, and after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from te_core.errors import JournalError
from te_core.journal.journal import Journal
from te_core.journal.snapshot import IntentRecord
from te_core.model.order import IntentState
from tests.journal.journal_samples import (
    event,
    goal,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    signal,
    target,
)


async def test_a_reader_sees_what_the_running_engine_made_durable(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    reader = Journal.open_readonly(journal.path)
    await journal.append(signal(), target(), event())
    assert reader.snapshot() == journal.snapshot()
    assert reader.events(5) == [event()]
    journal.close()
    assert reader.signals(5) == [signal()]
    reader.close()


async def test_a_reader_cannot_write_and_takes_no_lock(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.close()
    before = journal.path.read_bytes()
    reader = Journal.open_readonly(journal.path)
    again = open_journal(tmp_path)
    await again.append(event())
    again.close()
    assert reader.events(1) == [event()]
    with pytest.raises(JournalError, match="readonly"), reader._snapshot() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    reader.close()
    assert not hasattr(reader, "append")
    assert before[:16] == journal.path.read_bytes()[:16]


@pytest.mark.real_clock
async def test_a_reader_sees_everything_durable_of_a_killed_engine(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal; from pathlib import Path;"
        "from tests.journal.journal_samples import event, open_journal\n"
        "async def main():\n"
        f"    journal = open_journal(Path({str(tmp_path)!r}), inline=False)\n"
        "    await journal.append(event('last'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False)
    reader = Journal.open_readonly(tmp_path / "journal.sqlite3")
    assert reader.events(5) == [event("last")]
    reader.close()
    journal = open_journal(tmp_path)
    assert journal.events(5) == [event("last")]
    journal.close()


async def test_newest_first_by_what_is_asked_for(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for number in range(4):
        for source, symbol in (("tv", "BTCUSDT"), ("sn8", "ETHUSDT"), ("sn8", "BTCUSDT")):
            await journal.append(
                signal(source, symbol, sequence=str(number)), quarantined(source, str(number))
            )
    await journal.append(
        event("a", account="paper", symbol="BTCUSDT"), event("b", account="bybit", symbol="ETHUSDT")
    )

    wanted = journal.signals(2, source="sn8", symbol="BTCUSDT")
    assert [(read.source, read.symbol, read.sequence) for read in wanted] == [
        ("sn8", "BTCUSDT", "3"),
        ("sn8", "BTCUSDT", "2"),
    ]
    assert [read.source for read in journal.signals(3, symbol="BTCUSDT")] == ["sn8", "tv", "sn8"]
    assert journal.signals(5, source="nobody") == []
    assert [read.body for read in journal.quarantine(2, source="tv")] == ["3", "2"]
    assert [read.text for read in journal.events(5, account="paper")] == ["a"]
    assert [read.text for read in journal.events(5, symbol="ETHUSDT")] == ["b"]
    journal.close()


async def test_the_history_of_a_symbol_of_an_account(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for revision in (1, 2, 3):
        for account in ("paper", "bybit"):
            await journal.append(target(account, revision=revision), goal(account, revision=revision))
    targets = journal.targets(2, account="bybit", symbol="BTCUSDT")
    goals = journal.goals(2, account="bybit", symbol="BTCUSDT")
    assert [(read.account, read.revision) for read in targets] == [("bybit", 3), ("bybit", 2)]
    assert [(read.account, read.revision) for read in goals] == [("bybit", 3), ("bybit", 2)]
    assert journal.targets(2, account="bybit", symbol="ETHUSDT") == []
    journal.close()


async def test_intents_come_with_what_became_of_them(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    lost = order_outcome("o2", IntentState.LOST, filled=None, average_price=None, reason="not found")
    await journal.append(intent("o1"), intent("o2", "bybit"), intent("o3", symbol="ETHUSDT"), lost)
    assert journal.intents(9) == [
        IntentRecord(intent=intent("o3", symbol="ETHUSDT"), state=IntentState.OPEN, outcome=None),
        IntentRecord(intent=intent("o2", "bybit"), state=IntentState.LOST, outcome=lost),
        IntentRecord(intent=intent("o1"), state=IntentState.OPEN, outcome=None),
    ]
    assert [
        record.intent.client_order_id for record in journal.intents(9, account="paper", symbol="BTCUSDT")
    ] == ["o1"]
    chosen = journal.intents(9, client_order_ids=["o3", "o1", "unknown"])
    assert [record.intent.client_order_id for record in chosen] == ["o3", "o1"]
    assert journal.intents(9, client_order_ids=[]) == []
    journal.close()
