"""The results that a running engine journals: they add up to the value of the accounts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.api import FlowKind
from te_core.model.money import Tally
from te_core.reporting.history import JournalHistory
from te_core.rules.pnl import explained
from te_core.web.query_parameters import parse_result_query
from tests.engine.banked import Bank, bank

D = Decimal


def tallies(world: Bank) -> dict[str, Tally]:
    return {tally.symbol: tally for tally in world.journal.tallies("one")}


async def traded(world: Bank) -> None:
    """Open, add, reverse, close in part and lose something, with funding, a deposit and a crash in between."""
    price = world.bank().price
    kinds = frozenset({FlowKind.FUNDING})
    world.capabilities = replace(world.capabilities, cash_flows=kinds)
    await world.restart()
    await world.say("0.5", wait=40)
    price["BTCUSDT"] = D(51_000)
    await asyncio.sleep(400)
    world.bank().pay("-7.5", FlowKind.FUNDING, symbol="BTCUSDT")
    await world.say("-0.5", wait=40)
    price["BTCUSDT"] = D(50_500)
    world.bank().deposit("3000")
    await asyncio.sleep(90)
    await world.restart()
    await world.say("-0.2", wait=40)
    price["BTCUSDT"] = D(52_000)
    await asyncio.sleep(4000)


async def test_the_sums_by_symbol_come_to_what_the_account_earned(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        await traded(world)
        earned = world.bank().worth() - 10_000 - world.bank().paid_in
        whole, btc = tallies(world)[""], tallies(world)["BTCUSDT"]
        assert abs(whole.result - earned) < D("1e-9")
        assert abs(explained(whole) - earned) < D("1e-9"), "nothing is left over: every price was reported"
        assert (btc.quantity, btc.funding, btc.fills) == (world.held(), D("-7.5"), 4)
        assert btc.shares == {"tv": D(1)}
        assert sum(btc.earned.values()) - btc.fees == btc.result
        gained = [fill.gained for fill in reversed(world.journal.fills(9))]
        assert gained[0] == 0
        assert sum((gain for gain in gained if gain), D(0)) == btc.realised
        await world.restart()
        assert explained(tallies(world)[""]) == explained(whole)


async def test_the_answer_has_the_same_sums_by_whatever_it_is_grouped(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        await traded(world)
        earned = world.bank().worth() - 10_000 - world.bank().paid_in

        def asked(**query: str) -> Any:
            return JournalHistory(world.journal).pnl(parse_result_query(query))

        for by in ("account", "symbol", "source", "day"):
            answer = asked(by=by)
            (total,) = answer["totals"]
            rows = sum((D(row["result"]) for row in answer["rows"]), D(0))
            assert abs(D(total["result"]) - earned) < D("1e-9")
            assert abs(rows - earned) < D("1e-9"), by
            assert abs(D(total["before_fees"]) - D(total["fees"]) - D(total["result"])) < D("1e-9")
            assert D(total["transfers"]) == 3000
            assert D(total["equity_after"]) - D(total["equity_before"]) - 3000 == earned
        assert [row["key"] for row in asked(by="source")["rows"]] == ["tv"]
        assert asked(by="symbol", symbol="ETHUSDT")["rows"] == []
        (row,) = asked(by="symbol", account="one", source="tv")["rows"]
        assert (row["key"], row["realised"]) == ("BTCUSDT", None), "a source's part is reported as a whole"
        assert abs(D(row["result"]) - earned) < D("1e-9")
        assert asked(by="symbol", account="two")["rows"] == []
        assert asked(by="account")["left_out"] == []


async def test_a_crash_right_after_a_fill_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Before any value of the account showed it."""
    async with bank(tmp_path) as world:
        await world.say("0.5", wait=40)
        await world.say("-0.5", wait=0.3)
        assert len(world.journal.fills(9)) == 3
        await world.kill()
        await world.start()
        btc = tallies(world)["BTCUSDT"]
        assert (btc.fills, btc.quantity, btc.others) == (3, world.held(), 0)
        assert sum((fill.fee for fill in world.journal.fills(9) if fill.fee), D(0)) == btc.fees
        world.bank().price["BTCUSDT"] = D(51_000)
        await asyncio.sleep(400)
        whole = tallies(world)[""]
        assert abs(whole.result - (world.bank().worth() - 10_000)) < D("1e-9")
        assert abs(explained(whole) - whole.result) < D("1e-9")
        assert whole.others == 0
