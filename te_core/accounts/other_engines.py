"""Recognises orders of other engines on an account, which is only reduced for a while after one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from te_core.accounts.keeper import Keeper
from te_core.accounts.reconciler import Reconciler
from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.model.event import Event
from te_core.model.order import ClientOrderIdForm
from te_core.rules.client_order_ids import is_engine_id

if TYPE_CHECKING:
    from loguru import Logger

REDUCTIONS_ONLY = 600.0
"""Seconds for which an account is only reduced after another engine's order was seen on it."""


class OtherEngines:
    """One per account. ``account``: its name. ``trip`` halts a symbol until the operator resumes it."""

    def __init__(
        self,
        account: str,
        *,
        keepers: Mapping[str, Keeper],
        reconciler: Reconciler,
        journal: Journal,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        trip: Callable[[str, str], None],
        wake: Callable[[], None],
        form: Callable[[], ClientOrderIdForm],
    ) -> None:
        """``form`` returns the form of the engine's ids at the exchange; ``wake`` requests a pass."""
        self._account = account
        self._keepers = keepers
        self._reconciler = reconciler
        self._journal = journal
        self._clock = clock
        self._log = log
        self._record = record
        self._trip = trip
        self._wake = wake
        self._form = form

    def is_ours(self, client_order_id: str, symbol: str) -> bool:
        """Return whether this engine sent an order, in this run or an earlier one."""
        keeper = self._keepers.get(symbol)
        if keeper is not None and keeper.knows_order(client_order_id):
            return True
        return bool(self._journal.intents(1, client_order_ids=[client_order_id]))

    def order_seen(self, client_order_id: str, symbol: str) -> None:
        """Restrict the account and halt the symbol if an order that is not ours has the id of another engine."""
        if not is_engine_id(client_order_id, self._form()):
            return
        self._block_increases(
            f"another engine trades this account (its order {client_order_id} in {symbol}); reductions only: "
            "let only one engine trade an account, then run te resume"
        )
        self._trip(symbol, "another engine trades it")

    def _block_increases(self, reason: str) -> None:
        if not self._reconciler.increases_blocked:
            self._log.error("{}", reason)
            self._record(Event(at=self._clock.now(), kind="blocked", text=reason, account=self._account))
        self._reconciler.increases_blocked = reason
        asyncio.get_running_loop().call_later(REDUCTIONS_ONLY, self._unblock, reason)

    def _unblock(self, reason: str) -> None:
        if self._reconciler.increases_blocked == reason:
            self._reconciler.increases_blocked = ""
            self._wake()
