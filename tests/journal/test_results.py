"""The result of a period, read from the tallies at its ends: by account, symbol, source and day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.journal.journal import Journal
from te_core.model.money import EquitySample, FlowKind, Tally
from te_core.reporting.history import JournalHistory
from te_core.reporting.results import CurveWanted, Grouping, ResultsWanted
from tests.journal.journal_samples import flow, open_journal

D = Decimal
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@asynccontextmanager
async def recorded(tmp_path: Path) -> AsyncIterator[Journal]:
    """Open a journal with two days of a real and a paper account; on the second day one fill had no price."""
    opened = open_journal(tmp_path)
    for name in ("main", "paper"):
        await opened.identify(
            name=name, plugin="x", host="x", uid=name, paper=name == "paper", currency="USDT"
        )
        factor = 1 if name == "main" else 1000
        await kept(opened, name, "BTCUSDT", 3, 10 * factor, earned={"tv": D(11 * factor)}, fills=1)
        await kept(opened, name, "", 3, 10 * factor, earned={"tv": D(11 * factor)}, fills=1)
        await kept(opened, name, "BTCUSDT", 26, 30 * factor, earned={"tv": D(31 * factor)}, fills=2)
        await kept(
            opened, name, "ETHUSDT", 40, -5 * factor, earned={"bt": D(-4 * factor)}, fills=1, unpriced=1
        )
        earned = {"tv": D(31 * factor), "bt": D(-4 * factor)}
        whole = {
            "earned": earned,
            "fills": 3,
            "unpriced": 1,
            "fees": D(2 * factor),
            "paid": {"tv": D(factor), "bt": D(factor)},
        }
        await kept(opened, name, "", 40, 25 * factor, result=D(27 * factor), **whole)
        for hour, total in ((0, 10_000), (3, 10_010), (23.9, 10_110), (40, 10_127)):
            at = BEGIN + hour * HOUR
            await opened.append(EquitySample(account=name, at=at, wallet=D(total), total=D(total)))
        await opened.append(
            flow("d", account=name, kind=FlowKind.DEPOSIT, amount=D(100), at=BEGIN + 5 * HOUR, symbol=None),
            flow("f", account=name, at=BEGIN + 5 * HOUR),
        )
    yield opened
    opened.close()


async def kept(journal: Journal, name: str, symbol: str, hour: int, net: int, **more: Any) -> None:
    """Journal a tally with a fee of the hundredth of its fills."""
    at = BEGIN + hour * HOUR
    sums = {"fees": D(more["fills"]), "paid": {source: D(more["fills"]) for source in more["earned"]}, **more}
    sums = {"result": D(net), "realised": D(net) + sums["fees"], **sums}
    await journal.append(Tally(account=name, symbol=symbol, hour=int(at.timestamp() // 3600), at=at, **sums))


def asked(journal: Journal, by: str, **wanted: Any) -> Any:
    return JournalHistory(journal).pnl(ResultsWanted(by=Grouping(by), **wanted))


def rows(answer: Any, *names: str, paper: bool = False) -> list[Any]:
    names = names or ("key", "result")
    return [tuple(row[name] for name in names) for row in answer["rows"] if row["paper"] is paper]


async def test_play_money_is_never_added_to_real_money(tmp_path: Path) -> None:
    async with recorded(tmp_path) as journal:
        answer = asked(journal, "account")
        assert rows(answer) == [("main", "27")]
        assert rows(answer, paper=True) == [("paper", "27000")]
        assert [(one["key"], one["result"]) for one in answer["totals"]] == [
            ("total", "27"),
            ("total", "27000"),
        ]


async def test_currencies_are_not_added_up(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for name in ("USDT", "USDC"):
        await journal.identify(name=name, plugin="x", host="x", uid=name, currency=name)
        await kept(journal, name, "", 3, 10, earned={}, fills=1)
        await kept(journal, name, "BTCUSDT", 3, 10, earned={}, fills=1)
    answer = asked(journal, "symbol")
    assert [(row["key"], row["currency"], row["result"]) for row in answer["rows"]] == [
        ("BTCUSDT", "USDC", "10"),
        ("BTCUSDT", "USDT", "10"),
    ]
    assert [(one["currency"], one["result"]) for one in answer["totals"]] == [("USDC", "10"), ("USDT", "10")]
    await journal.identify(name="USDC", plugin="x", host="x", uid="USDC")
    assert asked(journal, "symbol") == answer, "a currency that is not said is the one of before"
    journal.close()


async def test_a_period_is_the_difference_of_its_ends(tmp_path: Path) -> None:
    async with recorded(tmp_path) as journal:
        second = asked(journal, "account", since=BEGIN + DAY + 10 * timedelta(minutes=1), account="main")
        assert rows(second, "key", "result", "fills") == [("main", "17", 2)]
        assert second["since"] == "2026-03-02T00:00:00+00:00", "the hour that it is in"
        (total,) = second["totals"]
        assert (total["equity_before"], total["equity_after"], total["transfers"]) == ("10110", "10127", "0")
        first = asked(journal, "account", until=BEGIN + DAY, account="main")
        (total,) = first["totals"]
        assert (total["result"], total["equity_before"], total["equity_after"], total["transfers"]) == (
            "10",
            "10000",
            "10110",
            "100",
        )
        within = asked(journal, "account", until=BEGIN + DAY - HOUR / 2, account="main")
        assert within["until"] == first["until"] == "2026-03-02T00:00:00+00:00", (
            "the hour that it is in counts whole"
        )
        assert within["rows"] == first["rows"]
        nothing = asked(journal, "account", until=BEGIN)
        assert (nothing["rows"], nothing["totals"]) == ([], [])


async def test_by_symbol_source_and_day(tmp_path: Path) -> None:
    async with recorded(tmp_path) as journal:
        by_symbol = asked(journal, "symbol", account="main")
        assert rows(by_symbol) == [("BTCUSDT", "30"), ("ETHUSDT", "-5"), ("unattributed", "2")]
        assert by_symbol["left_out"] == ["1 fill without a price"]
        by_source = asked(journal, "source", account="main")
        assert rows(by_source, "key", "before_fees", "fees", "result") == [
            ("bt", "-4", "1", "-5"),
            ("tv", "31", "1", "30"),
            ("unattributed", "2", "0", "2"),
        ]
        by_day = asked(journal, "day", account="main")
        assert rows(by_day) == [("2026-03-01", "10"), ("2026-03-02", "17")]
        assert rows(asked(journal, "day", account="main", symbol="BTCUSDT")) == [
            ("2026-03-01", "10"),
            ("2026-03-02", "20"),
        ]
        assert rows(asked(journal, "symbol", account="main", since=BEGIN + DAY, source="tv")) == [
            ("BTCUSDT", "19")
        ]
        assert rows(asked(journal, "account", symbol="ETHUSDT")) == [("main", "-5")]


async def test_values_over_time_have_at_most_so_many_points(tmp_path: Path) -> None:
    async with recorded(tmp_path) as journal:

        def curve(**query: Any) -> Any:
            return JournalHistory(journal).history(CurveWanted(**query))["accounts"]

        everything = curve()
        assert [point["total"] for point in everything["main"]["points"]] == [
            "10000",
            "10010",
            "10110",
            "10127",
        ]
        assert everything["paper"]["paper"] is True
        (point,) = curve(points=1, account="main")["main"]["points"]
        assert (point["total"], point["low"], point["high"]) == ("10127", 10_000, 10_127)
        assert [
            point["total"] for point in curve(since=BEGIN + HOUR, until=BEGIN + DAY)["main"]["points"]
        ] == [
            "10010",
            "10110",
        ]
        assert curve(account="nobody") == {}
