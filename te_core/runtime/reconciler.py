"""From settings to instances: the only code that starts, stops and rebuilds sources, accounts and notifiers.

``te_core/settings/difference.py`` alone decides what an edit affects; at the start that is the difference from
empty settings. This module carries it out.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel

from te_core.runtime.instances import Runner
from te_core.runtime.supervisor import Running
from te_core.settings.difference import Changes, Difference
from te_core.settings.resolution import Kind, Resolved

R = TypeVar("R", bound=Runner)


class Instances(ABC, Generic[R]):
    """All instances of one kind. ``runners`` has one runner for each section, running or not."""

    kind: ClassVar[Kind]

    def __init__(self) -> None:
        self.runners: dict[str, R] = {}
        self._leaving: dict[str, R] = {}

    def prepare(self, resolved: Resolved) -> None:
        """Apply the settings that need no restart, and add or remove sections. Nothing is awaited."""
        sections = resolved.sections(self.kind)
        for name in [name for name in self.runners if name not in sections]:
            self._leaving[name] = self.runners.pop(name)
        for name in sections:
            if name not in self.runners:
                self.runners[name] = self._make(name, resolved)
            self._update(self.runners[name], name, resolved)

    async def carry_out(self, difference: Difference, resolved: Resolved) -> None:
        """Stop, rebuild and start; no instance waits for another one."""
        changes = difference.of(self.kind)
        leaving, self._leaving = self._leaving, {}
        await asyncio.gather(
            *(self._stop(name, runner, resolved) for name, runner in leaving.items()),
            *(self._reconcile(name, runner, changes, resolved) for name, runner in self.runners.items()),
        )

    async def stop(self) -> None:
        """Stop all instances."""
        await asyncio.gather(*(runner.stop(Running.STOPPED) for runner in self.runners.values()))

    async def _reconcile(self, name: str, runner: R, changes: Changes, resolved: Resolved) -> None:
        options = resolved.options(self.kind).get(name)
        if name in changes.rebuild:
            await runner.stop(Running.STARTING)
        if options is not None and runner.running:
            return
        if options is not None and self._is_wanted(runner, name, resolved):
            self._launch(runner, name, options, resolved)
        else:
            await self._stop(name, runner, resolved)

    async def _stop(self, name: str, runner: R, resolved: Resolved) -> None:
        status, reason = self._why_idle(name, resolved)
        await runner.stop(status, reason)

    def _why_idle(self, name: str, resolved: Resolved) -> tuple[Running, str]:
        section = resolved.sections(self.kind).get(name)
        if section is None:
            return Running.DISABLED, "removed from the settings"
        if not resolved.settings.plugin_enabled(section.plugin):
            return Running.DISABLED, f"plugin {section.plugin} is switched off"
        if reason := resolved.unavailable.get(f"{self.kind}.{name}"):
            return Running.UNAVAILABLE, reason
        return Running.DISABLED, ""

    @abstractmethod
    def _make(self, name: str, resolved: Resolved) -> R:
        """Create the runner of a section."""

    @abstractmethod
    def _update(self, runner: R, name: str, resolved: Resolved) -> None:
        """Apply the settings that need no restart."""

    @abstractmethod
    def _launch(self, runner: R, name: str, options: BaseModel, resolved: Resolved) -> None:
        """Start an instance."""

    def _is_wanted(self, runner: R, name: str, resolved: Resolved) -> bool:
        """Return whether an instance that could run has anything to do."""
        del runner, name, resolved
        return True
