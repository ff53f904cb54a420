"""The orders of one symbol: those without a known outcome, and what those of the current execution filled."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from te_core.model.order import Intent

ZERO = Decimal(0)
REMEMBERED = 200
"""How many client order ids are remembered per symbol, so that late messages about its orders are recognised."""


class OwnOrders:
    """Intents of one symbol. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.open: dict[str, Intent] = {}
        """Intents without a known outcome, by client order id."""
        self._sent_at: dict[str, float] = {}
        self._acknowledged: set[str] = set()
        self._accepted: set[str] = set()
        self._fills: dict[str, Decimal] = {}
        self._last_step = 0
        self._recent: deque[str] = deque(maxlen=REMEMBERED)
        self.last_at: float | None = None
        """When an order was last sent, or an earlier one's outcome learnt; None if never, as far as known."""

    def next_step(self) -> int:
        """Return a step number that no order of the target's revision has had; each is used once."""
        self._last_step += 1
        return self._last_step

    @property
    def last_step(self) -> int:
        """The newest step number of the target's revision; 0 if none."""
        return self._last_step

    def continue_from(self, last_step: int) -> None:
        """Number the next steps after ``last_step``; 0 for a new revision."""
        self._last_step = last_step

    def begin_execution(self) -> None:
        """Clear what earlier executions filled."""
        self._fills.clear()

    def journaled(self, intent: Intent) -> None:
        """Add an intent that is in the journal and has no outcome yet."""
        self.open[intent.client_order_id] = intent
        self._recent.append(intent.client_order_id)

    def sent(self, intent: Intent, at: float) -> None:
        """Record when an intent was sent, or when the exchange responded without an outcome."""
        self._sent_at[intent.client_order_id] = self.last_at = at

    def acknowledge(self, intent: Intent) -> None:
        """Record that the exchange accepted an order without reporting a fill."""
        self._acknowledged.add(intent.client_order_id)
        self.accepted(intent)

    def accepted(self, intent: Intent) -> None:
        """Record that the exchange has confirmed that it knows an order."""
        self._accepted.add(intent.client_order_id)

    def was_accepted(self, intent: Intent) -> bool:
        """Return whether the exchange has ever confirmed that it knows an open order."""
        return intent.client_order_id in self._accepted

    def resolve(self, intent: Intent, filled: Decimal) -> None:
        """Record an intent's known outcome; ``filled`` in base units, unsigned."""
        self.open.pop(intent.client_order_id, None)
        self._sent_at.pop(intent.client_order_id, None)
        self._acknowledged.discard(intent.client_order_id)
        self._accepted.discard(intent.client_order_id)
        self._fills[intent.client_order_id] = filled

    def sent_at(self, intent: Intent, otherwise: float) -> float:
        """Return when an intent was sent; an intent sent by an earlier process counts from ``otherwise``."""
        return self._sent_at.setdefault(intent.client_order_id, otherwise)

    def was_sent(self, intent: Intent) -> bool:
        """Return whether an open intent may have been sent."""
        return intent.client_order_id in self._sent_at

    def acknowledged(self) -> list[Intent]:
        """Return the open intents that the exchange accepted."""
        return [intent for name, intent in self.open.items() if name in self._acknowledged]

    def effect(self, intent: Intent) -> Decimal:
        """Return an intent's signed effect on the position; its full quantity while the outcome is unknown."""
        return intent.side.sign * self._fills.get(intent.client_order_id, intent.quantity)

    def knows(self, client_order_id: str) -> bool:
        """Return whether a client order id belongs to one of the symbol's recent orders."""
        return client_order_id in self.open or client_order_id in self._recent
