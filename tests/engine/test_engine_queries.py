"""What a running engine answers: explanations, plans, and what the doctor finds."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import AuthError
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import account_findings, queries_of

D = Decimal


async def test_an_explanation_multiplies_out_to_the_target(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "0.777", leverage=D(3))
        await trader.say("sn", "-0.1", leverage=D(7))
        await asyncio.sleep(1)
        found = queries_of(run.engine).explain("BTCUSDT")["accounts"]["one"]
        assert sum(D(part["weight"]) * D(part["depth"]) for part in found["terms"]) == D(found["depth"])
        sizing = found["sizing"]
        product = D(sizing["equity"]) * D(sizing["depth"]) * D(sizing["leverage"]) / D(sizing["price"])
        assert product == D(sizing["unrounded"])
        assert product - D(sizing["quantity"]) < D(sizing["quantity_step"])
        assert D(found["confirmed"]["quantity"]) == trader.held()
        with pytest.raises(KeyError):
            queries_of(run.engine).explain("DOGEUSDT")


async def test_plan_reports_what_would_be_done_and_sends_nothing(tmp_path: Path, trader: Trader) -> None:
    settings = changed(changed(BASE, "accounts.one.drift", "alert"), "accounts.two.drift", "heal")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(10)
        trader.accounts["two"].hold("BTCUSDT", "0.15")
        sent = len(trader.accounts["two"].requests)
        found = await queries_of(run.engine).plan()
        step = found["accounts"]["two"]["symbols"]["BTCUSDT"]["steps"][0]
        assert (step["side"], step["quantity"], step["reduce_only"]) == ("buy", "0.05", False)
        assert found["accounts"]["one"]["symbols"]["BTCUSDT"]["steps"] == []
        assert len(trader.accounts["two"].requests) == sent


async def test_the_doctor_reports_what_is_wrong_and_what_to_do(tmp_path: Path, trader: Trader) -> None:
    settings = changed(BASE, "symbols.SOLUSDT", {"weights": {"tv": 0.1}})
    settings = changed(settings, "symbols.BTCUSDT.weights", {"tv": 0.001})
    async with running(tmp_path, trader, settings) as run:
        found = (await account_findings(run.engine))["one"]
        by_check = {finding["check"]: finding for finding in found}
        assert by_check["SOLUSDT"]["severity"] == "warning"
        assert "does not list" in by_check["SOLUSDT"]["text"]
        assert by_check["BTCUSDT"]["severity"] == "error"
        assert "never trade" in by_check["BTCUSDT"]["text"]
        assert "below_minimum" in by_check["BTCUSDT"]["remedy"]
        assert by_check["ETHUSDT"]["severity"] == "ok"
        assert trader.accounts["one"].requests == []
        trader.failing["two"] = AuthError("API key is invalid")
        await run.apply(changed(settings, "accounts.two.key", "wrong"))
        stopped = (await account_findings(run.engine))["two"]
        assert [finding["severity"] for finding in stopped] == ["error"]
        assert "API key is invalid" in stopped[0]["text"]


async def test_an_account_that_fails_keeps_no_other_out_of_the_plan(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)

        async def refused() -> Any:
            raise AuthError("key revoked")

        trader.accounts["one"].positions = refused  # type: ignore[method-assign]
        plan = (await queries_of(run.engine).plan())["accounts"]
        assert "key revoked" in plan["one"]["error"]
        assert plan["two"]["symbols"]["BTCUSDT"]["status"] == "at_target"
