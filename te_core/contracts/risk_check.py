"""Risk checks: plugins that may lower a goal, or veto it, before anything is increased."""

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
    """Everything a risk check may use. ``http`` returns the engine's shared client session.

    ``ask_again``: call it when answers may differ from now on. Without it a verdict that lowered or vetoed something is
    asked for again after ``recheck`` of the settings.
    """

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    http: Callable[[], ClientSession]
    ask_again: Callable[[], None]


class RiskCheck(ABC):
    """One instance of a risk-check plugin.

    Orders that increase a position wait for ``review``, and for nothing else of it: answer from what is known, and find
    out in ``run``. Reductions never wait.
    """

    @abstractmethod
    async def review(self, proposal: Proposal) -> Verdict:
        """Return what may become of one position; called before each increase, for several symbols at a time.

        Its time is limited by ``timeout`` of the settings. Whatever goes wrong (an error, no answer in time, an answer
        that is not a ``Verdict``) holds the increase, unless the settings say ``on_failure = "allow"``.
        """

    async def run(self) -> None:
        """Work in the background until cancelled; the default has nothing to do.

        An error ends the instance; the engine reports it and starts it again with a growing pause. ``review`` is not
        asked meanwhile.
        """
        await asyncio.Event().wait()

    def status(self) -> Mapping[str, Any]:
        """Return counters for ``te status --json``; JSON values without secrets."""
        return {}

    async def close(self) -> None:
        """Release what the instance holds; called once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCheckSpec(Generic[Options]):
    """What a risk-check plugin offers. ``name`` is the plugin's entry-point name."""

    name: str
    settings: type[Options]
    factory: Callable[[RiskCheckContext[Options]], RiskCheck]
    summary: str = ""
    kind: str = field(default="risk check", init=False)
