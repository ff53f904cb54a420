"""Cases of what must not cost money: modes, refusals and missing answers that an account can meet on any day."""

from __future__ import annotations

from decimal import Decimal

import pytest

from te_core.model.order import IntentState
from te_core.rules.decision import Status
from te_core.testing.desk import Desk
from te_core.testing.steps import hold, moves, needs, outcomes, stopped
from te_core.testing.venue import Ability

ZERO, FIFTH = Decimal(0), Decimal("0.2")
TRIES = 8
"""Orders that may be sent in vain while several resyncs pass: the engine backs off."""


class ProtectionCases:
    """Cases E20 to E28."""

    async def test_e20_hedge_mode_at_the_start(self, desk: Desk) -> None:
        """The account refuses it and says what to change, or trades in it as if nothing were."""
        needs_hedge_mode(desk)
        await desk.venue.fail(Ability.SWITCH_TO_HEDGE_MODE)
        async with desk:
            symbol = desk.venue.symbols[0]
            desk.aim(symbol, FIFTH, 1)
            if await refuses_hedge_mode(desk, symbol):
                assert desk.account.sent == [], "it is seen before the first order"
                await desk.venue.restore()
                await desk.crash()
                desk.start()
            await desk.until_confirmed(symbol)
            assert await desk.venue.position(symbol) > 0

    async def test_e20_hedge_mode_while_it_runs(self, desk: Desk) -> None:
        """Somebody switches a flat account by hand: an order that is refused for it stops the account."""
        needs_hedge_mode(desk)
        async with desk:
            symbol = desk.venue.symbols[0]
            await desk.venue.fail(Ability.SWITCH_TO_HEDGE_MODE)
            desk.aim(symbol, FIFTH, 1)
            if await refuses_hedge_mode(desk, symbol):
                assert len(desk.account.sent) <= 1, "it is not tried again and again"
                await desk.venue.restore()
                await desk.crash()
                desk.start()
            await desk.until_confirmed(symbol)
            assert await desk.venue.position(symbol) > 0
            assert len(await desk.venue.executed()) == 1

    async def test_e21_positions_of_others_are_left_alone(self, desk: Desk) -> None:
        """On a symbol that nobody asked for, and on one that is asked for later but was not opened by the engine."""
        needs(desk, Ability.TRADE_BY_HAND)
        async with desk:
            ours, theirs = desk.venue.symbols[:2]
            by_hand = await desk.expected(theirs, FIFTH, 1)
            await desk.venue.trade(theirs, by_hand)
            await desk.until(lambda: theirs in desk.worker.foreign, "the position of others to be seen")
            for depth in (FIFTH, -FIFTH, ZERO):
                await hold(desk, ours, depth)
                assert await desk.venue.position(theirs) == by_hand
            desk.aim(theirs, -FIFTH, 1)
            await desk.until(lambda: desk.state(theirs).status is Status.BLOCKED, "the symbol to be blocked")
            await desk.quiet()
            assert await desk.venue.position(theirs) == by_hand
            assert {execution.symbol for execution in await desk.venue.executed()} == {ours}
            await desk.venue.trade(theirs, -by_hand)
            await desk.until_confirmed(theirs)
            assert await desk.venue.position(theirs) < 0

    async def test_e22_a_halted_symbol_holds_up_no_other(self, desk: Desk) -> None:
        needs(desk, Ability.HALT_TRADING)
        async with desk:
            halted, free = desk.venue.symbols[:2]
            await desk.venue.fail(Ability.HALT_TRADING, symbol=halted)
            desk.aim(halted, FIFTH, 1)
            await hold(desk, free, FIFTH)
            await desk.quiet()
            assert await desk.venue.position(halted) == 0
            assert len([order for order in desk.account.sent if order.symbol == halted]) <= TRIES
            await hold(desk, free, -FIFTH)
            await desk.venue.restore()
            await desk.until_confirmed(halted)
            assert await desk.venue.position(halted) > 0

    async def test_e23_partly_filled(self, desk: Desk) -> None:
        """What is missing is ordered, no more, and the journal tells what each order really filled."""
        needs(desk, Ability.FILL_IN_PART)
        async with desk:
            symbol = desk.venue.symbols[0]
            await desk.venue.fail(Ability.FILL_IN_PART)
            want = await hold(desk, symbol, FIFTH)
            await desk.quiet()
            executed = await desk.venue.executed()
            assert len(executed) == 2
            assert sum(quantity for quantity, _ in moves(executed)) == want
            assert outcomes(desk) == {IntentState.CANCELLED, IntentState.FILLED}
            assert desk.filled() == {order.client_order_id: order.quantity for order in executed}

    async def test_e24_a_symbol_without_a_price_waits(self, desk: Desk) -> None:
        needs(desk, Ability.HIDE_PRICE)
        hidden, shown = desk.venue.symbols[:2]
        await desk.venue.fail(Ability.HIDE_PRICE, symbol=hidden)
        async with desk:
            desk.aim(hidden, FIFTH, 1)
            await hold(desk, shown, FIFTH)
            await desk.quiet()
            assert desk.state(hidden).status is Status.WAITING
            assert {order.symbol for order in desk.account.sent} == {shown}
            await desk.venue.restore()
            await desk.until_confirmed(hidden)
            assert await desk.venue.position(hidden) > 0

    async def test_e25_leverage_refused(self, desk: Desk) -> None:
        """Without the leverage that was asked for nothing is opened."""
        needs(desk, Ability.REFUSE_LEVERAGE)
        async with desk:
            symbol = desk.venue.symbols[0]
            await desk.venue.fail(Ability.REFUSE_LEVERAGE)
            desk.aim(symbol, FIFTH, 4)
            await desk.until(lambda: desk.state(symbol).hold is not None, "the leverage to be refused")
            assert await desk.venue.executed() == []
            await desk.venue.restore()
            await desk.until_confirmed(symbol)
            shown = (await desk.account.positions()).value[symbol]
            assert shown.leverage in (None, 4)
            assert shown.quantity > 0

    async def test_e26_unknown_equity_is_not_none(self, desk: Desk) -> None:
        """Nothing is sized by a read that failed; closing needs no equity."""
        needs(desk, Ability.LOSE_EQUITY)
        async with desk:
            symbol = desk.venue.symbols[0]
            await desk.venue.fail(Ability.LOSE_EQUITY)
            desk.aim(symbol, FIFTH, 1)
            # An account that is empty and one that cannot be read are not the same to whoever looks.
            await desk.until(
                lambda: "equity" in desk.worker.failing_reads or desk.state(symbol).confirmed,
                "the failing read to be shown, or the equity to be pushed",
            )
            await desk.venue.restore()
            await desk.until_confirmed(symbol)
            first = await desk.venue.position(symbol)
            assert first > 0
            second = await desk.expected(symbol, 2 * FIFTH, 1)
            await desk.venue.fail(Ability.LOSE_EQUITY)
            desk.aim(symbol, 2 * FIFTH, 1)
            await desk.quiet()
            assert await desk.venue.position(symbol) in (first, second), "streams may know the equity"
            desk.aim(symbol, ZERO, 1)
            await desk.until_confirmed(symbol)
            assert await desk.venue.position(symbol) == 0
            await desk.venue.restore()
            await hold(desk, symbol, FIFTH)

    async def test_e27_unknown_positions_are_not_flat(self, desk: Desk) -> None:
        """Nothing that is held is opened a second time, nor forgotten, because a read failed."""
        needs(desk, Ability.LOSE_POSITIONS)
        async with desk:
            symbol = desk.venue.symbols[0]
            first = await hold(desk, symbol, FIFTH)
            second = await desk.expected(symbol, 2 * FIFTH, 1)
            await desk.venue.fail(Ability.LOSE_POSITIONS)
            await desk.quiet()
            desk.aim(symbol, 2 * FIFTH, 1)
            await desk.quiet()
            assert await desk.venue.position(symbol) in (first, second), "streams may know the position"
            await desk.venue.restore()
            await desk.until_confirmed(symbol)
            assert moves(await desk.venue.executed()) == [(first, False), (second - first, False)]

    async def test_e28_leverage_changed_by_hand(self, desk: Desk) -> None:
        """It is put right where the exchange tells a position's leverage; no order is needed for that."""
        needs(desk, Ability.LEVERAGE_BY_HAND)
        async with desk:
            symbol = desk.venue.symbols[0]
            await hold(desk, symbol, FIFTH, 2)
            await desk.venue.set_leverage(symbol, 5)
            shown = (await desk.account.positions()).value[symbol].leverage
            assert shown in (None, 5)
            if shown is not None:
                await desk.until(lambda: bool(desk.events), "the leverage to be seen")
                await desk.until_confirmed(symbol)
            await desk.quiet()
            assert (await desk.account.positions()).value[symbol].leverage in (None, 2)
            assert [event.kind for event in desk.events] == ([] if shown is None else ["drift"])
            assert len(await desk.venue.executed()) == 1


def needs_hedge_mode(desk: Desk) -> None:
    """Skip the case where there is no hedge mode, or nobody to switch to it."""
    if not desk.capabilities.hedge_mode:
        pytest.skip("the exchange has no hedge mode")
    needs(desk, Ability.SWITCH_TO_HEDGE_MODE)


async def refuses_hedge_mode(desk: Desk, symbol: str) -> bool:
    """Wait until the account or the symbol is held back, with what is to be done about it, or is at its target."""

    def refused() -> bool:
        state = desk.state(symbol)
        return stopped(desk) or state.hold is not None or state.status is Status.BLOCKED

    def reason() -> str:
        return desk.runner.health.reason or desk.state(symbol).reason

    def decided() -> bool:  # what is waited for meanwhile, a read say, is a reason too
        return desk.state(symbol).confirmed or (refused() and "hedge mode" in reason())

    await desk.until(decided, "hedge mode to be refused, and named, or used")
    if not refused():
        return False
    assert "one-way" in reason(), reason()
    sent = len(desk.account.sent)
    await desk.quiet()
    assert len(desk.account.sent) == sent
    return True
