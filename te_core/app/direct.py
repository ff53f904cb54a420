"""A flatten without a running engine: this process takes the journal's lock and closes with the engine's own means.

Orders under way are looked up first and new ones are journaled before they leave, as ever: nothing doubles, and the
next engine goes on where this ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from loguru import logger

from te_core.app import state_folder
from te_core.app.paths import Place
from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.logs import close_log_file, configure_logs
from te_core.model.control import Command
from te_core.plugins.registry import Registry
from te_core.reporting.state import outcome_state
from te_core.runtime.engine import Engine
from te_core.runtime.instances import AccountRunner
from te_core.runtime.supervisor import Running
from te_core.secrets import Redactor
from te_core.settings.loading import load_settings
from te_core.settings.store import SettingsStore

CONNECTING = 15.0
"""Seconds that accounts get to connect and be read before the plan is shown."""
TELLING = 3.0
"""Seconds between two reports of what is still open."""
LOOK = 0.1

Ask = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Shows the plan and asks; raises when it is not wanted."""


class DirectFlatten:
    """Runs the accounts that a command names, without sources and listeners, until everything is closed.

    ``inline``: the journal is written on the event loop, for tests on the virtual clock.
    """

    def __init__(
        self,
        place: Place,
        command: Command,
        *,
        env: Mapping[str, str],
        clock: Clock,
        new_id: Callable[[], str],
        registry: Registry,
        inline: bool = False,
    ) -> None:
        self._inline = inline
        self._place = place
        self._command = command
        self._env = env
        self._clock = clock
        self._new_id = new_id
        self._registry = registry
        self._redactor = Redactor()

    async def run(self, ask: Ask, tell: Callable[[str], None]) -> None:
        """Show the plan, ask, close, and return when nothing is open any more.

        Raises ``JournalLocked`` while an engine runs, ``ConfigError``, ``JournalError``, ``CommandRefused``.
        """
        settings = load_settings(self._place.settings, self._env)
        state_folder.prepare(self._place.state, self._place.state / settings.journal.file)
        with ExitStack() as opened:
            opened.callback(close_log_file)
            self._redactor.learn(settings, settings.origin.secrets)
            configure_logs(
                settings.logs, self._redactor, folder=self._place.state, on_trouble=lambda *_: None
            )
            journal = Journal.open(
                self._place.state / settings.journal.file,
                clock=self._clock,
                new_id=self._new_id,
                inline=self._inline,
                quarantine_limit=settings.journal.quarantine,
                redact=self._redactor.redact,
            )
            opened.callback(journal.close)
            resolved = await SettingsStore(
                self._place.settings, env=self._env, registry=self._registry
            ).load()
            self._redactor.learn(
                resolved.secrets, resolved.source_options, resolved.account_options, resolved.notifier_options
            )
            engine = Engine(
                journal=journal,
                registry=self._registry,
                clock=self._clock,
                log=logger,
                state_dir=self._place.state,
                redact=self._redactor.redact,
                only=self._command.accounts or tuple(resolved.settings.accounts),
            )
            engine.commands.hold_everything(self._command.by)
            try:
                await engine.start(resolved)
                await self._connected(engine)
                planned = await engine.commands.preview(self._command)
                await ask(outcome_state(*planned, scopes=engine.commands.scopes()))
                await engine.commands.execute(self._command)
                await self._closed(engine, tell)
            finally:
                await engine.stop()

    async def _connected(self, engine: Engine) -> None:
        """Wait until every account was read; one that cannot be is shown as such in the plan."""
        for _ in range(int(CONNECTING / LOOK)):
            if not any(map(_comes_up, engine.accounts.values())):
                break
            await asyncio.sleep(LOOK)

    async def _closed(self, engine: Engine, tell: Callable[[str], None]) -> None:
        """Wait until nothing is open, and tell what is whenever that changes."""
        told: list[str] = []
        tell_at = self._clock.monotonic() + TELLING
        while left := list(_still_open(engine)):
            if left != told and self._clock.monotonic() >= tell_at:
                told, tell_at = left, self._clock.monotonic() + TELLING
                for line in left:
                    tell(f"still open: {line}")
            await asyncio.sleep(LOOK)


def _comes_up(runner: AccountRunner) -> bool:
    if runner.health.status is Running.RUNNING:
        return runner.worker.beliefs.read_at is None
    return runner.health.status in (Running.STARTING, Running.FAILING)


def _still_open(engine: Engine) -> Iterator[str]:
    for name, runner in engine.accounts.items():
        if runner.running and not runner.worker.observing:  # there nothing is ever closed
            yield from (f"{name}: {line}" for line in runner.worker.still_open)
