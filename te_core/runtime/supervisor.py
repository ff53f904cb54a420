"""Keeps one thing running: whatever it raises is contained here, told once, and tried again after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from te_core.clock import Clock
from te_core.errors import AuthError, ConfigError, TradeEngineError
from te_core.outage import Outages
from te_core.rules.backoff import backoff
from te_core.settings.schema import EngineSettings

if TYPE_CHECKING:
    from loguru import Logger

STEADY = 60.0
"""Seconds after which a run counts as having worked: the next failure starts from the first pause again."""
Up = Callable[[], None]
"""Called by a run when it has begun to work."""


class Running(StrEnum):
    """Where a supervised instance stands."""

    STARTING = "starting"
    RUNNING = "running"
    FAILING = "failing"
    STOPPED = "stopped"
    DISABLED = "disabled"
    UNAVAILABLE = "unavailable"


@dataclass(slots=True)
class Health:
    """Status and reason of an instance, for ``te status``."""

    status: Running = Running.STARTING
    reason: str = ""

    def set(self, status: Running, reason: str = "") -> None:
        """Change both."""
        self.status, self.reason = status, reason


class _Proof:
    """Tells that a run works: at once, or if that is ``doubted`` when it has worked for a while."""

    def __init__(self, well: Callable[[], None], *, doubted: bool) -> None:
        self._well = well
        self._doubted = doubted
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take note that it has begun to work."""
        if self._doubted:
            self._timer = asyncio.get_running_loop().call_later(STEADY, self._well)
        else:
            self._well()

    def end(self) -> None:
        """Tell nothing any more."""
        if self._timer is not None:
            self._timer.cancel()


async def supervise(
    run: Callable[[Up], Awaitable[None]],
    *,
    health: Health,
    outages: Outages,
    clock: Clock,
    log: Logger,
    settings: Callable[[], EngineSettings],
    what: str = "connection",
) -> None:
    """Run for ever; what fails is tried again. ``AuthError`` and ``ConfigError`` end it until its settings change.

    What begins to work and fails again and again is told well only when it has worked for a while: an outage that comes
    and goes for hours would otherwise be two lines and two notices each time.
    """
    failures, task = 0, asyncio.current_task()
    while True:
        began, proof = clock.monotonic(), _Proof(partial(outages.well, what), doubted=failures > 1)
        try:
            await run(proof.begin)
            reason = "ended by itself"
        except (AuthError, ConfigError) as error:
            health.set(Running.STOPPED, f"{error}; it starts again when its settings change")
            outages.failing(what, health.reason)
            return
        except TradeEngineError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - the supervisor: a plugin's defect ends here
            reason = f"defect: {type(error).__name__}: {error}"
            if failures == 0:
                log.opt(exception=error).error("{}", reason)
        finally:
            proof.end()
        if (
            task is not None and task.cancelling()
        ):  # what failed was the release: it is cancelled all the same
            return
        failures = 1 if clock.monotonic() - began > STEADY else failures + 1
        health.set(Running.FAILING, reason)
        outages.failing(what, reason)
        pause = backoff(failures, settings().backoff_first, settings().backoff_last)
        await asyncio.sleep(pause.total_seconds())
