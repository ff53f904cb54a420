"""Command groups that plugins add: ``te <plugin> …``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

if TYPE_CHECKING:
    from typer import Typer


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInstance:
    """A source as configured in the settings."""

    name: str
    symbols: Mapping[str, str]
    """The source's spelling of each symbol, mapped to the engine's."""
    options: BaseModel
    """Validated with the plugin's model."""
    webhook_url: str
    """Where to send alerts, token included; empty for a source without a webhook."""


class CommandContext(Protocol):
    """What a plugin's commands may read. Nothing here changes any state."""

    def sources(self) -> Mapping[str, SourceInstance]:
        """Return this plugin's sources by name. Raises ``ConfigError`` if the settings are invalid."""
        ...

    def report(self, source: str) -> Mapping[str, Any]:
        """Return ``SignalSource.report()`` of a source in the running engine.

        Raises ``CommandFailed`` if no engine is running, or if it does not run that source.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """A group of commands."""

    name: str
    """The plugin's entry-point name."""
    build: Callable[[CommandContext], Typer]
    """Build the group; called only when one of its commands is used."""
    summary: str = ""
    kind: str = field(default="commands", init=False)
