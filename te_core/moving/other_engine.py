"""Does another engine with this journal's identity trade? The exchanges know: its orders have ids that follow from it.

An engine numbers its orders on from what its journal holds. So the ids that a journal would use next are those that its
original has used since the backup was made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount, ExchangeSpec
from te_core.errors import OrderRejected, TradeEngineError
from te_core.journal.memory import JournalSnapshot
from te_core.model.order import ClientOrderIdForm
from te_core.plugins.registry import Registry
from te_core.rules.client_order_ids import client_order_id
from te_core.runtime.lone_account import opened_account
from te_core.settings.resolution import Resolved

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


async def ask_all(
    resolved: Resolved,
    registry: Registry,
    snapshot: JournalSnapshot,
    journal_id: str,
    *,
    clock: Clock,
    on_asking: Callable[[str], None],
) -> list[Answer]:
    """Ask the exchange of every account that may have traded. ``on_asking`` is called with each one's name."""
    settings = resolved.settings
    met = {record.name for record in snapshot.accounts}
    answers = [
        Answer(account=name, reason=reason)
        for key, reason in resolved.unavailable.items()
        if (name := key.removeprefix("accounts.")) != key
    ]
    for name, options in resolved.account_options.items():
        section = settings.accounts[name]
        if not section.enabled and name not in met:
            continue  # it has never traded
        on_asking(name)
        spec = registry.exchanges[section.plugin]
        form = spec.capabilities_of(options).client_order_ids
        ids = list(next_ids(snapshot, journal_id, account=name, symbols=list(settings.symbols), form=form))
        with TemporaryDirectory() as folder:  # an engine may be running in the account's own
            answers.append(
                await ask_exchange(spec, options, name=name, ids=ids, folder=Path(folder) / name, clock=clock)
            )
    return answers


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
        async with opened_account(spec, options, name=name, folder=folder, clock=clock) as account:
            return Answer(account=name, orders=[each async for each in _found(account, ids)])
    except TradeEngineError as error:
        return Answer(account=name, reason=str(error))


async def _found(account: ExchangeAccount, ids: Sequence[tuple[str, str]]) -> AsyncIterator[str]:
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
