"""Cases of stops: they rest for what is held, close it once, and never open anything again by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import pytest

from te_core.errors import OutcomeUnknown
from te_core.model.order import Side
from te_core.testing.desk import Desk
from te_core.testing.faults import Fault
from te_core.testing.steps import hold, needs
from te_core.testing.venue import Ability, TrueStop

ZERO, FIFTH = Decimal(0), Decimal("0.2")
STOP = {"loss": "3%", "profit": "6%"}
BELOW, ABOVE = Decimal("0.95"), Decimal("1.08")
"""Prices that pass a stop of a long position, and a take-profit, by a share of the price at first."""


class StopCases:
    """Cases E33 to E42."""

    async def test_e33_stops_rest_for_what_is_held(self, desk: Desk) -> None:
        """One stop and one take-profit, of the position's size whatever that is, and none while it is flat."""
        needs_stops(desk)
        async with desk:
            desk.configure(stop=STOP)
            symbol = desk.venue.symbols[0]
            for depth in (FIFTH, 2 * FIFTH, FIFTH, -FIFTH):
                want = await hold(desk, symbol, depth)
                loss, profit = await protected(desk, symbol, want)
                assert loss.client_order_id != profit.client_order_id
                price = await desk.venue.price(symbol)
                assert (loss.trigger < price < profit.trigger) == (want > 0)
            await desk.quiet()
            assert len(await desk.venue.resting_stops()) == 2
            sent = [stop.client_order_id for stop in desk.account.stops_sent]
            assert len(sent) == len(set(sent)) == 8, "nothing is placed again without a reason"
            await hold(desk, symbol, ZERO)
            await rests(desk, symbol, 0)

    async def test_e34_what_a_stop_closed_stays_closed(self, desk: Desk) -> None:
        """The event names the stop, the take-profit goes with it, and the next signal opens again."""
        needs_stops(desk, Ability.MOVE_PRICE)
        async with desk:
            desk.configure(stop=STOP, drift="heal")
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            await protected(desk, symbol, want)
            at = await desk.venue.price(symbol)
            await desk.venue.move(symbol, at * BELOW)
            await closed(desk, symbol, "stop loss")
            await rests(desk, symbol, 0)
            assert not [event for event in desk.events if event.kind == "drift"], "it was not drift"
            assert [execution.side for execution in await desk.venue.executed()] == [Side.BUY, Side.SELL]
            await desk.until(lambda: len(desk.journal.fills(9)) == 2, "what the stop cost to be asked for")
            assert desk.journal.fills(9)[0].price is not None
            await desk.venue.move(symbol, at)
            await desk.quiet()
            assert await desk.venue.position(symbol) == 0
            desk.say(symbol, FIFTH)
            await desk.until(lambda: desk.state(symbol).wanted, "the signal to count")
            await desk.until_confirmed(symbol)
            assert (await desk.venue.position(symbol)) > 0
            await protected(desk, symbol, await desk.venue.position(symbol))
            await desk.venue.move(symbol, at * ABOVE)
            await closed(desk, symbol, "take profit")
            await rests(desk, symbol, 0)

    async def test_e35_triggered_while_the_engine_is_down(self, desk: Desk) -> None:
        """It finds out at its start, before it does anything about the symbol."""
        needs_stops(desk, Ability.MOVE_PRICE)
        async with desk:
            desk.configure(stop=STOP, drift="heal")
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, -FIFTH)
            await protected(desk, symbol, want)
            at = await desk.venue.price(symbol)
            await desk.crash()
            await desk.venue.move(symbol, at * ABOVE)
            await desk.venue.move(symbol, at)
            desk.start()
            desk.aim(symbol, -FIFTH, 1)
            await closed(desk, symbol, "stop loss")
            await rests(desk, symbol, 0)
            await desk.crash()
            desk.start()
            desk.aim(symbol, -FIFTH, 1)
            await desk.quiet()
            assert await desk.venue.position(symbol) == 0, "another start changes nothing"
            assert len(await desk.venue.executed()) == 2

    async def test_e36_a_stop_and_a_new_target_at_the_same_time(self, desk: Desk) -> None:
        """The newer target counts: it is held, and has its stops."""
        needs_stops(desk, Ability.MOVE_PRICE)
        async with desk:
            desk.configure(stop=STOP)
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            await protected(desk, symbol, want)
            at = await desk.venue.price(symbol)
            desk.account.inject("place_order", Fault(delay=1))
            await asyncio.sleep(0.01)
            desk.say(symbol, -FIFTH)
            await desk.until(lambda: desk.account.calls["place_order"] == 2, "the closing order")
            await desk.venue.move(symbol, at * BELOW)
            await desk.until(lambda: bool(told(desk)), "the stop to be reported")
            await desk.until_confirmed(symbol)
            held = await desk.venue.position(symbol)
            assert held < 0
            await protected(desk, symbol, held)

    async def test_e37_a_stop_that_filled_in_part(self, desk: Desk) -> None:
        """The engine closes the rest, and the journal tells what each order really filled."""
        needs_stops(desk, Ability.MOVE_PRICE, Ability.FILL_STOP_IN_PART)
        async with desk:
            desk.configure(stop=STOP)
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            await protected(desk, symbol, want)
            await desk.venue.fail(Ability.FILL_STOP_IN_PART)
            await desk.venue.move(symbol, await desk.venue.price(symbol) * BELOW)
            await closed(desk, symbol, "stop loss")
            executed = await desk.venue.executed()
            assert len(executed) == 3
            assert sum(one.side.sign * one.quantity for one in executed) == 0
            await rests(desk, symbol, 0)

    async def test_e38_a_stop_that_is_refused(self, desk: Desk) -> None:
        """It is reported once, tried again with pauses, and the engine closes meanwhile."""
        needs_stops(desk, Ability.MOVE_PRICE, Ability.REFUSE_STOP)
        async with desk:
            desk.configure(stop=STOP)
            symbol = desk.venue.symbols[0]
            await desk.venue.fail(Ability.REFUSE_STOP)
            await hold(desk, symbol, FIFTH)
            await desk.until(lambda: desk.state(symbol).stops.hold is not None, "the stop to be refused")
            await desk.until(lambda: bool(outages_of_stops(desk)), "the refusal to be reported")
            await desk.quiet()
            assert len(desk.account.stops_sent) <= 12, "it is tried again with pauses"
            assert len(outages_of_stops(desk)) == 1
            await desk.venue.move(symbol, await desk.venue.price(symbol) * BELOW)
            await closed(desk, symbol, "stop loss")
            assert "watched by the engine" in told(desk)[0]
            await desk.venue.restore()
            desk.say(symbol, FIFTH)
            await desk.until(lambda: desk.state(symbol).wanted, "the signal to count")
            await desk.until_confirmed(symbol)
            await protected(desk, symbol, await desk.venue.position(symbol))

    async def test_e39_stops_are_found_again(self, desk: Desk) -> None:
        """After a restart, and when nobody heard whether one was accepted: no second one is placed."""
        needs_stops(desk)
        async with desk:
            desk.configure(stop=STOP)
            symbol = desk.venue.symbols[0]
            desk.account.inject("place_stop", Fault(lost=OutcomeUnknown("no answer in time")))
            want = await hold(desk, symbol, FIFTH)
            before = await protected(desk, symbol, want)
            assert len(desk.account.stops_sent) == 2
            for _ in range(2):
                await desk.crash()
                desk.start()
                desk.aim(symbol, FIFTH, 1)
                await desk.until(lambda: not desk.state(symbol).stops.doubted, "the stops to be looked up")
                await desk.quiet()
                assert await protected(desk, symbol, want) == before
                assert desk.account.stops_sent == []

    async def test_e40_a_stop_that_somebody_cancelled(self, desk: Desk) -> None:
        """It is placed again, under another id."""
        needs_stops(desk, Ability.LAPSE_STOPS)
        async with desk:
            desk.configure(stop=STOP)
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            before = await protected(desk, symbol, want)
            await desk.venue.fail(Ability.LAPSE_STOPS)
            await rests(desk, symbol, 2, but=before)
            assert await desk.venue.position(symbol) == want
            assert len(await desk.venue.executed()) == 1

    async def test_e41_the_engine_watches(self, desk: Desk) -> None:
        """With ``stops = "engine"`` nothing rests at the exchange, and a price that passes the level closes."""
        needs(desk, Ability.MOVE_PRICE)
        async with desk:
            desk.configure(stop=STOP, stops="engine")
            symbol = desk.venue.symbols[0]
            await hold(desk, symbol, FIFTH)
            await desk.quiet()
            assert desk.account.stops_sent == []
            at = await desk.venue.price(symbol)
            await desk.venue.move(symbol, at * BELOW)
            await closed(desk, symbol, "stop loss")
            await desk.venue.move(symbol, at)
            await desk.quiet()
            assert await desk.venue.position(symbol) == 0

    async def test_e42_a_trailing_stop_follows(self, desk: Desk) -> None:
        """Upwards only, across a restart, and closes at a profit."""
        needs_stops(desk, Ability.MOVE_PRICE)
        async with desk:
            desk.configure(stop={"loss": "3%", "trailing": "4%", "activation": "5%"})
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH)
            (first,) = await rests(desk, symbol, 1)
            assert first.quantity == want
            at = await desk.venue.price(symbol)
            await desk.venue.move(symbol, at * Decimal("1.10"))
            (second,) = await rests(desk, symbol, 1, but=[first])
            assert first.trigger < at < second.trigger
            await desk.crash()
            await desk.venue.move(symbol, at * Decimal("1.08"))
            desk.start()
            desk.aim(symbol, FIFTH, 1)
            await desk.quiet()
            assert await rests(desk, symbol, 1) == [second]
            await desk.venue.move(symbol, at * Decimal("1.04"))
            await closed(desk, symbol, "stop loss")


def needs_stops(desk: Desk, *abilities: Ability) -> None:
    """Skip the case where the exchange holds no stops, or the venue cannot play it."""
    if not desk.capabilities.stops:
        pytest.skip("the exchange plugin holds no stops: the engine watches prices")
    needs(desk, Ability.MOVE_PRICE)
    for ability in abilities:
        needs(desk, ability)


async def rests(desk: Desk, symbol: str, number: int, but: Sequence[TrueStop] = ()) -> list[TrueStop]:
    """Wait until so many stops of a symbol rest, none of them one of ``but``."""
    found: list[TrueStop] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(desk.patience):
            while True:
                found = [stop for stop in await desk.venue.resting_stops() if stop.symbol == symbol]
                if len(found) == number and not [stop for stop in found if stop in but]:
                    return found
                await asyncio.sleep(0.05)
    raise AssertionError(f"waited {desk.patience} s for {number} stops of {symbol}, there are {found}")


async def protected(desk: Desk, symbol: str, quantity: Decimal) -> tuple[TrueStop, TrueStop]:
    """Wait until a stop and a take-profit rest for just that position; gives the two."""
    side, found = Side.of(-quantity), []
    with suppress(TimeoutError):
        async with asyncio.timeout(desk.patience):
            while True:
                found = await rests(desk, symbol, 2)
                if all(stop.side is side and stop.quantity == abs(quantity) for stop in found):
                    break
                await asyncio.sleep(0.05)
    assert {(stop.side, stop.quantity) for stop in found} == {(side, abs(quantity))}, found
    loss, profit = sorted(found, key=lambda stop: -stop.trigger * side.sign)
    return loss, profit


async def closed(desk: Desk, symbol: str, kind: str) -> None:
    """Wait until a stop has closed a position, and see that it stays so."""
    await desk.until(lambda: any(kind in text for text in told(desk)), f"the {kind} to be reported")
    await desk.holds(symbol, ZERO)
    await desk.until(lambda: not desk.state(symbol).wanted, "the symbol to be held flat")
    await desk.until_confirmed(symbol)
    await desk.quiet()
    assert await desk.venue.position(symbol) == 0


def told(desk: Desk) -> list[str]:
    """Give the texts of the events about stops."""
    return [event.text for event in desk.events if event.kind == "stop"]


def outages_of_stops(desk: Desk) -> list[str]:
    """Give the texts of the outages in which stops failed."""
    return [event.text for event in desk.events if event.kind == "outage" and "stops" in event.text]
