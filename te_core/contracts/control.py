"""Remote control: what a notifier plugin may query and command for its users, if the settings allow it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from te_core.model.control import Action, Command

CONTROLS = (Action.HALT, Action.FLATTEN, Action.RESUME, Action.PAUSE)
"""The commands that plugins may forward."""


class ControlContext(Protocol):
    """Passed to notifiers with ``control = true``. Results are JSON values without secrets.

    Only the plugin knows who its users are: it must decide who may query and who may command, show what a command
    would order before it forwards it, and name the user in ``Command.by`` (the engine prefixes the plugin's name).
    Every method raises ``NotReady`` once the instance has been stopped, and while the engine is starting or stopping.
    """

    def state(self) -> Mapping[str, Any]:
        """Return the state that ``te status --json`` prints."""
        ...

    def explain(self, symbol: str) -> Mapping[str, Any]:
        """Return what ``te explain --json`` prints. Raises ``CommandRefused`` if the symbol has no target."""
        ...

    async def summary(self, last: timedelta) -> Mapping[str, Any]:
        """Return value, profit and exposure of each account over the ``last`` period, and what needs attention."""
        ...

    async def preview(self, command: Command) -> Mapping[str, Any]:
        """Return what a command would change and what each account would then order. Raises ``CommandRefused``."""
        ...

    async def execute(self, command: Command) -> Mapping[str, Any]:
        """Execute a command; it is in the journal when this returns. Raises ``CommandRefused``, ``JournalError``."""
        ...
