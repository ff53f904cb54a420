"""Flatten without a running engine: this process takes the journal's lock and closes with the engine's own code.

As always, orders in flight are looked up first and new ones are journaled before they are sent: nothing is doubled,
and the next engine continues where this ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from loguru import logger

from te_core.app.exclusive import CommandContext, exclusive_access
from te_core.model.control import Command
from te_core.reporting.state import outcome_state
from te_core.runtime.engine import Engine
from te_core.runtime.instances import AccountRunner
from te_core.runtime.supervisor import Running

CONNECTING = 15.0
"""Seconds allowed for accounts to connect and be read before the plan is shown."""
REPORT_EVERY = 3.0
"""Seconds between two reports of what is still open."""
POLL = 0.1

Ask = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Shows the plan and asks for confirmation; raises if the operator declines."""


class DirectFlatten:
    """Runs the accounts that a command names, without sources and listeners, until everything is closed."""

    def __init__(self, given: CommandContext, command: Command) -> None:
        self._given = given
        self._command = command
        self._clock = given.clock

    async def run(self, ask: Ask, report: Callable[[str], None]) -> None:
        """Show the plan, ask, close, and return when nothing is open any more.

        Raise `JournalLocked` while an engine runs; also `ConfigError`, `JournalError` and `CommandRefused`.
        """
        with exclusive_access(self._given) as opened:
            resolved = await opened.resolved()
            engine = Engine(
                journal=opened.journal,
                registry=self._given.registry,
                clock=self._clock,
                log=logger,
                state_dir=self._given.paths.state,
                redact=opened.redactor.redact,
                only=self._command.accounts or tuple(resolved.settings.accounts),
            )
            engine.commands.hold_everything(self._command.by)
            try:
                await engine.start(resolved)
                await self._connected(engine)
                planned = await engine.commands.preview(self._command)
                await ask(outcome_state(*planned, scopes=engine.commands.scopes()))
                await engine.commands.execute(self._command)
                await self._closed(engine, report)
            finally:
                await engine.stop()

    async def _connected(self, engine: Engine) -> None:
        """Wait until every account is read; the plan shows the ones that cannot be read."""
        for _ in range(int(CONNECTING / POLL)):
            if not any(map(_comes_up, engine.accounts.values())):
                break
            await asyncio.sleep(POLL)

    async def _closed(self, engine: Engine, report: Callable[[str], None]) -> None:
        """Wait until nothing is open, and report what is still open whenever that changes."""
        told: list[str] = []
        report_at = self._clock.monotonic() + REPORT_EVERY
        while left := list(_still_open(engine)):
            if left != told and self._clock.monotonic() >= report_at:
                told, report_at = left, self._clock.monotonic() + REPORT_EVERY
                for line in left:
                    report(f"still open: {line}")
            await asyncio.sleep(POLL)


def _comes_up(runner: AccountRunner) -> bool:
    if runner.health.status is Running.RUNNING:
        return runner.worker.beliefs.read_at is None
    return runner.health.status in (Running.STARTING, Running.FAILING)


def _still_open(engine: Engine) -> Iterator[str]:
    for name, runner in engine.accounts.items():
        if runner.running and not runner.worker.observing:  # an observing account closes nothing
            yield from (f"{name}: {line}" for line in runner.worker.still_open)
