"""The results of symbols, sources and the account: sums over fills, fees and funding, and what they exclude."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from te_core.accounts.tallies import WHOLE, Tallies
from te_core.journal.snapshot import OldTallies
from te_core.model.money import Fill, Flow, FlowKind, Tally
from te_core.model.order import Side
from te_core.rules.pnl import explained
from te_core.rules.profit import Change, paid
from tests.engine.counting import CENT, START, SYMBOLS, Counting, D, Exchange

TINY = D("1E-8")
A, B = "tradingview", "bittensor"


class Tallied(Counting):
    """The same books, with each symbol's state as the journal would have it. ``restart``: continue from that."""

    def __init__(self, exchange: Exchange) -> None:
        self.journal: dict[str, Tally] = {}
        self.tallies = Tallies("a", (), START)
        self.thinned: list[OldTallies] = []
        self.fills: list[Fill] = []
        super().__init__(exchange)

    def value(self) -> Change:
        change = super().value()
        if self.money.suspect_at is None:
            self.tallies.valued(self.exchange.seen(self.at).held, change.result, self.at)
        return change

    def look(self) -> Change:
        change = super().look()
        self.write()
        return change

    def counted(self, fill: Fill) -> None:
        self.fills.append(self.tallies.executed(fill))
        self.write([fill.symbol])

    def fund(self, symbol: str | None, amount: Decimal) -> None:
        self.exchange.cash += amount
        flow = Flow(account="a", key="", kind=FlowKind.FUNDING, amount=amount, at=self.at, symbol=symbol)
        self.tallies.paid(flow)
        self.write([symbol or WHOLE])
        self.money, change = paid(self.money, symbol, amount)
        self.changes.append(change)

    def write(self, symbols: list[str] | None = None) -> None:
        for entry in self.tallies.unwritten(self.at, symbols):
            if isinstance(entry, Tally):
                self.journal[entry.symbol] = entry
            elif isinstance(entry, OldTallies):
                self.thinned.append(entry)

    def restart(self) -> None:
        self.tallies = Tallies("a", self.journal.values(), self.at)

    @property
    def whole(self) -> Tally:
        return self.journal[WHOLE]

    @property
    def symbols(self) -> list[Tally]:
        return [tally for symbol, tally in self.journal.items() if symbol != WHOLE]


shares = st.sampled_from([{A: D(1)}, {A: D("0.333333"), B: D("0.666667")}, {B: D(1)}, {}])
quantities = st.decimals(min_value="-20", max_value="20", places=2).filter(lambda q: q != 0)
steps = st.one_of(
    st.tuples(st.just("order"), st.sampled_from(SYMBOLS), quantities, shares),
    st.tuples(st.just("close"), st.sampled_from(SYMBOLS), st.just(D(0)), st.just({})),
    st.tuples(st.just("price"), st.sampled_from(SYMBOLS), st.decimals("0.7", "1.4", places=3), st.just({})),
    st.tuples(
        st.just("deposit"), st.just(""), st.sampled_from([D(2000), D(-1500), D(7000), D(-2500)]), st.just({})
    ),
    st.tuples(st.just("look"), st.just(""), st.just(D(0)), st.just({})),
    st.tuples(st.just("restart"), st.just(""), st.just(D(0)), st.just({})),
    st.tuples(
        st.just("funding"), st.sampled_from([*SYMBOLS, ""]), st.decimals("-30", "30", places=2), st.just({})
    ),
)
Plan = list[tuple[str, str, Decimal, Mapping[str, Decimal]]]


def carried_out(plan: Plan, *, told: Any = lambda _: True) -> Tallied:
    exchange = Exchange(tells_apart=True)
    books = Tallied(exchange)
    for number, (what, symbol, amount, parts) in enumerate(plan):
        held = exchange.held.get(symbol, D(0))
        match what:
            case "order":
                fee = abs(amount) * exchange.prices[symbol] / 1000
                books.order(symbol, amount, fee, told=told(number), shares=parts)
            case "close" if held:
                books.order(symbol, -held, abs(held) / 100, told=told(number))
            case "price":
                exchange.prices[symbol] *= amount
            case "deposit":
                exchange.deposit(amount)
            case "look":
                books.look()
            case "restart":
                books.restart()
            case "funding":
                books.fund(symbol or None, amount)
    books.look()
    return books


@given(st.lists(steps, max_size=25))
def test_the_sums_are_the_change_of_equity_minus_net_deposits(plan: Plan) -> None:
    """Across flips, partial closes, funding, deposits and restarts, whatever was journaled when."""
    books = carried_out(plan)
    equity = books.exchange.total - D(10_000) - books.exchange.paid_in
    if WHOLE not in books.journal:
        assert equity == 0
        return
    whole = books.whole
    assert abs(whole.result - equity) < CENT
    assert abs(explained(whole) - equity) < TINY, "every price was reported"
    assert (whole.unpriced, whole.unknown_fees, whole.others) == (0, 0, 0)
    for name in ("realised", "unrealised", "fees", "turnover", "fills"):
        assert abs(sum(getattr(one, name) for one in books.symbols) - getattr(whole, name)) < TINY
    for one in [*books.symbols, whole]:
        rest = whole.funding - sum((tally.funding for tally in books.symbols), D(0)) if one is whole else D(0)
        assert abs(sum(one.earned.values(), rest) - one.realised - one.unrealised - one.funding) < TINY
        assert abs(sum(one.paid.values(), D(0)) - one.fees) < TINY
    assert len(books.fills) == whole.fills
    assert abs(sum((fill.gained or D(0) for fill in books.fills), D(0)) - whole.realised) < TINY


@given(st.lists(steps.filter(lambda step: step[0] != "deposit"), max_size=20), st.sets(st.integers(0, 19)))
def test_an_account_adds_up_with_unreported_amounts(plan: Plan, silent: set[int]) -> None:
    books = carried_out(
        [(what, *rest) for step in plan for what, *rest in (step, ("look", "", D(0), {}))],  # type: ignore[misc]
        told=lambda number: number // 2 not in silent,
    )
    if WHOLE not in books.journal:
        return
    untold = [fill for fill in books.fills if fill.price is None]
    assert books.whole.unpriced == books.whole.unknown_fees == len(untold)
    assert abs(books.whole.result - books.profit) < TINY, "what the account's value says"
    if not untold:
        assert abs(explained(books.whole) - books.whole.result) < TINY


def test_opens_without_a_price_use_the_next_and_closes_none() -> None:
    books = Tallied(Exchange(tells_apart=True))
    books.order("BTCUSDT", D(10), D(1))
    books.exchange.prices["BTCUSDT"] = D(110)
    books.look()
    (btc,) = books.symbols
    assert (btc.unrealised, btc.result) == (D(100), D(99))
    books.order("BTCUSDT", D(-5), D(1), told=False)
    (btc,) = books.symbols
    assert (btc.realised, btc.unrealised, btc.unpriced) == (D(0), D(50), 1)
    assert books.fills[-1].gained is None
    books.order("BTCUSDT", D(5), D(1), told=False)
    books.exchange.prices["BTCUSDT"] = D(120)
    books.look()
    (btc,) = books.symbols
    assert (btc.quantity, btc.cost, btc.unrealised) == (D(10), D(1100), D(100)), "half of it from 120 on"
    assert books.whole.result - explained(books.whole) == D(98), "50 realised, 50 on the new half, two fees"


def test_unattributed_profit_survives_a_restart() -> None:
    books = Tallied(Exchange(tells_apart=True))
    books.order("BTCUSDT", D(10), D(1))
    books.exchange.cash -= D(4)  # funding that was not reported
    books.look()
    for _ in range(2):
        books.restart()
        books.exchange.prices["BTCUSDT"] += 1
        books.look()
    assert (books.whole.result, explained(books.whole)) == (D(15), D(19))


def test_a_stated_profit_replaces_a_missing_price() -> None:
    books = Tallied(Exchange(tells_apart=True))
    books.order("BTCUSDT", D(10), D(1))
    told = Fill(
        client_order_id="x",
        account="a",
        symbol="BTCUSDT",
        side=Side.SELL,
        quantity=D(10),
        at=books.at,
        realised=D(70),
        fee=D(1),
        fee_currency="BNB",
        shares={},
    )
    assert books.tallies.executed(told).gained == D(70)
    elsewhere = Tallies("a", (), START, currency="BNB")
    elsewhere.executed(told)
    (entry, _) = elsewhere.unwritten(START, ["BTCUSDT"])
    assert isinstance(entry, Tally)
    assert entry.fees == D(1), "there it is the account's own currency"
    books.write()
    (btc,) = books.symbols
    assert (btc.realised, btc.unpriced, btc.fees, btc.unknown_fees) == (D(70), 1, D(1), 1), "a fee in BNB"


def test_amounts_of_any_size_are_counted() -> None:
    for price in (D("1E-12"), D("1E+20")):
        books = Tallied(Exchange(tells_apart=True))
        books.exchange.prices["BTCUSDT"] = price
        books.order("BTCUSDT", D(3), D(0), shares={A: D("0.333333"), B: D("0.666667")})
        books.exchange.prices["BTCUSDT"] = 2 * price
        books.order("BTCUSDT", D(-1), D(0))
        (btc,) = books.symbols
        assert btc.realised + btc.unrealised == 3 * price
        assert sum(btc.earned.values()) == 3 * price


def test_a_result_belongs_to_the_sources_held_while_it_came() -> None:
    books = Tallied(Exchange(tells_apart=True))
    prices = books.exchange.prices
    books.order("BTCUSDT", D(10), D(1), shares={A: D("0.25"), B: D("0.75")})
    prices["BTCUSDT"] = D(110)
    books.order("BTCUSDT", D(-5), D(2), shares={A: D(1)})
    (btc,) = books.symbols
    assert btc.earned == {A: D(25), B: D(75)}
    assert btc.paid == {A: D("2.25"), B: D("0.75")}
    prices["BTCUSDT"] = D(120)
    books.fund("BTCUSDT", D(-4))
    books.order("BTCUSDT", D(-5), D(3), shares={})
    (btc,) = books.symbols
    assert btc.earned == {A: D(71), B: D(75)}
    assert btc.paid == {A: D("5.25"), B: D("0.75")}, "what closes pays for those that were held"
    assert btc.shares == {}


def test_what_others_do_counts_as_theirs_once_it_was_seen() -> None:
    books = Tallied(Exchange(tells_apart=True))
    books.order("BTCUSDT", D(10), D(1), shares={A: D(1)})
    books.exchange.prices["BTCUSDT"] = D(120)
    books.look()
    books.exchange.trade("BTCUSDT", D(-10), D(0))
    books.exchange.trade("ETHUSDT", D(3), D(0))
    books.exchange.prices["ETHUSDT"] = D(21)
    books.look()
    btc, eth = sorted(books.symbols, key=lambda one: one.symbol)
    assert (btc.quantity, btc.realised, btc.others, btc.shares) == (D(0), D(200), 1, {})
    assert (eth.quantity, eth.result, eth.others) == (D(3), D(0), 0), "first seen at 21"
    books.exchange.prices["ETHUSDT"] = D(22)
    books.look()
    assert books.journal["ETHUSDT"].earned == {"": D(3)}, "nobody's"
    assert books.whole.result - explained(books.whole) == D(3), "what it had earned when first seen"


def test_of_each_day_but_the_last_fourteen_one_tally_stays() -> None:
    books = Tallied(Exchange(tells_apart=True))
    books.order("BTCUSDT", D(1), D(1))
    assert books.thinned == []
    books.at += timedelta(days=3)
    books.order("BTCUSDT", D(1), D(1))
    days = (START - timedelta(days=14)).timestamp() // 86_400
    assert {(one.symbol, one.first / 24, one.beyond / 24) for one in books.thinned} == {
        ("BTCUSDT", days, days + 3),
        (WHOLE, days, days + 3),
    }


def test_the_last_tally_is_the_newest_after_a_clock_step() -> None:
    books = Tallied(Exchange(tells_apart=True))
    books.order("BTCUSDT", D(1), D(1))
    hour = books.journal["BTCUSDT"].hour
    books.restart()
    books.at -= timedelta(hours=5)
    books.order("BTCUSDT", D(1), D(1))
    assert (books.journal["BTCUSDT"].hour, books.journal["BTCUSDT"].quantity) == (hour, D(2))
