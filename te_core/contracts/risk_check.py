"""Risk checks: plugins that may lower or veto a goal before any increase."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from te_core.clock import Clock
from te_core.model.review import Proposal, Verdict

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCheckContext(Generic[Options]):
    """Everything a risk check may use."""

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    """A folder of this instance's own."""
    http: Callable[[], ClientSession]
    """Return the engine's shared client session."""
    ask_again: Callable[[], None]
    """Call it when verdicts may change: the engine then requests them again.

    Otherwise it requests a verdict that lowered or vetoed something again after the setting ``recheck``.
    """


class RiskCheck(ABC):
    """One instance of a risk-check plugin.

    Orders that increase a position wait for ``review`` and for nothing else: answer from known data, and collect the
    data in ``run``. Reductions never wait.
    """

    @abstractmethod
    async def review(self, proposal: Proposal) -> Verdict:
        """Return the verdict on one position; called before each increase, concurrently for several symbols.

        The setting ``timeout`` limits its time. Any failure (an error, a timeout, a result that is not a
        ``Verdict``) holds the increase, unless the settings have ``on_failure = "allow"``.
        """

    async def run(self) -> None:
        """Work in the background until cancelled; the default only waits.

        An error ends the instance; the engine reports it and restarts it after a growing pause. ``review`` is not
        called meanwhile.
        """
        await asyncio.Event().wait()

    def status(self) -> Mapping[str, Any]:
        """Return counters for ``te status --json``; JSON values without secrets."""
        return {}

    async def close(self) -> None:
        """Release the instance's resources; called once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCheckSpec(Generic[Options]):
    """What a risk-check plugin offers."""

    name: str
    """The plugin's entry-point name."""
    settings: type[Options]
    factory: Callable[[RiskCheckContext[Options]], RiskCheck]
    summary: str = ""
    kind: str = field(default="risk check", init=False)
