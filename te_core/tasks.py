"""Tasks that nobody may wait for any more, and waits that outlast a suspension of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from te_core.clock import LONGEST_SLEEP, Clock

T = TypeVar("T")


def ignore_error(done: asyncio.Future[Any]) -> None:
    """Keep asyncio from reporting an error that nobody waits for; whoever does wait still receives it."""
    done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work that goes on even if the caller is cancelled: something is journaled, then applied.

    Otherwise what the journal has would apply only after the next start.
    """
    task = asyncio.create_task(work)
    ignore_error(task)
    return await asyncio.shield(task)


async def sleep(clock: Clock, seconds: float, *, late: float = LONGEST_SLEEP) -> None:
    """Sleep for ``seconds``, counting suspensions of the machine; each delays the end by at most ``late`` seconds."""
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:  # noqa: ASYNC110 - no event tells when a time has come
        await asyncio.sleep(min(left, late))
