"""What everything that is carried out on an account uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.bookkeeping import Bookkeeper
from te_core.accounts.exposure import ExposureLedger
from te_core.accounts.reader import AccountReader
from te_core.clock import Clock
from te_core.contracts.exchange import Capabilities, ExchangeAccount
from te_core.journal.journal import Journal
from te_core.metrics import Metrics
from te_core.model.policy import AccountPolicy, Limits
from te_core.tracing import Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """What every execution on a connected account uses. ``name``: its section in the settings.

    ``busy``: on how many of its symbols one runs now.
    ``no_increases``: why a symbol is not increased on a side (1, -1) at this time; empty when it may be.
    ``observing``: why nothing may be sent at all; empty when orders may be.
    ``turn``: wait before work that computes, so that others get the event loop.
    """

    account: ExchangeAccount
    capabilities: Capabilities
    reader: AccountReader
    beliefs: Beliefs
    journal: Journal
    ledger: ExposureLedger
    metrics: Metrics
    tracer: Tracer
    name: str
    clock: Clock
    limits: Callable[[], Limits]
    policy: Callable[[], AccountPolicy]
    no_increases: Callable[[str, int], str]
    enabled: Callable[[], bool]
    observing: Callable[[], str]
    stopping: Callable[[], bool]
    busy: Callable[[], int]
    turn: Callable[[], Awaitable[None]]
    books: Bookkeeper

    def others(self, book: str, symbol: str) -> Decimal:
        """Return the notional of an account's other symbols, where a limit asks for it; otherwise 0."""
        if self.limits().liquidation_distance is None:
            return Decimal(0)
        return self.ledger.beside(book, symbol).account_others

    @property
    def window(self) -> float:
        """Seconds after an order until every read shows it."""
        return self.capabilities.visibility_window.total_seconds()
