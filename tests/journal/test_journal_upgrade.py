"""A journal of version 0.1.0, killed with four orders in flight, is upgraded with all its content.

The repo does not hold it: it is next to the checkout, or in the folder that ``TE_CASES`` names.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.journal.journal import Journal
from te_core.model.order import HEX_IDS
from te_core.rules.client_order_ids import client_order_id
from tests.journal.journal_samples import intent, open_journal, target

CASES = Path(os.environ.get("TE_CASES", Path(__file__).parents[3] / "shared" / "cases"))
OLD = CASES / "journal-0.1.0.sqlite3"
ACCOUNTS = ("blofin", "bybit", "kucoin", "mexc", "paper")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DEPTHS = {"BTCUSDT": "0.15", "ETHUSDT": "-0.06", "SOLUSDT": "0.12"}
SIGNALS = {"BTCUSDT": "0.5", "ETHUSDT": "-0.2", "SOLUSDT": "0.4"}
OPEN = {"bybit": "0.35", "blofin": "0.2452", "kucoin": "0.213", "mexc": "0.2333"}
GOALS = {
    "BTCUSDT": {"blofin": "0.6132", "bybit": "0.874", "kucoin": "0.532", "mexc": "0.5832", "paper": "0.069"},
    "ETHUSDT": {"blofin": "11.107", "bybit": "6", "kucoin": "9.98", "mexc": "5.99", "paper": "-0.59"},
    "SOLUSDT": {"blofin": "60", "bybit": "60", "kucoin": "59.9", "mexc": "59.9", "paper": "23.9"},
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a folder with a copy of the old journal, which itself must never be opened."""
    for file in CASES.glob(f"{OLD.name}*"):
        shutil.copy(file, tmp_path / file.name.replace(OLD.name, "journal.sqlite3"))
    if not (tmp_path / "journal.sqlite3").exists():
        pytest.skip(f"the journal of version 0.1.0 is not here: {OLD.name} in shared/cases or in TE_CASES")
    (tmp_path / "journal.sqlite3").chmod(0o600)
    return tmp_path


async def test_signals_targets_goals_and_open_orders_are_all_there(old: Path) -> None:
    journal = open_journal(old)
    snapshot = journal.snapshot()
    assert journal.journal_id == "5ed6ad6d80024fd388248ed278f7d66d"
    assert {held.symbol: held.depth for held in snapshot.signals} == {
        symbol: Decimal(depth) for symbol, depth in SIGNALS.items()
    }
    assert len(journal.signals(99)) == 6
    assert snapshot.books.keys() == {(account, symbol) for account in ACCOUNTS for symbol in SYMBOLS}
    for (account, symbol), book in snapshot.books.items():
        assert (book.target.revision, book.target.depth) == (2, Decimal(DEPTHS[symbol]))
        assert book.goal is not None
        assert book.goal.quantity == Decimal(GOALS[symbol][account])
        assert book.confirmation is not None
    assert {held.account: held.quantity for held in snapshot.open_intents} == {
        account: Decimal(quantity) for account, quantity in OPEN.items()
    }
    journal.close()


async def test_no_row_of_history_is_lost_or_changed(old: Path) -> None:
    def rows() -> dict[str, list[dict[str, object]]]:
        tables = ("signals", "targets", "goals", "intents", "confirmations", "latest_signals", "books")
        connection = sqlite3.connect(old / "journal.sqlite3")
        connection.row_factory = sqlite3.Row
        found = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        connection.close()
        return {table: [dict(row) for row in each] for table, each in found.items()}

    before = rows()
    assert [len(found) for found in before.values()] == [6, 30, 22, 23, 18, 3, 15]
    open_journal(old).close()
    for row in before["signals"]:
        row["exits"] = None  # signals had none
    for row in (*before["targets"], *before["intents"]):
        row["cause"] = row["caused_at"] = None  # their cause was not recorded
    for row in before["intents"]:
        row["stop"] = None  # none was a stop
    for row in before["confirmations"]:
        row["step"] = None  # they were ordered by their times
    assert rows() == before


async def test_every_order_s_id_still_follows_from_what_it_is_for(old: Path) -> None:
    journal = open_journal(old)
    for record in journal.intents(99):
        held = record.intent
        assert held.client_order_id == client_order_id(
            journal.journal_id, held.account, held.symbol, held.revision, held.step, held.chunk, form=HEX_IDS
        )
    journal.close()


async def test_accounts_keep_their_records_and_order_numbers_go_on(old: Path) -> None:
    journal = open_journal(old)
    for name in ACCOUNTS:
        assert await journal.identify(name=name, plugin=name, host="api", uid="1") == name
    assert journal.snapshot().books["paper", "ETHUSDT"].last_step == 2
    assert journal.snapshot().books["bybit", "BTCUSDT"].last_step == 1
    await journal.append(target("bybit", revision=3), intent("new", "bybit", revision=3))
    journal.close()
    again = Journal.open_readonly(old / "journal.sqlite3")
    assert again.snapshot().books["bybit", "BTCUSDT"].target.revision == 3
    assert len(again.snapshot().open_intents) == 5
    again.close()
