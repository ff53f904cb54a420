"""Conformance cases about what must not cost money: account modes, refusals and missing answers of any ordinary day."""

from __future__ import annotations

from decimal import Decimal

import pytest

from te_core.model.order import IntentState
from te_core.rules.decision import Status
from te_core.testing.exchange_harness import Ability
from te_core.testing.steps import hold, moves, needs, outcomes, stopped
from te_core.testing.worker_harness import WorkerHarness

ZERO, FIFTH = Decimal(0), Decimal("0.2")
TRIES = 8
"""Orders that may be sent without success while several resyncs pass; the engine backs off."""


class ProtectionCases:
    """Cases E20 to E28."""

    async def test_e20_hedge_mode_at_the_start(self, harness: WorkerHarness) -> None:
        """The account refuses hedge mode and names what to change, or trades in it as usual."""
        needs_hedge_mode(harness)
        await harness.exchange.fail(Ability.SWITCH_TO_HEDGE_MODE)
        harness.expects_to_connect = False
        async with harness:
            symbol = harness.exchange.symbols[0]
            harness.set_target(symbol, FIFTH, 1)
            if await refuses_hedge_mode(harness, symbol):
                assert harness.account.sent == [], "hedge mode is detected before the first order"
                await harness.exchange.restore()
                await harness.crash()
                harness.start()
            await harness.until_confirmed(symbol)
            assert await harness.exchange.position(symbol) > 0

    async def test_e20_hedge_mode_while_it_runs(self, harness: WorkerHarness) -> None:
        """A flat account is switched by hand: an order that is refused because of it stops the account."""
        needs_hedge_mode(harness)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await harness.exchange.fail(Ability.SWITCH_TO_HEDGE_MODE)
            harness.set_target(symbol, FIFTH, 1)
            if await refuses_hedge_mode(harness, symbol):
                assert len(harness.account.sent) <= 1, "the order is not retried over and over"
                await harness.exchange.restore()
                await harness.crash()
                harness.start()
            await harness.until_confirmed(symbol)
            assert await harness.exchange.position(symbol) > 0
            assert len(await harness.exchange.executed()) == 1

    async def test_e21_positions_of_others_are_left_alone(self, harness: WorkerHarness) -> None:
        """Both on a symbol without a target, and on one that gets a target later but was not opened by the engine."""
        needs(harness, Ability.TRADE_BY_HAND)
        async with harness:
            ours, theirs = harness.exchange.symbols[:2]
            by_hand = await harness.expected(theirs, FIFTH, 1)
            await harness.exchange.trade(theirs, by_hand)
            await harness.until(lambda: theirs in harness.worker.foreign, "the foreign position to be seen")
            for depth in (FIFTH, -FIFTH, ZERO):
                await hold(harness, ours, depth)
                assert await harness.exchange.position(theirs) == by_hand
            harness.set_target(theirs, -FIFTH, 1)
            await harness.until(
                lambda: harness.state(theirs).status is Status.BLOCKED, "the symbol to be blocked"
            )
            await harness.quiet()
            assert await harness.exchange.position(theirs) == by_hand
            assert {execution.symbol for execution in await harness.exchange.executed()} == {ours}
            await harness.exchange.trade(theirs, -by_hand)
            await harness.until_confirmed(theirs)
            assert await harness.exchange.position(theirs) < 0

    async def test_e22_a_halted_symbol_holds_up_no_other(self, harness: WorkerHarness) -> None:
        needs(harness, Ability.HALT_TRADING)
        async with harness:
            halted, free = harness.exchange.symbols[:2]
            await harness.exchange.fail(Ability.HALT_TRADING, symbol=halted)
            harness.set_target(halted, FIFTH, 1)
            await hold(harness, free, FIFTH)
            await harness.quiet()
            assert await harness.exchange.position(halted) == 0
            assert len([order for order in harness.account.sent if order.symbol == halted]) <= TRIES
            await hold(harness, free, -FIFTH)
            await harness.exchange.restore()
            await harness.until_confirmed(halted)
            assert await harness.exchange.position(halted) > 0

    async def test_e23_partly_filled(self, harness: WorkerHarness) -> None:
        """Only the missing part is ordered, and the journal records what each order really filled."""
        needs(harness, Ability.FILL_IN_PART)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await harness.exchange.fail(Ability.FILL_IN_PART)
            want = await hold(harness, symbol, FIFTH)
            await harness.quiet()
            executed = await harness.exchange.executed()
            assert len(executed) == 2
            assert sum(quantity for quantity, _ in moves(executed)) == want
            assert outcomes(harness) == {IntentState.CANCELLED, IntentState.FILLED}
            assert harness.filled() == {order.client_order_id: order.quantity for order in executed}

    async def test_e24_a_symbol_without_a_price_waits(self, harness: WorkerHarness) -> None:
        needs(harness, Ability.HIDE_PRICE)
        hidden, shown = harness.exchange.symbols[:2]
        await harness.exchange.fail(Ability.HIDE_PRICE, symbol=hidden)
        async with harness:
            harness.set_target(hidden, FIFTH, 1)
            await hold(harness, shown, FIFTH)
            await harness.quiet()
            assert harness.state(hidden).status is Status.WAITING
            assert {order.symbol for order in harness.account.sent} == {shown}
            await harness.exchange.restore()
            await harness.until_confirmed(hidden)
            assert await harness.exchange.position(hidden) > 0

    async def test_e25_leverage_refused(self, harness: WorkerHarness) -> None:
        """Nothing is opened without the leverage that was requested."""
        needs(harness, Ability.REFUSE_LEVERAGE)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await harness.exchange.fail(Ability.REFUSE_LEVERAGE)
            harness.set_target(symbol, FIFTH, 4)
            await harness.until(lambda: harness.state(symbol).hold is not None, "the leverage to be refused")
            assert await harness.exchange.executed() == []
            await harness.exchange.restore()
            await harness.until_confirmed(symbol)
            shown = (await harness.account.positions()).value[symbol]
            assert shown.leverage in (None, 4)
            assert shown.quantity > 0

    async def test_e26_unknown_equity_is_not_none(self, harness: WorkerHarness) -> None:
        """A failed read sizes nothing; closing needs no equity."""
        needs(harness, Ability.LOSE_EQUITY)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await harness.exchange.fail(Ability.LOSE_EQUITY)
            harness.set_target(symbol, FIFTH, 1)
            # An empty account and one that cannot be read must look different to the operator.
            await harness.until(
                lambda: "equity" in harness.worker.failing_reads or harness.state(symbol).confirmed,
                "the failing read to be shown, or the equity to be pushed",
            )
            await harness.exchange.restore()
            await harness.until_confirmed(symbol)
            first = await harness.exchange.position(symbol)
            assert first > 0
            second = await harness.expected(symbol, 2 * FIFTH, 1)
            await harness.exchange.fail(Ability.LOSE_EQUITY)
            harness.set_target(symbol, 2 * FIFTH, 1)
            await harness.quiet()
            assert await harness.exchange.position(symbol) in (first, second), "streams may know the equity"
            harness.set_target(symbol, ZERO, 1)
            await harness.until_confirmed(symbol)
            assert await harness.exchange.position(symbol) == 0
            await harness.exchange.restore()
            await hold(harness, symbol, FIFTH)

    async def test_e27_unknown_positions_are_not_flat(self, harness: WorkerHarness) -> None:
        """After a failed read a held position is neither opened a second time nor forgotten."""
        needs(harness, Ability.LOSE_POSITIONS)
        async with harness:
            symbol = harness.exchange.symbols[0]
            first = await hold(harness, symbol, FIFTH)
            second = await harness.expected(symbol, 2 * FIFTH, 1)
            await harness.exchange.fail(Ability.LOSE_POSITIONS)
            await harness.quiet()
            harness.set_target(symbol, 2 * FIFTH, 1)
            await harness.quiet()
            assert await harness.exchange.position(symbol) in (first, second), "streams may know the position"
            await harness.exchange.restore()
            await harness.until_confirmed(symbol)
            assert moves(await harness.exchange.executed()) == [(first, False), (second - first, False)]

    async def test_e28_leverage_changed_by_hand(self, harness: WorkerHarness) -> None:
        """It is corrected if the exchange reports a position's leverage; that takes no order."""
        needs(harness, Ability.LEVERAGE_BY_HAND)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await hold(harness, symbol, FIFTH, 2)
            await harness.exchange.set_leverage(symbol, 5)
            shown = (await harness.account.positions()).value[symbol].leverage
            assert shown in (None, 5)
            if shown is not None:
                await harness.until(lambda: bool(harness.events), "the leverage to be seen")
                await harness.until_confirmed(symbol)
            await harness.quiet()
            assert (await harness.account.positions()).value[symbol].leverage in (None, 2)
            assert [event.kind for event in harness.events] == ([] if shown is None else ["drift"])
            assert len(await harness.exchange.executed()) == 1


def needs_hedge_mode(harness: WorkerHarness) -> None:
    """Skip the case if there is no hedge mode, or the emulator cannot switch to it."""
    if not harness.capabilities.hedge_mode:
        pytest.skip("the exchange has no hedge mode")
    needs(harness, Ability.SWITCH_TO_HEDGE_MODE)


async def refuses_hedge_mode(harness: WorkerHarness, symbol: str) -> bool:
    """Wait until hedge mode is refused with a reason that names the remedy, or the symbol is at its target.

    Return whether it was refused; then check that nothing more is sent.
    """

    def refused() -> bool:
        state = harness.state(symbol)
        return stopped(harness) or state.hold is not None or state.status is Status.BLOCKED

    def reason() -> str:
        return harness.runner.health.reason or harness.state(symbol).reason

    def decided() -> bool:  # while something else is pending, a read for example, that is the reason instead
        return harness.state(symbol).confirmed or (refused() and "hedge mode" in reason())

    await harness.until(decided, "hedge mode to be refused by name, or used")
    if not refused():
        return False
    assert "one-way" in reason(), reason()
    sent = len(harness.account.sent)
    await harness.quiet()
    assert len(harness.account.sent) == sent
    return True
