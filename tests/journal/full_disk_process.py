"""Appends reducing orders until the journal accepts no more or their number is reached, then is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from te_core.errors import JournalError
from tests.journal.journal_samples import intent, open_journal, order_outcome


async def main(folder: Path, first: int, orders: int) -> None:
    journal = open_journal(folder, inline=False)
    try:
        for number in range(first, first + orders):
            await journal.append(intent(f"o{number}", step=number, reduce_only=True))
            await journal.append(order_outcome(f"o{number}"))
            os.write(1, f"{number}\n".encode())
    except JournalError as error:
        os.write(1, f"{error}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
