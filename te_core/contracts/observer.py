"""Observers: plugins that are shown what happened, and hold up nothing."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from te_core.clock import Clock
from te_core.model.cause import Cause
from te_core.model.event import Event
from te_core.model.order import IntentState, Side, StopKind

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedOrder:
    """An order of the engine whose outcome is known. ``account``: its section in the settings.

    ``quantity`` and ``filled`` are unsigned, in base units. ``price``: the average of what was filled, None where the
    exchange did not say (yet). ``cause``: what made it necessary. ``stop``: what kind of stop it is, None for no stop.
    """

    account: str
    symbol: str
    client_order_id: str
    side: Side
    quantity: Decimal
    reduce_only: bool
    state: IntentState
    filled: Decimal
    created_at: datetime
    at: datetime
    price: Decimal | None = None
    reason: str = ""
    cause: Cause | None = None
    stop: StopKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChange:
    """A position that orders of the engine changed, as a read or a push showed it (signed base units).

    ``before``: None where that is not known.
    """

    account: str
    symbol: str
    before: Decimal | None
    after: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverContext(Generic[Options]):
    """Everything an observer may use. ``http`` returns the engine's shared client session."""

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    http: Callable[[], ClientSession]


class Observer(ABC):  # noqa: B024 - which of its methods are of interest is up to the plugin
    """One instance of an observer plugin. Override what you want to see; nothing waits for it.

    Calls come one at a time, in the order in which things happened. Raise ``NotReady`` to be called again later with
    the same thing; whatever else is raised loses that one, and the instance is made again. Up to 1,000 things wait.
    """

    async def order_finished(self, order: FinishedOrder) -> None:
        """See an order of the engine whose outcome is known."""

    async def position_changed(self, change: PositionChange) -> None:
        """See a position that orders of the engine changed; what others change is an event of kind ``drift``."""

    async def event(self, event: Event) -> None:
        """See an event; its texts hold no secrets. Events of this observer's own outages are left out."""

    def status(self) -> Mapping[str, Any]:
        """Return counters for ``te status --json``; JSON values without secrets."""
        return {}

    async def close(self) -> None:
        """Release what the instance holds; called once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverSpec(Generic[Options]):
    """What an observer plugin offers. ``name`` is the plugin's entry-point name."""

    name: str
    settings: type[Options]
    factory: Callable[[ObserverContext[Options]], Observer]
    summary: str = ""
    kind: str = field(default="observer", init=False)
