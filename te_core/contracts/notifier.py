"""Notifiers: report events to the operator outside the log."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from te_core.clock import Clock
from te_core.contracts.control import ControlContext
from te_core.model.event import Event

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierContext(Generic[Options]):
    """Everything a notifier may use."""

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    http: Callable[[], ClientSession]
    """Return the engine's shared client session."""
    control: ControlContext | None = None
    """Queries and commands that it may send to the engine; None unless the settings have ``control = true``."""


class Notifier(ABC):
    """One instance of a notifier plugin. The engine never waits for it."""

    @abstractmethod
    async def notify(self, event: Event) -> None:
        """Report one event; called for one event at a time, in order. Its texts contain no secrets.

        Raise ``NotReady`` to be called again later with the same event, ``AuthError`` for the same with a growing
        delay (1 min up to 1 h), ``NoticeRefused`` if this event will never be accepted.
        """

    async def answer(self, up: Callable[[], None]) -> None:
        """Answer incoming messages until cancelled; called only if ``context.control`` is set.

        Runs in a separate instance, which receives no events: neither blocks the other. Call ``up`` once it is
        listening. Errors are logged and it is called again: after a pause for ``NotReady``, a long one for
        ``AuthError``.
        """
        del up
        await asyncio.Event().wait()

    def status(self) -> Mapping[str, Any]:
        """Return counters of the answering instance for ``te status``; JSON values without secrets."""
        return {}

    async def close(self) -> None:
        """Release the instance's resources; called once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierSpec(Generic[Options]):
    """What a notifier plugin offers."""

    name: str
    """The plugin's entry-point name."""
    settings: type[Options]
    factory: Callable[[NotifierContext[Options]], Notifier]
    answers: bool = False
    """Whether it implements ``answer``: queries and commands from its users."""
    summary: str = ""
    kind: str = field(default="notifier", init=False)
