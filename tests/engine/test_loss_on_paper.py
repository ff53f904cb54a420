"""The paper account is an exchange with its own books: what the engine derives from its responses must agree."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from te_core.api import InsufficientMargin, MarginMode, OrderRejected, OrderRequest, Side
from te_core.model.money import Fill
from te_core.rules.profit import SUSPECT, Change, Holding, Money, Valuation, filled, paid, valued
from te_core.testing import virtual_clock
from te_exchange_paper.testing import PaperHarness

D = Decimal
SYMBOLS = ("BTCUSDT", "ETHUSDT")
steps = st.one_of(
    st.tuples(st.just("order"), st.sampled_from(SYMBOLS), st.decimals("-0.9", "0.9", places=2)),
    st.tuples(st.just("price"), st.sampled_from(SYMBOLS), st.decimals("0.9", "1.12", places=3)),
    st.tuples(st.just("funding"), st.sampled_from(SYMBOLS), st.decimals("-0.01", "0.01", places=4)),
)


class Books:
    """What the engine would count, from the account's responses."""

    def __init__(self, venue: PaperHarness) -> None:
        self.venue, self.money = venue, Money()
        self.result = self.by_symbol = D(0)
        self.seen: set[str] = set()

    def note(self, counted: tuple[Money, Change]) -> None:
        self.money, change = counted
        assert change.transfer == 0, "nobody paid anything in"
        self.result += change.result
        self.by_symbol += sum(change.symbols.values(), D(0))

    async def look(self) -> None:
        account, now = self.venue.account, self.venue.clock.now()
        for flow in await account.cash_flows(now - timedelta(days=1)):
            if flow.key not in self.seen:
                self.seen.add(flow.key)
                self.note(paid(self.money, flow.symbol, flow.amount))
        equity = (await account.equity()).value
        held = {
            symbol: Holding(
                quantity=one.quantity,
                entry=one.entry_price,
                price=self.venue.market[symbol],
                unrealised=one.unrealised_pnl,
            )
            for symbol, one in (await account.positions()).value.items()
            if one.quantity
        }
        for at in (now, now + SUSPECT):
            seen = Valuation(at=at, wallet=equity.wallet, total=equity.total, held=held)
            self.note(valued(self.money, seen, funding_told=True))


async def _trade(books: Books, number: int, symbol: str, quantity: Decimal) -> None:
    venue = books.venue
    order = OrderRequest(
        client_order_id=f"o{number}",
        symbol=symbol,
        side=Side.of(quantity),
        quantity=abs(quantity),
        reduce_only=False,
        leverage=2,
        margin_mode=MarginMode.ISOLATED,
        reference_price=venue.market[symbol],
    )
    try:
        await venue.account.place_order(order)
    except (OrderRejected, InsufficientMargin):
        return
    report = await venue.account.order_cost(symbol, order.client_order_id)
    assert report is not None
    assert report.filled is not None
    fill = Fill(
        client_order_id=order.client_order_id,
        account="paper",
        symbol=symbol,
        side=order.side,
        quantity=report.filled,
        at=venue.clock.now(),
        price=report.average_price,
        fee=report.fee,
        realised=report.realised,
        shares={},
    )
    books.note(filled(books.money, fill, reference=order.reference_price))


async def _play(folder: Path, plan: list[tuple[str, str, Decimal]]) -> None:
    venue = PaperHarness(
        folder,
        clock=virtual_clock.VirtualClock(),
        log=logger,
        market={"BTCUSDT": D(5000), "ETHUSDT": D(3000)},
        balance=10_000,
        fee="0.0006",
    )
    await venue.account.open()
    books, numbers = Books(venue), count(1)
    await books.look()
    begun = (await venue.account.equity()).value.total
    for what, symbol, amount in plan:
        if what == "order" and amount:
            await _trade(books, next(numbers), symbol, amount)
        elif what == "price":
            venue.market[symbol] *= amount
        elif what == "funding":
            await venue.pay_funding(symbol, amount)
        await books.look()
    change = (await venue.account.equity()).value.total - begun
    assert abs(books.result - change) < D("0.001")
    assert abs(books.by_symbol - change) < D("0.001"), "fills, payments and prices explain all of it"
    await venue.account.close()


@settings(max_examples=25)
@given(st.lists(steps, min_size=5, max_size=15))
def test_sums_over_fills_and_payments_are_the_change_in_value(
    plan: list[tuple[str, str, Decimal]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        virtual_clock.run(_play(Path(folder), plan))
