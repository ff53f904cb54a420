"""Calls into plugin code: whatever it raises stays with the instance that was called (I21)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from te_core.errors import OutcomeUnknown, TradeEngineError

T = TypeVar("T")


class PluginDefect(OutcomeUnknown):
    """A plugin raised what its contract does not allow. Whether a request had left by then, nobody knows."""


async def guarded(what: str, call: Callable[[], Awaitable[T]]) -> T:
    """Await a plugin's method and contain what it must not raise; ``what`` names it (``place_order``).

    ``TradeEngineError`` and ``TimeoutError`` pass. A cancellation that nobody asked for, ``SystemExit`` and every other
    exception become ``PluginDefect``. Cancelling the caller cancels the call.
    """
    try:
        return await call()
    except (TradeEngineError, TimeoutError):
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise PluginDefect(f"{what}: the plugin cancelled itself") from error
    except GeneratorExit:
        raise
    except BaseException as error:
        raise PluginDefect(f"{what}: defect: {type(error).__name__}: {error}") from error
