"""``python -m bench.bittensor_payload``: CPU and event-loop stall of reading large payloads."""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import resource
import time
from collections.abc import Callable
from typing import Any

from te_core.testing.virtual_clock import START
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.evaluation import evaluate
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.payload import PayloadReader
from tests.emulators.bittensor.network import MadeNetwork

ASSETS = {"BTCUSD": "BTCUSDT", "BTCUSDC": "BTCUSDT", "ETHUSD": "ETHUSDT"}


async def measured(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a thread while the loop watches how late its own timers are."""
    worst = 0.0
    task = asyncio.create_task(asyncio.to_thread(function, *arguments))
    cpu = time.process_time()
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        worst = max(worst, time.perf_counter() - before - 0.005)
    print(
        f"{what:32} CPU {time.process_time() - cpu:6.2f} s, longest stall {worst * 1000:6.1f} ms", flush=True
    )
    return await task


def packed(network: MadeNetwork) -> bytes:
    parts = ",".join(f'"{key}": {json.dumps(miner)}' for key, miner in network.payload().items())
    return gzip.compress(("{" + parts + "}").encode(), compresslevel=1, mtime=0)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--miners", type=int, default=5000)
    parser.add_argument("--orders", type=int, default=500)
    options = parser.parse_args()
    now_ms = int(START.timestamp() * 1000)
    network = MadeNetwork(miners=options.miners, orders=options.orders, seed=1, now_ms=now_ms)
    body = packed(network)
    print(f"{options.miners} miners: {len(body) / 1e6:.0f} MB gzipped")
    gc.freeze()  # the made-up network is no part of what is measured
    reader = PayloadReader()
    await measured("first payload", reader.read, body)
    await measured("the same payload", reader.read, body)
    held = next(network.open_positions())
    network.close(held[0], held[1]["trade_pair"][0])
    body = packed(network)
    await measured("one miner closed", reader.read, body)
    network.tick()
    body = packed(network)
    found = await measured("returns of all open positions", reader.read, body)
    parameters = Parameters.model_validate({})

    def ranking() -> object:
        return evaluate(found, Corrected(), assets=ASSETS, parameters=parameters, now=START)

    await measured("ranking", ranking)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    asyncio.run(main())
