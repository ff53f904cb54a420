"""The suite that every exchange plugin must pass: an account driven by the engine, against an emulator.

Subclass it; pytest runs every case that the exchange's capabilities and the emulator's abilities allow::

    class TestAcme(ExchangeConformance):
        capabilities = CAPABILITIES

        def make_exchange(self, folder):
            return AcmeEmulator()

If the emulator uses real sockets, set ``pytestmark = pytest.mark.real_clock`` on the subclass, and an ``engine``
with a short resync and back-off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import count
from math import ceil
from pathlib import Path

import pytest

from te_core.contracts.exchange import Capabilities
from te_core.errors import DuplicateClientOrderId, OrderRejected
from te_core.model.order import IntentState, OrderStatus, Side
from te_core.model.position import MarginMode
from te_core.rules.decision import Status
from te_core.rules.sizing import smallest_quantity
from te_core.settings.schema import EngineSettings
from te_core.testing.connection_cases import ConnectionCases
from te_core.testing.exchange_harness import Ability, ExchangeHarness
from te_core.testing.facts import FactCases
from te_core.testing.faults import Fault
from te_core.testing.money import MoneyCases
from te_core.testing.protection import ProtectionCases
from te_core.testing.steps import bare_order, hold, moves, needs, order_id, outcomes, stopped
from te_core.testing.stop_cases import StopCases
from te_core.testing.worker_harness import ENGINE, WorkerHarness

ZERO, FIFTH, HALF = Decimal(0), Decimal("0.2"), Decimal("0.5")


class ExchangeConformance(ProtectionCases, FactCases, StopCases, MoneyCases, ConnectionCases):
    """Cases E01 to E19, and those of the five base classes.

    Subclasses set the fields below and implement ``make_exchange``.
    """

    capabilities: Capabilities = Capabilities()
    timeout: float = 60
    """Seconds within which the account must reach a target, including any failures on the way."""
    engine: EngineSettings = ENGINE

    def make_exchange(self, folder: Path) -> ExchangeHarness:
        """Return a new emulator with a flat account; ``folder`` is empty and belongs to the case."""
        raise NotImplementedError

    cannot_connect: str = ""
    """Why the account did not connect in an earlier case; no further case is run then."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[WorkerHarness]:
        """Yield one account at one emulator, with the engine that trades it."""
        made = self.make_harness(tmp_path)
        try:
            yield made
        finally:
            made.exchange.close()

    def make_harness(self, folder: Path) -> WorkerHarness:
        """Return the harness of one case. Fail at once if the account did not connect in an earlier case."""
        if self.cannot_connect:
            pytest.fail(
                f"not run, because the account does not connect: {self.cannot_connect}", pytrace=False
            )
        return WorkerHarness(
            folder,
            self.make_exchange(folder / "venue"),
            self.capabilities,
            timeout=self.timeout,
            engine=self.engine,
            unreachable=partial(setattr, type(self), "cannot_connect"),
        )

    async def test_e01_flat_to_long(self, harness: WorkerHarness) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            assert want > 0
            assert moves(await harness.exchange.executed()) == [(want, False)]
            await harness.quiet()
            assert len(await harness.exchange.executed()) == 1
            assert harness.state(symbol).status is Status.AT_TARGET, "the confirmed quantity is held"

    async def test_e02_long_to_larger(self, harness: WorkerHarness) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            first = await hold(harness, symbol, FIFTH)
            second = await hold(harness, symbol, 2 * FIFTH)
            assert moves(await harness.exchange.executed()) == [(first, False), (second - first, False)]

    async def test_e03_reduce(self, harness: WorkerHarness) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            first = await hold(harness, symbol, -2 * FIFTH)
            second = await hold(harness, symbol, -FIFTH)
            assert moves(await harness.exchange.executed()) == [(first, False), (second - first, True)]

    async def test_e04_close(self, harness: WorkerHarness) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            await hold(harness, symbol, ZERO)
            assert moves(await harness.exchange.executed()) == [(want, False), (-want, True)]

    async def test_e05_flip(self, harness: WorkerHarness) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            long = await hold(harness, symbol, FIFTH)
            short = await hold(harness, symbol, -FIFTH)
            assert short < 0 < long
            assert moves(await harness.exchange.executed()) == [(long, False), (-long, True), (short, False)]

    async def test_e06_leverage_change(self, harness: WorkerHarness) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            for leverage in (2, 3, 2):
                await hold(harness, symbol, FIFTH, leverage)
                shown = (await harness.account.positions()).value[symbol].leverage
                assert shown in (None, leverage)
            sides = [execution.side for execution in await harness.exchange.executed()]
            assert sides == [Side.BUY, Side.BUY, Side.SELL]

    async def test_e07_margin_mode_change(self, harness: WorkerHarness) -> None:
        if len(harness.capabilities.margin_modes) < 2:
            pytest.skip("the exchange has one margin mode")
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH, 2)
            harness.configure(margin_mode=MarginMode.CROSS)
            await harness.until_confirmed(symbol)
            shown = (await harness.account.positions()).value[symbol]
            assert shown.margin_mode in (None, MarginMode.CROSS)
            assert shown.quantity > 0
            executed = moves(await harness.exchange.executed())
            assert executed[:2] == [(want, False), (-want, True)], "the mode changes while flat"

    async def test_e08_below_minimum(self, harness: WorkerHarness) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            price = (await harness.account.prices([symbol])).value[symbol]
            smallest = smallest_quantity((await harness.rules())[symbol], price)
            equity = (await harness.account.equity()).value.wallet
            harness.set_target(symbol, smallest * price / equity / 2, 1)
            await harness.until_confirmed(symbol)
            await harness.quiet()
            assert await harness.exchange.executed() == []
            goal = harness.state(symbol).goal
            assert goal is not None
            assert goal.notes, "the operator can see why nothing was ordered"

    async def test_e09_chunks(self, harness: WorkerHarness) -> None:
        async with harness:
            for symbol, found in (await harness.rules()).items():
                largest = found.largest_market_quantity
                if largest is not None and largest < await harness.expected(symbol, 2 * FIFTH, 1):
                    break
            else:
                pytest.skip("no symbol's largest order is small compared to the account")
            want = await hold(harness, symbol, 2 * FIFTH)
            executed = moves(await harness.exchange.executed())
            assert sum(quantity for quantity, _ in executed) == want
            assert len(executed) == ceil(want / largest)
            assert max(quantity for quantity, _ in executed) <= largest
            await hold(harness, symbol, ZERO)

    async def test_e10_reduce_only_refused(self, harness: WorkerHarness) -> None:
        """The position is closed by hand while the engine's closing order is in flight."""
        needs(harness, Ability.TRADE_BY_HAND)
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            harness.account.inject("place_order", Fault(delay=1))
            harness.set_target(symbol, ZERO, 1)
            await harness.until(lambda: harness.account.calls["place_order"] == 2, "the closing order")
            await harness.exchange.trade(symbol, -want)
            await harness.until_confirmed(symbol)
            await harness.quiet()
            assert await harness.exchange.position(symbol) == 0
            assert moves(await harness.exchange.executed()) == [(want, False)]

    async def test_e11_insufficient_margin(self, harness: WorkerHarness) -> None:
        """A position opened by hand ties up the margin; once it is closed the engine continues on its own."""
        needs(harness, Ability.TRADE_BY_HAND)
        async with harness:
            ours, theirs = harness.exchange.symbols[:2]
            by_hand = await harness.expected(theirs, 4 * FIFTH, 1)
            await harness.exchange.trade(theirs, by_hand)
            harness.set_target(ours, HALF, 1)
            await harness.until(lambda: IntentState.REJECTED in outcomes(harness), "the order to be refused")
            assert await harness.exchange.executed() == []
            await harness.exchange.trade(theirs, -by_hand)
            await harness.until_confirmed(ours)
            assert await harness.exchange.position(ours) > 0

    async def test_e12_rate_limit(self, harness: WorkerHarness) -> None:
        needs(harness, Ability.RATE_LIMIT)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await harness.exchange.fail(Ability.RATE_LIMIT, times=2)
            want = await hold(harness, symbol, FIFTH)
            assert moves(await harness.exchange.executed()) == [(want, False)]
            tried = {order.client_order_id for order in harness.account.sent}
            assert len(harness.account.sent) == len(tried) == 3, "no id is reused, not even an unsent one"
            await harness.quiet()
            assert outcomes(harness) == {IntentState.UNSENT, IntentState.FILLED}, "a limit is not a refusal"

    async def test_e13_bad_key(self, harness: WorkerHarness) -> None:
        needs(harness, Ability.BAD_KEY)
        await harness.exchange.fail(Ability.BAD_KEY)
        harness.expects_to_connect = False
        async with harness:
            symbol = harness.exchange.symbols[0]
            harness.set_target(symbol, FIFTH, 1)
            await harness.until(lambda: stopped(harness), "the account to stop")
            assert harness.runner.health.reason
            await harness.quiet()
            assert harness.account.sent == []
            await harness.exchange.restore()
            await harness.crash()
            harness.start()
            await harness.until_confirmed(symbol)
            assert await harness.exchange.position(symbol) > 0

    async def test_e14_accepted_then_timed_out(self, harness: WorkerHarness) -> None:
        needs(harness, Ability.LOSE_ANSWER)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await harness.exchange.fail(Ability.LOSE_ANSWER)
            want = await hold(harness, symbol, FIFTH)
            await harness.quiet()
            assert moves(await harness.exchange.executed()) == [(want, False)]
            assert len(harness.account.sent) == 1
            assert outcomes(harness) == {IntentState.FILLED}

    async def test_e15_duplicate_client_order_id(self, harness: WorkerHarness) -> None:
        if not harness.capabilities.duplicate_ids_refused:
            pytest.skip("the exchange does not refuse duplicates")
        async with harness:
            symbol = harness.exchange.symbols[0]
            await hold(harness, symbol, FIFTH)
            again = replace(harness.account.sent[0], reduce_only=False)
            with pytest.raises(DuplicateClientOrderId):
                await harness.account.place_order(again)
            await harness.quiet()
            assert len(await harness.exchange.executed()) == 1
            if harness.capabilities.order_lookup:
                found = await harness.account.find_order(symbol, again.client_order_id)
                assert found is not None
                assert found.status is OrderStatus.FILLED
                assert await harness.account.find_order(symbol, order_id(0, harness.capabilities)) is None

    @pytest.mark.parametrize("executed", [True, False], ids=["executed", "never sent"])
    async def test_e16_restart_with_an_open_intent(self, harness: WorkerHarness, executed: bool) -> None:
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await harness.expected(symbol, FIFTH, 1)
            hung = 2 * self.timeout
            harness.account.inject("place_order", Fault(answer_delay=hung) if executed else Fault(delay=hung))
            harness.set_target(symbol, FIFTH, 1)
            await harness.until(lambda: harness.account.calls["place_order"] == 1, "the order")
            await harness.holds(symbol, want * executed)
            await harness.crash()
            harness.start()
            assert harness.state(symbol).orders.open, "the journal knows of the order"
            await harness.until_confirmed(symbol)
            await harness.quiet()
            assert await harness.exchange.position(symbol) == want
            assert moves(await harness.exchange.executed()) == [(want, False)]
            assert outcomes(harness) == (
                {IntentState.FILLED} if executed else {IntentState.FILLED, IntentState.LOST}
            )

    async def test_e17_manual_change(self, harness: WorkerHarness) -> None:
        needs(harness, Ability.TRADE_BY_HAND)
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            by_hand = (await harness.instruments())[symbol].round_quantity(want * HALF)
            # Excess is cut, a shortfall is left alone, and a position on the other side is closed.
            for change, left in ((by_hand, want), (-by_hand, want - by_hand), (-want, ZERO)):
                await harness.exchange.trade(symbol, change)
                await harness.holds(symbol, left)
                await harness.quiet()
                assert await harness.exchange.position(symbol) == left
            assert [event.kind for event in harness.events] == ["drift", "drift"]
            assert await hold(harness, symbol, -FIFTH) < 0, "a new target ends it"

    async def test_e18_liquidation(self, harness: WorkerHarness) -> None:
        needs(harness, Ability.LIQUIDATE)
        async with harness:
            symbol = harness.exchange.symbols[0]
            harness.configure(drift="alert")
            await hold(harness, symbol, FIFTH, 5)
            before = (await harness.account.equity()).value
            await harness.exchange.liquidate(symbol)
            await harness.until(lambda: bool(harness.events), "the liquidation to be seen")
            await harness.quiet()
            assert await harness.exchange.position(symbol) == 0
            assert await harness.fallen(before.wallet) >= 0
            assert [event.kind for event in harness.events] == ["drift"]
            assert harness.state(symbol).status is Status.DRIFT

    async def test_e19_precision_and_contract_size(self, harness: WorkerHarness) -> None:
        async with harness:
            for symbol, found in (await harness.instruments()).items():
                for depth in (Decimal("0.0876543"), Decimal("-0.0765432")):
                    held = await hold(harness, symbol, depth)
                    assert held % found.quantity_step == 0
                await hold(harness, symbol, ZERO)

    async def test_e19_rules_of_size_are_the_exchanges_own(self, harness: WorkerHarness) -> None:
        """The exchange refuses an order that breaks a rule, and accepts the smallest one."""
        async with harness:
            symbol = harness.exchange.symbols[0]
            found = (await harness.instruments())[symbol]
            price = (await harness.account.prices([symbol])).value[symbol]
            smallest = smallest_quantity(found, price)
            refused = [found.quantity_step / 2, smallest + found.quantity_step / 2]
            if smallest > found.quantity_step:
                refused.append(smallest - found.quantity_step)
            numbers = count(1)
            for quantity in refused:
                order = bare_order(order_id(next(numbers), harness.capabilities), symbol, quantity, price)
                with pytest.raises(OrderRejected):
                    await harness.account.place_order(order)
            with pytest.raises(OrderRejected):
                await harness.account.place_order(replace(order, quantity=smallest, reduce_only=True))
            equity = (await harness.account.equity()).value.wallet
            assert await hold(harness, symbol, smallest * price / equity * Decimal("1.0001")) == smallest
