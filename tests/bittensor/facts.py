"""What upstream states next to positions, in memory: for sources that are given their payloads directly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from te_signals_bittensor.limits import Limits, PairTable


class StatedFacts:
    """Whatever a test puts there; by default nothing, and nothing to wait for. ``idle``: what was asked with."""

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
