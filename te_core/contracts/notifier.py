"""Notifiers: who tells the operator what happened, somewhere else than in the log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel

from te_core.clock import Clock
from te_core.model.event import Event

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierContext(Generic[Options]):
    """Everything a notifier may use. ``http`` gives the engine's shared client session."""

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    http: Callable[[], ClientSession]


class Notifier(ABC):
    """One instance of a notifier plugin. Nothing waits for it."""

    @abstractmethod
    async def notify(self, event: Event) -> None:
        """Tell of one event; called for one at a time, in their order. Its texts hold no secrets.

        Raises ``NotReady`` to be asked again later with the same event, ``AuthError`` likewise but ever less often
        (after 1 min up to 1 h), ``NoticeRefused`` when this event will never be accepted.
        """

    async def close(self) -> None:
        """Release what the instance holds; called once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierSpec(Generic[Options]):
    """What a notifier plugin offers. ``name`` is the plugin's entry-point name."""

    name: str
    settings: type[Options]
    factory: Callable[[NotifierContext[Options]], Notifier]
    summary: str = ""
    kind: str = field(default="notifier", init=False)
