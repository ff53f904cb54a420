"""Conformance cases about stops: they cover what is held, close it once, and never reopen a position."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import pytest

from te_core.errors import OutcomeUnknown
from te_core.model.order import Side
from te_core.testing.exchange_harness import Ability, TrueStop
from te_core.testing.faults import Fault
from te_core.testing.steps import hold, needs
from te_core.testing.worker_harness import WorkerHarness

ZERO, FIFTH = Decimal(0), Decimal("0.2")
STOP = {"loss": "3%", "profit": "6%"}
BELOW, ABOVE = Decimal("0.95"), Decimal("1.08")
"""Shares of the first price that pass the stop, and the take-profit, of a long position."""


class StopCases:
    """Cases E33 to E42."""

    async def test_e33_stops_rest_for_what_is_held(self, harness: WorkerHarness) -> None:
        """One stop and one take-profit rest for the position's whole size, and none while it is flat."""
        needs_stops(harness)
        async with harness:
            harness.configure(stop=STOP)
            symbol = harness.exchange.symbols[0]
            for depth in (FIFTH, 2 * FIFTH, FIFTH, -FIFTH):
                want = await hold(harness, symbol, depth)
                loss, profit = await protected(harness, symbol, want)
                assert loss.client_order_id != profit.client_order_id
                price = await harness.exchange.price(symbol)
                assert (loss.trigger < price < profit.trigger) == (want > 0)
            await harness.quiet()
            assert len(await harness.exchange.resting_stops()) == 2
            sent = [stop.client_order_id for stop in harness.account.stops_sent]
            assert len(sent) == len(set(sent)) == 8, "nothing is placed again without a reason"
            await hold(harness, symbol, ZERO)
            await rests(harness, symbol, 0)

    async def test_e34_what_a_stop_closed_stays_closed(self, harness: WorkerHarness) -> None:
        """The event names the stop, the take-profit is cancelled, and the next signal opens again."""
        needs_stops(harness, Ability.MOVE_PRICE)
        async with harness:
            harness.configure(stop=STOP, drift="heal")
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            await protected(harness, symbol, want)
            at = await harness.exchange.price(symbol)
            await harness.exchange.move(symbol, at * BELOW)
            await closed(harness, symbol, "stop loss")
            await rests(harness, symbol, 0)
            assert not [event for event in harness.events if event.kind == "drift"], "a stop is not drift"
            assert [execution.side for execution in await harness.exchange.executed()] == [
                Side.BUY,
                Side.SELL,
            ]
            await harness.until(
                lambda: len(harness.journal.fills(9)) == 2, "the fill of the stop to be journaled"
            )
            assert harness.journal.fills(9)[0].price is not None
            await harness.exchange.move(symbol, at)
            await harness.quiet()
            assert await harness.exchange.position(symbol) == 0
            harness.state_target(symbol, FIFTH)
            await harness.until(lambda: harness.state(symbol).wanted, "the signal to count")
            await harness.until_confirmed(symbol)
            assert (await harness.exchange.position(symbol)) > 0
            await protected(harness, symbol, await harness.exchange.position(symbol))
            await harness.exchange.move(symbol, at * ABOVE)
            await closed(harness, symbol, "take profit")
            await rests(harness, symbol, 0)

    async def test_e35_triggered_while_the_engine_is_down(self, harness: WorkerHarness) -> None:
        """The engine finds out at its start, before it does anything about the symbol."""
        needs_stops(harness, Ability.MOVE_PRICE)
        async with harness:
            harness.configure(stop=STOP, drift="heal")
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, -FIFTH)
            await protected(harness, symbol, want)
            at = await harness.exchange.price(symbol)
            await harness.crash()
            await harness.exchange.move(symbol, at * ABOVE)
            await harness.exchange.move(symbol, at)
            harness.start()
            harness.set_target(symbol, -FIFTH, 1)
            await closed(harness, symbol, "stop loss")
            await rests(harness, symbol, 0)
            await harness.crash()
            harness.start()
            harness.set_target(symbol, -FIFTH, 1)
            await harness.quiet()
            assert await harness.exchange.position(symbol) == 0, "another start changes nothing"
            assert len(await harness.exchange.executed()) == 2

    async def test_e36_a_stop_and_a_new_target_at_the_same_time(self, harness: WorkerHarness) -> None:
        """The newer target wins: it is held, and has its stops."""
        needs_stops(harness, Ability.MOVE_PRICE)
        async with harness:
            harness.configure(stop=STOP)
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            await protected(harness, symbol, want)
            at = await harness.exchange.price(symbol)
            harness.account.inject("place_order", Fault(delay=1))
            await asyncio.sleep(0.01)
            harness.state_target(symbol, -FIFTH)
            await harness.until(lambda: harness.account.calls["place_order"] == 2, "the closing order")
            await harness.exchange.move(symbol, at * BELOW)
            await harness.until(lambda: bool(told(harness)), "the stop to be reported")
            await harness.until_confirmed(symbol)
            held = await harness.exchange.position(symbol)
            assert held < 0
            await protected(harness, symbol, held)

    async def test_e37_a_stop_that_filled_in_part(self, harness: WorkerHarness) -> None:
        """The engine closes the rest, and the journal records what each order really filled."""
        needs_stops(harness, Ability.MOVE_PRICE, Ability.FILL_STOP_IN_PART)
        async with harness:
            harness.configure(stop=STOP)
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            await protected(harness, symbol, want)
            await harness.exchange.fail(Ability.FILL_STOP_IN_PART)
            await harness.exchange.move(symbol, await harness.exchange.price(symbol) * BELOW)
            await closed(harness, symbol, "stop loss")
            executed = await harness.exchange.executed()
            assert len(executed) == 3
            assert sum(one.side.sign * one.quantity for one in executed) == 0
            await rests(harness, symbol, 0)

    async def test_e38_a_stop_that_is_refused(self, harness: WorkerHarness) -> None:
        """The refusal is reported once and retried with pauses; meanwhile the engine closes at the level."""
        needs_stops(harness, Ability.MOVE_PRICE, Ability.REFUSE_STOP)
        async with harness:
            harness.configure(stop=STOP)
            symbol = harness.exchange.symbols[0]
            await harness.exchange.fail(Ability.REFUSE_STOP)
            await hold(harness, symbol, FIFTH)
            await harness.until(
                lambda: harness.state(symbol).stops.hold is not None, "the stop to be refused"
            )
            await harness.until(lambda: bool(outages_of_stops(harness)), "the refusal to be reported")
            await harness.quiet()
            assert len(harness.account.stops_sent) <= 12, "it is retried with pauses"
            assert len(outages_of_stops(harness)) == 1
            await harness.exchange.move(symbol, await harness.exchange.price(symbol) * BELOW)
            await closed(harness, symbol, "stop loss")
            assert "watched by the engine" in told(harness)[0]
            await harness.exchange.restore()
            harness.state_target(symbol, FIFTH)
            await harness.until(lambda: harness.state(symbol).wanted, "the signal to count")
            await harness.until_confirmed(symbol)
            await protected(harness, symbol, await harness.exchange.position(symbol))

    async def test_e39_stops_are_found_again(self, harness: WorkerHarness) -> None:
        """After a restart, or if it is unknown whether a stop was accepted, no second one is placed."""
        needs_stops(harness)
        async with harness:
            harness.configure(stop=STOP)
            symbol = harness.exchange.symbols[0]
            harness.account.inject("place_stop", Fault(lost=OutcomeUnknown("no answer in time")))
            want = await hold(harness, symbol, FIFTH)
            before = await protected(harness, symbol, want)
            assert len(harness.account.stops_sent) == 2
            for _ in range(2):
                await harness.crash()
                harness.start()
                harness.set_target(symbol, FIFTH, 1)
                await harness.until(
                    lambda: not harness.state(symbol).stops.doubted, "the stops to be looked up"
                )
                await harness.quiet()
                assert await protected(harness, symbol, want) == before
                assert harness.account.stops_sent == []

    async def test_e40_a_stop_that_somebody_cancelled(self, harness: WorkerHarness) -> None:
        """A cancelled stop is placed again, under a new id."""
        needs_stops(harness, Ability.LAPSE_STOPS)
        async with harness:
            harness.configure(stop=STOP)
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            before = await protected(harness, symbol, want)
            await harness.exchange.fail(Ability.LAPSE_STOPS)
            await rests(harness, symbol, 2, but=before)
            assert await harness.exchange.position(symbol) == want
            assert len(await harness.exchange.executed()) == 1

    async def test_e41_the_engine_watches(self, harness: WorkerHarness) -> None:
        """With ``stops = "engine"`` nothing rests at the exchange; the engine closes once the level is passed."""
        needs(harness, Ability.MOVE_PRICE)
        async with harness:
            harness.configure(stop=STOP, stops="engine")
            symbol = harness.exchange.symbols[0]
            await hold(harness, symbol, FIFTH)
            await harness.quiet()
            assert harness.account.stops_sent == []
            at = await harness.exchange.price(symbol)
            await harness.exchange.move(symbol, at * BELOW)
            await closed(harness, symbol, "stop loss")
            await harness.exchange.move(symbol, at)
            await harness.quiet()
            assert await harness.exchange.position(symbol) == 0

    async def test_e42_a_trailing_stop_follows(self, harness: WorkerHarness) -> None:
        """The stop of a long position moves only upwards, survives a restart, and closes at a profit."""
        needs_stops(harness, Ability.MOVE_PRICE)
        async with harness:
            harness.configure(stop={"loss": "3%", "trailing": "4%", "activation": "5%"})
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            (first,) = await rests(harness, symbol, 1)
            assert first.quantity == want
            at = await harness.exchange.price(symbol)
            await harness.exchange.move(symbol, at * Decimal("1.10"))
            (second,) = await rests(harness, symbol, 1, but=[first])
            assert first.trigger < at < second.trigger
            await harness.crash()
            await harness.exchange.move(symbol, at * Decimal("1.08"))
            harness.start()
            harness.set_target(symbol, FIFTH, 1)
            await harness.quiet()
            assert await rests(harness, symbol, 1) == [second]
            await harness.exchange.move(symbol, at * Decimal("1.04"))
            await closed(harness, symbol, "stop loss")


def needs_stops(harness: WorkerHarness, *abilities: Ability) -> None:
    """Skip the case if the plugin supports no stops, or the emulator lacks an ability."""
    if not harness.capabilities.stops:
        pytest.skip("the exchange plugin supports no stops; the engine watches prices instead")
    needs(harness, Ability.MOVE_PRICE)
    for ability in abilities:
        needs(harness, ability)


async def rests(
    harness: WorkerHarness, symbol: str, number: int, but: Sequence[TrueStop] = ()
) -> list[TrueStop]:
    """Wait until exactly ``number`` stops of a symbol rest, none of them in ``but``; return them."""
    found: list[TrueStop] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(harness.timeout):
            while True:
                found = [stop for stop in await harness.exchange.resting_stops() if stop.symbol == symbol]
                if len(found) == number and not [stop for stop in found if stop in but]:
                    return found
                await asyncio.sleep(0.05)
    raise AssertionError(f"waited {harness.timeout} s for {number} stops of {symbol}, found {found}")


async def protected(harness: WorkerHarness, symbol: str, quantity: Decimal) -> tuple[TrueStop, TrueStop]:
    """Wait until a stop and a take-profit rest for exactly that position; return both."""
    side, found = Side.of(-quantity), []
    with suppress(TimeoutError):
        async with asyncio.timeout(harness.timeout):
            while True:
                found = await rests(harness, symbol, 2)
                if all(stop.side is side and stop.quantity == abs(quantity) for stop in found):
                    break
                await asyncio.sleep(0.05)
    assert {(stop.side, stop.quantity) for stop in found} == {(side, abs(quantity))}, found
    loss, profit = sorted(found, key=lambda stop: -stop.trigger * side.sign)
    return loss, profit


async def closed(harness: WorkerHarness, symbol: str, kind: str) -> None:
    """Wait until a stop has closed a position, and check that it stays closed."""
    await harness.until(lambda: any(kind in text for text in told(harness)), f"the {kind} to be reported")
    await harness.holds(symbol, ZERO)
    await harness.until(lambda: not harness.state(symbol).wanted, "the symbol to be held flat")
    await harness.until_confirmed(symbol)
    await harness.quiet()
    assert await harness.exchange.position(symbol) == 0


def told(harness: WorkerHarness) -> list[str]:
    """Return the texts of the events about stops."""
    return [event.text for event in harness.events if event.kind == "stop"]


def outages_of_stops(harness: WorkerHarness) -> list[str]:
    """Return the texts of the outages of stops."""
    return [event.text for event in harness.events if event.kind == "outage" and "stops" in event.text]
