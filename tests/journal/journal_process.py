"""Appends signals from many producers until it is killed; prints each number once its append is durable."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from tests.journal.journal_samples import open_journal, signal


async def main(folder: Path, first: int) -> None:
    journal = open_journal(folder, inline=False)
    numbers = itertools.count(first)

    async def producer() -> None:
        while True:
            number = next(numbers)
            await journal.append(signal(symbol=f"S{number % 20}", sequence=str(number)))
            os.write(1, f"{number}\n".encode())

    await asyncio.gather(*(producer() for _ in range(16)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int((*sys.argv, "0")[2])))
