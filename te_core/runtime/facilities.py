"""What the instances of all kinds share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from te_core.clock import Clock
from te_core.metrics import Metrics
from te_core.model.event import Event
from te_core.outage import Outages
from te_core.plugins.registry import Registry
from te_core.runtime.control import ControlAccess
from te_core.secrets import Redact
from te_core.settings.schema import EngineSettings
from te_core.tracing import OFF, Tracer

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Facilities:
    """``record`` persists an event and passes it to the notifiers; ``persist`` and ``notify`` do one of the two.

    ``engine`` returns the current settings of the engine, ``http`` the shared client session.
    """

    clock: Clock
    log: Logger
    registry: Registry
    state_dir: Path
    record: Callable[[Event], None]
    notify: Callable[[Event], None]
    persist: Callable[[Any], None]
    engine: Callable[[], EngineSettings]
    http: Callable[[], ClientSession]
    metrics: Metrics
    time: Callable[[], datetime]
    """Returns the time by which signals and depths by hand expire."""
    control: ControlAccess | None = None
    """What plugins may control the engine with; None if that is not allowed."""
    tracer: Tracer = OFF
    redact: Redact = str
    """Redacts every text that comes from a plugin."""

    def folder(self, kind: str, name: str) -> Path:
        """Return an instance's own folder; its runner creates it, so that a failure only affects that instance."""
        return self.state_dir / kind / name

    def runner(self, log: Logger, outages: Outages) -> dict[str, Any]:
        """Return the arguments that every runner accepts."""
        return {
            "clock": self.clock,
            "log": log,
            "outages": outages,
            "settings": self.engine,
            "redact": self.redact,
        }
