"""A signal with an impossible price is refused; an exit never is."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import Publication, SignalRejected
from te_core.rules.plausibility import is_plausible
from tests.engine.engine_harness import BASE, Trader, changed, running

D = Decimal
KEY = "sources.tv.price_factor"
prices = st.decimals(D("0.0001"), D(1_000_000), places=4)


@given(price=prices, last=prices, factor=st.decimals(D("1.01"), D(100), places=2))
def test_a_price_is_plausible_within_the_factor_both_ways(price: D, last: D, factor: D) -> None:
    assert is_plausible(price, last, factor) == is_plausible(last, price, factor)
    assert is_plausible(price, last, factor) == (max(price, last) <= factor * min(price, last))


@pytest.mark.parametrize("price", ["1e-12", "4999", "500001", "1e12"])
async def test_an_implausible_price_is_refused_and_changes_nothing(
    tmp_path: Path, trader: Trader, price: str
) -> None:
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(2)
        assert await trader.say("tv", "1", price=D("50000")) is Publication.ACCEPTED
        await asyncio.sleep(2)
        held = trader.held()
        with pytest.raises(
            SignalRejected, match=r"not plausible: the last known price is 50000.*price_factor"
        ):
            await trader.say("tv", "-1", price=D(price))
        await asyncio.sleep(2)
        assert trader.held() == held
        await run.apply(changed(BASE, KEY, "1e20"))
        assert await trader.say("tv", "-1", price=D(price)) is Publication.ACCEPTED


async def test_an_exit_goes_on_without_its_implausible_price(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1", price=D("50000"))
        await asyncio.sleep(2)
        assert trader.held()
        assert await trader.say("tv", "0", price=D("1e-12")) is Publication.ACCEPTED
        await asyncio.sleep(2)
        assert trader.held() == 0
        signal = run.engine.netting.intake.by_source("tv")["BTCUSDT"]
        assert signal.price is None
        assert "not plausible" in signal.detail["price_ignored"]
        assert await trader.say("tv", "1", price=D("50000")) is Publication.ACCEPTED


async def test_without_a_known_price_any_is_accepted(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, changed(BASE, "accounts", None)):
        assert await trader.say("tv", "1", price=D("1e-12")) is Publication.ACCEPTED
        await asyncio.sleep(1)
        with pytest.raises(SignalRejected, match="not plausible"):
            await trader.say("tv", "1", price=D("50000"))
