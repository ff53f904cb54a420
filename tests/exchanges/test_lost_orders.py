"""An order that is not found after ``visibility_window`` is lost for good: no exchange would still accept it."""

from __future__ import annotations

from pathlib import Path

import pytest

from te_core.api import NotReady
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from te_exchange_ccxt.client.connection import SKEW_ADJUSTED
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_an_order_as_old_as_that_is_refused(exchange: str, tmp_path: Path) -> None:
    """Even if our clock is ahead by as much as is left uncorrected."""
    spec = spec_of(exchange)
    async with running(exchange) as server, connected(spec, server, tmp_path) as account:
        age = spec.capabilities.visibility_window.total_seconds() * 1000 - SKEW_ADJUSTED
        account._adapter.adjust_clock(age)
        with pytest.raises(NotReady, match="clock"):
            await account.place_order(order("0.01"))
        assert server.exchange.counts.requests["order"] == 1
        assert server.exchange.accounts["main"].orders == {}
