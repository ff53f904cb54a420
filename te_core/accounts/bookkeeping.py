"""Determines what orders cost and which other payments there were, one after the other; no order waits for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.books import Books, Counted
from te_core.accounts.notices import filled as notice_of_fill
from te_core.accounts.tallies import Tallies
from te_core.clock import Clock
from te_core.contracts.exchange import Capabilities, ExchangeAccount
from te_core.errors import TradeEngineError, described
from te_core.journal.entries import Entry
from te_core.journal.journal import Journal
from te_core.model.cause import Cause
from te_core.model.event import Event
from te_core.model.money import EquitySample, Fill, Flow, FlowKind
from te_core.model.order import Intent, IntentState, OrderReport
from te_core.model.position import Equity
from te_core.model.reading import Unknown
from te_core.model.target import Target
from te_core.outage import Outages
from te_core.rules.profit import (
    CENT,
    Change,
    Holding,
    Money,
    Valuation,
    estimated,
    filled,
    paid,
    transferred,
    valued,
)
from te_core.rules.thinning import worth_a_sample

if TYPE_CHECKING:
    from loguru import Logger

ZERO = Decimal(0)
MILLIONTH = Decimal("0.000001")
CALL_TIMEOUT = 10.0
AGAIN = (0.5, 2.0, 5.0, 15.0, 40.0)
"""Pauses before the cost of an order is queried again while it is not reported; about a minute in total."""
BOOKS_AGAIN = 60.0
"""Seconds after which bookkeeping that failed is restarted."""
GATHER = 0.2
"""Seconds that a valuation waits to be combined with others: pushes come in bursts."""
LOOKBACK = timedelta(days=1)
UNASKED = 200
"""How old orders of an earlier run may be to be queried (``LOOKBACK``), and how many of them at most."""
POSITIONS_AGAIN = 1.0
"""Seconds after which a valuation is retried if positions were unknown."""
UNKNOWN_FOR = 60.0
"""Seconds for which an account is not valued while one of its positions is unknown."""
FLOWS_PAUSE = 4.0
"""Minimum seconds between two queries for payments: values may be pushed many times meanwhile."""
ESTIMATE_PAUSE, READ_PAUSE = 1.0, 5.0
"""Seconds between two estimates of an account from prices, and after one that caused a read."""
OVERLAP = timedelta(minutes=10)
"""Payments are reported late, so each query overlaps the previous one by this much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """One of our orders with its known outcome, and the target that it was sent for."""

    intent: Intent
    filled: Decimal
    report: OrderReport | None
    target: Target | None


class Bookkeeper:
    """One per account. Continues from ``counted``; without a ``report`` callback it journals changes itself.

    ``turn`` is awaited before work that computes, so that others get the event loop.
    """

    def __init__(
        self,
        name: str,
        book: str,
        *,
        beliefs: Beliefs,
        journal: Journal,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        in_flight: Callable[[], bool],
        counted: Counted,
        slipped: Callable[[Decimal], None] = lambda _: None,
        read_now: Callable[[], None] = lambda: None,
        turn: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
    ) -> None:
        """``slipped`` receives the fraction by which a fill is worse than its signal; ``read_now`` requests a read."""
        self.money = counted.money or Money()
        self.last_seen = counted.seen
        """The newest sample of the account's value, from this run or an earlier one."""
        self._name = name
        self._book = book
        self._beliefs = beliefs
        self._journal = journal
        self._clock = clock
        self._log = log
        self._record = record
        self._in_flight = in_flight
        self._slipped = slipped
        self._read_now = read_now
        self._turn = turn
        self._would_trip = counted.would_trip
        self._estimate_from = float("-inf")
        """When prices are checked next, monotonic."""
        self._report = counted.report or self._persist
        self.notify, self.show = counted.notify, counted.show
        self._tallies = Tallies(book, journal.tallies(book), clock.now(), currency=counted.currency)
        self._orders: deque[Executed] = deque()
        self._rejections: deque[datetime] = deque()
        self._wake = asyncio.Event()
        self._seen: object = None
        """The equity that was counted last."""
        self._value_due = False
        self._flows_from = counted.at
        """The time up to which payments are counted."""
        self._known_flows: dict[str, datetime] = {}
        self._flows_asked_at, self._flows_reported = float("-inf"), False
        self._named: dict[str, None] = {}
        """Kinds of transfers that were reported but may not show in the balance yet."""
        self._unknown_since: float | None = None

    # -- events, reported by other modules; nothing is awaited here

    def executed(
        self, intent: Intent, filled: Decimal, report: OrderReport | None, target: Target | None
    ) -> None:
        """Queue one of our orders with its known outcome, to be counted."""
        if filled:
            self._orders.append(Executed(intent=intent, filled=filled, report=report, target=target))
            self._wake.set()

    def rejected(self, outcome: IntentState) -> None:
        """Queue an order that was not executed; only a rejection by the exchange counts."""
        if outcome is IntentState.REJECTED:
            self._rejections.append(self._clock.now())
            self._wake.set()

    def valued(self) -> None:
        """Record that the account's value was observed."""
        self._value_due = True
        self._wake.set()

    def price_seen(self, symbol: str) -> None:
        """Request a read if pushed prices indicate that a breaker is about to trip: only a valuation trips it."""
        now, held = self._clock.monotonic(), self.money.symbols.get(symbol)
        if now < self._estimate_from or held is None or not held.quantity:
            return
        self._estimate_from = now + ESTIMATE_PAUSE
        change = estimated(self.money, {name: self._beliefs.price(name) for name in self.money.symbols})
        if change.result < 0 and self._would_trip(change):
            self._estimate_from = now + READ_PAUSE
            self._read_now()

    # -- querying and counting

    async def supervise(self, account: ExchangeAccount, capabilities: Capabilities, outages: Outages) -> None:
        """Run the bookkeeping; a failure stops no order, is reported, and the bookkeeping is restarted."""
        while True:
            running = asyncio.create_task(self.run(account, capabilities))
            try:
                ended, _ = await asyncio.wait([running], timeout=BOOKS_AGAIN)
                if not ended:
                    outages.well("books")
                    await asyncio.wait([running])
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            error = None if running.cancelled() else running.exception()
            self._log.opt(exception=error).error("defect: bookkeeping failed")
            found = described(error) if error is not None else "it was cancelled"
            why = f"cannot compute profit and loss, so breakers are inactive: {found}"
            outages.failing("books", why)
            await asyncio.sleep(BOOKS_AGAIN)

    async def run(self, account: ExchangeAccount, capabilities: Capabilities) -> None:
        """Query costs and payments and count them, until cancelled."""
        self._remember()
        while True:
            await self._until_woken()
            while self._rejections:
                self._report_change(Change(), rejected=self._rejections.popleft())
            while self._orders:
                await self._turn()
                await self._count_order(account, capabilities, self._orders[0])
                self._orders.popleft()
            if self._value_due:
                await asyncio.sleep(GATHER)
                await self._turn()
                self._value_due = False
                if not self._orders:
                    await self._count_value(account, capabilities)

    async def _until_woken(self) -> None:
        """Wait for something to count; a value that arrived before its positions is retried without being woken."""
        try:
            async with asyncio.timeout(None if self._unknown_since is None else POSITIONS_AGAIN):
                await self._wake.wait()
        except TimeoutError:
            self._value_due = True
        self._wake.clear()

    def _remember(self) -> None:
        """Load the orders of an earlier run that were not counted, and the payments that were."""
        waiting = {one.intent.client_order_id for one in self._orders}
        for record in reversed(self._journal.unasked(self._book, self._clock.now() - LOOKBACK, UNASKED)):
            intent, found = record.intent, record.outcome
            if found is not None and intent.client_order_id not in waiting:
                targets = self._journal.targets(10, account=self._book, symbol=intent.symbol)
                target = next((one for one in targets if one.revision == intent.revision), None)
                self._orders.append(
                    Executed(intent=intent, filled=found.filled or ZERO, report=None, target=target)
                )
        self._known_flows = {flow.key: flow.at for flow in self._journal.flows(UNASKED, account=self._book)}
        if self._orders:
            self._wake.set()

    async def _count_order(
        self, account: ExchangeAccount, capabilities: Capabilities, order: Executed
    ) -> None:
        report = await self._cost(account, capabilities, order)
        intent, target = order.intent, order.target
        fill = Fill(
            client_order_id=intent.client_order_id,
            account=self._book,
            symbol=intent.symbol,
            side=intent.side,
            quantity=order.filled,
            at=self._clock.now(),
            price=report.average_price if report is not None else None,
            fee=report.fee if report is not None else None,
            fee_currency=report.fee_currency if report is not None else "",
            realised=report.realised if report is not None else None,
            shares=shares_of(target) if target is not None else {},
        )
        fill = self._tallies.executed(fill)
        self.money, change = filled(self.money, fill, reference=intent.reference_price)
        slip = _slip(intent, fill, target)
        if slip is not None:
            self._slipped(slip)
        self._report_change(
            change,
            fill,
            *self._tallies.unwritten(fill.at, [fill.symbol]),
            slipped=None if slip is None else (intent.symbol, slip),
        )
        self.notify(notice_of_fill(self._name, fill))

    async def _cost(
        self, account: ExchangeAccount, capabilities: Capabilities, order: Executed
    ) -> OrderReport | None:
        """Query until price and fee are reported, for about a minute; returns the most complete report."""
        best, fees = order.report, capabilities.tells_fees
        for pause in (0.0, *AGAIN):
            if best is not None and best.average_price is not None and (best.fee is not None or not fees):
                return best
            await asyncio.sleep(pause)
            intent = order.intent
            try:
                async with asyncio.timeout(CALL_TIMEOUT):
                    found = await account.order_cost(intent.symbol, intent.client_order_id)
            except (TradeEngineError, TimeoutError) as error:
                self._log.bind(symbol=intent.symbol).debug("cannot query the cost of an order: {}", error)
                continue
            if found is not None and (best is None or found.average_price is not None):
                best = found
        return best

    async def _count_value(self, account: ExchangeAccount, capabilities: Capabilities) -> None:
        seen = self._valuation()
        if seen is None:
            return
        told = FlowKind.FUNDING in capabilities.cash_flows
        if capabilities.cash_flows and self._differs(seen):
            if self._clock.monotonic() - self._flows_asked_at >= FLOWS_PAUSE:
                self._count_flows(await self._ask_flows(account) or ())
            told = told and self._flows_reported  # else it may be funding that could not be queried
            if self._orders or self._in_flight():
                return
        self.money, change = valued(self.money, seen, funding_told=told)
        entries: list[Entry] = []
        if change.transfer:
            entries += self._transfer(change)
        if self.money.suspect_at is None:
            self._named.clear()
            self._tallies.valued(seen.held, change.result, seen.at)
        sample = self._sampled(seen)
        if worth_a_sample(self.last_seen, sample):
            self.last_seen = sample
            entries += [sample, *self._tallies.unwritten(seen.at)]
        if change.result or change.transfer or change.symbols or entries:
            self._report_change(change, *entries)

    def _differs(self, seen: Valuation) -> bool:
        """Return whether the balance moved by more than orders explain, however little."""
        money, balance = self.money, seen.balance
        known = money.balance is not None and balance is not None and money.expected is not None
        if not known:
            return self._flows_from is None
        assert balance is not None
        assert money.balance is not None
        assert money.expected is not None
        left = abs(balance - money.balance - money.expected)
        return left > Decimal("0.000001") * max(abs(balance), Decimal(1))

    def _valuation(self) -> Valuation | None:
        """Return the account's current value; None while it is unknown, or may not include one of our orders yet."""
        equity, seen = self._beliefs.equity(), self._beliefs.equity_seen
        if isinstance(equity, Unknown) or self._in_flight() or self._beliefs.equity_lags:
            return None
        if seen is self._seen or not self._positions_known():
            return None
        self._seen = seen
        return Valuation(
            at=self._clock.now(), wallet=equity.wallet, total=equity.total, held=holdings(self._beliefs)
        )

    def _positions_known(self) -> bool:
        """Return whether every relevant position is known; one that stays unknown for long counts as last seen."""
        now = self._clock.monotonic()
        symbols = dict.fromkeys([*self.money.symbols, *self._beliefs.held()])
        unknown = any(isinstance(self._beliefs.position(symbol), Unknown) for symbol in symbols)
        if self._beliefs.read_at is not None and not unknown:
            self._unknown_since = None
            return True
        if self._unknown_since is None:
            self._unknown_since = now
        return self._beliefs.read_at is not None and now - self._unknown_since > UNKNOWN_FOR

    async def _ask_flows(self, account: ExchangeAccount) -> tuple[Flow, ...] | None:
        """Return the payments that were not known yet; None if the query failed."""
        now = self._clock.now()
        since = (self._flows_from or now - LOOKBACK) - OVERLAP
        first = self.money.balance is None
        self._flows_asked_at, self._flows_reported = self._clock.monotonic(), False
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                found = await account.cash_flows(since)
        except (TradeEngineError, TimeoutError) as error:
            self._log.debug("cannot query payments: {}", error)
            return None
        self._flows_reported = True
        fresh = [flow for flow in found if flow.key not in self._known_flows]
        kept = {key: at for key, at in self._known_flows.items() if at >= since}
        self._known_flows = kept | {flow.key: flow.at for flow in found}
        self._flows_from = now
        made = tuple(
            Flow(
                account=self._book,
                key=flow.key,
                kind=flow.kind,
                amount=flow.amount,
                at=flow.at,
                symbol=flow.symbol,
            )
            for flow in fresh
        )
        if first:  # the first observed balance already includes them
            self._journal.append(*made, awaited=False)
            return ()
        return made

    def _count_flows(self, flows: Iterable[Flow]) -> None:
        for flow in flows:
            change = Change()
            if flow.kind.trading:
                self.money, change = paid(self.money, flow.symbol, flow.amount)
                self._tallies.paid(flow)
            else:
                self.money = transferred(self.money, flow.amount)
                self._named[str(flow.kind)] = None
            self._report_change(
                change, flow, *self._tallies.unwritten(self._clock.now(), [flow.symbol or ""])
            )

    def _transfer(self, change: Change) -> list[Entry]:
        """Report a balance change that does not count as profit or loss; return its unexplained part as a flow."""
        why = ", ".join(self._named) or "no order explains it"
        moved = change.transfer.quantize(CENT)
        text = f"the balance changed by {moved:+f} ({why}); not counted as profit or loss"
        self._log.warning("{}", text)
        self._record(Event(at=self._clock.now(), kind="transfer", text=text, account=self._name))
        if abs(change.untold) <= CENT:
            return []
        now, key = self._clock.now(), f"jump {self._clock.now().isoformat()}"
        return [Flow(account=self._book, key=key, kind=FlowKind.UNEXPLAINED, amount=change.untold, at=now)]

    def _sampled(self, seen: Valuation) -> EquitySample:
        equity = self._beliefs.equity()
        held = seen.held.values()
        unrealised = [one.unrealised for one in held]
        priced = all(one.price is not None for one in held)
        return EquitySample(
            account=self._book,
            at=seen.at,
            wallet=seen.wallet,
            total=seen.total,
            free=equity.free if isinstance(equity, Equity) else None,
            unrealised=None if None in unrealised else sum((one for one in unrealised if one), ZERO),
            gross=seen.gross if priced else None,
            net=sum((one.quantity * (one.price or ZERO) for one in held), ZERO) if priced else None,
        )

    def _report_change(
        self,
        change: Change,
        *entries: Entry,
        slipped: tuple[str, Decimal] | None = None,
        rejected: datetime | None = None,
    ) -> None:
        if entries or rejected or change.transfer:  # then the sums are journaled, and the result with them
            entries += tuple(self._tallies.unwritten(self._clock.now(), ()))
        self._report(
            Books(
                account=self._name,
                book=self._book,
                money=self.money,
                change=change,
                entries=entries,
                slipped=slipped,
                rejected=rejected,
            )
        )

    def _persist(self, books: Books) -> None:
        if books.entries:
            self._journal.append(*books.entries, awaited=False)


def holdings(beliefs: Beliefs) -> Mapping[str, Holding]:
    """Return every open position, as last accepted, at its last price."""
    return {
        symbol: Holding(
            quantity=held.quantity,
            entry=held.entry_price,
            price=beliefs.last_price(symbol),
            unrealised=held.unrealised_pnl,
        )
        for symbol, held in beliefs.held().items()
    }


def shares_of(target: Target) -> dict[str, Decimal]:
    """Return each source's share in a target, in proportion to its weight times its depth."""
    moved = {term.source: abs(term.weight * term.depth) for term in target.terms}
    whole = sum(moved.values(), ZERO)
    shared = {source: (part / whole).quantize(MILLIONTH) for source, part in moved.items() if part}
    return shared if whole else {}


def _slip(intent: Intent, fill: Fill, target: Target | None) -> Decimal | None:
    """Return by what fraction of the signal's price a fill was worse; None if that cannot be determined."""
    if target is None or target.price is None or fill.price is None or intent.cause is not Cause.SIGNAL:
        return None
    return intent.side.sign * (fill.price - target.price) / target.price
