"""Notifiers: who tells the operator what happened, somewhere else than in the log."""

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
    """Everything a notifier may use. ``http`` gives the engine's shared client session.

    ``control``: what it may ask and command of the engine; None unless the settings say ``control = true``.
    """

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    http: Callable[[], ClientSession]
    control: ControlContext | None = None


class Notifier(ABC):
    """One instance of a notifier plugin. Nothing waits for it."""

    @abstractmethod
    async def notify(self, event: Event) -> None:
        """Tell of one event; called for one at a time, in their order. Its texts hold no secrets.

        Raises ``NotReady`` to be asked again later with the same event, ``AuthError`` likewise but ever less often
        (after 1 min up to 1 h), ``NoticeRefused`` when this event will never be accepted.
        """

    async def answer(self, up: Callable[[], None]) -> None:
        """Answer those who write, until cancelled; only called where ``context.control`` is given.

        It runs in an instance of its own, which is told nothing: neither holds up the other. Call ``up`` once it hears.
        What it raises is logged, and it is called again: ``NotReady`` after a pause, ``AuthError`` after a long one.
        """
        del up
        await asyncio.Event().wait()

    def status(self) -> Mapping[str, Any]:
        """Return counters of the instance that answers, for ``te status``; JSON values without secrets."""
        return {}

    async def close(self) -> None:
        """Release what the instance holds; called once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierSpec(Generic[Options]):
    """What a notifier plugin offers. ``name`` is the plugin's entry-point name.

    ``answers``: whether it can ask and command the engine for those who write to it.
    """

    name: str
    settings: type[Options]
    factory: Callable[[NotifierContext[Options]], Notifier]
    answers: bool = False
    summary: str = ""
    kind: str = field(default="notifier", init=False)
