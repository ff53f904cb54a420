"""``python -m te_emulators bybit --port 9001 --key K --secret S``: exchanges to point any client at."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from decimal import Decimal
from pathlib import Path

from te_emulators.core.fault_files import faults_of_file, faults_of_seed
from te_emulators.core.faults import FaultScript
from te_emulators.venues import VENUES, server
from te_emulators.wire.server import WireServer


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m te_emulators", description="Exchanges on loopback.")
    parser.add_argument("venue", choices=[*VENUES, "all"], help="which exchange, or all on consecutive ports")
    parser.add_argument("--port", type=int, default=9001, help="first port (default 9001; 0: free ones)")
    parser.add_argument("--key", default="K")
    parser.add_argument("--secret", default="S")
    parser.add_argument("--passphrase", default="P", help="for exchanges whose keys have one")
    parser.add_argument("--balance", type=Decimal, default=Decimal(10_000))
    parser.add_argument("--coin", choices=["USDT", "USDC"], default="USDT", help="what the account holds")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of a round trip")
    parser.add_argument("--faults", help="a JSON file of faults, or a seed to invent them from")
    return parser.parse_args()


def script(faults: str | None) -> FaultScript:
    """Return the faults of a file or a seed."""
    if faults is None:
        return FaultScript()
    return FaultScript(faults_of_seed(int(faults)) if faults.isdigit() else faults_of_file(Path(faults)))


async def serve(options: argparse.Namespace) -> None:
    """Run until interrupted or terminated."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    started: list[WireServer] = []
    names = list(VENUES) if options.venue == "all" else [options.venue]
    try:
        for place, name in enumerate(names):
            made = server(
                name,
                key=options.key,
                secret=options.secret,
                passphrase=options.passphrase,
                balance=options.balance,
                coin=options.coin,
                latency=options.latency_ms / 1000,
                faults=script(options.faults),
            )
            await made.start(options.port + place if options.port else 0)
            started.append(made)
            print(f"{name} {made.url} {made.ws_url}", flush=True)
        await ended.wait()
    finally:
        for made in started:
            await made.stop()


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["bittensor"]:  # not an exchange: it has its own options
            from te_emulators.bittensor.command import main

            main(sys.argv[2:])
        else:
            asyncio.run(serve(arguments()))
    except OSError as error:
        sys.exit(f"cannot start: {error.strerror or error}; choose another --port or --faults file")
