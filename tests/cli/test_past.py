"""History and profit at the terminal: of a running engine, and of one that was killed."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest

D = Decimal
COMMANDS = {
    "orders": ("orders", "--json"),
    "signals": ("signals", "--json"),
    "pnl": ("pnl", "--by", "symbol", "--json"),
    "equity": ("equity", "--json"),
}


@pytest.fixture(scope="module")
def traded(engine: Any) -> Any:
    """The folder of an engine that opened, reversed and closed a position, and refused an alert."""
    folder = engine.folder

    def alert(symbol: str, direction: str, size: str, price: str, orders: int) -> None:
        given = ("--direction", direction, "--size", size, "--price", price)
        folder.te("signal", "send", "--symbol", symbol, *given)
        while len([o for o in folder.json("orders")["orders"] if o["fee"] is not None]) < orders:
            pass

    while not folder.json("equity")["accounts"].get("paper", {}).get("points"):
        pass  # its value before anything is ordered
    alert("BTCUSDT.P", "long", "0.5", "65000", 1)
    alert("BTCUSDT.P", "short", "0.5", "66000", 3)
    alert("ETHUSDT.P", "long", "1", "2500", 4)
    alert("ETHUSDT.P", "flat", "0", "2600", 5)
    folder.te("signal", "send", "--symbol", "XRPUSDT", "--direction", "long", "--price", "1")
    while any(row["key"] == "unattributed" for row in folder.json("pnl", "--by", "symbol")["rows"]):
        pass  # an equity that was read between a fill and its cost; the next read corrects it
    return folder


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_orders_are_shown_with_what_they_cost(traded: Any) -> None:
    found = traded.json("orders")["orders"]
    assert [order["side"] for order in found] == ["sell", "buy", "sell", "sell", "buy"]
    close = found[3]
    assert (close["reduce_only"], close["state"], close["cause"]) == (True, "filled", "signal")
    assert D(close["realised"]) == D(close["filled"]) * (D(close["price"]) - D(found[4]["price"]))
    shown = traded.te("orders", "--symbol", "btcusdt").stdout
    assert shown.count("BTCUSDT") == 3
    assert "ETHUSDT" not in shown
    assert len(traded.json("orders", "--limit", "2")["orders"]) == 2
    assert traded.json("orders", "--until", "yesterday")["orders"] == []
    assert len(traded.json("orders", "--since", "1h", "--source", "tradingview")["orders"]) == 5
    table = rows(traded.te("orders", "--csv").stdout)
    assert [row["client_order_id"] for row in table] == [order["client_order_id"] for order in found]
    assert table[3]["reduce_only"] == "true"
    assert table[3]["shares"] == "tradingview=1"


def test_an_unknown_name_is_reported(traded: Any) -> None:
    for option, known in (("account", "paper"), ("symbol", "BTCUSDT"), ("source", "tradingview")):
        result = traded.te("orders", f"--{option}", "NOBODY")
        assert result.exit_code == 0
        assert f"the settings have no {option} NOBODY" in result.stderr
        assert known in result.stderr


def test_wrong_options_are_refused_with_what_to_write(traded: Any) -> None:
    for line, reason in (
        ("orders --since soon", "such as 2h"),
        ("orders --json --csv", "one output format"),
        ("pnl --by month", "account, symbol, source, day"),
        ("signals --quarantine --raw", "refused input"),
        ("pnl --koinly --source tradingview", "whole accounts"),
        ("report --month 2026", "such as 2026-11"),
        ("orders --since today --until yesterday", "not after"),
    ):
        result = traded.te(*line.split())
        assert result.exit_code == 2, line
        assert reason in result.stderr, line


def test_why_explains_an_order(traded: Any) -> None:
    found = traded.json("orders")["orders"]
    close = found[3]
    said = traded.te("why", str(close["number"])).stdout
    assert re.search(rf"paper: sell \S+ BTCUSDT, reduce-only: filled \(number {close['number']}", said)
    for line in (
        "because of: a signal",
        "signal tradingview: weight 0.5 x depth -0.5 = -0.25",
        "plan: step 1 of 2",
        f"filled {close['filled']} at {close['price']} (0.02% worse)",
        f"fee {close['fee']} USDT; realised {close['realised']}",
        "counts for: tradingview 100%",
    ):
        assert line in said
    story = traded.json("why", close["client_order_id"][:12])
    assert story["order"] == close
    assert [order["number"] for order in story["plan"]["orders"]] == [found[3]["number"], found[2]["number"]]
    assert 0 < story["latency"]["cause_to_sent_ms"] < 10_000
    unknown = traded.te("why", "99999999")
    assert unknown.exit_code == 1
    assert "use a number, a client order id or the beginning of one" in unknown.stderr


def test_profit_comes_to_the_same_however_it_is_added_up(traded: Any) -> None:
    found = traded.json("orders")["orders"]
    fees = sum(D(order["fee"]) for order in found)
    realised = sum(D(order["realised"]) for order in found)
    for by in ("account", "symbol", "source", "day"):
        answer = traded.json("pnl", "--by", by)
        (total,) = answer["totals"]
        assert total["paper"] is True
        assert (D(total["fees"]), D(total["realised"]), total["fills"]) == (fees, realised, 5)
        assert abs(sum(D(row["result"]) for row in answer["rows"]) - D(total["result"])) < D("1e-9"), by
    shown = traded.te("pnl", "--by", "symbol").stdout
    assert "Profit by symbol, USDT on paper" in shown
    assert "worth 10 000.0 before" in shown
    table = rows(traded.te("pnl", "--by", "symbol", "--csv").stdout)
    assert [row["key"] for row in table] == ["BTCUSDT", "ETHUSDT"]
    assert traded.json("equity")["accounts"]["paper"]["points"][0]["total"] == "10000"
    assert rows(traded.te("equity", "--csv").stdout)[0]["account"] == "paper"


def test_a_tax_program_gets_profit_and_fees_as_rows_of_money(traded: Any) -> None:
    found = traded.json("orders")["orders"]
    table = rows(traded.te("pnl", "--koinly").stdout)
    assert len(table) == 5 + 2, "a row per fee, and per profit"
    received = sum(D(row["Received Amount"]) for row in table if row["Received Amount"])
    sent = sum(D(row["Sent Amount"]) for row in table if row["Sent Amount"])
    assert received - sent == sum(D(order["realised"]) - D(order["fee"]) for order in found)
    assert {row["Label"] for row in table} == {"realized gain", "margin fee"}
    assert {row["Received Currency"] or row["Sent Currency"] for row in table} == {"USDT"}
    assert len({row["TxHash"] for row in table}) == len(table)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", row["Date"]) for row in table)


def test_accepted_alerts_are_kept_as_they_came_without_secrets(traded: Any) -> None:
    shown = traded.te("signals", "--raw", "--limit", "1").stdout
    assert '"symbol":"ETHUSDT.P","direction":"flat"' in shown
    raw = json.loads(traded.json("signals", "--symbol", "BTCUSDT")["signals"][0]["detail"]["raw"])
    assert raw["price"] == "66000"
    (refused,) = traded.json("signals", "--quarantine")["quarantine"]
    assert refused["field"] == "size"
    assert len(rows(traded.te("signals", "--csv").stdout)) == 4


def test_a_month_on_one_page(traded: Any, tmp_path: Any) -> None:
    month = traded.json("orders")["orders"][0]["created_at"][:7]
    result = traded.te("report", "--month", month, "--output", str(tmp_path))
    page, text = ((tmp_path / f"te-report-{month}{suffix}").read_text("utf-8") for suffix in (".html", ".md"))
    assert [line.rpartition("/")[2] for line in result.stdout.split()] == [
        f"te-report-{month}.html",
        f"te-report-{month}.md",
    ]
    assert f"# Report {month} USDT on paper" in text
    assert "| ETHUSDT |" in text
    assert "<td>ETHUSDT</td>" in page
    assert "<script" not in page
    assert "http" not in page, "nothing is fetched"
    assert traded.te("report", "--month", "2024-01").exit_code == 1
    nowhere = traded.te("report", "--month", month, "--output", str(tmp_path / "none"))
    assert "No such file" in nowhere.stderr


def test_the_journal_answers_the_same_when_the_engine_is_gone(
    traded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: traded.json(*line[:-1]) for name, line in COMMANDS.items()}
    monkeypatch.setattr("te_core.cli.client.Announcement.read", lambda _state: None)
    for name, line in COMMANDS.items():
        result = traded.te(*line)
        assert "reading the journal" in result.stderr
        assert json.loads(result.stdout).keys() == before[name].keys()
    orders = traded.json("orders")["orders"]
    assert orders == before["orders"]["orders"]
    assert "counts for: tradingview 100%" in traded.te("why", str(orders[-1]["number"])).stdout
    assert traded.te("why", "99999999").exit_code == 1
    assert len(rows(traded.te("pnl", "--koinly").stdout)) == 7
