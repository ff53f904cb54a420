"""Decides what one pass does about one symbol, from plain values.

Unknown is never treated as flat (I13): without a known position nothing is decided, and without equity or price
nothing is sized.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from te_core.model.policy import Limits
from te_core.model.position import Position
from te_core.model.reading import Unknown
from te_core.model.target import Confirmation, Goal, Target
from te_core.rules.drift import corrected, without_excess
from te_core.rules.facts import Facts
from te_core.rules.limits import Ceiling, Held, halted, hold_back, stricter
from te_core.rules.liquidation import liquidation_ceiling
from te_core.rules.plan import OrderStep, Plan, at_target, in_words, plan
from te_core.rules.risk_checks import lowered
from te_core.rules.sizing import flat, size, smallest_quantity

ZERO = Decimal(0)
NOTHING = Plan()
LEVERAGE_TRIES = 2
"""How often the leverage of one revision is set if no read ever shows it: exchanges differ in what they show."""
WORTHWHILE = Decimal("0.1")
"""Share of a goal that must have become possible before a symbol held back by a limit is increased again."""


class Status(StrEnum):
    """The status of a symbol of an account."""

    AT_TARGET = "at_target"
    WORKING = "working"
    WAITING = "waiting"
    BLOCKED = "blocked"
    DRIFT = "drift"
    LIMITED = "limited"
    OBSERVING = "observing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do about one symbol."""

    status: Status
    reason: str = ""
    goal: Goal | None = None
    """The target as a quantity: the existing goal, or a newly sized one."""
    quantity: Decimal | None = None
    """Where the plan leads (signed base units): the goal minus what limits and the drift policy hold back."""
    sized: bool = False
    """The goal is new and must be persisted."""
    plan: Plan = NOTHING
    confirm: bool = False
    """The position is where it should be."""
    drift: bool = False
    """The position differs from the confirmed one."""
    resize: str = ""
    """Why the target must be sized again under its next revision; empty if it need not."""
    price: Decimal | None = None
    """The recent price (the price of an existing goal may be days old); None if unknown."""
    limited: str = ""
    """What a limit cut, for people; empty if none did."""
    limit: str = ""
    """The name of that limit."""
    asking: bool = False
    """Increases are waiting for a risk check, which is not worth an event."""


def decide(facts: Facts) -> Decision:
    """Decide what to do about one symbol."""
    floor = facts.policy.minimum_order
    if floor is not None and facts.instrument is not None:
        facts = replace(facts, instrument=replace(facts.instrument, own_minimum=floor))
    if isinstance(facts.position, Unknown):
        return Decision(status=Status.WAITING, reason=facts.position.reason)
    if not facts.halt:
        return _decided(facts, facts.position)
    decision = _decided(replace(facts, ceiling=halted(facts.halt)), facts.position)
    reductions = tuple(s for s in decision.plan.steps if isinstance(s, OrderStep) and s.reduce_only)
    if reductions == decision.plan.steps:
        return decision
    left = replace(decision, plan=replace(decision.plan, steps=reductions))
    return left if reductions else replace(left, status=Status.LIMITED, reason=facts.halt, limited=facts.halt)


def while_asking(facts: Facts, why: str) -> Decision:
    """Return what to do about a symbol while risk checks have not answered: only reductions."""
    decision = replace(decide(replace(facts, halt=why)), limit="", asking=True)
    if decision.plan.steps:
        return replace(decision, limited=why)
    return replace(decision, status=Status.WAITING, reason=why, limited="", sized=False, confirm=False)


def observed(decision: Decision, symbol: str) -> Decision:
    """Return a decision as an observing account shows it: what would be done. Its steps must not be sent."""
    if not decision.plan.steps:
        return decision
    reason = f"observing: would {in_words(decision.plan, symbol)}"
    return replace(decision, status=Status.OBSERVING, reason=reason, confirm=False)


def _decided(facts: Facts, position: Position) -> Decision:
    if position.obstacle:
        return Decision(status=Status.BLOCKED, reason=position.obstacle)
    foreign = facts.goal is None or facts.goal.foreign
    if foreign and position.quantity != 0 and not facts.policy.adopt and not facts.foreign:
        return Decision(
            status=Status.BLOCKED,
            reason=f"the account holds {position.quantity:f} that the engine never opened: close it, "
            "or set adopt = true for this account to take it over",
        )
    kept = facts.goal if facts.goal is not None and facts.goal.revision == facts.target.revision else None
    confirmed = facts.confirmation
    reached = kept is not None and confirmed is not None and confirmed.revision == kept.revision
    if kept is None or (facts.goal_expired and not reached):
        return _freshly_sized(facts, position)
    if confirmed is None or not reached:
        decision = _unreached(facts, position, kept)
    else:
        decision = _reached(facts, position, kept, confirmed)
    return (
        replace(decision, resize="large enough for the exchange now") if _fits_now(facts, kept) else decision
    )


def _fits_now(facts: Facts, kept: Goal) -> bool:
    """Return whether a target that was too small for the exchange is now large enough."""
    if kept.quantity != 0 or facts.target.depth == 0 or facts.accepted is not None:
        return False
    fresh = _size(facts)
    return isinstance(fresh, Goal) and fresh.quantity != 0


def _freshly_sized(facts: Facts, position: Position) -> Decision:
    goal = _size(facts)
    if isinstance(goal, Unknown):
        return Decision(status=Status.WAITING, reason=goal.reason)
    if facts.accepted is not None:  # a part that has been closed since is not reopened
        goal = replace(goal, quantity=without_excess(position.quantity, goal.quantity))
    return _towards(facts, position, goal, sized=True)


def _size(facts: Facts) -> Goal | Unknown:
    target = facts.target
    if target.depth == 0:
        return flat(target, now=facts.now, price=facts.price)
    if facts.instrument is None:
        return _not_offered(target)
    if isinstance(facts.equity, Unknown):
        return facts.equity
    if facts.price is None or facts.price <= 0:
        return Unknown(reason=f"no recent price of {target.symbol} is known")
    equity = facts.policy.value_of(facts.equity)
    if equity <= 0:
        return Unknown(reason=f"the equity is {equity:f}: nothing can be opened until funds arrive")
    goal = size(
        target,
        equity=equity,
        price=facts.price,
        instrument=facts.instrument,
        now=facts.now,
        below_minimum=facts.policy.below_minimum,
    )
    if facts.accepted is None or facts.accepted * target.depth <= 0:
        return goal
    return replace(goal, quantity=facts.accepted, notes=("accepted as it is",))


def _not_offered(target: Target) -> Unknown:
    return Unknown(
        reason=f"{target.account} does not offer {target.symbol}, or its trading rules could not be read yet"
    )


def _unreached(facts: Facts, position: Position, kept: Goal) -> Decision:
    decision = _towards(facts, position, kept)
    impossible = _too_much_leverage(facts, kept)
    if not _wants_more(decision, position, kept) and not impossible:
        return decision
    fresh = _size(facts)
    if isinstance(fresh, Unknown):
        if facts.disturbed and not decision.plan.reduces:  # how much may be restored is unknown
            return replace(decision, status=Status.WAITING, reason=fresh.reason, plan=NOTHING, confirm=False)
        # The last check refuses what no longer fits; steps before it in the plan may reduce.
        return decision
    smaller = facts.disturbed and abs(fresh.quantity) < abs(kept.quantity)
    if smaller or impossible or not _above_minimum(facts, kept):
        return _towards(facts, position, fresh, sized=True)
    return decision


def _wants_more(decision: Decision, position: Position, goal: Goal) -> bool:
    """Return whether the way to the goal includes an increase, even one that is too small for the exchange."""
    left_out = bool(decision.plan.notes) and abs(goal.quantity) > abs(position.quantity)
    return decision.plan.increases or left_out


def _too_much_leverage(facts: Facts, goal: Goal) -> bool:
    """Return whether the exchange now allows less leverage than an existing goal was sized with."""
    largest = facts.instrument.largest_leverage if facts.instrument else None
    return largest is not None and goal.leverage > largest and goal.quantity != 0


def _above_minimum(facts: Facts, goal: Goal) -> bool:
    """Return whether the exchange still accepts the size of an existing goal at the current price."""
    if facts.price is None or facts.instrument is None:
        return True
    return abs(goal.quantity) >= smallest_quantity(facts.instrument, facts.price)


def _reached(facts: Facts, position: Position, goal: Goal, confirmed: Confirmation) -> Decision:
    shown = at_target(position.quantity, confirmed.quantity, _step(facts, goal))
    if not shown and not _is_between(confirmed.quantity, position.quantity, goal.quantity):
        return _drifted(facts, position, goal, confirmed)
    if position.quantity and position.margin_mode not in (None, goal.margin_mode):
        # The engine must not close a position that is where it should be, only to open it again.
        mode = (
            f"margin mode is {position.margin_mode} instead of {goal.margin_mode}; "
            "it changes when the symbol is next flat"
        )
        return Decision(status=Status.DRIFT, reason=mode, goal=goal, quantity=position.quantity, drift=True)
    goal = _with_possible_leverage(facts, goal)
    leverage = _leverage_drift(position, goal)
    if leverage and facts.policy.drift != "alert" and not _tried_enough(facts, goal):
        again = _towards(facts, position, goal, to=position.quantity)
        return replace(again, reason=leverage, drift=True, confirm=False)
    decision = Decision(status=Status.AT_TARGET, goal=goal, quantity=position.quantity, price=facts.price)
    if not at_target(confirmed.quantity, goal.quantity, _step(facts, goal)):
        decision = replace(_towards(facts, position, goal), confirm=False)  # something held it back so far
        if decision.plan.reduces and abs(goal.quantity) < abs(position.quantity):
            return decision  # a remainder that no order could close so far
        if decision.plan.increases and _worthwhile(decision, position, goal):
            return _not_beyond_a_fresh_size(facts, position, decision) if facts.disturbed else decision
        decision = replace(decision, plan=NOTHING, quantity=position.quantity)
        if decision.status is Status.WORKING:
            decision = replace(decision, status=Status.LIMITED, reason=decision.limited)
    if leverage and decision.status is Status.AT_TARGET:
        decision = _with_other_leverage(facts, goal, decision, leverage)
    if decision.status is Status.AT_TARGET and _leverage_is_unknown(facts, position, goal):
        again = _towards(facts, position, goal, to=position.quantity)
        return replace(again, reason=f"leverage is unknown, setting it to {goal.leverage}", confirm=False)
    return replace(decision, resize="rebalance" if _out_of_band(facts, goal) else "")


def _not_beyond_a_fresh_size(facts: Facts, position: Position, decision: Decision) -> Decision:
    """Continue an increase that was held back, after others changed the position, as far as I18 allows."""
    assert decision.goal is not None
    fresh = _size(facts)
    if isinstance(fresh, Goal) and abs(fresh.quantity) >= abs(decision.goal.quantity):
        return decision
    left = replace(decision, status=Status.WAITING, plan=NOTHING, quantity=position.quantity)
    if isinstance(fresh, Unknown):
        return replace(left, reason=fresh.reason)
    return replace(
        left, reason="sized again: others changed the position", resize="others changed the position"
    )


def _tried_enough(facts: Facts, goal: Goal) -> bool:
    """Return whether the goal's leverage was set often enough without a read that shows it."""
    return facts.leverage_tries >= LEVERAGE_TRIES and facts.leverage_tried == goal.leverage


def _with_other_leverage(facts: Facts, goal: Goal, decision: Decision, drift: str) -> Decision:
    """Return the decision with a note on a leverage that others changed, or that the exchange never shows."""
    if _tried_enough(facts, goal):
        return replace(decision, reason=f"{drift}; it was set, but the exchange does not show it")
    return replace(decision, status=Status.DRIFT, reason=drift, drift=True)


def _is_between(confirmed: Decimal, held: Decimal, wanted: Decimal) -> bool:
    """Return whether others moved a position closer to a goal that a limit, or a step, had kept it from."""
    return min(confirmed, wanted) <= held <= max(confirmed, wanted)


def _worthwhile(decision: Decision, position: Position, goal: Goal) -> bool:
    """Return whether an increase that a limit held back is worth an order: moving prices must not churn orders."""
    assert decision.quantity is not None
    more = abs(decision.quantity) - abs(position.quantity)
    return decision.quantity == goal.quantity or more >= WORTHWHILE * abs(goal.quantity)


def _drifted(facts: Facts, position: Position, goal: Goal, confirmed: Confirmation) -> Decision:
    drift = f"position is {position.quantity:f}, confirmed was {confirmed.quantity:f}"
    left = Decision(status=Status.DRIFT, reason=drift, goal=goal, quantity=position.quantity, drift=True)
    if facts.policy.drift == "alert":
        return left
    if not facts.may_correct:
        why = "corrected too often; someone else may be trading this symbol (a person, another engine)"
        return replace(left, reason=f"{drift}; {why}; left until the target changes or te resume")
    fresh = _size(facts) if facts.policy.drift == "heal" else None
    restored = fresh.quantity if isinstance(fresh, Goal) else None
    to = corrected(
        position.quantity,
        confirmed.quantity,
        policy=facts.policy.drift,
        fresh=restored,
        liquidated=facts.liquidated,
    )
    if _passes_by(position.quantity, goal.quantity, to):
        to = goal.quantity  # something had held it back there: what was always wanted is not cut (I17)
    if to == position.quantity:
        return replace(left, reason=f"{drift}; {_why_left(facts, fresh)}")
    smaller = (
        isinstance(fresh, Goal) and abs(to) > abs(position.quantity) and abs(to) < abs(confirmed.quantity)
    )
    wanted = replace(fresh, quantity=to) if smaller and isinstance(fresh, Goal) else goal
    decision = _towards(facts, position, wanted, sized=smaller, to=to)
    if not decision.plan.steps:
        return replace(left, reason="; ".join(filter(None, (drift, decision.limited, *decision.plan.notes))))
    return replace(decision, reason=drift, drift=True, confirm=False)


def _passes_by(held: Decimal, wanted: Decimal, to: Decimal) -> bool:
    """Return whether a correction from ``held`` to ``to`` would lead past what is wanted, on one side."""
    return held * wanted > 0 and wanted * to > 0 and abs(to) < abs(wanted) < abs(held)


def _why_left(facts: Facts, fresh: Goal | Unknown | None) -> str:
    if isinstance(fresh, Unknown):
        return f"it will be restored once it can be sized ({fresh.reason})"
    if facts.liquidated:
        return "not restored after a liquidation; left until the target changes or te resume"
    if fresh is not None:
        return f"current equity and price allow {fresh.quantity:f}"
    return f"drift = {facts.policy.drift}; left until the target changes or te resume"


def _with_possible_leverage(facts: Facts, goal: Goal) -> Goal:
    """Return a goal with leverage lowered to what the exchange allows now: more would be refused forever."""
    largest = facts.instrument.largest_leverage if facts.instrument else None
    return goal if largest is None or goal.leverage <= largest else replace(goal, leverage=largest)


def _leverage_drift(position: Position, goal: Goal) -> str:
    shown = position.leverage
    if 0 in (position.quantity, goal.quantity) or shown in (None, goal.leverage):
        return ""
    return f"leverage is {shown:f} instead of {goal.leverage}"


def _leverage_is_unknown(facts: Facts, position: Position, goal: Goal) -> bool:
    """Return whether the leverage of a position is unknown and may be set.

    If the exchange hides it, that is the case after others changed the position, or after a halt prevented setting it.
    """
    wanted = position.leverage is None and 0 not in (position.quantity, goal.quantity)
    return wanted and facts.policy.drift != "alert" and not _tried_enough(facts, goal) and not facts.halt


def _out_of_band(facts: Facts, goal: Goal) -> bool:
    if facts.policy.rebalance != "band" or facts.accepted is not None:
        return False
    fresh = _size(facts)
    if isinstance(fresh, Unknown):
        return False
    return abs(fresh.quantity - goal.quantity) > facts.policy.band * abs(goal.quantity)


def _towards(
    facts: Facts, position: Position, goal: Goal, *, sized: bool = False, to: Decimal | None = None
) -> Decision:
    """Plan the way to a goal as far as the limits allow. ``to``: the quantity to reach instead of the goal's."""
    want = goal.quantity if to is None else to
    allowed = _allowed(facts, position, goal, want)
    if sized and facts.allowance is not None and allowed.limit == f"risk check {facts.allowance.by}":
        goal = replace(goal, notes=(*goal.notes, f"when it was sized, {allowed.cut}"))
    stays = _keeps_margin_mode(facts, position, goal, want)
    mode = position.margin_mode if stays and position.margin_mode else goal.margin_mode
    price = _price_now(facts, position, goal)
    steps = plan(
        position,
        replace(goal, quantity=allowed.quantity, margin_mode=mode),
        facts.instrument,
        price=price,
        largest_order=_largest_order(facts.limits, price),
        leverage_in_order=facts.leverage_in_order,
    )
    cut = stays or steps.blocked or allowed.cut
    status, reason, confirm = Status.AT_TARGET, "; ".join(filter(None, (cut, *steps.notes))), True
    if steps.steps:
        status, reason, confirm = Status.WORKING, "", False
    elif facts.instrument is None and not at_target(position.quantity, want, _step(facts, goal)):
        # A change may be needed, but its size cannot be determined: that is not the same as no change.
        status, reason, confirm = Status.WAITING, _not_offered(facts.target).reason, False
    elif cut:
        status, confirm = Status.LIMITED, facts.price is not None and not stays
    elif steps.notes and _is_far(facts, position.quantity, want, price):
        # A remainder that no order can close blocks the change of margin mode or side, and so the goal.
        status, confirm = Status.BLOCKED, False
    return Decision(
        status=status,
        reason=reason,
        goal=goal,
        quantity=allowed.quantity,
        sized=sized,
        plan=steps,
        confirm=confirm,
        price=facts.price,
        limited=cut,
        limit=allowed.limit or ("order_notional" if steps.blocked else "margin mode") if cut else "",
    )


def _allowed(facts: Facts, position: Position, goal: Goal, want: Decimal) -> Held:
    """Return what limits and risk checks allow of a wanted quantity."""
    held, instrument = position.quantity, facts.instrument
    top = _ceiling(facts, position, goal)
    left = hold_back(want, held=held, ceiling=top, price=facts.price, instrument=instrument)
    return lowered(left, held=held, allowance=facts.allowance, instrument=instrument)


def _ceiling(facts: Facts, position: Position, goal: Goal) -> Ceiling | None:
    """Return what the limits allow on the way to a goal: those of notional, and the distance to liquidation."""
    near = liquidation_ceiling(
        facts.limits.liquidation_distance,
        side=(goal.quantity > 0) - (goal.quantity < 0),
        held=position,
        price=facts.price,
        leverage=goal.leverage,
        margin_mode=goal.margin_mode,
        equity=None if isinstance(facts.equity, Unknown) else facts.equity.total,
        others=facts.others,
        instrument=facts.instrument,
    )
    return stricter(facts.ceiling, near)


def _is_far(facts: Facts, held: Decimal, wanted: Decimal, price: Decimal) -> bool:
    """Return whether a position is at least the exchange's smallest order away from the wanted one."""
    if facts.instrument is None or price <= 0:
        return False
    return abs(wanted - held) >= smallest_quantity(facts.instrument, price)


def _keeps_margin_mode(facts: Facts, position: Position, goal: Goal, want: Decimal) -> str:
    """Return why the margin mode must not change now: what is closed for it could not be opened again (I17)."""
    held = position.quantity
    if held * want <= 0 or position.margin_mode in (None, goal.margin_mode):
        return ""
    again = _allowed(facts, replace(position, quantity=ZERO), goal, want)
    if abs(again.quantity) >= min(abs(held), abs(want)):
        return ""
    return f"margin mode stays {position.margin_mode}: {again.cut}, so the position could not be reopened"


def _price_now(facts: Facts, position: Position, goal: Goal) -> Decimal:
    """Return the current price, or the best known substitute: a close does not wait for a price."""
    known = (facts.price, position.entry_price, goal.price, facts.goal.price if facts.goal else None)
    return next((price for price in known if price), ZERO)


def _step(facts: Facts, goal: Goal) -> Decimal:
    return facts.instrument.quantity_step if facts.instrument else goal.quantity_step


def _largest_order(limits: Limits, price: Decimal) -> Decimal | None:
    """Return the largest order in base units that the limit ``order_notional`` allows at a price."""
    return limits.order_notional / price if limits.order_notional is not None and price > 0 else None
