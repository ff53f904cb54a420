"""Commands of a plugin's own: ``te <plugin> …``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

if TYPE_CHECKING:
    from typer import Typer


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInstance:
    """A source as the settings have it.

    ``options``: validated with the plugin's model. ``webhook_url``: where alerts are sent, token included; empty
    for a source that takes none.
    """

    name: str
    symbols: Mapping[str, str]
    options: BaseModel
    webhook_url: str


class CommandContext(Protocol):
    """What a plugin's commands may ask for. Both read; nothing changes."""

    def sources(self) -> Mapping[str, SourceInstance]:
        """Give this plugin's sources by name. Raises ``ConfigError`` for settings that do not hold."""
        ...

    def report(self, source: str) -> Mapping[str, Any]:
        """Give ``SignalSource.report()`` of a source in the running engine.

        Raises ``CommandFailed`` when no engine runs, or when it does not run that source.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """A group of commands. ``name`` is the plugin's entry-point name; ``build`` makes it when it is asked for."""

    name: str
    build: Callable[[CommandContext], Typer]
    summary: str = ""
    kind: str = field(default="commands", init=False)
