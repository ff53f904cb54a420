"""What the state tells of an account: what is known, how old that is, and what fails, in a few words."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import NotReady
from te_core.reporting.account_state import cause
from te_core.testing.faults import Fault
from tests.engine.scene import scene

D = Decimal


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("MEXC: the exchange cannot be reached (mexc GET http://x/y)", "the exchange cannot be reached"),
        ("KuCoin: positions: maintenance (503, {…})", "maintenance"),
        ("Gate.io: account: the key is refused (INVALID_KEY)", "the key is refused"),
        ("Cannot connect to host x:95 ssl:default [Connect call failed", "Cannot connect to host x:95 ssl:default"),
        ("no answer within 10 s", "no answer within 10 s"),
        ("(nothing else)", "(nothing else)"),
        ("not connected within 60 s", "not connected within 60 s"),
    ],
)  # fmt: skip
def test_a_reason_comes_to_a_few_words(reason: str, short: str) -> None:
    assert cause(reason) == short


async def test_the_state_shows_what_is_known_and_how_old_it_is(tmp_path: Path) -> None:
    limits = {"account_exposure": 20_000, "symbol_share": 2, "leverage": 3}
    async with scene(tmp_path, limits=limits) as world:
        await world.say("0.5", wait=40)
        whole = world.whole_state()
        one = whole["accounts"]["one"]
        assert (one["paper"], one["currency"], one["trouble"], one["unready"]) == (False, "USDT", None, "")
        assert {key: one["read"]["equity"][key] for key in ("wallet", "total")} == {
            "wallet": "10000",
            "total": "10000",
        }
        for kind in ("positions", "equity", "prices"):
            read = one["read"][kind]
            assert read["unknown"] is None
            assert 0 <= read["age"] <= 30
            assert read["as_of"] < whole["engine"]["now"]
        assert one["prices"]["BTCUSDT"] == "50000"
        held = one["positions"]["BTCUSDT"]
        assert held["size"] == "0.1"
        assert {"unrealised_pnl", "liquidation_price", "leverage", "margin_mode"} <= held.keys()
        target = one["targets"]["BTCUSDT"]
        assert target["since"] < whole["engine"]["now"]
        assert target["last_order_at"] <= target["since"]
        assert target["limited_by"] is target["last_confirmed"] is None
        shown = {(row["name"], row["symbol"]): row for row in whole["limits"]}
        assert shown["account_exposure", ""] | {"account": ""} == {
            "name": "account_exposure", "account": "", "symbol": "", "now": "5000", "limit": "20000", "used": 0.25,
        }  # fmt: skip
        assert shown["symbol_share", "BTCUSDT"]["limit"] == "20000", "in money"
        assert (shown["leverage", ""]["now"], shown["leverage", ""]["used"]) == (None, None)


async def test_what_fails_is_told_by_its_reads_and_once(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True) as world:
        await world.say("0.5", wait=40)
        broken = Fault(refused=NotReady("Fake: equity: the exchange cannot be reached (GET http://x)"))
        world.connection().faults = lambda method, _: (
            broken if method in ("equity", "positions", "watch") else None
        )
        world.exchange().feeds = ()
        await asyncio.sleep(200)
        one = world.state()
        assert one["status"] == "unreadable"
        assert one["trouble"]["cause"] == "the exchange cannot be reached"
        assert one["trouble"]["since"] is not None
        assert "equity: equity" not in one["reason"]
        assert one["reason"].count("the exchange cannot be reached") <= 2
        assert one["read"]["equity"]["total"] == "10000", "as last seen"
        assert one["read"]["positions"]["unknown"]
