"""The smallest trade on each exchange and on paper: its costs, its orders, and the result whatever fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from te_core.app.exclusive import CommandContext
from te_core.app.paths import Paths
from te_core.app.selftest import Costs, SelfTest
from te_core.clock import SystemClock
from te_core.errors import CommandRefused, JournalLocked
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import Side
from te_emulators.core.order import OrderRequest as Resting
from te_emulators.core.order import OrderType
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from te_exchange_paper.plugin import te_exchanges
from tests.exchanges.trading import account, held, quick, spec_of

pytestmark = pytest.mark.real_clock

D = Decimal
REFUSED = Fault(kind=FaultKind.REJECTED, route="order", error="InsufficientMargin")


(PAPER,) = te_exchanges()


class Bench:
    """A folder with settings, and what the self-test prints and asks there."""

    def __init__(self, folder: Path, exchange: str, accounts: dict[str, Any]) -> None:
        self.spec = PAPER if exchange == "paper" else quick(spec_of(exchange))
        self.paths = Paths(folder / "settings.toml", folder / "state")
        self.costs: list[Costs] = []
        self.told: list[str] = []
        self.before: Callable[[], None] = lambda: None
        """What happens while the operator is being asked."""
        for section in accounts.values():
            section.pop("observe", None)
        settings = {
            "accounts": accounts,
            "symbols": {name: {"leverage": 3, "weights": {}} for name in ("BTCUSDT", "ETHUSDT")},
        }
        self.paths.settings.write_text(tomlkit.dumps(settings))
        self.paths.settings.chmod(0o600)

    @property
    def given(self) -> CommandContext:
        return CommandContext(
            paths=self.paths,
            env=os.environ,
            clock=SystemClock(),
            new_id=lambda: "j",
            registry=Registry.of(self.spec),
        )

    async def test(self, name: str = "main", symbol: str = "") -> None:
        async def ask(costs: Costs) -> None:
            self.costs.append(costs)
            self.before()

        await SelfTest(self.given, name, symbol).run(ask, self.told.append)

    def events(self) -> list[str]:
        """The texts of the journal's events, newest first."""
        journal = self.journal()
        found = [event.text for event in journal.events(100)]
        journal.close()
        return found

    def journal(self) -> Journal:
        return Journal.open(self.paths.state / "journal.sqlite3", clock=SystemClock(), new_id=lambda: "j")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_core.app.exclusive.configure_logs", lambda *_, **__: None)


@asynccontextmanager
async def bench(exchange: str, folder: Path, **options: Any) -> AsyncIterator[tuple[Bench, WireServer]]:
    async with running(exchange) as server:
        yield Bench(folder, exchange, {"main": account(exchange, server, streams=False, **options)}), server


@pytest.mark.parametrize("exchange", ["bybit", "blofin", "kucoin", "mexc"])
async def test_it_opens_turns_round_and_closes_the_smallest_size(exchange: str, tmp_path: Path) -> None:
    async with bench(exchange, tmp_path) as (here, server):
        await here.test()
        (costs,) = here.costs
        main = server.exchange.accounts["main"]
        orders = list(main.orders.values())
        sides = [(order.request.side, order.request.reduce_only) for order in orders]
        assert sides == [(Side.BUY, False), (Side.SELL, True), (Side.SELL, False), (Side.BUY, True)]
        assert {order.size * order.contract_size for order in orders} == {costs.quantity}
        assert [order.leverage for order in orders if not order.request.reduce_only] == [2, 1]
        assert not held(server, costs.symbol)
        paid = 10_000 - main.ledger.wallet
        assert costs.fees is not None
        assert 0 < paid <= (costs.fees + (costs.spreads or 0)) * 2, "what was said beforehand"
        assert costs.notional == costs.margin, "leverage 1"
        assert here.told[-1].startswith("passed: flat again")
        journal = here.journal()
        records = journal.intents(100)
        assert [str(record.state) for record in records] == ["filled"] * 4
        controls = journal.snapshot().controls
        assert [str(row.state) for row in controls] == ["observing"], "it is still to be told to go"
        assert "passed" in journal.events(1)[0].text
        journal.close()


async def test_on_paper(tmp_path: Path) -> None:
    paper = {"plugin": "paper", "balance": 1000, "prices": {"BTCUSDT": 65000}}
    here = Bench(tmp_path, "paper", {"main": paper})
    await here.test()
    assert here.told[-1].startswith("passed: flat again")
    assert here.costs[0].of_account


async def test_what_is_in_the_way_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    async with bench("bybit", tmp_path) as (here, server):
        main = server.exchange.accounts["main"]
        server.exchange.place(main, Resting(symbol="BTCUSDT", side=Side.BUY, size=D("0.01")))
        resting = Resting(symbol="ETHUSDT", side=Side.BUY, size=D("0.1"), type=OrderType.LIMIT, price=D(100))
        order = server.exchange.place(main, resting)
        before = len(main.orders)
        with pytest.raises(CommandRefused, match=r"BTCUSDT has a position of 0\.01; ETHUSDT has 1 open"):
            await here.test()
        with pytest.raises(CommandRefused, match="XXXUSDT is not listed"):
            await here.test(symbol="XXXUSDT")
        with pytest.raises(CommandRefused, match="no such section"):
            await here.test("other")
        server.exchange.cancel(main, order)
        server.exchange.deposit(main, -main.ledger.wallet + 10)
        with pytest.raises(CommandRefused, match="free, but the smallest order of ETHUSDT needs"):
            await here.test()
        assert len(main.orders) == before
        running_engine = here.journal()
        with pytest.raises(JournalLocked):
            await here.test()
        running_engine.close()
        assert not here.costs


@pytest.mark.parametrize("after", [1, 2])
async def test_what_was_opened_is_closed_whatever_fails_in_between(after: int, tmp_path: Path) -> None:
    """The close of the long, or the opening of the short, is refused for a while."""
    async with bench("bybit", tmp_path) as (here, server):
        server.faults.add(replace(REFUSED, after=after, times=2))
        with pytest.raises(CommandRefused, match=r"failed: .*; flat again"):
            await here.test(symbol="BTCUSDT")
        assert not held(server, "BTCUSDT")
        assert any("closing what was opened" in line for line in here.told)
        assert "failed" in here.events()[0]


async def test_what_cannot_be_closed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_core.app.selftest.CLOSING", 1.0)
    monkeypatch.setattr("te_core.app.selftest.LEG", 1.0)
    async with bench("bybit", tmp_path) as (here, server):
        server.faults.add(replace(REFUSED, after=1, times=None))
        with pytest.raises(CommandRefused, match=r"left open: .* BTCUSDT; close it at the exchange"):
            await here.test(symbol="BTCUSDT")
        assert held(server, "BTCUSDT")


async def test_one_that_is_interrupted_closes_first(tmp_path: Path) -> None:
    async with bench("bybit", tmp_path) as (here, server):
        test = asyncio.create_task(here.test(symbol="BTCUSDT"))
        while not held(server, "BTCUSDT"):
            await asyncio.sleep(0.01)
        test.cancel()
        with pytest.raises(asyncio.CancelledError):
            await test
        assert not held(server, "BTCUSDT")
