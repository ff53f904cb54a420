"""``python -m bench.bittensor_payload``: what a payload of a large network costs, from the socket to the signals.

The made-up validator is a process of its own. What is measured is everything that this process does for one payload:
fetching, unpacking, reading, ranking, publishing. CPU is that of all threads; a stall is how late the event loop is.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import multiprocessing
import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import aiohttp

from harness.report import judge, print_line, print_verdicts
from te_core.clock import SystemClock
from te_core.testing.fakes import SourceRecorder
from te_emulators.bittensor.network import MadeNetwork
from te_emulators.bittensor.server import BittensorServer, Faults
from te_signals_bittensor.fetching import Fetcher, Page
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.source import BittensorSource
from te_signals_bittensor.unpacking import unpacked

ASSETS = {"BTCUSD": "BTCUSDT", "BTCUSDC": "BTCUSDT", "ETHUSD": "ETHUSDT"}
GOAL_CPU = 1.0
GOAL_STALL = 0.05
_POLL_INTERVAL = 0.002
"""Seconds between two checks of the event loop."""


def packed(network: MadeNetwork) -> bytes:
    """Return a payload as the server sends it."""
    parts = ", ".join(f'"{key}": {json.dumps(miner)}' for key, miner in network.payload().items())
    return gzip.compress(("{" + parts + "}").encode(), compresslevel=6, mtime=0)


class Validator:
    """The server's side, in its own process: it changes the network on command."""

    def __init__(self, miners: int, orders: int) -> None:
        self.network = MadeNetwork(miners=miners, orders=orders, seed=1, now_ms=int(time.time() * 1000))
        self.random = random.Random(2)

    def change(self, what: str, count: int) -> None:
        """Change the network: miners trade, or time passes."""
        if what == "tick":
            self.network.tick()
        held = [(key, position["trade_pair"][0]) for key, position in self.network.open_positions()]
        for key, asset in self.random.sample(held, count):
            self.network.close(key, asset)
            if count > 1:
                self.network.open(key, self.random.choice(list(ASSETS)), 0.1)

    async def serve(self, orders: Connection) -> None:
        """Serve until asked to stop."""
        server = BittensorServer(network=self.network)
        await server.start()
        orders.send(server.url)
        while (order := await asyncio.to_thread(orders.recv)) is not None:
            self.change(*order)
            server.faults = Faults(body=await asyncio.to_thread(packed, self.network))
            orders.send(len(server.faults.body or b""))
        await server.stop()


def validator(orders: Connection, miners: int, size: int) -> None:
    """Run the server's process."""
    asyncio.run(Validator(miners, size).serve(orders))


@contextmanager
def validating(miners: int, orders: int) -> Iterator[Connection]:
    """Start the server's process and end it afterwards."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=validator, args=(theirs, miners, orders), daemon=True)
    process.start()
    try:
        yield ours
        ours.send(None)
        process.join(20)
    finally:
        process.kill()


class Lag:
    """How late the event loop is at worst."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def watch(self) -> None:
        """Measure the delay of a short sleep again and again."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_POLL_INTERVAL)
            self.worst = max(self.worst, time.perf_counter() - before - _POLL_INTERVAL)


class RecordingFetcher:
    """Fetches as usual, and stores the last body for ``unpacked_alone``."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self.body: tuple[bytes, ...] = ()
        self.mark_used = fetcher.mark_used

    async def fetch(self) -> Page | None:
        """Fetch the page and store its body."""
        page = await self._fetcher.fetch()
        self.body = page.body if page is not None else ()
        return page


async def machine(body: tuple[bytes, ...]) -> str:
    """Return what the machine needs at this moment: for unpacking alone, and how late an idle event loop is."""
    lag = Lag()
    watch = asyncio.create_task(lag.watch())
    await asyncio.sleep(2)
    watch.cancel()
    cpu = time.process_time()
    for _ in unpacked(body):
        pass
    cpu = time.process_time() - cpu
    return f"unpacking alone {cpu:.2f} s, an idle loop is late by {lag.worst * 1000:.0f} ms"


async def measured(what: str, source: BittensorSource, fetcher: RecordingFetcher, *, judged: bool) -> None:
    """Measure one payload."""
    lag = Lag()
    watch = asyncio.create_task(lag.watch())
    await asyncio.sleep(0)
    parsed = source.status()["positions_parsed"]
    cpu, began = time.process_time(), time.perf_counter()
    await source.cycle()
    cpu, took = time.process_time() - cpu, time.perf_counter() - began
    watch.cancel()
    figures = f"{cpu:6.2f} s of CPU in {took:6.2f} s, longest stall {lag.worst * 1000:5.1f} ms"
    parsed = source.status()["positions_parsed"] - parsed
    print_line(f"{what:44} {figures}, {parsed:6} positions parsed; {await machine(fetcher.body)}")
    if judged:
        goal = f"below {GOAL_CPU:g} s of CPU and {GOAL_STALL * 1000:g} ms"
        judge(
            f"{what}: {cpu:.2f} s, {lag.worst * 1000:.0f} ms",
            goal,
            met=cpu < GOAL_CPU and lag.worst < GOAL_STALL,
        )


CASES: tuple[tuple[str, str, int, bool], ...] = (
    ("the same payload", "nothing", 0, True),
    ("one miner closed a position", "nothing", 1, True),
    ("1 % of the miners closed one and opened one", "nothing", -1, True),
    ("all open positions revalued", "tick", 0, True),
    ("all revalued, 1 % closed and opened", "tick", -1, True),
)


async def run(orders: Connection, options: argparse.Namespace) -> None:
    """Measure every case with one source."""
    url = await asyncio.to_thread(orders.recv)
    chosen: dict[str, Any] = {"url": f"{url}/miner-positions", "api_key": "K", "timeout": "5m"}
    async with aiohttp.ClientSession() as session:
        recorder = SourceRecorder(clock=SystemClock())
        settings = BittensorOptions.model_validate({**chosen, "strategy": options.strategy})
        context = recorder.context(settings, symbols=ASSETS, name="sn8")
        fetcher = RecordingFetcher(Fetcher(settings, lambda: session))
        source = BittensorSource(replace(context, http=lambda: session), fetcher=fetcher)
        gc.freeze()  # as ``te run`` does once it has started
        gc.set_threshold(10_000)
        for what, change, count, judged in (("the first payload", "nothing", 0, False), *CASES):
            orders.send((change, options.miners // 100 if count < 0 else count))
            size = await asyncio.to_thread(orders.recv)
            if not judged:
                print_line(
                    f"{options.miners} miners, {options.orders} orders each: {size / 1e6:.0f} MB gzipped"
                )
            await measured(what, source, fetcher, judged=judged)
    print_line(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--miners", type=int, default=5000)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--strategy", default="corrected")
    options = parser.parse_args()
    with validating(options.miners, options.orders) as orders:
        asyncio.run(run(orders, options))
    print_verdicts()


if __name__ == "__main__":
    main()
