"""Run the instance of a notifier's plugin that answers messages, next to the one that sends notices."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from te_core.contracts.notifier import Notifier, NotifierContext, NotifierSpec
from te_core.runtime import guard
from te_core.runtime.control import Control
from te_core.runtime.instances import Runner, make_folder
from te_core.runtime.supervisor import Running, Up


class AnswerRunner(Runner):
    """Runs one answering instance. ``control``: what it may query and command, until it is stopped."""

    stop_timeout = 0.2

    def __init__(self, control: Control, **common: Any) -> None:
        super().__init__(**common)
        self._control = control
        self._instance: Notifier | None = None

    def start(self, spec: NotifierSpec[Any], context: NotifierContext[Any]) -> None:
        """Create the instance and keep it running."""
        self._launch(partial(self._run, spec, replace(context, control=self._control)))

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop; no further message is accepted, however long the plugin takes to end."""
        self._control.revoke()
        await super().stop(status, reason)

    def counters(self) -> dict[str, Any]:
        """Return the instance's counters, for ``te status``."""
        return {} if self._instance is None else guard.ask("status()", self._instance.status, self._redact)

    async def _run(self, spec: NotifierSpec[Any], context: NotifierContext[Any], up: Up) -> None:
        make_folder(context.state_dir)
        self._instance = instance = guard.make(spec.factory, context, Notifier)

        def heard() -> None:
            self._health.set(Running.RUNNING)
            up()

        try:
            await guard.call("answer()", partial(instance.answer, heard), self._redact)
        finally:
            self._instance = None
            await guard.close("close()", instance.close, self._log)
