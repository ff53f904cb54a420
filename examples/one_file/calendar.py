"""No increases around the times in a file, one ISO time in UTC per line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from te_core.api import (
    Duration,
    NotReady,
    Proposal,
    RiskCheck,
    RiskCheckContext,
    RiskCheckSpec,
    Verdict,
    hookimpl,
)


class CalendarOptions(BaseModel):
    """Options of a calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path
    """file with the times"""
    around: Duration = timedelta(minutes=15)
    """time before and after each during which nothing is increased"""


class Calendar(RiskCheck):
    """Reads the file once a minute, and answers from the last read."""

    def __init__(self, context: RiskCheckContext[CalendarOptions]) -> None:
        self._context = context
        self._times: list[datetime] | None = None

    async def run(self) -> None:
        """Read the times once a minute."""
        while True:
            times = self._read()
            if times != self._times:
                self._times = times
                self._context.ask_again()
            await asyncio.sleep(60)

    def _read(self) -> list[datetime]:
        file = self._context.options.file
        try:
            return [datetime.fromisoformat(line) for line in file.read_text(encoding="utf-8").split()]
        except (OSError, ValueError) as error:
            raise NotReady(f"{file}: {error}") from error

    async def review(self, proposal: Proposal) -> Verdict:
        """Veto while one of the times is near."""
        if self._times is None:
            raise NotReady("the times have not been read yet")
        around = self._context.options.around
        near = [time for time in self._times if abs(time - proposal.at) < around]
        return Verdict.veto(f"{near[0]:%H:%M} UTC is near") if near else Verdict.approve()


@hookimpl
def te_risk_checks() -> Iterable[RiskCheckSpec[Any]]:
    """Offer the check to the engine."""
    yield RiskCheckSpec(name="calendar", settings=CalendarOptions, factory=Calendar)
