"""Detects at the exchanges whether another engine with this journal's identity trades.

Order ids follow from the journal: an engine continues its journal's numbering. So the ids that a journal would use next
are those that its original has used since the backup was made. Exchanges forget old ids, but not positions: one that
differs from the last one in the journal has been changed since, by an engine or a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount, ExchangeSpec
from te_core.errors import OrderRejected, RateLimited, TradeEngineError
from te_core.journal.snapshot import JournalSnapshot
from te_core.model.order import ClientOrderIdForm
from te_core.plugins.registry import Registry
from te_core.rules.client_order_ids import client_order_id
from te_core.rules.plan import at_target
from te_core.runtime.lone_account import opened_account
from te_core.settings.resolution import Resolved

T = TypeVar("T")

REVISIONS = 4
"""Revisions after the journal's whose first orders are looked up; several, as some revisions order nothing."""
ATTEMPTS, PAUSE = 10, 1.0
"""Retries while an exchange's request limit is used up, and the seconds between them."""
STEPS = 2
"""Orders of the current revision, after the last one in the journal, that are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of one exchange."""

    account: str
    traded: Sequence[str] = ()
    """Evidence of trading."""
    reason: str = ""
    """Why it gave no answer."""


def next_ids(
    snapshot: JournalSnapshot,
    journal_id: str,
    *,
    account: str,
    symbols: Sequence[str],
    form: ClientOrderIdForm,
) -> Iterator[tuple[str, str]]:
    """Yield (symbol, id) of the orders that an account would send next."""
    names = {record.name: record.book for record in snapshot.accounts}
    book = names.get(account, account)
    for symbol in dict.fromkeys((*symbols, *(name for owner, name in snapshot.books if owner == book))):
        record = snapshot.books.get((book, symbol))
        revision, step = (record.target.revision, record.last_step) if record else (0, 0)
        steps = [(revision, step + more) for more in range(1, STEPS + 1)] if record else []
        steps += [(revision + more, 1) for more in range(1, REVISIONS + 1)]
        for of, number in steps:
            yield symbol, client_order_id(journal_id, book, symbol, of, number, 0, form=form)


def last_seen(snapshot: JournalSnapshot, *, account: str) -> dict[str, Decimal]:
    """Return the last position in the journal by symbol, unless an order of its own may have changed it since."""
    book = {record.name: record.book for record in snapshot.accounts}.get(account, account)
    under_way = {(intent.account, intent.symbol) for intent in snapshot.open_intents}
    return {
        symbol: record.confirmation.quantity
        for (owner, symbol), record in snapshot.books.items()
        if owner == book
        and record.confirmation is not None
        and record.confirmation.revision == record.target.revision
        and not record.increased_since_confirmed
        and (owner, symbol) not in under_way
    }


async def ask_all(
    resolved: Resolved,
    registry: Registry,
    snapshot: JournalSnapshot,
    journal_id: str,
    *,
    clock: Clock,
    on_asking: Callable[[str], None],
) -> list[Answer]:
    """Query the exchange of every account that may have traded. ``on_asking`` is called with each one's name."""
    settings = resolved.settings
    met = {record.name for record in snapshot.accounts}
    answers = [
        Answer(account=name, reason=reason)
        for key, reason in resolved.unavailable.items()
        if (name := key.removeprefix("accounts.")) != key
    ]
    for name, options in resolved.account_options.items():
        section = settings.accounts[name]
        spec = registry.exchanges[section.plugin]
        if spec.capabilities_of(options).simulated or (not section.enabled and name not in met):
            continue  # it is simulated, or has never traded
        on_asking(name)
        form = spec.capabilities_of(options).client_order_ids
        ids = list(next_ids(snapshot, journal_id, account=name, symbols=list(settings.symbols), form=form))
        with TemporaryDirectory() as folder:  # a running engine may be using the account's own folder
            answers.append(
                await ask_exchange(
                    spec,
                    options,
                    name=name,
                    ids=ids,
                    seen=last_seen(snapshot, account=name),
                    folder=Path(folder) / name,
                    clock=clock,
                )
            )
    return answers


async def ask_exchange(
    spec: ExchangeSpec[Any],
    options: Any,
    *,
    name: str,
    ids: Sequence[tuple[str, str]],
    seen: Mapping[str, Decimal],
    folder: Path,
    clock: Clock,
) -> Answer:
    """Read orders and positions from an exchange. ``folder``: where the account may store files. Changes nothing."""
    if not spec.capabilities_of(options).order_lookup:
        return Answer(account=name, reason="the exchange cannot look up orders by our ids")
    try:
        async with opened_account(spec, options, name=name, folder=folder, clock=clock) as account:
            traded = [each async for each in _found(account, ids)]
            return Answer(account=name, traded=[*traded, *await _changed(account, seen)])
    except TradeEngineError as error:
        return Answer(account=name, reason=str(error))


async def _found(account: ExchangeAccount, ids: Sequence[tuple[str, str]]) -> AsyncIterator[str]:
    """Yield the ids that the exchange knows."""
    offered: Mapping[str, Any] = await account.instruments(list(dict.fromkeys(symbol for symbol, _ in ids)))
    for symbol, order_id in ids:
        if symbol not in offered:
            continue
        try:
            if await _patiently(lambda: account.find_order(symbol, order_id)) is not None:  # noqa: B023 - awaited here
                yield f"{symbol} order {order_id}"
        except OrderRejected:  # it no longer knows the symbol
            continue


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Retry while the exchange's request limit is used up. Raises what ``ask`` raises, finally ``RateLimited``."""
    for _ in range(ATTEMPTS):
        try:
            return await ask()
        except RateLimited as error:
            await asyncio.sleep(max(error.retry_after or 0.0, PAUSE))
    return await ask()


async def _changed(account: ExchangeAccount, seen: Mapping[str, Decimal]) -> list[str]:
    """Return a line for each position that differs from the last one in the journal."""
    offered = await account.instruments(list(seen))
    held = (await account.positions()).value if offered else {}
    found = {symbol: held[symbol].quantity if symbol in held else Decimal(0) for symbol in offered}
    return [
        f"{symbol} position {found[symbol]:f}, in the backup {seen[symbol]:f}"
        for symbol, instrument in offered.items()
        if not at_target(found[symbol], seen[symbol], instrument.quantity_step)
    ]
