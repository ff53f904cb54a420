"""What 10,000 orders leave in the memory of accounts with streams: ``python -m bench.steady [ORDERS]``.

The accounts of four exchanges trade in this process, the exchanges run in another one. Counted are, after every tenth
of the orders, the objects that live in this process, its open files (sockets among them), and the orders that ccxt and
the streams remember. Nothing is timed: what is bounded stays the same from some point on, however slow the machine.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from bench.exchange_process import Exchanges
from bench.exchange_specs import EXCHANGES, spec_of
from te_core.api import AccountContext
from te_core.clock import SystemClock
from te_core.testing.fakes import account_context
from te_core.testing.stream_recorder import StreamRecorder
from te_emulators.accounts import order
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter

ORDERS = 10_000
ROUNDS = 10
WARM_UP_ROUNDS = 3
"""Rounds after which nothing may grow any more: caches are full by then."""
TOLERANCE = 0.01
"""Share by which the number of objects may vary, for work in progress when they are counted."""
FILES = 2
"""Number by which open files may vary, for a connection that is being replaced."""


@dataclass(frozen=True, slots=True)
class Count:
    """What is alive after a round."""

    orders: int
    objects: int
    files: int
    cached: int


class Forgetful(StreamRecorder):
    """Accepts what is pushed and stores nothing."""

    def _forget(self, *pushed: object) -> None:
        """Forget it."""

    up = heard = down = position = equity = price = order = changed = _forget  # type: ignore[assignment]  # all alike


@contextmanager
def unlimited() -> Iterator[None]:
    """Lift the request limits of every exchange: the counts must not depend on them."""
    for name in EXCHANGES:  # which loads their classes
        spec_of(name)
    kept: dict[type[ExchangeAdapter], Any] = {}
    for kind in _subclasses(ExchangeAdapter):
        kept[kind] = kind.windows
        kind.windows = [window._replace(capacity=10**9) for window in kind.windows]
    try:
        yield
    finally:
        for kind, windows in kept.items():
            kind.windows = windows


def _subclasses(kind: type[ExchangeAdapter]) -> list[type[ExchangeAdapter]]:
    return [found for child in kind.__subclasses__() for found in (child, *_subclasses(child))]


def context(name: str, addresses: Mapping[str, Any], folder: Path) -> AccountContext[Any]:
    """The context of an account at one of the exchanges."""
    spec, address = spec_of(name), addresses[name]
    keys = {"api_key": "K1", "secret": "S", "passphrase": "P"}
    given = {"url": address.url, "ws_url": address.ws_url, **keys}
    if "password" not in spec.settings.credentials:
        del given["passphrase"]
    return account_context(
        name=name,
        options=spec.settings.model_validate(given),
        clock=SystemClock(),
        log=logger,
        state_dir=folder / name,
        signal_price=lambda _: None,
        http=_no_session,
    )


def _no_session() -> Any:
    raise RuntimeError("the plugin has its own session")


async def trade(account: Any, first: int, count: int) -> None:
    """Send that many orders back and forth, as an engine does: prices, order, look-up, positions and equity."""
    for number in range(first, first + count):
        await account.prices(["BTCUSDT"])
        sent = order("0.01" if number % 2 == 0 else "-0.01", number=number + 1)
        await account.place_order(sent)
        await account.find_order("BTCUSDT", sent.client_order_id)
        await asyncio.gather(account.positions(), account.equity())


def count(orders: int, accounts: list[Any]) -> Count:
    """Count what is alive now."""
    gc.collect()
    cached = 0
    for account in accounts:
        exchange = account._adapter.exchange  # noqa: SLF001  # what is counted is nobody's to see
        cached += len(exchange.orders or ()) + len(getattr(account.streams, "_orders", ()))
    return Count(orders, len(gc.get_objects()), len(list(Path("/proc/self/fd").iterdir())), cached)


async def run(orders: int) -> list[Count]:
    """Trade in rounds and count after each."""
    found = []
    with Exchanges(EXCHANGES, accounts=1, latency=0.0, unlimited=True) as made, unlimited():
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            accounts = []
            for name in EXCHANGES:
                account = spec_of(name).factory(context(name, made.addresses, folder))
                await account.open()
                stack.push_async_callback(account.close)
                following = asyncio.create_task(account.watch(Forgetful()))
                stack.callback(following.cancel)
                accounts.append(account)
            await asyncio.sleep(3)  # until every stream is up
            share = orders // ROUNDS // len(accounts)
            for number in range(ROUNDS):
                await asyncio.gather(*(trade(account, number * share, share) for account in accounts))
                made.drain()
                found.append(count((number + 1) * share * len(accounts), accounts))
                show(found[-1])
    return found


def show(found: Count) -> None:
    """Print one round."""
    print(
        f"{found.orders:>7} orders: {found.objects:>8} objects, {found.files:>4} open files, "
        f"{found.cached:>6} orders remembered",
        flush=True,
    )


def growth(found: list[Count]) -> list[str]:
    """Return what grew after caches were full; empty when all is flat."""
    first, last = found[WARM_UP_ROUNDS - 1], found[-1]
    grown = []
    if last.objects > first.objects * (1 + TOLERANCE):
        grown.append(
            f"objects: {first.objects} after {first.orders} orders, {last.objects} after {last.orders}"
        )
    if last.files > first.files + FILES:
        grown.append(
            f"open files: {first.files} after {first.orders} orders, {last.files} after {last.orders}"
        )
    if last.cached > first.cached:
        grown.append(f"orders: {first.cached} after {first.orders} orders, {last.cached} after {last.orders}")
    return grown


if __name__ == "__main__":
    logger.remove()
    grown = growth(asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS)))
    sys.exit("grows: " + "; ".join(grown) if grown else None)
