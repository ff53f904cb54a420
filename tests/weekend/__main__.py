"""``python -m tests.weekend FOLDER``: simulate a weekend, and leave its journal and state folder for inspection.

With ``--stay`` the engine and the exchanges continue afterwards in real time: every command and the page can be tried
on them until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from te_core.plugins.registry import Registry
from tests.weekend.loop import WiredLoop, run
from tests.weekend.story import Story, friday
from tests.weekend.world import loaded, world


async def live(given: argparse.Namespace, registry: Registry) -> None:
    """Run the weekend."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WiredLoop)
    folder: Path = given.folder.absolute()
    async with world(folder, friday(datetime.now(UTC), given.hours), registry) as opened:
        truth = await Story(opened, hours=given.hours, alerts=given.alerts, seed=given.seed).tell()
        print(f"{given.hours:g} hours in {time.process_time():.0f} s of the processor's time")
        print(f"{truth.accepted} alerts taken, {truth.refused} refused; what happened besides:")
        for one in truth.incidents:
            until = f" until {one.until:%H:%M}" if one.until else ""
            print(f"  {one.at:%a %H:%M}{until}  {one.kind} {one.symbol} {', '.join(one.accounts)}")
        print(f"\nte --settings {folder / 'settings.toml'} status")
        if given.stay:
            loop.thaw()
            print("the engine goes on until Ctrl-C", flush=True)
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.weekend", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, default=60)
    parser.add_argument("--alerts", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stay", action="store_true")
    given = parser.parse_args()
    if (given.folder / "state").exists():
        parser.error(f"{given.folder} holds a weekend already")
    registry = asyncio.run(loaded())
    with suppress(KeyboardInterrupt):
        run(live(given, registry))


main()
