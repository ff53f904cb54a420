"""Upstream's data other than positions, in memory: for sources that get their payloads directly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from te_signals_bittensor.limits import Limits, PairTable


class StatedFacts:
    """Whatever a test sets; by default nothing, without waiting. ``idle``: the arguments of the calls."""

    def __init__(self) -> None:
        self.limits = Limits(PairTable({}, {}), {})
        self.eliminated: Collection[str] = ()
        self.changed = False
        self.waiting = ""
        self.idle: list[Sequence[str]] = []

    async def refresh(self, idle: Sequence[str]) -> bool:
        self.idle.append(idle)
        changed, self.changed = self.changed, False
        return changed

    def awaited(self, assets: Collection[str]) -> str:
        del assets
        return self.waiting

    def status(self) -> Mapping[str, Any]:
        return {}
