"""The funding that exchanges announce, over the wire, and the guard that uses it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import FundingRate
from te_emulators.accounts import connected
from te_emulators.venues import running
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock
AT = datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_the_next_funding_is_read_as_it_is_announced(exchange: str, tmp_path: Path) -> None:
    async with running(exchange) as server, connected(spec_of(exchange), server, tmp_path) as account:
        there = server.exchange.market.by_base("BTC")
        facts = server.exchange.market.facts[there.symbol]
        facts.next_funding, facts.funding_rate = int(AT.timestamp() * 1000), Decimal("-0.00012345")
        found = await account.funding(["BTCUSDT", "NONEUSDT"])
        assert found == {"BTCUSDT": FundingRate(at=AT, rate=Decimal("-0.00012345"))}
