"""The cost of an append and of a start does not grow with history (I10)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from te_core.journal.journal import Journal
from te_core.model.breaker import BreakerRecord
from tests.journal.journal_samples import (
    NOW,
    confirmation,
    event,
    fill,
    flow,
    goal,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    sample,
    signal,
    target,
    written,
)

ROWS = 100_000
UNIQUE = {
    "client_order_id": "client_order_id || i",
    "revision": "revision + i",
    "delivery_id": "'d' || i",
    "key": "key || i",
}
HISTORY = (
    *("signals", "quarantine", "targets", "goals", "intents", "confirmations", "events"),
    *("fills", "flows", "equity"),
)
IN_FORCE = ("latest_signals", "books")
VALUES = re.compile(r"(?<=VALUES ).*?(?=$| ON CONFLICT)|'[^']*'|\b\d+\b", re.DOTALL)


async def small(folder: Path) -> Path:
    journal = open_journal(folder)
    await journal.append(
        target(revision=10_000_000), goal(revision=10_000_000), confirmation(), signal(delivery_id="x")
    )
    await journal.append(
        intent("o1"), order_outcome("o1"), event(), intent("o2", revision=10_000_000), quarantined()
    )
    await journal.append(fill(), flow(), sample(0))
    journal.close()
    return journal.path


async def large(folder: Path) -> Path:
    """The same with a long history: every row many times, all older, resolved, and inactive."""
    path = await small(folder)
    connection = sqlite3.connect(path)
    for table in HISTORY:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        values = ["1000 + i" if name == "number" else UNIQUE.get(name, name) for name in names]
        rows = 100 if table == "quarantine" else ROWS
        connection.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
            f"INSERT INTO {table} SELECT {', '.join(values)} FROM n, "
            f"(SELECT * FROM {table} ORDER BY number LIMIT 1)"
        )
    connection.execute("UPDATE signals SET received_at = received_at - 10000000000 + number")
    connection.commit()
    connection.close()
    return path


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect all SQL that is executed within the block."""
    seen: list[tuple[str, Any]] = []

    def collect(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        seen.append((statement, parameters))

    sqlalchemy_event.listen(Engine, "before_cursor_execute", collect)
    yield seen
    sqlalchemy_event.remove(Engine, "before_cursor_execute", collect)


@contextmanager
def machine_steps(journal: Journal) -> Iterator[list[int]]:
    """Count the steps of SQLite's virtual machine within the block: work measured without a clock."""
    counted: list[int] = []

    def step() -> int:
        counted.append(1)
        return 0

    connection = cast("sqlite3.Connection", journal._committer.connection.connection.dbapi_connection)
    connection.set_progress_handler(step, 1)
    yield counted
    connection.set_progress_handler(None, 1)


async def append_one_of_each(journal: Journal) -> None:
    await journal.append(signal(received_at=NOW))
    await journal.append(target(revision=20_000_000), goal(revision=20_000_000), event())
    await journal.append(intent("new"))
    await journal.append(order_outcome("new"), confirmation())
    await journal.append(fill("new"), flow("new"), sample(-1), BreakerRecord(scope="", at=NOW, state="{}"))


async def test_an_append_costs_the_same_however_long_the_history(tmp_path: Path) -> None:
    work = {}
    for make in (small, large):
        journal = open_journal((await make(tmp_path / make.__name__)).parent)
        await journal.append(event("the first compiles the statements"))
        with written(journal) as executed, machine_steps(journal) as steps:
            await append_one_of_each(journal)
        work[make] = ([VALUES.sub("", statement) for statement in executed], len(steps))
        journal.close()
    assert work[large][0] == work[small][0]
    assert len(work[small][0]) == 30, work[small][0]
    assert work[large][1] <= work[small][1] * 1.1


async def test_a_start_searches_history_by_index_and_never_scans_it(tmp_path: Path) -> None:
    path = await large(tmp_path)
    with statements() as executed:
        journal = open_journal(tmp_path)
        snapshot = journal.snapshot()
        deliveries = journal.deliveries(NOW)
    journal.close()
    assert [held.client_order_id for held in snapshot.open_intents] == ["o2"]
    assert snapshot.books["paper", "BTCUSDT"].last_step == 1
    assert deliveries == {}

    queries = [pair for pair in executed if pair[0].startswith("SELECT")]
    plans = [
        plan for query in queries if (plan := steps_of(path, *query))[0].split()[1] in (*HISTORY, *IN_FORCE)
    ]
    touching = [step for plan in plans for step in plan if step.split()[1] in HISTORY]
    assert len(touching) >= 12, plans
    assert not [
        step for step in touching if step.startswith("SCAN") and not step.endswith("INDEX intents_open")
    ]
    assert not [step for plan in plans for step in plan if "TEMP B-TREE" in step], plans


def steps_of(path: Path, statement: str, parameters: Any) -> list[str]:
    """Return SQLite's plan of a query."""
    connection = sqlite3.connect(path)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    connection.close()
    return plan


@pytest.mark.parametrize(
    "read",
    [
        lambda journal: journal.signals(5),
        lambda journal: journal.quarantine(5, source="tradingview"),
        lambda journal: journal.events(5),
        lambda journal: journal.intents(5),
        lambda journal: journal.fills(5),
        lambda journal: journal.flows(5),
        lambda journal: journal.equity(5),
        lambda journal: journal.intents(5, client_order_ids=["o1", "o2"]),
        lambda journal: journal.goals(5, account="paper", symbol="BTCUSDT"),
        lambda journal: journal.targets(5, account="paper", symbol="BTCUSDT"),
    ],
)
async def test_reading_the_newest_is_quick_in_long_history(
    tmp_path: Path, read: Callable[[Journal], Any]
) -> None:
    path = await small(tmp_path)
    journal = open_journal(tmp_path)
    with statements() as executed:
        assert read(journal)
    journal.close()
    (query,) = [pair for pair in executed if pair[0].startswith("SELECT")]
    plan = steps_of(path, *query)
    if "IN (" not in query[0]:
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
