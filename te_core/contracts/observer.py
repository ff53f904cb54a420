"""Observers: plugins that are notified of what happened and never delay the engine."""

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
    """One of the engine's orders, with its known outcome."""

    account: str
    """Its section in the settings."""
    symbol: str
    client_order_id: str
    side: Side
    quantity: Decimal
    """Unsigned, in base units."""
    reduce_only: bool
    state: IntentState
    filled: Decimal
    """Unsigned, in base units."""
    created_at: datetime
    at: datetime
    """When the outcome was learnt."""
    price: Decimal | None = None
    """The average of the fill; None if the exchange has not reported it (yet)."""
    reason: str = ""
    cause: Cause | None = None
    """What made it necessary."""
    stop: StopKind | None = None
    """The kind of stop; None if it is not a stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChange:
    """A position changed by the engine's orders, as a read or a push showed it (signed base units)."""

    account: str
    symbol: str
    before: Decimal | None
    """None if unknown."""
    after: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverContext(Generic[Options]):
    """Everything an observer may use."""

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    """A folder of this instance's own."""
    http: Callable[[], ClientSession]
    """Return the engine's shared client session."""


class Observer(ABC):  # noqa: B024 - the plugin chooses which methods to override
    """One instance of an observer plugin. Override the methods of interest; the engine never waits for them.

    Calls come one at a time, in the order in which things happened. Raise ``NotReady`` to be called again later with
    the same item; any other error drops that item, and the instance is recreated. Up to 1,000 items are queued.
    """

    async def order_finished(self, order: FinishedOrder) -> None:
        """Handle one of the engine's orders with a known outcome."""

    async def position_changed(self, change: PositionChange) -> None:
        """Handle a position changed by the engine's orders; changes by others are events of kind ``drift``."""

    async def event(self, event: Event) -> None:
        """Handle an event; its texts contain no secrets. Events about this observer's own outages are omitted."""

    def status(self) -> Mapping[str, Any]:
        """Return counters for ``te status --json``; JSON values without secrets."""
        return {}

    async def close(self) -> None:
        """Release the instance's resources; called once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverSpec(Generic[Options]):
    """What an observer plugin offers."""

    name: str
    """The plugin's entry-point name."""
    settings: type[Options]
    factory: Callable[[ObserverContext[Options]], Observer]
    summary: str = ""
    kind: str = field(default="observer", init=False)
