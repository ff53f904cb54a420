"""Control of the engine by one plugin instance: signed with the plugin's name, and revoked when it is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from te_core.arithmetic import own_arithmetic
from te_core.clock import Clock
from te_core.contracts.control import CONTROLS
from te_core.errors import CommandRefused, NotReady
from te_core.model.control import Command
from te_core.texts import bounded, printable

LONGEST_BY = 100
LONGEST_REASON = 200


class ControlQueries(Protocol):
    """What plugins may query. `te_core.reporting.queries.Queries` answers it."""

    def state(self) -> Mapping[str, Any]:
        """Return what ``te status`` shows."""
        ...

    def explain(self, symbol: str) -> Mapping[str, Any]:
        """Return the arithmetic of a symbol. Raise `KeyError` if no account has a target for it."""
        ...

    async def summary(self, since: datetime) -> Mapping[str, Any]:
        """Return the results of each account since then."""
        ...


class CommandExecutor(Protocol):
    """Executes commands for plugins."""

    async def command(self, command: Command, *, preview: bool) -> Mapping[str, Any]:
        """Execute a command, or return what it would do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAccess:
    """What plugins may control the engine with, if the settings allow it."""

    queries: ControlQueries
    commands: CommandExecutor


class Control:
    """Implements ``ControlContext`` for one instance."""

    def __init__(self, access: ControlAccess, plugin: str, clock: Clock) -> None:
        self._access = access
        self._plugin = plugin
        self._clock = clock
        self._revoked = False

    def revoke(self) -> None:
        """Refuse every further call."""
        self._revoked = True

    def state(self) -> Mapping[str, Any]:
        """See ``ControlContext``."""
        with own_arithmetic():
            return self._allowed.queries.state()

    def explain(self, symbol: str) -> Mapping[str, Any]:
        """See ``ControlContext``."""
        try:
            with own_arithmetic():
                return self._allowed.queries.explain(symbol)
        except KeyError:
            raise CommandRefused(f"no account has a target for {printable(bounded(symbol, 40))}") from None

    async def summary(self, last: timedelta) -> Mapping[str, Any]:
        """See ``ControlContext``."""
        with own_arithmetic():
            return await self._allowed.queries.summary(self._clock.now() - last)

    async def preview(self, command: Command) -> Mapping[str, Any]:
        """See ``ControlContext``."""
        with own_arithmetic():
            return await self._allowed.commands.command(self._signed(command), preview=True)

    async def execute(self, command: Command) -> Mapping[str, Any]:
        """See ``ControlContext``."""
        with own_arithmetic():
            return await self._allowed.commands.command(self._signed(command), preview=False)

    @property
    def _allowed(self) -> ControlAccess:
        if self._revoked:
            raise NotReady("this instance was stopped and can no longer control the engine")
        return self._access

    def _signed(self, command: Command) -> Command:
        if type(command) is not Command or command.action not in CONTROLS:
            allowed = ", ".join(CONTROLS)
            raise CommandRefused(f"plugins may only command: {allowed}")
        by = printable(" ".join(f"{self._plugin} {command.by}".split()))
        reason = printable(" ".join(command.reason.split()))
        return replace(command, by=bounded(by, LONGEST_BY), reason=bounded(reason, LONGEST_REASON))
