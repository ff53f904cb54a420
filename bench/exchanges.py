"""Round trips and requests from an alert to the orders at emulated exchanges: ``python -m bench.exchanges [NAME …]``.

The engine runs in this process with the real TradingView source and the real plugins through ccxt; the exchanges run in
another one, with 80 ms of latency. Accounts work on 20 symbols at the same time (``concurrency``).

Two figures show how long it took until the last order was answered. ``in a row``: how many requests can have waited
for each other, which no load on the machine changes. ``round trips``: the time, in units of the latency; in it is the
computing of the engine, of ccxt and of the emulator, of which the last two are also measured alone ("without the
engine"). Where an exchange allows fewer requests in a time than there are, the least that its limits allow stands
next to the figure, and the same is measured with limits lifted on both sides (``rate_limits`` in an account's
settings). Goals stand next to the figures, and again at the end those that were missed: by a request in a row, or by
more than a quarter of a round trip above what the client alone takes for so many.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop
from loguru import logger

from bench import exchange_bare, exchange_own_time
from bench.exchange_engine import SYMBOLS, Bench, Round, bench
from bench.exchange_specs import EXCHANGES
from harness.report import judge, print_line, print_verdicts
from te_core.app.process import share_with_threads

LATENCY = 0.08
SLACK = 0.25
"""Round trips above a goal that count as the engine's computing."""
_client: dict[str, float] = {}
"""Round trips that one order takes by exchange, without the engine: what one means here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Round trips, and requests of one account."""

    trips: int
    steps: int
    """Those that have to follow each other."""
    requests: int | None = None


def floor(found: Round, goal: Goal) -> float:
    """Return the fewest round trips that the exchanges' own limits allow."""
    return goal.steps + found.wait / LATENCY


def show(what: str, made: Bench, found: Round, goal: Goal) -> None:
    """Print a figure with its goal."""
    trips, least = found.answered / LATENCY, floor(found, goal)
    limited = least > goal.trips
    each = max(_client.get(name, 1.0) for name in made.exchanges)
    met = trips <= goal.trips * each + SLACK and found.chain <= goal.trips
    notes = (
        [] if met else ["MISSED" + (f": the exchange's limits allow {least:.1f} at best" if limited else "")]
    )
    if goal.requests and found.requests.total() > goal.requests * found.accounts:
        notes.append("TOO MANY REQUESTS")
    if not found.at_target:
        notes.append("NOT AT TARGET")
    if found.refused:
        notes.append(f"{found.refused} REFUSED OR DOUBLED")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.requests.items()))
    threshold = f"{goal.trips}" + (f" and {goal.requests * found.accounts} requests" if goal.requests else "")
    if notes:
        judge(f"{made.title}, {what}: {'; '.join(notes)}", threshold, met=False)
    print_line(
        f"    {what:<44} {trips:5.2f} round trips, {found.chain:2} in a row (goal {threshold}); "
        f"{found.requests.total():3} requests: {kinds}" + "".join(f"; {note}" for note in notes)
    )


async def one_symbol(exchange: str, *, streams: bool) -> None:
    """From flat to long with the leverage to be set, then with it set; an increase; a flip."""
    reads = 0 if streams else 1
    async with bench([exchange], streams=streams, latency=LATENCY) as made:
        for what, size, trips in (
            ("flat to long, leverage differs", "20", 2 + reads),
            ("", "0", 0),
            ("flat to long", "20.5", 1 + reads),
            ("increase", "30", 1 + reads),
            ("flip", "-25", 3),
        ):
            await made.rest(0.6)
            found = await made.alert(size)
            if what:
                show(what, made, found, Goal(trips=trips, steps=trips))


async def twenty_symbols(exchange: str, *, streams: bool, lifted: bool = False) -> bool:
    """Open twenty positions at once, then make them larger. Return whether a limit of the exchange showed."""
    reads = 0 if streams else 1
    limited = False
    async with bench([exchange], symbols=SYMBOLS, streams=streams, lifted=lifted, latency=LATENCY) as made:
        for what, size, steps in (
            ("20 symbols, leverage differs", "4", 2 + reads),
            ("20 symbols, increase", "5", 1 + reads),
        ):
            goal = Goal(trips=4, steps=steps, requests=45)
            if steps == 1 + reads:
                await made.rest(made.longest_window + 0.5)
            found = await made.alert(size)
            show(what + (", limits lifted" if lifted else ""), made, found, goal)
            limited |= floor(found, goal) > goal.trips
    return limited


async def everywhere(exchanges: Sequence[str], *, streams: bool, lifted: bool) -> None:
    """Two accounts at each exchange, 20 symbols: 20 alerts at once, and one."""
    reads = 0 if streams else 1
    names = f"{2 * len(exchanges)} accounts" + (", limits lifted" if lifted else "")
    async with bench(
        exchanges, accounts=2, symbols=SYMBOLS, streams=streams, lifted=lifted, latency=LATENCY
    ) as made:
        found = await made.alert("4")
        show(f"20 alerts, {names}", made, found, Goal(trips=4, steps=2 + reads, requests=45))
        if lifted:
            await made.rest(1)
            found = await made.alert("10", symbols=SYMBOLS[:1])
            show(f"one alert, {names}", made, found, Goal(trips=1 + reads, steps=1 + reads))


async def flattened(exchanges: Sequence[str], *, lifted: bool) -> None:
    """Close 20 positions at each exchange by one command, and open them again by another."""
    names = f"{len(exchanges)} accounts x 20 symbols" + (", limits lifted" if lifted else "")
    async with bench(exchanges, symbols=SYMBOLS, streams=True, lifted=lifted, latency=LATENCY) as made:
        await made.alert("4")
        await made.rest(made.longest_window + 0.5)
        show(f"flatten, {names}", made, await made.flatten(), Goal(trips=3, steps=1))
        await made.rest(made.longest_window + 0.5)
        show(f"resume, {names}", made, await made.resume(), Goal(trips=3, steps=1))


async def without_the_engine(exchange: str) -> None:
    """Measure the client alone."""
    found = await exchange_bare.measure(exchange, LATENCY)
    _client[exchange] = found.one / LATENCY
    print_line(
        f"  {exchange}, without the engine: one order takes {found.one / LATENCY:.2f} round trips, "
        f"20 at once {found.twenty / LATENCY:.2f}; one is at the exchange after {found.arrival * 1000:.1f} ms"
    )


async def own_time(exchanges: Sequence[str]) -> None:
    """Measured first: an engine that runs alone does not carry the garbage of dozens of engines in one process."""
    print_line("own time from an alert until the orders are at the exchange, with streams")
    for exchange in exchanges:
        for accounts in (1,) if exchange == "blofin" else (1, 10):  # it takes one new connection a second
            await exchange_own_time.measure(exchange, accounts)


async def measure(exchanges: Sequence[str]) -> None:
    """Measure everything."""
    await own_time(exchanges)
    print_line(
        f"from an alert to the last order's answer, in round trips of {LATENCY * 1000:.0f} ms, and requests by kind"
    )
    for exchange in exchanges:
        await without_the_engine(exchange)
        for streams in (True, False):
            print_line(f"  {exchange}, {'with' if streams else 'without'} streams")
            await one_symbol(exchange, streams=streams)
            if await twenty_symbols(exchange, streams=streams):
                await twenty_symbols(exchange, streams=streams, lifted=True)
    orders, taken = await exchange_bare.together(exchanges, LATENCY)
    print_line(
        f"  {', '.join(exchanges)}, without the engine: {orders} orders at once take {taken / LATENCY:.2f} round trips"
    )
    print_line(f"  {', '.join(exchanges)}: one account each, from the operator's command on, with streams")
    for lifted in (False, True):
        await flattened(exchanges, lifted=lifted)
    for streams in (True, False):
        print_line(f"  {', '.join(exchanges)}: two accounts each, {'with' if streams else 'without'} streams")
        for lifted in (False, True):
            await everywhere(exchanges, streams=streams, lifted=lifted)


def main() -> None:
    """Measure the named exchanges, or all."""
    logger.remove()
    share_with_threads()  # as the engine does, like its event loop below
    began = time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(sys.argv[1:] or EXCHANGES))
    print_verdicts()
    print_line(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
