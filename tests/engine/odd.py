"""Plugins that misbehave: cancel, exit, hang, or return something else."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from te_core.api import AuthError, Known
from te_core.testing.faults import Fault, Faults, FaultyAccount, no_faults

T = TypeVar("T")
NONSENSE: tuple[Any, ...] = (None, {}, 1.0, "ok", Known(value=None, as_of=None))  # type: ignore[arg-type]
KINDS = (
    "plugin cancels",
    "plugin exits",
    "plugin is interrupted",
    "plugin hangs",
    "plugin answers nonsense",
    "key refused on a read",
    "key refused on an order",
)
ODD_RATE = 0.004
ODD_ORDER_RATE = 0.02


class OddAccount(FaultyAccount):
    """Fails in ways other than errors. ``kinds``: those that may happen; ``calm`` ends them."""

    def __init__(
        self,
        inner: Any,
        faults: Faults = no_faults,
        *,
        chance: random.Random,
        counts: Counter[str],
        kinds: frozenset[str] = frozenset(KINDS),
    ) -> None:
        super().__init__(inner, faults)
        self._chance, self._counts = chance, counts
        self._kinds = [kind for kind in KINDS if kind in kinds]
        self.calm = False

    async def _carry_out(self, method: str, request: Callable[[], Awaitable[T]], fault: Fault) -> T:
        kind = self._drawn(method)
        if kind is None:
            return await super()._carry_out(method, request, fault)
        self._counts[kind] += 1
        if kind.startswith("key refused"):
            raise AuthError("10003 the key is refused")
        unseen = kind == "plugin answers nonsense" and method in ("open", "set_leverage", "set_margin_mode")
        if unseen or self._chance.random() < 0.5:  # after the request was carried out, or instead of it
            await super()._carry_out(method, request, fault)
        if kind == "plugin hangs":
            await asyncio.sleep(1e6)
        if kind == "plugin answers nonsense":
            return self._chance.choice(NONSENSE)  # type: ignore[no-any-return]
        raise {
            "plugin cancels": asyncio.CancelledError,
            "plugin exits": SystemExit,
            "plugin is interrupted": KeyboardInterrupt,
        }[kind]("stray")

    def _drawn(self, method: str) -> str | None:
        if self.calm or method in ("close", "watch"):
            return None
        wrong = "key refused on an order" if method != "place_order" else "key refused on a read"
        kinds = [kind for kind in self._kinds if kind != wrong]
        rate = ODD_ORDER_RATE if method == "place_order" else ODD_RATE
        if not kinds or self._chance.random() >= rate * len(kinds):
            return None
        return self._chance.choice(kinds)
