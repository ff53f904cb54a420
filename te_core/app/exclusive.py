"""Resources of a command that takes the engine's place: the settings, the log, and the journal with its lock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from te_core.app import state_folder
from te_core.app.paths import Paths
from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.logs import close_log_file, configure_logs
from te_core.plugins.registry import Registry
from te_core.secrets import Redactor
from te_core.settings.loading import load_settings
from te_core.settings.resolution import Resolved
from te_core.settings.schema import Settings
from te_core.settings.store import SettingsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """Inputs of a command."""

    paths: Paths
    env: Mapping[str, str]
    clock: Clock
    new_id: Callable[[], str]
    registry: Registry
    inline: bool = False
    """Write the journal on the event loop, for tests on the virtual clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusiveAccess:
    """The open resources while the command runs."""

    settings: Settings
    journal: Journal
    redactor: Redactor
    given: CommandContext

    async def resolved(self) -> Resolved:
        """Return the settings with the plugins that they name; from then on the log redacts their secrets."""
        given = self.given
        resolved = await SettingsStore(given.paths.settings, env=given.env, registry=given.registry).load()
        self.redactor.learn(
            resolved.secrets, resolved.source_options, resolved.account_options, resolved.notifier_options
        )
        return resolved


@contextmanager
def exclusive_access(given: CommandContext) -> Iterator[ExclusiveAccess]:
    """Open the resources. Raise `JournalLocked` while an engine runs; also `ConfigError` and `JournalError`."""
    settings, redactor = load_settings(given.paths.settings, given.env), Redactor()
    file = given.paths.state / settings.journal.file
    state_folder.prepare(given.paths.state, file)
    redactor.learn(settings, settings.origin.secrets)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        configure_logs(settings.logs, redactor, folder=given.paths.state, on_problem=lambda *_: None)
        journal = Journal.open(
            file,
            clock=given.clock,
            new_id=given.new_id,
            inline=given.inline,
            quarantine_limit=settings.journal.quarantine,
            redact=redactor.redact,
        )
        try:
            yield ExclusiveAccess(settings=settings, journal=journal, redactor=redactor, given=given)
        finally:
            journal.close()
    finally:
        close_log_file()
