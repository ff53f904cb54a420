"""How what a plugin started ends: by cancellation, and with nothing left."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

PROMPTLY = 5.0
"""Seconds within which what was cancelled must have ended; the engine abandons it after 10 to 15 s."""
POOL = "asyncio_"
"""How the names of the loop's own threads begin; it uses them again."""


async def cancelled(task: asyncio.Future[Any], *, within: float = PROMPTLY) -> bool:
    """Cancel a task; return whether it has ended by that in time."""
    task.cancel()
    await asyncio.wait({task}, timeout=within)
    if task.done() and not task.cancelled():
        task.exception()  # otherwise the loop reports it
    return task.cancelled()


def running() -> list[str]:
    """Return what runs now: tasks and threads, without the event loop's own threads."""
    threads = (thread.name for thread in threading.enumerate())
    tasks = (str(task.get_coro()) for task in asyncio.all_tasks())
    return [*tasks, *(name for name in threads if not name.startswith(POOL))]


async def left(allowed: int, *, within: float) -> list[str]:
    """Return what runs once no more than that is left, or after ``within`` seconds.

    The other side may take a moment to notice that a connection was closed.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while len(running()) > allowed:
                await asyncio.sleep(0.05)
    return running()
