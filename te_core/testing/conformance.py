"""The suite that every exchange plugin passes: an account driven through the engine, against an emulator.

Subclass it, and pytest runs every case that the exchange's capabilities and the emulator's abilities allow::

    class TestAcme(ExchangeConformance):
        capabilities = CAPABILITIES

        def make_venue(self, folder):
            return AcmeEmulator()

Emulators with real sockets set ``pytestmark = pytest.mark.real_clock`` on the subclass, and an ``engine``
whose resync and back-off are short.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
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
from te_core.testing.desk import ENGINE, Desk
from te_core.testing.facts import FactCases
from te_core.testing.faults import Fault
from te_core.testing.money import MoneyCases
from te_core.testing.protection import ProtectionCases
from te_core.testing.steps import bare_order, hold, moves, needs, order_id, outcomes, stopped
from te_core.testing.stop_cases import StopCases
from te_core.testing.venue import Ability, Venue

ZERO, FIFTH, HALF = Decimal(0), Decimal("0.2"), Decimal("0.5")


class ExchangeConformance(ProtectionCases, FactCases, StopCases, MoneyCases):
    """Cases E01 to E19, and those of ``ProtectionCases``, ``FactCases``, ``StopCases`` and ``MoneyCases``.

    ``patience``: seconds in which the account must reach a target, troubles included.
    """

    capabilities: Capabilities = Capabilities()
    patience: float = 60
    engine: EngineSettings = ENGINE

    def make_venue(self, folder: Path) -> Venue:
        """Give a fresh venue with a flat account; ``folder`` is empty and belongs to the case."""
        raise NotImplementedError

    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        """One account at one venue, with the engine that keeps it."""
        venue = self.make_venue(tmp_path / "venue")
        return Desk(tmp_path, venue, self.capabilities, patience=self.patience, engine=self.engine)

    async def test_e01_flat_to_long(self, desk: Desk) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            assert want > 0
            assert moves(await desk.venue.executed()) == [(want, False)]
            await desk.quiet()
            assert len(await desk.venue.executed()) == 1
            assert desk.state(symbol).status is Status.AT_TARGET, "what is held is what was confirmed"

    async def test_e02_long_to_larger(self, desk: Desk) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            first = await hold(desk, symbol, FIFTH)
            second = await hold(desk, symbol, 2 * FIFTH)
            assert moves(await desk.venue.executed()) == [(first, False), (second - first, False)]

    async def test_e03_reduce(self, desk: Desk) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            first = await hold(desk, symbol, -2 * FIFTH)
            second = await hold(desk, symbol, -FIFTH)
            assert moves(await desk.venue.executed()) == [(first, False), (second - first, True)]

    async def test_e04_close(self, desk: Desk) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            await hold(desk, symbol, ZERO)
            assert moves(await desk.venue.executed()) == [(want, False), (-want, True)]

    async def test_e05_flip(self, desk: Desk) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            long = await hold(desk, symbol, FIFTH)
            short = await hold(desk, symbol, -FIFTH)
            assert short < 0 < long
            assert moves(await desk.venue.executed()) == [(long, False), (-long, True), (short, False)]

    async def test_e06_leverage_change(self, desk: Desk) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            for leverage in (2, 3, 2):
                await hold(desk, symbol, FIFTH, leverage)
                shown = (await desk.account.positions()).value[symbol].leverage
                assert shown in (None, leverage)
            sides = [execution.side for execution in await desk.venue.executed()]
            assert sides == [Side.BUY, Side.BUY, Side.SELL]

    async def test_e07_margin_mode_change(self, desk: Desk) -> None:
        if len(desk.capabilities.margin_modes) < 2:
            pytest.skip("the exchange has one margin mode")
        async with desk:
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH, 2)
            desk.configure(margin_mode=MarginMode.CROSS)
            await desk.until_confirmed(symbol)
            shown = (await desk.account.positions()).value[symbol]
            assert shown.margin_mode in (None, MarginMode.CROSS)
            assert shown.quantity > 0
            executed = moves(await desk.venue.executed())
            assert executed[:2] == [(want, False), (-want, True)], "the mode changes while flat"

    async def test_e08_below_minimum(self, desk: Desk) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            price = (await desk.account.prices([symbol])).value[symbol]
            smallest = smallest_quantity((await desk.rules())[symbol], price)
            equity = (await desk.account.equity()).value.wallet
            desk.aim(symbol, smallest * price / equity / 2, 1)
            await desk.until_confirmed(symbol)
            await desk.quiet()
            assert await desk.venue.executed() == []
            goal = desk.state(symbol).goal
            assert goal is not None
            assert goal.notes, "the operator is told why nothing was ordered"

    async def test_e09_chunks(self, desk: Desk) -> None:
        async with desk:
            for symbol, found in (await desk.rules()).items():
                largest = found.largest_market_quantity
                if largest is not None and largest < await desk.expected(symbol, 2 * FIFTH, 1):
                    break
            else:
                pytest.skip("no symbol's largest order is small beside the account")
            want = await hold(desk, symbol, 2 * FIFTH)
            executed = moves(await desk.venue.executed())
            assert sum(quantity for quantity, _ in executed) == want
            assert len(executed) == ceil(want / largest)
            assert max(quantity for quantity, _ in executed) <= largest
            await hold(desk, symbol, ZERO)

    async def test_e10_reduce_only_refused(self, desk: Desk) -> None:
        """The position is closed by hand while our own closing order is on its way."""
        needs(desk, Ability.TRADE_BY_HAND)
        async with desk:
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            desk.account.inject("place_order", Fault(delay=1))
            desk.aim(symbol, ZERO, 1)
            await desk.until(lambda: desk.account.calls["place_order"] == 2, "the closing order")
            await desk.venue.trade(symbol, -want)
            await desk.until_confirmed(symbol)
            await desk.quiet()
            assert await desk.venue.position(symbol) == 0
            assert moves(await desk.venue.executed()) == [(want, False)]

    async def test_e11_insufficient_margin(self, desk: Desk) -> None:
        """A position by hand binds the margin; once it is gone the engine goes on by itself."""
        needs(desk, Ability.TRADE_BY_HAND)
        async with desk:
            ours, theirs = desk.venue.symbols[:2]
            by_hand = await desk.expected(theirs, 4 * FIFTH, 1)
            await desk.venue.trade(theirs, by_hand)
            desk.aim(ours, HALF, 1)
            await desk.until(lambda: IntentState.REJECTED in outcomes(desk), "the order to be refused")
            assert await desk.venue.executed() == []
            await desk.venue.trade(theirs, -by_hand)
            await desk.until_confirmed(ours)
            assert await desk.venue.position(ours) > 0

    async def test_e12_rate_limit(self, desk: Desk) -> None:
        needs(desk, Ability.RATE_LIMIT)
        async with desk:
            symbol = desk.venue.symbols[0]
            await desk.venue.fail(Ability.RATE_LIMIT, times=2)
            want = await hold(desk, symbol, FIFTH)
            assert moves(await desk.venue.executed()) == [(want, False)]
            tried = {order.client_order_id for order in desk.account.sent}
            assert len(desk.account.sent) == len(tried) == 3, "no id is used twice, not even an unsent one"
            await desk.quiet()
            assert outcomes(desk) == {IntentState.UNSENT, IntentState.FILLED}, "a limit is not a refusal"

    async def test_e13_bad_key(self, desk: Desk) -> None:
        needs(desk, Ability.BAD_KEY)
        await desk.venue.fail(Ability.BAD_KEY)
        async with desk:
            symbol = desk.venue.symbols[0]
            desk.aim(symbol, FIFTH, 1)
            await desk.until(lambda: stopped(desk), "the account to stop")
            assert desk.runner.health.reason
            await desk.quiet()
            assert desk.account.sent == []
            await desk.venue.restore()
            await desk.crash()
            desk.start()
            await desk.until_confirmed(symbol)
            assert await desk.venue.position(symbol) > 0

    async def test_e14_accepted_then_timed_out(self, desk: Desk) -> None:
        needs(desk, Ability.LOSE_ANSWER)
        async with desk:
            symbol = desk.venue.symbols[0]
            await desk.venue.fail(Ability.LOSE_ANSWER)
            want = await hold(desk, symbol, FIFTH)
            await desk.quiet()
            assert moves(await desk.venue.executed()) == [(want, False)]
            assert len(desk.account.sent) == 1
            assert outcomes(desk) == {IntentState.FILLED}

    async def test_e15_duplicate_client_order_id(self, desk: Desk) -> None:
        if not desk.capabilities.duplicate_ids_refused:
            pytest.skip("the exchange does not refuse duplicates")
        async with desk:
            symbol = desk.venue.symbols[0]
            await hold(desk, symbol, FIFTH)
            again = replace(desk.account.sent[0], reduce_only=False)
            with pytest.raises(DuplicateClientOrderId):
                await desk.account.place_order(again)
            await desk.quiet()
            assert len(await desk.venue.executed()) == 1
            if desk.capabilities.order_lookup:
                found = await desk.account.find_order(symbol, again.client_order_id)
                assert found is not None
                assert found.status is OrderStatus.FILLED
                assert await desk.account.find_order(symbol, order_id(0, desk.capabilities)) is None

    @pytest.mark.parametrize("executed", [True, False], ids=["executed", "never sent"])
    async def test_e16_restart_with_an_open_intent(self, desk: Desk, executed: bool) -> None:
        async with desk:
            symbol = desk.venue.symbols[0]
            want = await desk.expected(symbol, FIFTH, 1)
            hung = 2 * self.patience
            desk.account.inject("place_order", Fault(silence=hung) if executed else Fault(delay=hung))
            desk.aim(symbol, FIFTH, 1)
            await desk.until(lambda: desk.account.calls["place_order"] == 1, "the order")
            await desk.holds(symbol, want * executed)
            await desk.crash()
            desk.start()
            assert desk.state(symbol).orders.open, "the journal knows of the order"
            await desk.until_confirmed(symbol)
            await desk.quiet()
            assert await desk.venue.position(symbol) == want
            assert moves(await desk.venue.executed()) == [(want, False)]
            assert outcomes(desk) == (
                {IntentState.FILLED} if executed else {IntentState.FILLED, IntentState.LOST}
            )

    async def test_e17_manual_change(self, desk: Desk) -> None:
        needs(desk, Ability.TRADE_BY_HAND)
        async with desk:
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            by_hand = (await desk.instruments())[symbol].round_quantity(want * HALF)
            # What is too much is cut, what is missing is left, what is on the other side is closed.
            for change, left in ((by_hand, want), (-by_hand, want - by_hand), (-want, ZERO)):
                await desk.venue.trade(symbol, change)
                await desk.holds(symbol, left)
                await desk.quiet()
                assert await desk.venue.position(symbol) == left
            assert [event.kind for event in desk.events] == ["drift", "drift"]
            assert await hold(desk, symbol, -FIFTH) < 0, "a new target ends it"

    async def test_e18_liquidation(self, desk: Desk) -> None:
        needs(desk, Ability.LIQUIDATE)
        async with desk:
            symbol = desk.venue.symbols[0]
            desk.configure(drift="alert")
            await hold(desk, symbol, FIFTH, 5)
            before = (await desk.account.equity()).value
            await desk.venue.liquidate(symbol)
            await desk.until(lambda: bool(desk.events), "the liquidation to be seen")
            await desk.quiet()
            assert await desk.venue.position(symbol) == 0
            assert await desk.fallen(before.wallet) >= 0
            assert [event.kind for event in desk.events] == ["drift"]
            assert desk.state(symbol).status is Status.DRIFT

    async def test_e19_precision_and_contract_size(self, desk: Desk) -> None:
        async with desk:
            for symbol, found in (await desk.instruments()).items():
                for depth in (Decimal("0.0876543"), Decimal("-0.0765432")):
                    held = await hold(desk, symbol, depth)
                    assert held % found.quantity_step == 0
                await hold(desk, symbol, ZERO)

    async def test_e19_rules_of_size_are_the_exchanges_own(self, desk: Desk) -> None:
        """What breaks a rule is refused there too, and the smallest order is taken."""
        async with desk:
            symbol = desk.venue.symbols[0]
            found = (await desk.instruments())[symbol]
            price = (await desk.account.prices([symbol])).value[symbol]
            smallest = smallest_quantity(found, price)
            refused = [found.quantity_step / 2, smallest + found.quantity_step / 2]
            if smallest > found.quantity_step:
                refused.append(smallest - found.quantity_step)
            numbers = count(1)
            for quantity in refused:
                order = bare_order(order_id(next(numbers), desk.capabilities), symbol, quantity, price)
                with pytest.raises(OrderRejected):
                    await desk.account.place_order(order)
            with pytest.raises(OrderRejected):
                await desk.account.place_order(replace(order, quantity=smallest, reduce_only=True))
            equity = (await desk.account.equity()).value.wallet
            assert await hold(desk, symbol, smallest * price / equity * Decimal("1.0001")) == smallest
