"""A new account reads, plans and shows, and sends nothing until the operator allows it to trade."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from te_core.accounts.dispatch import StaleDecision
from te_core.api import ExchangeAccount
from te_core.errors import CommandRefused
from te_core.journal.journal import Journal
from te_core.journal.snapshot import AccountRecord
from te_core.model.control import Control
from te_core.model.order import OrderRequest, Side
from te_core.model.position import MarginMode
from te_core.runtime.guarded_account import GuardedAccount
from te_core.testing.faults import Fault
from tests.engine.scene import Scene, scene
from tests.engine.test_operator_commands import FLATTEN, GO, HALT, RESUME, TARGET, in_chunks, plan
from tests.querying import account_findings, queries_of

D = Decimal
NEW: dict[str, Any] = {"accounts__one": {"plugin": "fake"}}
"""One live account, as an operator first writes it."""
SENDING = ("place_order", "set_leverage", "set_margin_mode")


def changing_calls(world: Scene, key: str = "none") -> list[str]:
    """Return the calls that reached an exchange and change something there."""
    return [name for name in SENDING if world.connection(key).calls[name]]


async def test_a_new_live_account_plans_and_sends_nothing_until_go(tmp_path: Path) -> None:
    async with scene(tmp_path, **NEW) as world:
        await world.say("0.5", wait=120)
        assert not changing_calls(world)
        row, state, queries = world.row(), world.whole_state(), queries_of(world.engine)
        assert (row["status"], row["quantity"]) == ("observing", "0.1")
        assert row["reason"] == "observing: would set margin mode isolated, set leverage 1, buy 0.1 BTCUSDT"
        assert world.state()["status"] == "observing"
        assert "new here" in world.state()["reason"]
        assert state["engine"]["status"] == "observing"
        assert [row["text"].split(" since ")[0] for row in state["commands"]] == ["account one: observing"]
        assert queries.readiness()["ready"]
        assert "account one: since" in queries.readiness()["observing"][0]
        explained = queries.explain("BTCUSDT")["accounts"]["one"]
        assert explained["sizing"]["quantity"] == "0.1"
        assert "would" in str(explained)
        (shown,) = (await queries.plan())["accounts"]["one"]["symbols"].values()
        assert [step["kind"] for step in shown["steps"]] == ["margin_mode", "leverage", "order"]
        assert shown["status"] == "observing"
        found = (await account_findings(world.engine))["one"]
        assert any(one["check"] == "observing" and "te go" in one["remedy"] for one in found)
        assert [event.text for event in world.events("observing")] == [row["reason"]]

        assert await plan(world, GO, "one") == {"BTCUSDT": ["buy 0.1"]}
        await world.command(GO, "one", reason="looks right", wait=60)
        assert world.held() == D("0.1")
        assert world.at_target()
        assert world.whole_state()["engine"]["status"] == "ready"
        (event,) = world.events("go")
        assert event.text == "one: set live by alice at 2026-01-01 00:02:01Z (looks right)"


async def test_it_observes_across_restarts_and_is_live_across_restarts(tmp_path: Path) -> None:
    async with scene(tmp_path, **NEW) as world:
        await world.restart()
        await world.say("0.5", wait=60)
        assert not changing_calls(world)
        assert len(world.events("observe")) == 1
        await world.command(GO, "one", wait=30)
        await world.restart()
        await world.say("0.8", wait=60)
        assert world.held() == D("0.16")


async def test_an_account_traded_before_the_upgrade_does_not_observe(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:  # live without any command, as every account was
        await world.say("0.5", wait=30)
        await world.edit("accounts.one", {"plugin": "fake"})
        await world.restart()
        await world.say("0.8", wait=30)
        assert world.held() == D("0.16")


async def test_another_key_is_another_account_and_a_rename_is_not(tmp_path: Path) -> None:
    async with scene(tmp_path, **NEW) as world:
        await world.command(GO, "one")
        await world.say("0.5", wait=30)
        await world.edit("accounts.one.key", "other", wait=60)
        assert world.state()["status"] == "observing"
        assert not changing_calls(world, "other")
        await world.edit("accounts.one", None)
        await world.edit("accounts.renamed", {"plugin": "fake"}, wait=30)
        await world.say("0.8", wait=30)
        assert world.held() == D("0.16")


async def test_an_account_on_paper_does_not_observe_unless_told_to(tmp_path: Path) -> None:
    world = Scene(tmp_path, **NEW)
    world.capabilities = replace(world.capabilities, simulated=True)
    await world.start()
    await world.say("0.5", wait=30)
    assert world.held() == D("0.1")
    await world.edit("accounts.one.observe", True)
    await world.say("0.8", wait=30)
    assert world.held() == D("0.1")
    await world.stop()


async def test_settings_override_go_and_accounts_set_live_stay_live(tmp_path: Path) -> None:
    async with scene(tmp_path, **NEW) as world:
        await world.say("0.5", wait=30)
        await world.edit("accounts.one.observe", False, wait=30)
        assert world.held() == D("0.1")
        await world.edit("accounts.one.observe", None)
        await world.restart()
        await world.say("0.8", wait=30)
        assert world.held() == D("0.16"), "it traded: it is not new any more"
        await world.edit("accounts.one.observe", True)
        await world.say("0.2", wait=60)
        assert world.held() == D("0.16"), "reductions, too"
        assert world.row()["reason"] == "observing: would sell 0.12 BTCUSDT reduce-only"
        with pytest.raises(CommandRefused, match="observe = true in its settings"):
            await world.command(GO, "one")
        await world.edit("accounts.one.observe", None, wait=30)
        assert world.held() == D("0.04")


async def test_settings_that_were_edited_while_no_engine_ran_count_too(tmp_path: Path) -> None:
    async with scene(tmp_path, **NEW) as world:
        world.settings["accounts"]["one"] = {"plugin": "fake", "observe": False}
        await world.restart()
        world.settings["accounts"]["one"] = {"plugin": "fake"}
        await world.restart()
        await world.say("0.5", wait=30)
        assert world.held() == D("0.1")


async def test_an_observing_run_sends_nothing_and_leaves_no_trace(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        world.observe = "te run --observe"
        await world.restart()
        before = len(world.sent())
        await world.say("0.8", wait=60)
        await world.command(TARGET, "one", symbol="ETHUSDT", depth=D("0.5"), wait=30)
        assert len(world.sent()) == before
        assert world.state()["observing"] == "te run --observe"
        with pytest.raises(CommandRefused, match="te run --observe"):
            await world.command(GO, "one")
        world.observe = ""
        await world.restart()
        await asyncio.sleep(30)
        assert world.held() == D("0.16")


@pytest.mark.parametrize("streams", [False, True])
async def test_observing_in_the_middle_of_a_plan_sends_nothing_more(tmp_path: Path, streams: bool) -> None:
    async with scene(tmp_path, streams=streams) as world:
        in_chunks(world, "0.01")
        await world.restart()  # trading rules are read again
        world.connection().faults = lambda method, call: (
            Fault(answer_delay=0.5) if method == "place_order" else None
        )
        await world.say("0.5", wait=1.6)
        sent = len(world.sent())
        assert 2 <= sent < 10
        await world.edit("accounts.one.observe", True, wait=60)
        assert len(world.sent()) == sent
        world.exchange().price["BTCUSDT"] = D("100000")
        await asyncio.sleep(10)  # until it is pushed
        await world.edit("accounts.one.observe", None, wait=60)
        assert world.held() == D("0.05"), "sized afresh"


READING = {
    *(
        "open",
        "close",
        "identity",
        "instruments",
        "equity",
        "positions",
        "prices",
        "find_order",
        "order_cost",
        "cash_flows",
        "find_stop",
        "stops",
    ),
    *("trading_terms", "funding", "diagnose", "watch"),
}
"""What is called on an observing account all the same. Every other method of the contract, now or later, changes
something."""


def methods() -> list[str]:
    return [name for name, _ in inspect.getmembers(ExchangeAccount, inspect.iscoroutinefunction)]


@pytest.mark.parametrize("name", [name for name in methods() if name not in READING])
async def test_no_changing_method_of_the_contract_passes_the_gate(name: str) -> None:
    inner = AsyncMock(spec=ExchangeAccount)
    method = getattr(GuardedAccount(inner, observing=lambda: "new here"), name)
    with pytest.raises(StaleDecision, match="observing: new here"):
        await method(*(None for _ in inspect.signature(method).parameters))
    assert not inner.mock_calls


async def test_nothing_gets_past_the_account_whoever_asks_for_it(tmp_path: Path) -> None:
    """The gate is the last step before the plugin: calls that bypassed the engine's rules stop there, too (I14)."""
    async with scene(tmp_path, **NEW) as world:
        account = world.engine.accounts["one"].account
        assert account is not None
        order = OrderRequest(
            client_order_id="7" * 22,
            symbol="BTCUSDT",
            side=Side.SELL,
            quantity=D(1),
            reduce_only=True,
            leverage=1,
            margin_mode=MarginMode.ISOLATED,
            reference_price=D(50000),
        )
        for call in (
            account.place_order(order),
            account.set_leverage("BTCUSDT", 2, MarginMode.ISOLATED),
            account.set_margin_mode("BTCUSDT", MarginMode.CROSS),
        ):
            with pytest.raises(StaleDecision, match="observing"):
                await call
        with pytest.raises(StaleDecision, match="observing"):
            world.contexts["one"].date()
        assert not changing_calls(world)
        await world.command(GO, "one")
        world.contexts["one"].date()
        await account.set_leverage("BTCUSDT", 2, MarginMode.ISOLATED)


async def test_a_flatten_applies_once_an_observing_account_goes_live(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as world:
        world.exchange().hold("SOLUSDT", "7")
        await world.say("0.5", wait=30)
        await world.edit("accounts.one.observe", True)
        before = len(world.sent())
        await world.command(FLATTEN, foreign=True, wait=120)
        assert len(world.sent()) == before
        assert "BTCUSDT 0.1 (observing: would sell 0.1 BTCUSDT reduce-only)" in world.state()["still_open"]
        assert world.whole_state()["engine"]["status"] == "halted"
        assert "still open" in world.events("flatten")[-1].text
        await world.edit("accounts.one.observe", None, wait=60)
        assert not any((world.held(), world.held("SOLUSDT")))
        assert "everything" in world.events("flatten")[-1].text
        await world.say("0.9", wait=60)
        assert not world.held(), "halted"


async def test_a_halt_holds_beyond_go_and_go_beyond_resume(tmp_path: Path) -> None:
    async with scene(tmp_path, **NEW) as world:
        await world.command(HALT, "one")
        await world.say("0.5", wait=30)
        assert world.row()["status"] == "halted"
        assert await plan(world, GO, "one") == {}
        await world.command(RESUME, wait=30)
        assert not changing_calls(world), "a resume is not a go"
        assert world.row()["status"] == "observing"
        await world.command(HALT, "one")
        await world.command(GO, "one", wait=30)
        assert not world.held()
        await world.command(RESUME, "one", wait=30)
        assert world.held() == D("0.1")


async def test_an_observing_account_takes_no_room_from_others(tmp_path: Path) -> None:
    two = {"plugin": "fake", "observe": False, "key": "two"}
    async with scene(tmp_path, accounts__two=two, limits__total_exposure=5000, **NEW) as world:
        await world.say("0.5", wait=60)
        assert (world.held(), world.held(key="two")) == (D(0), D("0.1"))


async def test_go_is_refused_where_it_would_mean_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        with pytest.raises(CommandRefused, match="needs an account"):
            await world.command(GO)
        with pytest.raises(CommandRefused, match="already live"):
            await world.command(GO, "one")
        world.connection("three").faults = lambda method, call: (
            Fault(answer_delay=1e6) if method == "open" else None
        )
        await world.edit("accounts.three", {"plugin": "fake", "key": "three"})
        with pytest.raises(CommandRefused, match="three is not connected"):
            await world.command(GO, "three")


async def test_an_account_is_met_and_observes_in_one_commit_or_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two would leave an account that is known, and trades."""
    world = Scene(tmp_path, **NEW)
    appended: list[tuple[object, ...]] = []
    append = Journal.append

    def noting(journal: Journal, *entries: Any, **how: Any) -> Any:
        appended.append(entries)
        return append(journal, *entries, **how)

    monkeypatch.setattr(Journal, "append", noting)
    await world.start()
    (met,) = [entries for entries in appended if any(isinstance(one, AccountRecord) for one in entries)]
    assert [type(one) for one in met] == [AccountRecord, Control]
    await world.stop()
