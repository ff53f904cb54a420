"""What a plugin may ask and command of the engine for those who write to it, where the settings let it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from te_core.model.control import Action, Command

CONTROLS = (Action.HALT, Action.FLATTEN, Action.RESUME, Action.PAUSE)
"""The commands that plugins may pass on."""


class ControlContext(Protocol):
    """Handed to plugins of notifiers with ``control = true``. Answers are JSON values without secrets.

    Whoever writes is known to the plugin alone: it decides who may ask and who may command, shows what a command would
    order before it passes it on, and says who gave it (``Command.by``; the plugin's name is put before that).
    Everything here raises ``NotReady`` once the instance was stopped, and while the engine is starting or stopping.
    """

    def state(self) -> Mapping[str, Any]:
        """Return what ``te status --json`` shows."""
        ...

    def explain(self, symbol: str) -> Mapping[str, Any]:
        """Return what ``te explain --json`` shows. Raises ``CommandRefused`` for a symbol that has no target."""
        ...

    async def summary(self, last: timedelta) -> Mapping[str, Any]:
        """Return value, profit and exposure of each account over the last time, and what needs attention."""
        ...

    async def preview(self, command: Command) -> Mapping[str, Any]:
        """Return what a command would change, and what each account would order then. Raises ``CommandRefused``."""
        ...

    async def execute(self, command: Command) -> Mapping[str, Any]:
        """Carry a command out; the journal has it by then. Raises ``CommandRefused``, ``JournalError``."""
        ...
