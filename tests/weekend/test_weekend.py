"""After a weekend: what happened, what do I own, what have I earned, what needs attention? Compared with the truth.

This covers four hours of it; TE_WEEKEND=60 (``make weekend``) is the whole one with 9,000 alerts, and ``python -m
tests.weekend FOLDER`` leaves it for inspection.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from te_core.cli.main import app
from te_core.journal.journal import Journal
from te_core.journal.reader import JournalReader
from te_core.model.event import Event
from te_core.model.money import FlowKind
from te_core.model.order import IntentState
from te_core.reporting.view.build import view
from tests.weekend.loop import run
from tests.weekend.story import Story, Truth
from tests.weekend.world import ACCOUNTS, SYMBOLS, World, loaded, world

HOURS = float(os.environ.get("TE_WEEKEND", "4"))
ALERTS = int(HOURS * (150 if "TE_WEEKEND" in os.environ else 30))
pytestmark = pytest.mark.timeout(600 + 200 * HOURS)
NOTICED = timedelta(minutes=3)
"""How long it may take to notice an event at an exchange: a resync is two minutes here."""
CENT = Decimal("0.01")
SAMPLED = Decimal(40)
"""How far the value of four accounts may have moved since the last sample: a thousandth."""
FRIDAY = datetime(2026, 3, 6, 18, tzinfo=UTC)


@dataclass
class Weekend:
    """What remains afterwards: the folder, and the exchanges' records."""

    folder: Path
    truth: Truth
    state: dict[str, Any]
    journal: JournalReader
    held: dict[tuple[str, str], Decimal]
    worth: dict[str, Decimal]
    earned: dict[str, Decimal]
    paid: dict[str, Decimal]
    ours: dict[str, set[str]]
    """By account: client order ids that its exchange executed."""
    doubled: list[str]

    def events(self, *kinds: str, account: str | None = None) -> list[Event]:
        found = reversed(self.journal.events(100_000))
        return [e for e in found if e.kind in kinds and account in (None, e.account)]

    def json(self, *arguments: str) -> Any:
        return json.loads(self.te(*arguments, "--json"))

    def te(self, *arguments: str, well: bool = True) -> str:
        result = CliRunner().invoke(app, ["--settings", str(self.folder / "settings.toml"), *arguments])
        assert (result.exit_code == 0) == well, result.output
        return result.stdout


async def live(folder: Path, registry: Any) -> Weekend:
    async with world(folder, FRIDAY, registry) as opened:
        truth = await Story(opened, hours=HOURS, alerts=ALERTS).tell()
        return Weekend(
            folder=folder,
            truth=truth,
            state=opened.state(),
            journal=Journal.open_readonly(folder / "state" / "journal.sqlite3"),
            held={(a, s): opened.held(a, s) for a in ACCOUNTS for s in SYMBOLS},
            worth={account: opened.worth(account) for account in ACCOUNTS},
            earned={account: opened.earned(account) for account in ACCOUNTS},
            paid={account: opened.owner(account).ledger.funding for account in ACCOUNTS},
            ours={account: executed(opened, account) for account in ACCOUNTS},
            doubled=[str(one) for made in opened.exchanges.values() for one in made.exchange.counts.doubled],
        )


def executed(opened: World, account: str) -> set[str]:
    orders = opened.owner(account).by_client_id.items()
    return {name for name, order in orders if order.filled}


# -- what happened?


def every_alert_is_there_and_every_refused_one_says_why(weekend: Weekend) -> None:
    assert len(weekend.journal.signals(100_000)) == weekend.truth.accepted
    assert weekend.truth.accepted + weekend.truth.repeated >= ALERTS
    assert len(weekend.journal.quarantine(1000)) == weekend.truth.refused
    assert all(one.reason for one in weekend.journal.quarantine(1000))


def every_outage_has_one_start_and_one_end_and_no_other_is_told(weekend: Weekend) -> None:
    told: dict[str, list[Event]] = defaultdict(list)
    for event in weekend.events("outage", "recovery"):
        if event.symbol is None:
            assert event.account is not None, event
            told[event.account].append(event)
    for account in ACCOUNTS:
        truly = [one for one in weekend.truth.of("outage") if account in one.accounts]
        kinds = [event.kind for event in told[account]]
        assert kinds == ["outage", "recovery"] * len(truly), (account, told[account])
        for one, (start, end) in zip(
            truly, zip(told[account][::2], told[account][1::2], strict=True), strict=True
        ):
            assert one.until is not None
            assert one.at <= start.at <= one.at + NOTICED
            assert one.until <= end.at <= one.until + NOTICED


def what_others_did_to_a_position_is_named(weekend: Weekend) -> None:
    happened = weekend.truth.of("hand trade adds", "hand trade closes", "liquidation", "left to do")
    for one in happened:
        for account in one.accounts:
            (told,) = [
                event
                for event in weekend.events("drift", account=account)
                if event.symbol == one.symbol and one.at <= event.at <= one.at + NOTICED
            ]
            assert ("liquidation" in told.text) == (one.kind == "liquidation"), told.text
            assert ("correcting it" in told.text) == (one.kind == "hand trade adds"), told.text
    assert len(weekend.events("drift")) == sum(len(one.accounts) for one in happened), "and nothing else is"


def what_the_operator_did_is_told_with_who_and_why(weekend: Weekend) -> None:
    kinds = Counter(event.kind for event in weekend.events("halt", "resume", "pause"))
    assert kinds == {"halt": 1, "pause": 1, "resume": 2}
    assert all("alice" in event.text for event in weekend.events(*kinds))
    (halt,) = weekend.events("halt")
    assert "maintenance" in halt.text
    (refused,) = [e for e in weekend.events("outage") if e.symbol is not None]
    (truly,) = weekend.truth.of("refused order")
    assert (refused.account,) == truly.accounts
    assert "PriceOutOfBand" in refused.text


def every_order_has_a_cause_an_outcome_and_was_executed_once(weekend: Weekend) -> None:
    records = weekend.journal.intents(100_000)
    assert weekend.doubled == []
    for account, truly in weekend.ours.items():
        mine = {one.intent.client_order_id: one for one in records if one.intent.account == account}
        done = {name for name, one in mine.items() if one.outcome is not None and one.outcome.filled}
        assert done == truly, account
    assert all(one.intent.cause is not None and one.intent.caused_at is not None for one in records)
    assert not [one for one in records if one.state is IntentState.OPEN]
    corrected = {one.intent.account for one in records if one.intent.cause == "drift"}
    assert corrected == {account for one in weekend.truth.of("hand trade adds") for account in one.accounts}


# -- what do I own?


def what_is_shown_is_what_is_held(weekend: Weekend) -> None:
    for (account, symbol), truly in weekend.held.items():
        shown = weekend.state["accounts"][account]["positions"].get(symbol, {"size": "0"})
        assert Decimal(shown["size"]) == truly, (account, symbol)
        target = weekend.state["accounts"][account]["targets"][symbol]
        if target["status"] == "at_target":
            assert abs(Decimal(target["quantity"]) - truly) <= abs(truly) / 100, (account, symbol, target)
    for account, truly in weekend.worth.items():
        (newest,) = [one for one in weekend.journal.snapshot().equity if one.account == account]
        assert abs(newest.total - truly) < Decimal("0.02") * abs(truly), account


# -- what have I earned?


def money_that_came_or_went_is_told_apart_from_profit(weekend: Weekend) -> None:
    for account in ACCOUNTS:
        happened = weekend.truth.of("transfer")
        truly = sum((one.amount for one in happened if account in one.accounts), Decimal(0))
        flows = [f for f in weekend.journal.flows(100_000) if f.account == account]
        told = sum((f.amount for f in flows if not f.kind.trading), Decimal(0))
        assert abs(told - truly) < 3, (account, told, truly)
    bybit = [f for f in weekend.journal.flows(100_000) if f.kind is FlowKind.FUNDING]
    for account in ("bybit-main", "bybit-second"):
        found = sum((f.amount for f in bybit if f.account == account), Decimal(0))
        assert abs(found - weekend.paid[account]) < Decimal("0.0001")


def profit_is_what_was_truly_earned_however_it_is_added_up(weekend: Weekend) -> None:
    by = {name: weekend.json("pnl", "--by", name) for name in ("account", "symbol", "source", "day")}
    told = {row["key"]: Decimal(row["result"]) for row in by["account"]["rows"]}
    assert told.keys() == {*ACCOUNTS, "paper"}
    for account, truly in weekend.earned.items():
        assert abs(told[account] - truly) < 3, (account, told[account], truly)
    for found in by.values():
        for total in found["totals"]:
            rows = [row for row in found["rows"] if row["paper"] is total["paper"]]
            added = sum((Decimal(row["result"]) for row in rows), Decimal(0))
            assert abs(added - Decimal(total["result"])) < CENT, found["by"]
    real = {name: Decimal(found["totals"][0]["result"]) for name, found in by.items()}
    assert max(real.values()) - min(real.values()) < CENT, real
    (total,) = [total for total in by["account"]["totals"] if not total["paper"]]
    before, after, paid = (Decimal(total[name]) for name in ("equity_before", "equity_after", "transfers"))
    assert abs(after - before - paid - Decimal(total["result"])) < SAMPLED


def every_fill_has_its_price_and_fee(weekend: Weekend) -> None:
    fills = {one.client_order_id: one for one in weekend.journal.fills(100_000)}
    truly = {name for names in weekend.ours.values() for name in names}
    assert truly <= fills.keys()
    assert not [one for one in fills.values() if one.price is None or one.fee is None]


# -- does anything need me?


def what_waits_for_the_operator_is_shown_and_nothing_else(weekend: Weekend) -> None:
    left = {(account, one.symbol) for one in weekend.truth.of("left to do") for account in one.accounts}
    rows = {
        (account, symbol): target
        for account, found in weekend.state["accounts"].items()
        for symbol, target in found["targets"].items()
    }
    assert {key for key, target in rows.items() if target["status"] == "drift"} >= left
    told = view(weekend.state).attention
    assert {item.kind for item in told} == {"changed"}, told
    drifting = {key for key, target in rows.items() if target["status"] == "drift"}
    assert {
        (account, symbol) for item in told for account in item.accounts for symbol in item.symbols
    } == drifting
    assert all(item.remedy.startswith("te resume") for item in told)
    for key, target in rows.items():
        if target["status"] not in {"at_target"}:
            assert target["reason"], key
    assert weekend.state["engine"]["status"] == "ready"
    assert weekend.state["commands"] == []


def the_commands_answer_from_the_folder(weekend: Weekend) -> None:
    assert "bybit-main" in weekend.te("status", well=False), "no engine runs any more"
    assert "BTCUSDT" in weekend.te("signals", "--limit", "1000")
    assert "weight" in weekend.te("explain", "BTCUSDT")
    assert "bybit-main" in weekend.te("equity")
    assert "Profit" in weekend.te("pnl", "--by", "day")
    orders = weekend.json("orders", "--limit", "1000")["orders"]
    assert all(order["cause"] for order in orders)
    (order, *_) = [order for order in orders if order["state"] == "filled"]
    story = weekend.te("why", str(order["number"]))
    assert order["price"] in story
    month = f"{FRIDAY:%Y-%m}"
    weekend.te("report", "--month", month, "--output", str(weekend.folder))
    assert "bybit-main" in (weekend.folder / f"te-report-{month}.md").read_text()


CHECKS: tuple[Callable[[Weekend], None], ...] = (
    every_alert_is_there_and_every_refused_one_says_why,
    every_outage_has_one_start_and_one_end_and_no_other_is_told,
    what_others_did_to_a_position_is_named,
    what_the_operator_did_is_told_with_who_and_why,
    every_order_has_a_cause_an_outcome_and_was_executed_once,
    what_is_shown_is_what_is_held,
    money_that_came_or_went_is_told_apart_from_profit,
    profit_is_what_was_truly_earned_however_it_is_added_up,
    every_fill_has_its_price_and_fee,
    what_waits_for_the_operator_is_shown_and_nothing_else,
    the_commands_answer_from_the_folder,
)


def test_a_weekend_is_reported_as_it_was(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """One test, so that there is one weekend, however many processes share the tests."""
    weekend: Weekend = run(live(tmp_path, asyncio.run(loaded())))
    for check in CHECKS:
        with subtests.test(check.__name__):
            check(weekend)
    weekend.journal.close()
