"""What must hold in the end where the world moved: targets as asked for, goals reached, and reasons shown."""

from __future__ import annotations

from decimal import Decimal

from te_core.model.target import Goal
from tests.engine.judge import JUST_NOW
from tests.engine.market_world import MarketWorld

D = Decimal


class CheckedMarketWorld(MarketWorld):
    """Knows what signals, settings and commands ask for, and what may keep an account from it."""

    def wanted(self, symbol: str) -> tuple[Decimal, int | None]:
        """Depth and leverage that signals and settings ask for; leverage None where it does not matter."""
        how = self.blends.get(symbol)
        if symbol in self.by_hand:
            how = (str(self.by_hand[symbol]), how[1] if how is not None else 1)
        if self.commanding.flat({"a"}, symbol) or how is None or not self.settings.enabled or D(how[0]) == 0:
            return D(0), None
        caps = [
            self.settings.policy.leverage or how[1],
            self.settings.limits.leverage,
        ]
        return D(how[0]), min(cap for cap in caps if cap is not None)

    def too_far(self, symbol: str) -> bool:
        """Whether the price has moved too far from the signal's, so that increases have to wait."""
        limit, said = self.settings.limits.price_distance, D(self.said_at[symbol])
        return limit is not None and abs(self.market.price[symbol] - said) / said > limit

    def excused(self, symbol: str) -> bool:
        """Whether limits, the drift policy or the owner's own position may keep a symbol from its goal."""
        kept, held = self.judge.kept[symbol], self.market.quantity(symbol)
        by_hand = self.market.by_hand.get(symbol, -1e9)
        policy, limits, goal = self.settings.policy, self.settings.limits, kept.goal
        if self._equity() <= 0 and not held:
            return True  # nothing can be opened until funds arrive
        if by_hand > kept.confirmed_at and not self.settings.enabled:
            return True  # a disabled account rests when it is done
        if by_hand > -1e9 and goal is None and not policy.adopt:
            return True
        if "corrected too often" in self.shown(symbol)[1] and self.market.hands[symbol] >= 3:
            return True
        if goal is None:
            return False
        crumb = abs(held) < self.market.listed[symbol].quantity_step
        less = abs(held) < abs(goal.quantity) and (held * goal.quantity >= 0 or crumb)
        if less and (limits.by_notional or self.too_far(symbol) or self.halted(symbol)):
            return True
        position = self.market.held.get(symbol)
        if position is not None and held and position.margin_mode != goal.margin_mode:
            return True  # it changes when the symbol is next flat
        if by_hand > kept.confirmed_at - JUST_NOW and kept.confirmed is not None:
            return policy.drift == "alert" or (
                less
                and (
                    policy.drift == "reduce"
                    or symbol in self.market.liquidated
                    or self.market.lost_otherwise(by_hand) > 0  # it does not show what else was lost
                    or abs(held) >= self._affordable(symbol)
                )
            )
        return False

    def _affordable(self, symbol: str) -> Decimal:
        """Return the size that a symbol's target would have now: drift is never restored beyond it."""
        depth, leverage = self.wanted(symbol)
        size = abs(depth) * (leverage or 1) * self._equity() / self.market.price[symbol]
        return size - self.market.listed[symbol].quantity_step

    def _equity(self) -> Decimal:
        """What the account is worth, as its settings count it."""
        return self.market.wallet + (
            self.market.unrealised if self.settings.policy.equity != "wallet" else D(0)
        )

    def not_swept(self) -> list[str]:
        """What is open although everything that is held was flattened, including the owner's own positions."""
        found = []
        for symbol, at in self.swept_at.items():
            held = self.market.quantity(symbol)
            left_alone = self.market.by_hand.get(symbol, -1e9) > at - JUST_NOW or not self.settings.enabled
            if not left_alone and abs(held) >= self.market.coarsest[symbol]:
                found.append(f"{symbol} is {held} after everything was flattened: {self.shown(symbol)}")
        return found

    def amiss(self) -> list[str]:
        """Return what differs from what signals and settings ask for, once there was enough time."""
        found = self.not_swept()
        for symbol in self.blends:
            kept, (depth, leverage) = self.judge.kept[symbol], self.wanted(symbol)
            status, reason = self.shown(symbol)
            target, goal, position = kept.target, kept.goal, self.market.held.get(symbol)
            if target is None:
                found += [f"{symbol} {status} {reason!r}: no target"] * (depth != 0)
                continue
            where = f"{symbol} {status} {reason!r}: wants {depth} x{leverage}, has {position}, "
            where += f"goal {goal and goal.quantity} of {target.depth} x{target.leverage} {target.reason}"
            if abs(target.depth - depth) > D("0.001") or leverage not in (None, target.leverage):
                found.append(f"{where}: another target")
            limits = bool(self.settings.limits.by_notional) or self.halted(symbol)
            limited = status == "limited" and limits
            if limited or self.excused(symbol):
                hidden = self.settings.enabled and (status == "at_target" or not reason)
                found += [f"{where}: not shown"] * (hidden and not self.judge.arrived(symbol))
            elif goal is None or goal.revision != target.revision or not self.judge.arrived(symbol):
                found.append(f"{where}: not reached")
            elif status == "drift" and self.left_for_a_reason(symbol, reason):
                continue
            elif status != "at_target" and self.settings.enabled:  # a disabled account that rests is not read
                found.append(f"{where}: reached, and not shown")
            elif self.halted(symbol):
                continue  # the leverage is set once increases are allowed again
            elif goal.quantity and position is not None and position.leverage != self.possible(symbol, goal):
                found.append(f"{where}: wants x{goal.leverage}")
        return found

    def possible(self, symbol: str, goal: Goal) -> int:
        """Return the leverage of a goal, or what the exchange allows now."""
        return min(goal.leverage, self.market.listed[symbol].largest_leverage or goal.leverage)

    def left_for_a_reason(self, symbol: str, reason: str) -> bool:
        """Whether drift is rightly left alone: no order can remove it, or a halt keeps the leverage as it is."""
        too_small = "below the exchange's minimum" in reason or "no order can close it" in reason
        return too_small or ("leverage is" in reason and self.halted(symbol))

    def shown(self, symbol: str) -> tuple[str, str]:
        """Return the status and reason of a symbol as an operator sees them."""
        state = self.worker.keepers.get(symbol)
        return (str(state.status), state.reason) if state is not None else ("", "")
