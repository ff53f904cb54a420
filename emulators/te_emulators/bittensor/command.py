"""``python -m te_emulators bittensor --port 9100 --miners 300 --seed 1``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Sequence

from te_emulators.bittensor.network import MadeNetwork, TieredNetwork
from te_emulators.bittensor.server import BittensorServer


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Parse the command line after the emulator's name."""
    parser = argparse.ArgumentParser(prog="python -m te_emulators bittensor", description=__doc__)
    parser.add_argument("--port", type=int, default=9100, help="0: a free one")
    parser.add_argument("--miners", type=int, default=300)
    parser.add_argument("--orders", type=int, default=120, help="per miner, about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--entities", type=int, default=0, help="entities of a network of 2026; 0: the network of 2025"
    )
    parser.add_argument("--key", default="K")
    parser.add_argument("--tier", type=int, default=100, help="of the key")
    parser.add_argument(
        "--refresh", type=float, default=15.0, help="seconds between two states of the network"
    )
    return parser.parse_args(words)


async def serve(options: argparse.Namespace) -> None:
    """Run until interrupted or terminated."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    common = {
        "miners": options.miners,
        "seed": options.seed,
        "now_ms": int(time.time() * 1000),
        "orders": options.orders,
    }
    network = (
        TieredNetwork(**common, entities=options.entities) if options.entities else MadeNetwork(**common)
    )
    server = BittensorServer(network=network, keys={options.key: options.tier})
    await server.start(options.port)
    print(f"bittensor {server.url} {server.ws_url}", flush=True)
    try:
        while not ended.is_set():
            try:
                async with asyncio.timeout(options.refresh):
                    await ended.wait()
            except TimeoutError:
                network.tick(int(options.refresh * 1000))
                server.refresh()
    finally:
        await server.stop()


def main(words: Sequence[str]) -> None:
    """Run the command."""
    asyncio.run(serve(arguments(words)))
