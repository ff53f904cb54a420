"""The cost of orders, payments and the value of accounts: recorded once, stored as long as needed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from te_core.journal import tables
from te_core.journal.journal import Journal
from te_core.journal.snapshot import OldTallies
from te_core.model.breaker import BreakerRecord
from te_core.model.cause import Cause
from te_core.model.money import FlowKind, Tally
from te_core.rules.thinning import superfluous, worth_a_sample
from tests.journal.journal_samples import (
    FIFTH_UNDONE,
    NOW,
    fill,
    flow,
    intent,
    open_journal,
    order_outcome,
    sample,
    target,
)

DAY = timedelta(days=1)


async def test_fills_flows_samples_and_breakers_come_back_as_written(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    kept = BreakerRecord(scope="", at=NOW, state='{"high":"12.5","tripped":{}}')
    await journal.identify(name="paper", plugin="paper", host="paper", uid="paper")
    await journal.append(fill(), flow(), sample(5), sample(0, "9000"), kept)
    await journal.append(fill(price=Decimal(65001)), flow())
    assert list(journal.fills(9)) == [fill(price=Decimal(65001))], "asked again, it is the same fill"
    assert list(journal.flows(9, account="paper")) == [flow()]
    assert journal.snapshot().equity == (sample(0, "9000"),), "what an account was last seen with"
    assert journal.snapshot().breakers == (kept,)
    journal.close()


async def test_a_start_requests_the_missing_costs_of_orders(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(intent("o1"), intent("o2", chunk=2), intent("o3", chunk=3), intent("o4", chunk=4))
    nothing = order_outcome("o3", filled=Decimal(0))
    await journal.append(order_outcome("o1"), order_outcome("o2"), nothing, fill("o1"))
    found = journal.unasked("paper", NOW - DAY, 10)
    assert [record.intent.client_order_id for record in found] == ["o2"]
    assert not journal.unasked("paper", NOW + DAY, 10)
    journal.close()


async def test_causes_are_kept_with_targets_and_orders(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    made = target(cause=Cause.SIGNAL, caused_at=NOW)
    await journal.append(made, intent(cause=Cause.DRIFT, caused_at=NOW))
    assert list(journal.targets(1, account="paper", symbol="BTCUSDT")) == [made]
    found = journal.intents(1)[0].intent
    assert (found.cause, found.caused_at) == (Cause.DRIFT, NOW)
    journal.close()


async def test_old_history_goes_and_the_last_seen_value_stays(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    old = 200 * 24 * 60
    await journal.append(
        fill(at=NOW - 200 * DAY),
        fill("o2"),
        sample(old),
        sample(old - 1),
        sample(old, account="b"),
        sample(1),
    )
    paid: Any = {"at": NOW - 200 * DAY, "symbol": None}
    await journal.append(flow("f", **paid), flow("d", kind=FlowKind.DEPOSIT, **paid))
    await journal.prune(90 * DAY)
    assert [one.client_order_id for one in journal.fills(9)] == ["o2"]
    assert [one.key for one in journal.flows(9)] == ["d"], (
        "profit of long ago is compared with what was paid in"
    )
    assert {(one.account, one.at) for one in journal.equity(9)} == {
        ("paper", sample(1).at),
        ("paper", sample(old).at),
        ("b", sample(old).at),
    }, "thinned"
    journal.close()


async def test_samples_are_thinned_with_age(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    month, year = 31 * 24 * 60, 366 * 24 * 60
    times = [*(year + n * 60 for n in range(48, 0, -1)), *(month + n * 5 for n in range(36, 0, -1)), 3, 2, 1]
    for minutes in times:
        await journal.append(sample(minutes), sample(minutes, account="other"))
    await journal.prune(900 * DAY)
    left = [one for one in journal.equity(999) if one.account == "paper"]
    days = {one.at.date() for one in left if NOW - one.at >= 365 * DAY}
    assert 2 <= len([one for one in left if NOW - one.at >= 365 * DAY]) == len(days) <= 3
    assert 3 <= len([one for one in left if 30 * DAY <= NOW - one.at < 365 * DAY]) <= 4
    assert len([one for one in left if NOW - one.at < DAY]) == 3, "what is young stays"
    assert len(journal.equity(999)) == 2 * len(left)
    before = journal.equity(999)
    await journal.prune(900 * DAY)
    assert journal.equity(999) == before, "thinning again takes nothing more"
    journal.close()


def test_a_sample_is_taken_on_a_change_and_every_five_minutes() -> None:
    last = sample(10)
    assert worth_a_sample(None, last)
    assert worth_a_sample(last, sample(5))
    assert not worth_a_sample(last, sample(9)), "nothing moved"
    assert worth_a_sample(last, sample(9, "10011"))
    assert not worth_a_sample(last, sample(9.9, "10011")), "too soon"
    assert worth_a_sample(last, sample(11)), "the clock went back: it must not stop recording"


def test_thinning_works_in_pieces_as_in_one() -> None:
    rows = [(n, "ab"[n % 2], NOW - timedelta(days=40) + timedelta(minutes=7 * n)) for n in range(60)]
    whole, _ = superfluous(rows, NOW)
    first, seen = superfluous(rows[:25], NOW)
    second, _ = superfluous(rows[25:], NOW, seen)
    assert first + second == whole != []


async def test_a_journal_of_the_schema_before_is_upgraded(tmp_path: Path) -> None:
    """Everything that migrations since the fourth created is removed from a new journal, which leaves one of the
    fourth."""
    journal = open_journal(tmp_path)
    await journal.append(target(), intent(), order_outcome())
    snapshot = journal.snapshot()
    journal.close()
    with sqlite3.connect(tmp_path / "journal.sqlite3") as old:
        for step in FIFTH_UNDONE:
            old.execute(step)
        old.execute("UPDATE alembic_version SET version_num = '0004'")
    old.close()
    journal = open_journal(tmp_path)
    assert journal.snapshot() == snapshot
    assert [record.intent.client_order_id for record in journal.unasked("paper", NOW - DAY, 5)] == ["o1"]
    await journal.append(fill(), sample(0))
    journal.close()
    again = Journal.open_readonly(tmp_path / "journal.sqlite3")
    assert list(again.fills(1)) == [fill()]
    again.close()


def tally(symbol: str, hour: int, **more: Any) -> Tally:
    return Tally(account="paper", symbol=symbol, hour=hour, at=NOW, **more)


async def test_tallies_are_kept_by_the_hour_and_later_by_the_day(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    hours = (0, 5, 23, 24, 47, 48, 50, 72)
    await journal.append(*(tally("BTCUSDT", hour) for hour in hours), tally("", 40))
    assert list(journal.tallies("paper")) == [tally("", 40), tally("BTCUSDT", 72)]
    assert list(journal.tallies("other")) == []
    await journal.append(OldTallies(account="paper", symbol="BTCUSDT", first=0, beyond=72))
    await journal.append(OldTallies(account="paper", symbol="BTCUSDT", first=0, beyond=72))
    with journal._snapshot() as connection:
        rows = connection.execute(select(tables.tallies).order_by(tables.tallies.c.hour)).mappings().all()
    assert [row["hour"] for row in rows if row["symbol"]] == [23, 47, 50, 72]
    await journal.prune(timedelta())
    assert list(journal.tallies("paper")) == [tally("", 40), tally("BTCUSDT", 72)], (
        "sums outlive what they count"
    )
    journal.close()


async def test_a_tally_is_read_back_as_written(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    full = tally(
        "BTCUSDT",
        30,
        realised=Decimal("1.50"),
        fills=3,
        cost=Decimal("-7"),
        shares={"a": Decimal("0.25"), "": Decimal("0.75")},
        earned={"a": Decimal("0.000000000001")},
    )
    await journal.append(replace(full, fills=2))
    await journal.append(full)
    assert list(journal.tallies("paper")) == [full]
    journal.close()
