"""The account's file: restarts, kill -9, damage, a second holder, and a history that does not grow."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest

from te_core.api import (
    ConfigError,
    DuplicateClientOrderId,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderRequest,
    Side,
)
from te_core.testing.virtual_clock import START
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.books import FILE_NAME
from te_exchange_paper.holding import Holding
from te_exchange_paper.ledger import Ledger
from te_exchange_paper.store import ExecutedOrder, Store
from te_exchange_paper.testing import PaperHarness

OpenExchange = Callable[..., Awaitable[PaperHarness]]
MakeOrder = Callable[..., OrderRequest]


async def test_a_restart_changes_nothing(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange(fee="0.0006", slippage="0.0002")
    await exchange.account.set_leverage("ETHUSDT", 3, MarginMode.CROSS)
    for quantity, symbol in (("0.1", "BTCUSDT"), ("-0.07", "BTCUSDT"), ("-1.23", "ETHUSDT")):
        await exchange.account.place_order(order(quantity, symbol))
    before = (await exchange.account.positions(), await exchange.account.equity(), exchange.orders())
    await exchange.account.close()
    await exchange.connect().open()
    assert (await exchange.account.positions(), await exchange.account.equity(), exchange.orders()) == before


@pytest.mark.parametrize("seed", range(25))
async def test_a_new_connection_always_shows_the_same_account(
    open_exchange: OpenExchange, order: MakeOrder, seed: int
) -> None:
    """An account's cached state equals what it would compute from scratch."""
    random = Random(seed)
    exchange = await open_exchange(fee="0.0006", slippage="0.0002")
    for _ in range(40):
        symbol = random.choice(exchange.symbols)
        with suppress(OrderRejected):
            match random.randrange(4):
                case 0:
                    mode = random.choice(list(MarginMode))
                    await exchange.account.set_leverage(symbol, random.randint(1, 50), mode)
                case 1:
                    exchange.market[symbol] *= Decimal(random.randint(90, 111)) / 100
                case 2:
                    await exchange.account.positions()
                case _:
                    await exchange.account.place_order(
                        order(str(Decimal(random.randint(-99, 99)) / 100), symbol)
                    )
    before = (await exchange.account.positions(), await exchange.account.equity())
    await exchange.account.close()
    await exchange.connect().open()
    assert (await exchange.account.positions(), await exchange.account.equity()) == before


async def test_an_id_stays_taken_over_a_restart(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    report = await exchange.account.place_order(order("0.1", client_id="mine"))
    await exchange.account.close()
    await exchange.connect().open()
    assert await exchange.account.find_order("BTCUSDT", "mine") == report
    with pytest.raises(DuplicateClientOrderId):
        await exchange.account.place_order(order("0.1", client_id="mine"))


async def test_another_balance_does_not_refill_a_running_account(
    open_exchange: OpenExchange, log: list[str]
) -> None:
    first = await open_exchange(balance=500)
    await first.account.close()
    second = await open_exchange(balance=90_000)
    assert (await second.account.equity()).value.wallet == 500
    (said,) = [line for line in log if "balance = 90000 is not applied" in line]
    assert "opened with 500" in said
    assert FILE_NAME in said


async def test_a_second_holder_of_the_file_is_refused(open_exchange: OpenExchange) -> None:
    first = await open_exchange()
    with pytest.raises(NotReady, match="locked"):
        await open_exchange()
    await first.account.close()
    await (await open_exchange()).account.close()


async def test_a_damaged_file_is_refused_and_kept(open_exchange: OpenExchange, tmp_path: Path) -> None:
    path = tmp_path / "state" / FILE_NAME
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(ConfigError, match=r"damaged.*move it away"):
        await open_exchange()
    assert path.read_bytes().startswith(b"this is no database")


async def test_a_file_of_a_newer_version_is_refused_and_kept(
    open_exchange: OpenExchange, tmp_path: Path
) -> None:
    await (await open_exchange()).account.close()
    with sqlite3.connect(tmp_path / "state" / FILE_NAME) as file:
        file.execute("PRAGMA user_version=99")
    file.close()
    with pytest.raises(ConfigError, match="newer version"):
        await open_exchange()


async def test_an_account_that_cannot_be_loaded_releases_its_file(
    make_exchange: Callable[..., PaperHarness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is exclusive: the next attempt, and a repair of the file, would find it locked."""
    exchange = make_exchange()
    monkeypatch.setattr(Store, "load", refusing_load)
    with pytest.raises(NotReady) as raised:
        await exchange.account.open()
    file = sqlite3.connect(tmp_path / "state" / FILE_NAME, timeout=0, isolation_level=None)
    try:
        file.execute("BEGIN IMMEDIATE")
    finally:
        file.close()
    assert "disk" in str(raised.value), "its traceback holds on to all that was not closed"


def refusing_load(store: Store, opening_balance: Decimal) -> NoReturn:
    store._db.execute("SELECT count(*) FROM account").fetchone()
    raise NotReady(f"the disk refuses {opening_balance}")


async def test_opening_again_releases_the_first_file(make_exchange: Callable[..., PaperHarness]) -> None:
    account = PaperAccount(make_exchange()._context)
    await account.open()
    first = account.books.store
    await account.open()
    assert first is not None
    with pytest.raises(NotReady, match="closed"):
        first.orders()
    await account.close()


async def test_a_write_that_the_disk_refuses_changes_nothing(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    """The order was not executed, the engine gets the error, and the next order works."""
    exchange = await open_exchange()
    assert isinstance(exchange.account.inner, PaperAccount)
    store = exchange.account.inner.books.store
    store._db.execute("PRAGMA query_only=1")
    with pytest.raises(NotReady, match="nothing was changed"):
        await exchange.account.place_order(order("0.1", client_id="mine"))
    assert await exchange.position("BTCUSDT") == 0
    store._db.execute("PRAGMA query_only=0")
    await exchange.account.place_order(order("0.1", client_id="mine"))
    assert await exchange.position("BTCUSDT") == Decimal("0.1")


def executed(number: int) -> ExecutedOrder:
    return ExecutedOrder(
        client_order_id=f"order-{number}",
        symbol="BTCUSDT",
        side=Side.BUY,
        reduce_only=False,
        quantity=Decimal("0.1"),
        price=Decimal(50_000),
        fee=Decimal(3),
        realised=Decimal(0),
        at=START,
    )


def test_only_the_newest_orders_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / FILE_NAME, keep_orders=50)
    books, _ = store.load(Decimal(10_000))
    sizes = []
    for number in range(1, 1001):
        after = replace(books, wallet=books.wallet + 1, holdings={"A": Holding(symbol="A", leverage=number)})
        store.save(books, after, executed(number))
        books = after
        sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()))
    assert [order.client_order_id for order in store.orders()] == [f"order-{n}" for n in range(951, 1001)]
    assert store.order("order-950") is None
    assert store.order("order-951") == executed(951)
    assert sizes[-1] == sizes[499]
    store.close()


def test_books_are_read_back_exactly(tmp_path: Path) -> None:
    odd = Decimal("-0.00000001234567890123456789")
    books = Ledger(
        wallet=Decimal("1E-8"),
        holdings={
            "BTCUSDT": Holding(
                symbol="BTCUSDT", leverage=7, margin_mode=MarginMode.CROSS, quantity=odd, cost=odd
            )
        },
    )
    store = Store(tmp_path / FILE_NAME)
    empty, _ = store.load(Decimal(10_000))
    store.save(empty, books)
    store.close()
    again = Store(tmp_path / FILE_NAME)
    assert again.load(Decimal(5)) == (books, Decimal(10_000))
    again.close()


VICTIM = """
import asyncio, sys
from decimal import Decimal
from pathlib import Path
from loguru import logger
from te_core.api import MarginMode, OrderRequest, Side
from te_core.clock import SystemClock
from te_exchange_paper.testing import PaperHarness

async def main():
    harness = PaperHarness(Path(sys.argv[1]), clock=SystemClock(), log=logger, market={"BTCUSDT": Decimal(50_000)})
    account = harness.account
    await account.open()
    await account.set_leverage("BTCUSDT", 20, MarginMode.ISOLATED)
    for number in range(int(sys.argv[2]), 10**9):
        side = Side.BUY if number % 3 else Side.SELL
        order = OrderRequest(
            client_order_id=f"order-{number}", symbol="BTCUSDT", side=side, quantity=Decimal("0.001"),
            reduce_only=False, leverage=20, margin_mode=MarginMode.ISOLATED, reference_price=Decimal(50_000))
        print("sending", number, flush=True)
        report = await account.place_order(order)
        print("answered", number, report.filled, flush=True)

asyncio.run(main())
"""


def run_and_kill(state_dir: Path, first: int, lines: int) -> list[str]:
    """Run a trading process until it has printed ``lines`` lines, kill it, and return its output."""
    command = [sys.executable, "-c", VICTIM, str(state_dir), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        said = [victim.stdout.readline() for _ in range(lines)]
        victim.kill()
        said += victim.stdout.readlines()
    assert victim.returncode == -signal.SIGKILL
    return said


@pytest.mark.real_clock
async def test_kill_9_forgets_no_answered_order_and_doubles_none(
    open_exchange: OpenExchange, tmp_path: Path
) -> None:
    chance = Random(8)
    answered: set[int] = set()
    last_sent = 0
    for _ in range(5):
        said = run_and_kill(tmp_path / "state", last_sent + 1, chance.randint(2, 150))
        whole = [line.split() for line in said if line.endswith("\n")]
        answered |= {int(words[1]) for words in whole if words[0] == "answered"}
        last_sent = max(int(words[1]) for words in whole if words[0] == "sending")
        exchange = await open_exchange()
        orders = exchange.orders()
        known = {int(order.client_order_id.removeprefix("order-")) for order in orders}
        assert len(known) == len(orders)
        assert answered <= known <= answered | {last_sent}
        answered = known
        held = sum((order.side.sign * order.quantity for order in orders), Decimal(0))
        assert await exchange.position("BTCUSDT") == held
        wallet = 10_000 + sum((order.realised - order.fee for order in orders), Decimal(0))
        assert (await exchange.account.equity()).value.wallet == wallet
        await exchange.account.close()
    assert len(answered) > 50
