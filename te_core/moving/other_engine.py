"""Does another engine with this journal's identity trade? The exchanges know: its orders have ids that follow from it.

An engine numbers its orders on from what its journal holds. So the ids that a journal would use next are those that its
original has used since the backup was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext, ExchangeAccount, ExchangeSpec
from te_core.errors import OrderRejected, TradeEngineError
from te_core.http_session import http_session
from te_core.journal.memory import JournalSnapshot
from te_core.model.order import ClientOrderIdForm
from te_core.outage import Outages
from te_core.rules.client_order_ids import client_order_id
from te_core.runtime.instances import make_folder

REVISIONS = 4
"""Revisions of a target, after the one in the journal, whose first orders are looked up: some of them order nothing."""
STEPS = 2
"""Orders of the present revision, after the last one in the journal, that are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one exchange said. ``orders``: those that the journal does not know. ``reason``: why it said nothing."""

    account: str
    orders: Sequence[str] = ()
    reason: str = ""


def next_ids(
    snapshot: JournalSnapshot,
    journal_id: str,
    *,
    account: str,
    symbols: Sequence[str],
    form: ClientOrderIdForm,
) -> Iterator[tuple[str, str]]:
    """Yield (symbol, id) of the orders that would come next on an account, by its name."""
    names = {record.name: record.book for record in snapshot.accounts}
    book = names.get(account, account)
    for symbol in dict.fromkeys((*symbols, *(name for owner, name in snapshot.books if owner == book))):
        record = snapshot.books.get((book, symbol))
        revision, step = (record.target.revision, record.last_step) if record else (0, 0)
        steps = [(revision, step + more) for more in range(1, STEPS + 1)] if record else []
        steps += [(revision + more, 1) for more in range(1, REVISIONS + 1)]
        for of, number in steps:
            yield symbol, client_order_id(journal_id, book, symbol, of, number, 0, form=form)


async def ask_exchange(
    spec: ExchangeSpec[Any],
    options: Any,
    *,
    name: str,
    ids: Sequence[tuple[str, str]],
    folder: Path,
    clock: Clock,
) -> Answer:
    """Look orders up at an exchange. ``folder``: what the account may keep meanwhile. Changes nothing."""
    capabilities = spec.capabilities_of(options)
    if capabilities.simulated:
        return Answer(account=name)
    if not capabilities.order_lookup:
        return Answer(account=name, reason="the exchange looks up no orders by our ids")
    try:
        async with http_session() as session:
            make_folder(folder)
            context = AccountContext(
                name=name,
                options=options,
                clock=clock,
                log=logger.bind(account=name),
                state_dir=folder,
                signal_price=lambda _symbol: None,
                http=lambda: session,
                outages=Outages(clock, logger, lambda _event: None, account=name),
                record=lambda *_what, **_more: None,
                date=clock.now,
            )
            account = spec.factory(context)
            try:
                await account.open()
                return Answer(account=name, orders=[each async for each in _found(account, ids)])
            finally:
                await account.close()
    except TradeEngineError as error:
        return Answer(account=name, reason=str(error))


async def _found(account: ExchangeAccount, ids: Sequence[tuple[str, str]]) -> Any:
    """Yield the ids that the exchange knows."""
    offered: Mapping[str, Any] = await account.instruments(list(dict.fromkeys(symbol for symbol, _ in ids)))
    for symbol, order_id in ids:
        if symbol not in offered:
            continue
        try:
            if await account.find_order(symbol, order_id) is not None:
                yield f"{symbol} {order_id}"
        except OrderRejected:  # it does not know the symbol any more
            continue
