"""What the terminal and the page show follows from the state alone, adds up, and marks what is unknown."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from te_core.api import NotReady, OrderRejected
from te_core.model.control import Action
from te_core.reporting.view import Item, Mark, Severity, View, view
from te_core.reporting.view.attention import KINDS
from te_core.reporting.view.values import SIGNS
from te_core.testing.faults import Fault
from tests.engine.scene import Scene, scene
from tests.reporting.made_states import FRESH_FOR, IN_SETTINGS, states

D = Decimal
SOME = settings(max_examples=50)
"""A state has hundreds of figures: fewer examples find as much."""
TWO: dict[str, Any] = {
    "one": {"plugin": "fake", "observe": False},
    "two": {"plugin": "fake", "observe": False, "key": "second"},
}


def total(parts: Iterable[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, D(0)) if known else None


def shown(world: Scene) -> View:
    return view(world.whole_state())


def titles(seen: View, *severities: Severity) -> list[str]:
    return [item.title for item in seen.attention if not severities or item.severity in severities]


# -- whatever the state says


@SOME
@given(states())
def test_totals_are_sums_of_the_rows_shown_and_name_exclusions(state: dict[str, Any]) -> None:
    seen = view(state)
    assert [row.name for row in seen.accounts] == list(state["accounts"]), "in the order of the settings"
    assert tuple(row.symbol for row in seen.symbols if row.in_settings) == IN_SETTINGS
    assert {*seen.left} <= {"OLDUSDT"}
    assert sorted(name for one in seen.totals for name in one.accounts) == sorted(state["accounts"])
    assert len({(one.paper, one.currency) for one in seen.totals}) == len(seen.totals)
    for one in seen.totals:
        rows = [row for row in seen.accounts if row.name in one.accounts]
        assert {(row.paper, row.currency) for row in rows} == {(one.paper, one.currency)}
        assert one.equity == total(row.equity for row in rows)
        assert one.unrealised == total(row.unrealised for row in rows)
        assert (one.gross, one.net) == (total(r.gross for r in rows), total(r.net for r in rows))
        assert (one.at_target, one.targets) == (sum(r.at_target for r in rows), sum(r.targets for r in rows))
        assert one.live + len(one.as_last_seen) + len(one.unknown) == len(rows)
        assert one.unpriced == tuple((row.name, symbol) for row in rows for symbol in row.unpriced)
    assert [one.paper for one in seen.totals] == sorted(
        one.paper for one in seen.totals if one.paper is not None
    )

    for index, row in enumerate(seen.accounts):
        cells = [symbol.cells[index] for symbol in seen.symbols]
        assert {cell.account for cell in cells} <= {row.name}
        if row.held is None:
            continue
        assert row.held == sum(bool(cell.size) for cell in cells)
        held = [cell for cell in cells if cell.size]
        for sum_, parts in ((row.gross, "worth"), (row.net, "worth"), (row.unrealised, "unrealised")):
            assert (sum_ is None) == bool(held and all(getattr(cell, parts) is None for cell in held))
        assert set(row.unpriced) == {c.symbol for c in held if c.worth is None or c.unrealised is None}
        assert (row.gross or 0) == (total(cell.worth and abs(cell.worth) for cell in cells) or 0)
        assert (row.net or 0) == (total(cell.worth for cell in cells) or 0)
        assert (row.unrealised or 0) == (total(cell.unrealised for cell in cells) or 0)
        assert row.at_target == sum(cell.at_target for cell in cells if cell.counts)
    if seen.totals and all(row.held is not None for row in seen.accounts):
        assert (seen.totals[0].net or 0) == (total(row.net for row in seen.symbols) or 0)


@SOME
@given(states())
def test_unknown_is_never_zero_and_each_cause_is_reported_once(state: dict[str, Any]) -> None:
    seen = view(state)
    for symbol in seen.symbols:
        for cell in symbol.cells:
            account = state["accounts"][cell.account]
            if account["read_age"] is None and cell.counts and cell.size is not None:
                assert cell.as_last_seen, "an earlier run saw that"
            if cell.size is None:
                assert cell.worth is cell.unrealised is cell.to_do is None
            if cell.at_target:
                assert account["status"] == "running"
                assert cell.read_age is not None
                assert cell.read_age <= FRESH_FOR
            if account["status"] in ("unreadable", "failing"):
                assert cell.mark in (Mark.UNKNOWN, Mark.WORKING, Mark.NO_TARGET)

    failing = [item for item in seen.attention if item.kind == "account"]
    told = Counter(name for item in failing for name in item.accounts)
    assert set(told.values()) <= {1}
    expected = {name for name, one in state["accounts"].items() if one["unready"]}
    assert set(told) == expected
    assert len({(item.severity, item.text.split(".")[0]) for item in failing}) <= len(failing)
    for item in seen.attention:
        assert item.kind in KINDS
        assert len(set(item.symbols)) == len(item.symbols)
        if item.kind in ("order", "blocked", "waiting", "changed"):
            assert not expected & set(item.accounts), "its symbols are not told one by one"
    severities = [list(Severity).index(item.severity) for item in seen.attention]
    assert severities == sorted(severities)
    assert seen.well == (not expected and not seen.count(Severity.CRITICAL))
    assert bool(seen.ground) == (set(severities) <= {2})


def test_every_state_of_a_cell_has_a_sign_of_its_own() -> None:
    assert SIGNS.keys() == set(Mark)
    assert len({sign.glyph for sign in SIGNS.values()}) == len(SIGNS)
    assert len({sign.ascii for sign in SIGNS.values()}) == len(SIGNS)
    assert all(sign.ascii.isascii() and len(sign.ascii) <= 1 for sign in SIGNS.values())


# -- a running engine


async def test_a_quiet_engine_shows_why_nothing_needs_attention(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts=TWO) as world:
        await world.say("0.5")
        await world.say("-0.5", "ETHUSDT", wait=40)
        seen = shown(world)
        assert seen.well
        assert titles(seen) == []
        assert seen.ground.startswith("4 of 4 at target, all 2 accounts read within ")
        (all_real,) = seen.totals
        assert (all_real.paper, all_real.currency, all_real.live) == (False, "USDT", 2)
        assert all_real.equity == 2 * D(10_000)
        assert (all_real.gross, all_real.net, all_real.leverage) == (D(20_000), D(0), D(1))
        btc = seen.symbols[0]
        assert (btc.symbol, btc.depth, btc.net) == ("BTCUSDT", D("0.5"), D(10_000))
        assert [(cell.size, cell.mark) for cell in btc.cells] == [(D("0.1"), Mark.AT_TARGET)] * 2
        assert [(one.source, one.weight, one.depth) for one in btc.opinions] == [("tv", D(1), D("0.5"))]
        assert {cell.mark for cell in seen.symbols[2].cells} == {Mark.NO_TARGET}


async def test_an_unreadable_account_is_one_item_as_last_seen(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, accounts=TWO) as world:
        await world.say("0.5")
        await world.say("-0.5", "ETHUSDT", wait=40)
        broken = Fault(refused=NotReady("Fake: positions: the exchange cannot be reached (GET http://x)"))
        world.connection("second").faults = lambda method, _: broken if method == "positions" else None
        await asyncio.sleep(120)
        seen = shown(world)
        (item,) = [one for one in seen.attention if one.severity is Severity.CRITICAL]
        assert (item.kind, item.title, item.accounts) == ("account", "two cannot be read", ("two",))
        assert item.text == (
            "The exchange cannot be reached. 2 positions, 10 000 USDT as last seen. "
            "Nothing is sent there; it is retried automatically."
        ).replace("10 000", "10\N{THIN SPACE}000")
        assert item.detail == "Fake: the exchange cannot be reached (GET http://x)"
        assert item.since is not None
        (both,) = seen.totals
        assert (both.equity, both.live, both.as_last_seen) == (D(20_000), 1, ("two",))
        assert (both.at_target, both.targets) == (2, 4)
        two = seen.symbols[0].cells[1]
        assert (two.mark, two.size, two.as_last_seen, two.to_do) == (Mark.UNKNOWN, D("0.1"), True, None)
        assert not seen.well

        await world.restart()
        seen = shown(world)
        assert seen.accounts[1].equity == D(10_000), "a restart forgets nothing"
        assert (seen.symbols[0].cells[1].size, seen.symbols[0].cells[1].as_last_seen) == (D("0.1"), True)


async def test_an_unreadable_account_is_reported_within_two_reads(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts=TWO, engine__resync="40s") as world:
        await world.say("0.5", wait=100)
        broken = Fault(refused=NotReady("Fake: the exchange cannot be reached"))
        world.connection("second").faults = lambda _method, _call: broken
        waited = 0
        while not titles(shown(world), Severity.CRITICAL):
            await asyncio.sleep(1)
            waited += 1
            assert waited <= 2 * 40, "reported after two failed reads"
        assert titles(shown(world), Severity.CRITICAL) == ["two cannot be read"]


async def test_a_halt_comes_first_and_outside_changes_are_per_account(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="alert") as world:
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
            await world.say("0.3", symbol, wait=5)
        await asyncio.sleep(40)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            world.exchange()._set(symbol, D(0))
        await asyncio.sleep(60)
        await world.command(Action.HALT, reason="lunch")
        seen = shown(world)
        first, second = [item for item in seen.attention if item.severity is Severity.CRITICAL]
        assert (first.kind, first.title, first.remedy) == ("halt", "all accounts: halted", "te resume")
        assert first.text.startswith("By alice at ")
        assert "(lunch)" in first.text
        assert (second.title, second.symbols) == (
            "one 2 symbols: changed by someone else",
            ("BTCUSDT", "ETHUSDT"),
        )
        assert "drift = alert" in second.text
        assert seen.engine.status == "halted"
        assert not seen.well


async def test_a_limit_is_one_note_for_all_it_holds_back_with_its_use(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts=TWO, limits={"account_exposure": 6000}) as world:
        await world.say("0.5")
        await world.say("0.5", "ETHUSDT", wait=40)
        seen = shown(world)
        assert seen.well
        (note,) = seen.attention
        assert (note.severity, note.kind) == (Severity.NOTE, "limit")
        assert note.title == "account_exposure holds back 2 positions"
        assert (note.accounts, note.symbols) == (("one", "two"), ("ETHUSDT",))
        used = {(row.name, row.account): row for row in seen.limits if row.name == "account_exposure"}
        assert used["account_exposure", "one"].limit == 6000
        assert used["account_exposure", "one"].used is not None
        assert used["account_exposure", "one"].used > D("0.8")


async def test_refused_orders_with_one_cause_are_one_item(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        refused = Fault(refused=OrderRejected("margin is short", code="110007"))
        world.connection().faults = lambda method, _: refused if method == "place_order" else None
        await world.say("0.3")
        await world.say("0.3", "ETHUSDT", wait=20)
        seen = shown(world)
        (item,) = [one for one in seen.attention if one.kind == "order"]
        assert (item.severity, item.title) == (Severity.WARNING, "one 2 symbols: held back")
        assert item.text == "BTCUSDT, ETHUSDT. Margin is short [110007]."
        assert {cell.mark for cell in seen.symbols[0].cells} == {Mark.WAITING}


async def test_paper_money_is_never_added_to_real_money(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=40)
        state = world.whole_state()
        state["accounts"]["paper"] = {**state["accounts"]["one"], "paper": True}
        real, paper = view(state).totals
        assert (real.accounts, paper.accounts) == (("one",), ("paper",))
        assert real.equity == paper.equity == D(10_000)
        assert view(state).symbols[0].net == D(5_000)


def item_kinds(items: Iterable[Item]) -> set[str]:
    return {item.kind for item in items}


async def test_sources_settings_and_notifiers_need_attention_too(tmp_path: Path) -> None:
    async with scene(tmp_path, sources__tv__expect_every="1m") as world:
        await world.say("0.5", wait=100)
        state = world.whole_state()
        state["settings"] = {"refused": ["symbols.X: no such key", "another"]}
        notifier = {"plugin": "webhook", "status": "failing", "reason": "410", "sent": 1, "waiting": 2}
        state["notifiers"] = {"phone": {**notifier, "dropped": 3}}
        state["engine"]["troubles"] = ["journal: disk full"]
        seen = view(state)
        assert titles(seen, Severity.CRITICAL) == [
            "the journal cannot be written",
            "settings refused: 2 problems",
        ]
        assert titles(seen, Severity.WARNING) == ["source tv is silent", "notifier phone: failing"]
        assert item_kinds(seen.attention) <= set(KINDS)


async def test_observing_and_tripped_items_state_their_remedy(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__observe=True) as world:
        await world.say("0.5", wait=5)
        state = world.whole_state()
        state["breakers"] = [
            {
                "account": "one", "name": "daily_loss", "symbol": "", "action": "halt", "used": 1.0,
                "tripped_at": state["engine"]["now"], "as_of": None,
                "text": 'breaker daily_loss 5% of 4% (one): halted; te resume one --reason "…" lifts it',
            }
        ]  # fmt: skip
        seen = view(state)
        tripped, observes = seen.attention
        assert (tripped.severity, tripped.kind) == (Severity.CRITICAL, "breaker")
        assert (tripped.title, tripped.remedy) == (
            "breaker daily_loss 5% of 4% (one): halted",
            'te resume one --reason "…"',
        )
        assert (observes.severity, observes.remedy) == (Severity.WARNING, "te go one")
        assert {cell.mark for cell in seen.symbols[0].cells} == {Mark.OBSERVING}
        assert seen.limits[0].breaker
        assert seen.limits[0].tripped_at == seen.engine.now


async def test_a_failed_connection_shows_its_next_attempt(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts=TWO) as world:
        for key in ("none", "second"):
            world.connection(key).faults = lambda _method, _: Fault(refused=NotReady("no route to host"))
        await asyncio.sleep(300)
        (item,) = [one for one in shown(world).attention if one.severity is Severity.CRITICAL]
        assert item.title == "2 accounts cannot be read: one, two"
        assert item.accounts == ("one", "two"), "one cause is one item"
        assert item.text.startswith("No route to host. ")
