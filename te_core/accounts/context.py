"""The dependencies that every execution on an account shares."""

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
    """What every execution on a connected account uses."""

    account: ExchangeAccount
    capabilities: Capabilities
    reader: AccountReader
    beliefs: Beliefs
    journal: Journal
    ledger: ExposureLedger
    metrics: Metrics
    tracer: Tracer
    name: str
    """The account's section in the settings."""
    clock: Clock
    limits: Callable[[], Limits]
    policy: Callable[[], AccountPolicy]
    no_increases: Callable[[str, int], str]
    """Return why a symbol must not be increased on a side (1, -1) now; empty if it may be."""
    enabled: Callable[[], bool]
    observing: Callable[[], str]
    """Return why nothing may be sent at all; empty if orders may be sent."""
    stopping: Callable[[], bool]
    busy: Callable[[], int]
    """Return on how many of the account's symbols an execution is running."""
    turn: Callable[[], Awaitable[None]]
    """Wait before CPU-bound work, so that other tasks get the event loop."""
    books: Bookkeeper

    def others(self, book: str, symbol: str) -> Decimal:
        """Return the notional of an account's other symbols if a limit needs it; otherwise 0."""
        if self.limits().liquidation_distance is None:
            return Decimal(0)
        return self.ledger.beside(book, symbol).account_others

    @property
    def window(self) -> float:
        """Seconds from sending an order until every read shows it."""
        return self.capabilities.visibility_window.total_seconds()
