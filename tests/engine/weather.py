"""Faults of an exchange in a simulation: storms of single ones, outages of a part, and what goes beyond both."""

from __future__ import annotations

import random
from decimal import Decimal

from te_core.api import InsufficientMargin, NotReady, OutcomeUnknown, RateLimited
from te_core.testing.faults import Fault, Faults, seeded
from tests.engine.market import Market

METHODS = ("place_order", "positions", "equity", "prices", "find_order", "set_leverage", "instruments")
READS = ("positions", "equity", "prices", "find_order")
WORSE = [
    (0.01, ("positions", "set_leverage"), Fault(refused=RateLimited("slow down", retry_after=7))),
    (0.01, ("place_order", "set_leverage", *READS), Fault(answer_delay=30)),
    (0.005, ("place_order", *READS), Fault(lost=KeyError("a defect"))),  # type: ignore[arg-type]
]


SWALLOWED = Fault(delay=10, refused=OutcomeUnknown("no answer"))
"""An order that never arrives: nobody says so."""
ORDERS_SWALLOWED = "orders are swallowed"
"""A part that can be down: the exchange answers every call but that of an order."""


def storm(chance: random.Random, strength: float) -> Faults:
    rates: dict[str, list[tuple[float, Fault]]] = {
        "place_order": [
            (0.05, Fault(refused=NotReady("busy"))),
            (0.03, Fault(refused=RateLimited("slow down", retry_after=3))),
            (0.03, Fault(refused=InsufficientMargin("short"))),
            (0.06, Fault(lost=OutcomeUnknown("timeout"))),
            (0.04, SWALLOWED),
            (0.05, Fault(lost=OutcomeUnknown("timeout"), late=5)),
            (0.05, Fault(share=Decimal("0.5"))),
            (0.10, Fault(delay=1.5)),
            (0.10, Fault(lag=3)),
            (0.03, Fault(lag=3, share=Decimal("0.5"))),
            (0.03, Fault(lag=3, lost=OutcomeUnknown("timeout"))),
        ],
        "positions": [
            (0.10, Fault(refused=NotReady("down"))),
            (0.05, Fault(stale=True)),
            (0.05, Fault(delay=2)),
        ],
        "equity": [(0.05, Fault(refused=NotReady("down")))],
        "prices": [(0.05, Fault(refused=NotReady("down")))],
        "find_order": [(0.15, Fault(refused=NotReady("down")))],
        "set_leverage": [(0.05, Fault(refused=NotReady("down")))],
        "instruments": [(0.2, Fault(refused=NotReady("down")))],
    }
    return seeded(
        chance.random, {name: [(rate * strength, f) for rate, f in row] for name, row in rates.items()}
    )


def outage(chance: random.Random) -> frozenset[str]:
    """What is unreachable until the next signal: mostly nothing, otherwise everything or a part."""
    drawn = chance.random()
    if drawn < 0.8:
        return frozenset()
    if drawn < 0.84:
        return frozenset({ORDERS_SWALLOWED})
    return frozenset(METHODS if chance.random() < 0.5 else chance.sample(METHODS, chance.randint(1, 4)))


def out(down: frozenset[str], method: str) -> Fault | None:
    """Return what happens to a call during an outage of those parts; None if it passes."""
    if method == "place_order" and ORDERS_SWALLOWED in down:
        return SWALLOWED
    return Fault(refused=NotReady("cannot be reached")) if method in down else None


class Weather:
    """The faults of a storm, and what goes beyond an exchange that is busy or cannot be reached."""

    def __init__(self, chance: random.Random, market: Market) -> None:
        self.chance, self.market = chance, market
        self.storm = storm(chance, chance.choice([0, 0.3, 1]))
        self.down: frozenset[str] = frozenset()
        self.slow = 0.0
        self.calm = False

    def __call__(self, method: str, call: int) -> Fault | None:
        if self.calm:
            return None
        if fault := out(self.down, method):
            self.market.counts["order swallowed"] += fault is SWALLOWED
            return fault
        draw = self.chance.random()
        for rate, methods, fault in WORSE:
            if method in methods and draw < rate:
                return fault
            draw -= rate
        found = self.storm(method, call)
        self.market.counts["order swallowed"] += found is SWALLOWED
        # Nothing else may report the end of an order that the exchange only acknowledged.
        part = found is not None and found.share is not None
        if part and (self.market.habits.acknowledges or self.market.unlisted):
            return None
        late = found is not None and (found.lag or found.late)
        if late and self.market.showing.read_lag:  # together they would exceed the promised delay
            return None
        return found or (Fault(answer_delay=self.slow) if self.slow and method == "place_order" else None)
