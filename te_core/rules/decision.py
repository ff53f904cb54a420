"""What one pass does about one symbol, decided from values alone. Pure.

Unknown is never taken for flat (I13): without a position read that is newer than our own last order nothing is
decided, and without equity or price nothing is sized.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from te_core.model.instrument import Instrument
from te_core.model.policy import AccountPolicy, Limits
from te_core.model.position import Equity, Position
from te_core.model.reading import Reading, Unknown
from te_core.model.snapshot import Holdings
from te_core.model.target import Confirmation, Goal, Target
from te_core.rules.plan import Plan, at_target, plan
from te_core.rules.sizing import Ceiling, flat, size, smallest_quantity
from te_core.rules.trail import Trail

ZERO = Decimal(0)


NOTHING = Plan()
LEVERAGE_TRIES = 2
"""How often the leverage of one revision is set where no read ever shows it: exchanges differ in what they show."""


class Status(StrEnum):
    """Where a symbol of an account stands."""

    AT_TARGET = "at_target"
    WORKING = "working"
    WAITING = "waiting"
    BLOCKED = "blocked"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a decision rests on. ``goal``: the latest of any revision, None if the engine never acted here.

    ``position``: this symbol's, or why it is not known. ``price``: None if unknown. ``ceiling``: what limits leave.
    ``leverage_tries``: how often the leverage was set since a read last showed it.
    """

    target: Target
    goal: Goal | None
    confirmation: Confirmation | None
    position: Position | Unknown
    equity: Reading[Equity]
    price: Decimal | None
    instrument: Instrument | None
    policy: AccountPolicy
    limits: Limits
    leverage_in_order: bool
    ceiling: Ceiling | None
    now: datetime
    leverage_tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do. ``sized``: a goal to keep from now on. ``plan``: steps to take. ``confirm``: the goal is reached.

    ``drift``: the position differs from the confirmed one. ``resize``: the kept size is out of its band. ``price``: the
    present one, while that of a kept goal may be days old; None if unknown.
    """

    status: Status
    reason: str = ""
    goal: Goal | None = None
    sized: bool = False
    plan: Plan = NOTHING
    confirm: bool = False
    drift: bool = False
    resize: bool = False
    price: Decimal | None = None


def decide(facts: Facts) -> Decision:
    """Decide what to do about one symbol."""
    if isinstance(facts.position, Unknown):
        return Decision(status=Status.WAITING, reason=facts.position.reason)
    position = facts.position
    if facts.goal is None and position.quantity != 0 and not facts.policy.adopt:
        return Decision(
            status=Status.BLOCKED,
            reason=f"the account holds {position.quantity:f} that the engine never opened: "
            f"close it, or set accounts.{facts.target.account}.adopt = true to take it over",
        )
    kept = _kept_goal(facts)
    if kept is None:
        return _freshly_sized(facts, position)
    decision = _towards(facts, position, kept, sized=False)
    unreachable = bool(decision.plan.steps) and _too_much_leverage(facts, kept)
    if not unreachable and (not _wants_more(decision, position, kept) or _still_fits(facts, kept)):
        return decision
    fresh = _freshly_sized(facts, position)
    if fresh.goal is None:
        return decision  # the last check refuses what no longer fits; what comes before it in the plan may reduce
    return replace(fresh, drift=decision.drift, reason=decision.reason or fresh.reason)


def _freshly_sized(facts: Facts, position: Position) -> Decision:
    goal = _size(facts)
    if isinstance(goal, Unknown):
        return Decision(status=Status.WAITING, reason=goal.reason)
    return _towards(facts, position, goal, sized=True)


def _kept_goal(facts: Facts) -> Goal | None:
    goal = facts.goal
    return goal if goal is not None and goal.revision == facts.target.revision else None


def _size(facts: Facts) -> Goal | Unknown:
    target = facts.target
    if target.depth == 0:
        return flat(target, now=facts.now, price=facts.price)
    if facts.instrument is None:
        return _not_offered(target)
    if isinstance(facts.equity, Unknown):
        return facts.equity
    if facts.price is None or facts.price <= 0:
        return Unknown(reason=f"no price of {target.symbol} is known")
    equity = facts.equity.value
    return size(
        target,
        equity=equity.wallet if facts.policy.equity == "wallet" else equity.total,
        price=facts.price,
        instrument=facts.instrument,
        now=facts.now,
        below_minimum=facts.policy.below_minimum,
        ceiling=facts.ceiling,
    )


def _not_offered(target: Target) -> Unknown:
    return Unknown(
        reason=f"{target.account} does not offer {target.symbol}, or could not yet be asked what it takes of it"
    )


def _wants_more(decision: Decision, position: Position, goal: Goal) -> bool:
    """Whether the way to the goal has an increase, be it one that is too small for the exchange."""
    left_out = bool(decision.plan.notes) and abs(goal.quantity) > abs(position.quantity)
    return decision.plan.increases or left_out


def _too_much_leverage(facts: Facts, goal: Goal) -> bool:
    """Whether the exchange allows less leverage by now than a kept goal was sized with."""
    largest = facts.instrument.largest_leverage if facts.instrument else None
    return largest is not None and goal.leverage > largest


def _still_fits(facts: Facts, goal: Goal) -> bool:
    """Whether limits and the exchange's minimum would allow a kept goal at the present price, where it was not reached.

    Otherwise the order would be refused for ever, since the goal stays until the target changes.
    """
    if facts.price is None or facts.instrument is None:
        return True
    if abs(goal.quantity) < smallest_quantity(facts.instrument, facts.price):
        return False
    return facts.ceiling is None or abs(goal.quantity) * facts.price <= facts.ceiling.notional


def _price_now(facts: Facts, position: Position, goal: Goal) -> Decimal:
    """Give the present price, or the best that is known in its place: a close does not wait for one."""
    known = (facts.price, position.entry_price, goal.price, facts.goal.price if facts.goal else None)
    return next((price for price in known if price), ZERO)


def _towards(facts: Facts, position: Position, goal: Goal, *, sized: bool) -> Decision:
    confirmed = facts.confirmation
    if sized or confirmed is None or confirmed.revision != goal.revision:
        return _planned(facts, position, goal, sized=sized)
    if not at_target(position.quantity, confirmed.quantity, _step(facts, goal)):
        drift = f"position is {position.quantity:f}, confirmed was {confirmed.quantity:f}"
    else:
        drift = _leverage_drift(position, goal)
        if not drift or facts.leverage_tries >= LEVERAGE_TRIES:
            reason = f"{drift}: it was set, and does not show" if drift else ""
            resize = _out_of_band(facts, goal)
            return Decision(status=Status.AT_TARGET, reason=reason, goal=goal, resize=resize)
    if facts.policy.drift == "alert":
        return Decision(status=Status.DRIFT, reason=drift, goal=goal, drift=True)
    return _planned(facts, position, goal, drift=drift)


def _planned(
    facts: Facts, position: Position, goal: Goal, *, sized: bool = False, drift: str = ""
) -> Decision:
    price = _price_now(facts, position, goal)
    steps = plan(
        position,
        goal,
        facts.instrument,
        price=price,
        largest_order=largest_order(facts.instrument, facts.limits, price),
        leverage_in_order=facts.leverage_in_order,
    )
    status, reason, confirm = Status.AT_TARGET, "; ".join(filter(None, (drift, *steps.notes))), True
    if steps.steps:
        status, reason, confirm = Status.WORKING, drift, False
    elif facts.instrument is None and not at_target(position.quantity, goal.quantity, _step(facts, goal)):
        # A change may be needed, and nobody can tell how large it has to be: that is not the same as none.
        status, reason, confirm = Status.WAITING, _not_offered(facts.target).reason, False
    return Decision(
        status=status,
        reason=reason,
        goal=goal,
        sized=sized,
        plan=steps,
        confirm=confirm,
        drift=bool(drift),
        price=facts.price,
    )


def _step(facts: Facts, goal: Goal) -> Decimal:
    return facts.instrument.quantity_step if facts.instrument else goal.quantity_step


def _leverage_drift(position: Position, goal: Goal) -> str:
    shown = position.leverage
    if position.quantity == 0 or shown in (None, goal.leverage):
        return ""
    return f"leverage is {shown:f}, wanted is {goal.leverage}"


def largest_order(instrument: Instrument | None, limits: Limits, price: Decimal) -> Decimal | None:
    """Give the largest order in base units: the smaller of the exchange's and the limit ``order_notional``."""
    ours = limits.order_notional / price if limits.order_notional is not None and price > 0 else None
    theirs = instrument.largest_market_quantity if instrument else None
    return min((value for value in (ours, theirs) if value is not None), default=None)


def _out_of_band(facts: Facts, goal: Goal) -> bool:
    if facts.policy.rebalance != "band":
        return False
    fresh = _size(facts)
    if isinstance(fresh, Unknown):
        return False
    return abs(fresh.quantity - goal.quantity) > facts.policy.band * abs(goal.quantity)


def position_of(
    holdings: Holdings | Unknown, symbol: str, *, newer_than: float, trail: Trail, patience: float
) -> Position | Unknown:
    """Pick one symbol out of a read of all positions. A read not later than ``newer_than`` (monotonic) is unknown.

    One of the very same instant may still show the position from before our order, so it proves nothing either. Nor
    does a read from within ``patience`` (seconds) after our latest orders that shows a position on their ``trail``.
    """
    if isinstance(holdings, Unknown):
        return holdings
    if holdings.since <= newer_than:
        return Unknown(reason="the position was read before our own last order was answered")
    position = holdings.of(symbol)
    if trail.hides(position.quantity, holdings.since - patience):
        return Unknown(reason="the exchange may not show our own last order yet")
    return position
