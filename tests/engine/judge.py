"""Checks what an engine stores, sends and causes on one account against the truth there.

It knows the engine only from outside: by what it appends to the journal and by the orders that arrive.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from te_core.accounts.keeper import HIDDEN_MODE_AGE
from te_core.accounts.targets import WorkerSettings
from te_core.model.order import IntentState, OrderOutcome, OrderRequest
from te_core.model.policy import Limits
from te_core.model.target import Confirmation, Goal, Target
from te_core.rules import belief
from te_core.rules.plan import at_target
from tests.engine.market import Market

ZERO = Decimal(0)
SLACK = 15
"""Seconds between a decision and its fill: a decision may be 5 s old, and the exchange adds a delay."""
LIMITED = 30
"""Seconds from a decision under a limit to its confirmation: an order's response may take half of it."""
PRICE_AGE = belief.PRICE_AGE + SLACK
EQUITY_AGE = belief.EQUITY_AGE + SLACK
LAST_PRICES = 600
"""Seconds: positions of other symbols count at their last known price."""
JUST_NOW = belief.FOLLOWED_AGE + SLACK
"""Seconds within which changes by others may not have been seen yet: a push may have been lost."""


@dataclass(slots=True)
class Remembered:
    """What the engine last stored about a symbol, and when (monotonic)."""

    target: Target | None = None
    target_at: float = -1e9
    goal: Goal | None = None
    goal_at: float = -1e9
    confirmed: Confirmation | None = None
    confirmed_at: float = -1e9

    @property
    def reached(self) -> bool:
        """Whether a read showed the current target's goal."""
        return (
            self.confirmed is not None
            and self.target is not None
            and self.confirmed.revision == self.target.revision
        )


class Judge:
    """Collects violations; it raises nothing, because an engine catches what an account raises."""

    def __init__(
        self,
        market: Market,
        settings: Callable[[], WorkerSettings],
        signal_price: Callable[[str], Decimal | None],
    ) -> None:
        self.market, self._settings, self._signal_price = market, settings, signal_price
        self.kept: dict[str, Remembered] = defaultdict(Remembered)
        self.violations: list[str] = []
        self._sent: dict[str, tuple[float, Goal]] = {}
        self._admitted: dict[str, float] = {}
        self._limited_at = -1e9
        self.halted: Callable[[str], bool] = lambda symbol: False
        market.on_fill = self.on_fill

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.market.clock.monotonic()

    def found(self, *parts: object) -> None:
        """Record a violation."""
        if len(self.violations) < 20:
            self.violations.append(f"t={self.now:.1f} " + " ".join(map(str, parts)))

    # -- what the engine keeps

    def on_entry(self, entry: Any) -> None:
        """Check what is appended to the journal."""
        self._limited_lately()
        if isinstance(entry, Target):
            kept = self.kept[entry.symbol]
            kept.target, kept.target_at = entry, self.now
        elif isinstance(entry, Goal):
            kept = self.kept[entry.symbol]
            kept.goal, kept.goal_at = entry, self.now
            if entry.depth:
                self._check_sizing(entry)
        elif isinstance(entry, OrderOutcome) and entry.state in (IntentState.UNSENT, IntentState.REFUSED):
            self._admitted.pop(entry.client_order_id, None)  # it certainly never left
        elif isinstance(entry, Confirmation):
            kept = self.kept[entry.symbol]
            kept.confirmed, kept.confirmed_at = entry, self.now
            if not self.changed_by_others(entry.symbol):
                self._check_confirmation(entry)

    def _limited_lately(self) -> bool:
        """Return whether a limit may have held back what is being carried out, even if it was lifted meanwhile."""
        if self._settings().limits.by_notional or any(map(self.halted, self.market.price)):
            self._limited_at = self.now
        return self.now - self._limited_at <= LIMITED

    def _check_confirmation(self, entry: Confirmation) -> None:
        """What is confirmed is true, and it is the goal unless a limit is set that may hold it back."""
        held, goal = self.market.quantity(entry.symbol), self.kept[entry.symbol].goal
        if abs(held - entry.quantity) > self.market.listed[entry.symbol].quantity_step:
            self.found(entry, "at", held)
        limited = self._limited_lately() and goal and abs(held) < abs(goal.quantity)
        # Instrument steps are up to an hour old: a rest below the known step cannot be ordered yet.
        rest = goal is not None and abs(held - goal.quantity) < self.market.coarsest[entry.symbol]
        if not limited and not rest and not self.arrived(entry.symbol):
            self.found(entry, "of", goal, "at", held)

    def _check_sizing(self, goal: Goal) -> None:
        prices = self.market.past[goal.symbol].within(PRICE_AGE)
        if goal.price not in prices:
            self.found("sized at", goal.price, "which was none of", prices)
        if goal.equity <= 0 and self.market.quantity(goal.symbol) and self.market.wallet > 0:
            self.found("sized with", goal.equity, "while", self.market.quantity(goal.symbol), "is held")
        wallets = self.market.wallets.within(EQUITY_AGE)
        if self._settings().policy.equity == "wallet" and goal.equity not in wallets and goal.equity > 0:
            self.found("sized with", goal.equity, "which was none of", wallets)

    # -- what it sends

    def on_order(self, order: OrderRequest) -> None:
        """Check an order at the moment it is submitted."""
        goal = self.kept[order.symbol].goal
        if order.client_order_id in self._sent:
            self.found(order.client_order_id, "was sent twice")
        if goal is None:
            self.found(order, "without a goal")
            return
        self._sent[order.client_order_id] = self.now, goal
        self._admitted = {name: at for name, at in self._admitted.items() if at > self.now - 60}
        self._admitted[order.client_order_id] = self.now
        if not order.reduce_only:
            self._check_increase(order, self._settings().limits)

    def orders_forgotten(self) -> None:
        """Restart the count: a process that started after a step of the clock does not know how old orders are."""
        self._admitted.clear()

    def _check_increase(self, order: OrderRequest, limits: Limits) -> None:
        symbol, prices = order.symbol, self.market.past[order.symbol].within(PRICE_AGE)
        if self.halted(symbol):
            self.found(order, "increases though it is halted")
        if not self._settings().enabled:
            self.found(order, "increases on a disabled account")
        if limits.leverage is not None and order.leverage > limits.leverage:
            self.found(order, "is above leverage", limits.leverage)
        if limits.order_notional is not None and order.quantity * min(prices) > limits.order_notional:
            self.found(order, "is above order_notional", limits.order_notional, "at", prices)
        if limits.orders_per_minute is not None and len(self._admitted) > limits.orders_per_minute:
            self.found(order, "is one too many a minute:", len(self._admitted))
        self._check_price(order, limits.price_distance, prices)
        held = max(self.market.quantity(symbol) * order.side.sign, ZERO)
        after = (held + order.quantity) * min(prices)  # the closing half of a flip may not be filled yet
        if (
            not self.changed_by_others(symbol)
            and limits.symbol_exposure is not None
            and after > limits.symbol_exposure
        ):
            self.found(order, "leads to", after, "above symbol_exposure", limits.symbol_exposure)
        if limits.by_share is not None:
            self._check_shares(order, limits, after)
        if limits.account_exposure is not None and not any(map(self.changed_by_others, self.market.price)):
            total = after + sum(
                abs(self.market.quantity(other)) * min(past.within(LAST_PRICES))
                for other, past in self.market.past.items()
                if other != symbol
            )
            if total > limits.account_exposure:
                self.found(order, "leads to", total, "above account_exposure", limits.account_exposure)

    def _check_shares(self, order: OrderRequest, limits: Limits, after: Decimal) -> None:
        """Check an increase against its shares of the largest equity that the engine could have known."""
        if any(map(self.changed_by_others, self.market.price)):
            return
        unrealised = max(self.market.unrealised, ZERO) if self._settings().policy.equity == "total" else ZERO
        equity = max(self.market.wallets.within(EQUITY_AGE)) + unrealised
        if limits.symbol_share is not None and after > limits.symbol_share * equity:
            self.found(order, "leads to", after, "above symbol_share of", equity)
        if limits.direction_share is not None:
            total = after + sum(
                max(self.market.quantity(other) * order.side.sign, ZERO) * min(past.within(JUST_NOW))
                for other, past in self.market.past.items()
                if other != order.symbol
            )
            if total > limits.direction_share * equity:
                self.found(order, "leads to", total, "above direction_share of", equity)

    def _check_price(self, order: OrderRequest, distance: Decimal | None, prices: list[Decimal]) -> None:
        if distance is None:
            return
        said = self._signal_price(order.symbol)
        if said is not None and all(abs(price - said) / said > distance for price in prices):
            self.found(order, "is too far from the signal's", said, "at", prices)

    # -- what it brings about

    def on_fill(self, order: OrderRequest, before: Decimal) -> None:
        """Check a fill: where it led, and why."""
        symbol, after = order.symbol, self.market.quantity(order.symbol)
        if self.market.executed[order.client_order_id] > 1:
            self.found(order, "was executed twice")
        sent_at, goal = self._sent[order.client_order_id]
        self._check_drift(order, before, after)
        if sent_at - self.market.by_hand.get(symbol, -1e9) < JUST_NOW or self._traded_since(symbol, sent_at):
            return
        position = self.market.held[symbol]
        closes = order.reduce_only and position.margin_mode != order.margin_mode
        step = self.market.listed[symbol].quantity_step
        if not closes and abs(after - goal.quantity) > abs(before - goal.quantity) + step:
            self.found(order, "led from", before, "to", after, "away from", goal.quantity)
        if before * after < 0 and goal.quantity * after <= 0:
            self.found(order, "led from", before, "to", after, "across zero")
        asked = (Decimal(order.leverage), order.margin_mode)
        mode_known = self.now - self.market.mode_by_hand.get(symbol, -1e9) > HIDDEN_MODE_AGE + SLACK
        if mode_known and abs(after) > abs(before) and (position.leverage, position.margin_mode) != asked:
            self.found(order, "opened", position)
        if abs(after) < abs(before) and not closes:
            self._check_reduction(order, goal, before, after)

    def _check_reduction(self, order: OrderRequest, goal: Goal, before: Decimal, after: Decimal) -> None:
        """I17: nothing is reduced below the target on that side, whatever the limits are."""
        smallest, step = self.market.smallest[order.symbol], self.market.listed[order.symbol].quantity_step
        wanted = abs(goal.unrounded)
        if goal.unrounded * before > 0 and wanted >= smallest * 2:
            floor = min(abs(before), wanted) - max(step, goal.quantity_step) - wanted / 1000
            if abs(after) < floor:
                self.found(order, "led from", before, "to", after, "though wanted is", goal.unrounded)

    def _check_drift(self, order: OrderRequest, before: Decimal, after: Decimal) -> None:
        """I18: a change by others leads to no more than a fresh sizing, and on its own only to less risk."""
        symbol, kept = order.symbol, self.kept[order.symbol]
        by_hand = self.market.by_hand.get(symbol, -1e9)
        if abs(after) <= abs(before) or kept.target is None or by_hand <= kept.goal_at:
            return
        if kept.goal is None:
            return
        taken = self.market.before_hand.get(symbol, ZERO) * kept.goal.quantity
        if taken <= kept.goal.quantity**2 / 10:  # a tiny rest, or a position on the other side
            return
        policy, confirmed = self._settings().policy, self._whole(kept) and kept.confirmed_at < by_hand
        if confirmed and policy.drift != "heal" and self._sent[order.client_order_id][0] > by_hand:
            self.found(order, "restores what others took:", before, "to", after, "with drift", policy.drift)
        if self.now - by_hand < JUST_NOW:
            return
        equity = max(self.market.wallets.within(EQUITY_AGE)) + max(self.market.unrealised, ZERO)
        price = min(self.market.past[symbol].within(PRICE_AGE))
        asked = self._sent[order.client_order_id][1]
        fresh = equity * abs(asked.depth) * asked.leverage / price
        if abs(after) > fresh + self.market.listed[symbol].quantity_step + self.market.smallest[symbol]:
            self.found(order, "led from", before, "to", after, "above a fresh", fresh)

    def _whole(self, kept: Remembered) -> bool:
        """Whether all of the goal was reached: filling what a limit had held back does not count as drift."""
        if not kept.reached or kept.goal is None or kept.confirmed is None:
            return False
        return at_target(kept.confirmed.quantity, kept.goal.quantity, kept.goal.quantity_step)

    def _traded_since(self, symbol: str, since: float) -> bool:
        return self.market.by_hand.get(symbol, -1e9) >= since

    # -- what is true

    def changed_by_others(self, symbol: str) -> bool:
        """Whether others changed a symbol just now, or since positions were last shown."""
        changed_at = self.market.by_hand.get(symbol, -1e9)
        return self.now - changed_at < JUST_NOW or self.market.shown_at < changed_at

    def arrived(self, symbol: str) -> bool:
        """Whether the true position is the goal, or closer to it than the exchange's smallest order."""
        goal, listed = self.kept[symbol].goal, self.market.listed[symbol]
        held = self.market.quantity(symbol)
        if goal is None:
            return held == 0
        if at_target(held, goal.quantity, max(listed.quantity_step, goal.quantity_step)):
            return True
        if goal.quantity == 0:
            step = max(listed.quantity_step, goal.quantity_step)
            return abs(held) < step  # what is left of a position from before a new step
        return abs(held - goal.quantity) < self.market.smallest[symbol] * Decimal("1.5")


def busiest_minute(times: Sequence[float]) -> int:
    """Return the largest number of moments within any minute."""
    return max(bisect_left(times, at + 60) - index for index, at in enumerate(times))
