"""What really happened: the exchange's own record of orders compared with the journal's, read without the engine's
code."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.end_to_end.home import Home

ZERO = Fraction(0)
KNOWN_TO_PAPER = 10_000
"""The paper account stores that many orders, and counts all of them."""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a database with its write-ahead log: a killed engine's files stay as they are."""
    with TemporaryDirectory() as folder:
        for file in (path, path.with_name(path.name + "-wal")):
            if file.exists():
                shutil.copy(file, folder)
        connection = sqlite3.connect(Path(folder) / path.name)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()


def journal_rows(home: Home, query: str, *values: Any) -> list[sqlite3.Row]:
    """Query the journal."""
    with opened(home.state / "journal.sqlite3") as journal:
        return journal.execute(query, values).fetchall()


class OrderRecords:
    """The orders of one account, as the paper exchange executed them and as the journal recorded them."""

    def __init__(self, home: Home, account: str) -> None:
        self.account = account
        with opened(home.state / "accounts" / account / "paper.sqlite3") as paper:
            self.executed = paper.execute("SELECT * FROM orders ORDER BY number").fetchall()
            self.held = {
                row["symbol"]: Fraction(row["quantity"]) for row in paper.execute("SELECT * FROM holdings")
            }
        query = "SELECT * FROM intents WHERE account = ? ORDER BY number"
        self.intents = journal_rows(home, query, account)
        goals = journal_rows(home, "SELECT * FROM goals WHERE account = ?", account)
        self.goals: dict[tuple[str, int], list[Fraction]] = defaultdict(list)
        for goal in goals:
            self.goals[goal["symbol"], goal["revision"]].append(Fraction(goal["quantity"]))

    @property
    def count(self) -> int:
        """How many orders the exchange executed in all."""
        return int(self.executed[-1]["number"]) if self.executed else 0

    def check(self) -> None:
        """Every executed order belongs to one intent, was executed once and recorded so; none went beyond its goal."""
        self._check_that_each_was_executed_once()
        self._check_that_both_sides_tell_the_same()
        self._check_that_none_passed_beyond_its_goal()

    def _check_that_each_was_executed_once(self) -> None:
        executed = Counter(order["client_order_id"] for order in self.executed)
        assert set(executed.values()) <= {1}
        steps = Counter((i["symbol"], i["revision"], i["step"], i["chunk"]) for i in self.intents)
        reused = {key for key, count in steps.items() if count > 1}
        assert not reused, f"{self.account}: {reused} stand for two client order ids each"

    def _check_that_both_sides_tell_the_same(self) -> None:
        unsettled = [dict(intent) for intent in self.intents if intent["state"] == "open"]
        assert not unsettled, f"{self.account}: outcomes were never found out: {unsettled}"
        filled = {i["client_order_id"]: i for i in self.intents if i["state"] == "filled"}
        assert len(filled) == self.count, (
            f"{self.account}: {len(filled)} in the journal, {self.count} executed"
        )
        known = {order["client_order_id"] for order in self.executed}
        assert known <= filled.keys(), f"{self.account}: executed without an intent: {known - filled.keys()}"
        for order in self.executed:
            intent = filled[order["client_order_id"]]
            told = [intent[column] for column in ("symbol", "side", "filled")]
            assert told == [order["symbol"], order["side"], order["quantity"]], dict(intent)

    def _check_that_none_passed_beyond_its_goal(self) -> None:
        """Yield the fills as the exchange recorded them; if there are more than it stores, as the journal did."""
        rank = {order["client_order_id"]: order["number"] for order in self.executed}
        filled = [intent for intent in self.intents if intent["state"] == "filled"]
        filled.sort(key=lambda intent: rank.get(intent["client_order_id"], 0))
        held: dict[str, Fraction] = defaultdict(Fraction)
        for intent in filled:
            symbol, before = intent["symbol"], held[intent["symbol"]]
            sign = 1 if intent["side"] == "buy" else -1
            after = held[symbol] = before + sign * Fraction(intent["filled"])
            goals = self.goals[symbol, intent["revision"]]
            assert any(min(before, goal) <= after <= max(before, goal) for goal in goals), (
                f"{self.account} {symbol}: {before} became {after} on the way to {goals}"
            )
        assert {s: q for s, q in held.items() if q} == {s: q for s, q in self.held.items() if q}
