"""Orders of release 0.1.0 whose outcome was never known, after an upgrade: they keep their ids.

The repo does not hold that journal: it is next to the checkout, or in the folder that ``TE_CASES`` names.
"""

from __future__ import annotations

import os
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.model.order import HEX_IDS, ClientOrderIdForm, IntentState, OrderReport, OrderStatus
from te_core.model.position import Position
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.worker_harness import WorkerHarness

CASES = Path(os.environ.get("TE_CASES", Path(__file__).parents[3] / "shared" / "cases"))
OLD = CASES / "journal-0.1.0.sqlite3"
PRICES = {"BTCUSDT": "50000", "ETHUSDT": "3000", "SOLUSDT": "150"}


@pytest.mark.parametrize("name", ["blofin", "bybit", "kucoin", "mexc"])
async def test_open_orders_are_looked_up_by_the_ids_in_the_journal(
    tmp_path: Path, clock: VirtualClock, name: str
) -> None:
    for file in CASES.glob(f"{OLD.name}*"):
        shutil.copy(file, tmp_path / file.name.replace(OLD.name, "j.sqlite3"))
    if not (tmp_path / "j.sqlite3").exists():
        pytest.skip(f"the journal of version 0.1.0 is not here: {OLD.name} in shared/cases or in TE_CASES")
    (tmp_path / "j.sqlite3").chmod(0o600)
    account = FakeAccount(clock, **PRICES)
    harness = WorkerHarness(tmp_path, account, clock, name=name)
    (sent,) = [
        record.intent
        for record in harness.journal.intents(99)
        if record.state is IntentState.OPEN and record.intent.account == name
    ]
    assert len(sent.client_order_id) == HEX_IDS.length
    for symbol, keeper in harness.worker.keepers.items():
        assert keeper.goal is not None
        held = keeper.goal.quantity
        account.held[symbol] = Position(
            symbol=symbol,
            quantity=held,
            leverage=Decimal(keeper.goal.leverage),
            margin_mode=keeper.goal.margin_mode,
        )
    account.orders[sent.client_order_id] = OrderReport(
        client_order_id=sent.client_order_id, status=OrderStatus.FILLED, filled=sent.quantity
    )
    before = {record.intent.client_order_id for record in harness.journal.intents(99)}
    harness.worker.stream.order(sent.client_order_id, sent.symbol)
    await harness.go(5)
    assert harness.outcomes()[sent.client_order_id] == IntentState.FILLED
    assert sent.symbol not in {request.symbol for request in account.requests}  # it was not sent again
    assert not harness.worker._reconciler.increases_blocked
    await harness.want("ETHUSDT", "0.3")
    fresh = {record.intent.client_order_id for record in harness.journal.intents(99)} - before
    assert fresh
    assert {len(each) for each in fresh} == {ClientOrderIdForm().length}
    await harness.crash()


async def test_an_order_of_another_engine_of_release_0_1_is_recognised(
    tmp_path: Path, clock: VirtualClock
) -> None:
    harness = WorkerHarness(tmp_path, FakeAccount(clock, **PRICES), clock)
    await harness.go(1)
    harness.worker.stream.order("web-1234", "BTCUSDT")
    assert not harness.worker._reconciler.increases_blocked
    harness.worker.stream.order("7e" + "0a1b2c" * 5, "BTCUSDT")
    assert "another engine" in harness.worker._reconciler.increases_blocked
    await harness.crash()
