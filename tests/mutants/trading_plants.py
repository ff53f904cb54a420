"""Faults in what an account believes, decides and orders; simulations catch most of them."""

from __future__ import annotations

from tests.mutants.mutant import (
    BELIEF,
    DECISION,
    DRIFT,
    EXECUTION,
    LEDGER,
    LIMITS,
    ORDERS,
    OUTCOMES,
    PLAN,
    READER,
    RECONCILER,
    SIZING,
    Mutant,
)

BELIEFS = (
    Mutant(
        name="a read is dated by its arrival",
        file=READER,
        old="asked_at=asked_at, arrived_at=arrived_at, number=number)",
        new="asked_at=arrived_at, arrived_at=arrived_at, number=self._beliefs.number())",
    ),
    Mutant(
        name="a read's own time is not looked at",
        file=READER,
        old="if answer.as_of < sent_at:",
        new="if False:",
    ),
    Mutant(
        name="our own fill is forgotten",
        file=OUTCOMES,
        old="    ctx.beliefs.filled(keeper.symbol, intent.side.sign * filled)\n",
        new="",
    ),
    Mutant(
        name="what was seen before a fill still counts",
        file=BELIEF,
        old='own_at=at, own_number=number, seen_at=NEVER, doubt="")\n    if',
        new='own_at=at, own_number=number, doubt="")\n    if',
        also=(
            (
                BELIEF,
                'own_at=at, own_number=number, seen_at=NEVER, doubt="", early=None)',
                'own_at=at, own_number=number, doubt="", early=None)',
            ),
        ),
    ),
    Mutant(
        name="a read from before our fill is believed",
        file=BELIEF,
        old="    if asked_at >= evidence.changed_at + window:\n        return False\n",
        new="    return False\n",
    ),
    Mutant(
        name="the window for late reads is two seconds",
        file=BELIEF,
        old="if asked_at >= evidence.changed_at + window:",
        new="if asked_at >= evidence.changed_at + 2:",
    ),
    Mutant(
        name="a symbol is decided while an order has no outcome",
        file=BELIEF,
        old='    if pending:\n        return Unknown(reason="the outcome',
        new='    if False:\n        return Unknown(reason="the outcome',
        also=(
            (
                RECONCILER,
                "keeper.task is not None or keeper.target is None or keeper.orders.open:",
                "keeper.task is not None or keeper.target is None:",
            ),
            ("te_core/accounts/worker.py", "if keeper.orders.open and keeper.task is None:", "if False:"),
        ),
    ),
    Mutant(
        name="a position read counts for ever",
        file=BELIEF,
        old="POSITION_AGE = 10.0",
        new="POSITION_AGE = 1e9",
    ),
    Mutant(
        name="an order of somebody else changes nothing",
        file="te_core/accounts/pushes.py",
        old="        self._beliefs.order_of_others(symbol, named=bool(client_order_id) or self._states_ids)\n"
        "        self.changed()\n",
        new="",
        tests="tests/engine/test_pushed_orders.py",
    ),
    Mutant(
        name="a read that lags behind an order of somebody else counts",
        file=BELIEF,
        old="    if not seen.pushed and evidence.others is not None and seen.asked_at < evidence.others.until:\n",
        new="    if False:\n",
        tests="tests/engine/test_pushed_orders.py",
    ),
    Mutant(
        name="orders that never arrive are sent again at once",
        file="te_core/accounts/task_ends.py",
        old="            hold = self._missed(keeper, OutcomeUnknown(str(error)), reducing=error.reducing)\n",
        new="            self._wake()\n            return\n",
        tests="tests/engine/test_orders_in_doubt.py",
    ),
    Mutant(
        name="orders are counted on though they miss changes",
        file="te_core/accounts/beliefs.py",
        old="        if missed and self.told_of_changes and",
        new="        if missed and self.follows(Feed.POSITIONS) and",
        tests="tests/engine/test_pushed_orders.py",
    ),
    Mutant(name="a price counts for ever", file=BELIEF, old="PRICE_AGE = 10.0", new="PRICE_AGE = 1e9"),
    Mutant(name="an equity counts for ever", file=BELIEF, old="EQUITY_AGE = 30.0", new="EQUITY_AGE = 1e9"),
    Mutant(
        name="no equity is believed while something is held",
        file=BELIEF,
        old="if seen.value.wallet <= 0 and seen.value.total <= 0 and (symbol := held()):",
        new='if (symbol := ""):',
        also=((DECISION, "    if equity <= 0:\n", "    if equity < 0:\n"),),
    ),
    Mutant(
        name="a stream that says nothing is alive",
        file=BELIEF,
        old="HEARTBEAT_TIMEOUT = 13.0",
        new="HEARTBEAT_TIMEOUT = 1e9",
    ),
)
RULES = (
    Mutant(
        name="attempts with one leverage count for another",
        file="te_core/rules/decision.py",
        old=" and facts.leverage_tried == goal.leverage",
        new="",
        tests="tests/engine/test_decision_rules.py",
    ),
    Mutant(
        name="a limit cuts what is held",
        file=LIMITS,
        old="same_side = min(abs(held), abs(want)) if held * want > 0 else ZERO",
        new="same_side = ZERO",
        quick=True,
    ),
    Mutant(
        name="the limit on the account counts this symbol alone",
        file=LIMITS,
        old="limits.account_exposure - exposure.account_others",
        new="limits.account_exposure",
    ),
    Mutant(
        name="the limit on the total counts this symbol alone",
        file=LIMITS,
        old="limits.total_exposure - exposure.total_others",
        new="limits.total_exposure",
    ),
    Mutant(
        name="the price distance is not checked",
        file=LIMITS,
        old="    if limits.price_distance is None or check.signal_price is None:",
        new="    if True:",
    ),
    Mutant(
        name="a disabled account still increases",
        file="te_core/rules/targeting.py",
        old="depth = blend.depth if blend is not None and enabled else ZERO",
        new="depth = blend.depth if blend is not None else ZERO",
    ),
    Mutant(
        name="all that is wanted is ordered on top of what is held",
        file=PLAN,
        old="planner.increase(want - held)",
        new="planner.increase(want)",
        quick=True,
    ),
    Mutant(
        name="a close is not reduce-only",
        file=PLAN,
        old="yield from self._order(-part, reduce_only=True,",
        new="yield from self._order(-part, reduce_only=False,",
    ),
    Mutant(
        name="the margin mode is not set",
        file=PLAN,
        old="if flat and self._position.margin_mode != mode:\n            yield MarginModeStep",
        new="if False:\n            yield MarginModeStep",
    ),
    Mutant(
        name="chunks are not cut",
        file=PLAN,
        old="if largest is None or quantity <= largest:",
        new="if True:",
    ),
    Mutant(
        name="a size is rounded away from zero",
        file=SIZING,
        old="quantity = instrument.round_quantity(abs(unrounded))",
        new="quantity = instrument.round_quantity(abs(unrounded)) + instrument.quantity_step",
    ),
    Mutant(
        name="leverage is left out of a size",
        file=SIZING,
        old="unrounded = equity * target.depth * leverage / price",
        new="unrounded = equity * target.depth / price",
    ),
    Mutant(
        name="a kept goal is sized again at each read",
        file=DECISION,
        old="if kept is None or (facts.goal_expired and not reached):",
        new="if True:",
    ),
    Mutant(
        name="what the engine never opened is taken over",
        file=DECISION,
        old="if foreign and position.quantity != 0 and not facts.policy.adopt and not facts.foreign:",
        new="if False:",
    ),
    Mutant(
        name="drift restores what others took",
        file=DRIFT,
        old='    if policy == "alert":\n        return held\n',
        new='    if policy == "alert":\n        return held\n    return confirmed\n',
    ),
    Mutant(
        name="drift is corrected without end",
        file=DRIFT,
        old="MOST_CORRECTIONS = 3",
        new="MOST_CORRECTIONS = 10**9",
        tests="tests/engine/test_unasked_changes.py",
    ),
)
ACCOUNTS = (
    Mutant(
        name="an intent is sent before it is in the journal",
        file=EXECUTION,
        old="            await journal.append(*intents, reduction=step.reduce_only)",
        new="            journal.append(*intents, reduction=step.reduce_only, awaited=False)",
    ),
    Mutant(
        name="an order whose answer was lost counts as one that was never sent",
        file=EXECUTION,
        old="        except (NotReady, AuthError) as error:\n            self._sent.remove(intent)",
        new="        except (NotReady, AuthError, OutcomeUnknown) as error:\n            self._sent.remove(intent)",
    ),
    Mutant(
        name="not found counts at once",
        file=OUTCOMES,
        old="over = asked_at >= keeper.orders.sent_at(intent, asked_at) + ctx.window",
        new="over = True",
        tests="tests/engine/test_orders_in_doubt.py",
    ),
    Mutant(
        name="a step's number is used again",
        file=ORDERS,
        old="        self._last_step += 1\n        return self._last_step",
        new="        return self._last_step + 1",
    ),
    Mutant(
        name="an order counts whole though it was filled in part",
        file=OUTCOMES,
        old="    keeper.orders.resolve(intent, filled)\n"
        "    ctx.beliefs.filled(keeper.symbol, intent.side.sign * filled)",
        new="    keeper.orders.resolve(intent, intent.quantity if filled else ZERO)\n"
        "    ctx.beliefs.filled(keeper.symbol, intent.side.sign * (intent.quantity if filled else ZERO))",
        tests="tests/engine/test_worker_habits.py",
    ),
    Mutant(
        name="a plan goes on though the target has changed",
        file=EXECUTION,
        old="if target is None or target.revision != self._goal.revision:",
        new="if target is None:",
        tests="tests/engine/test_worker.py",
    ),
    Mutant(
        name="a decision of any age is carried out",
        file="te_core/accounts/dispatch.py",
        old="DECISION_AGE = 5.0",
        new="DECISION_AGE = 1e9",
    ),
    Mutant(
        name="the other direction's room is used",
        file=LEDGER,
        old="index = 0 if side > 0 else 1",
        new="index = 1 if side > 0 else 0",
        tests="tests/engine/test_concentration.py",
        quick=True,
    ),
    Mutant(
        name="a group's room is used twice",
        file=LEDGER,
        old="            self._count_groups(account, symbol, change)\n",
        new="",
        tests="tests/engine/test_concentration.py",
    ),
    Mutant(
        name="the liquidation of a short position is sought below its price",
        file="te_core/rules/liquidation.py",
        old="own = ONE - Decimal(side) / leverage",
        new="own = ONE - Decimal(1) / leverage",
        tests="tests/engine/test_liquidation_distance.py",
    ),
    Mutant(
        name="quiet hours end a minute early",
        file="te_core/rules/hours.py",
        old="if begin <= minute < end]",
        new="if begin <= minute < end - 1]",
        tests="tests/engine/test_quiet_hours.py",
    ),
    Mutant(
        name="what is decided is not counted at a limit, nor what leaves",
        file=RECONCILER,
        old="            ctx.ledger.reserve_goal(self._book, keeper.symbol, worth)\n",
        new="",
        also=(
            (
                LEDGER,
                "self._reserved[key] = (long, max(short, after)) if check.side < 0 else (max(long, after), short)",
                "pass",
            ),
        ),
    ),
    Mutant(
        name="orders of the last minute are not counted",
        file=LEDGER,
        old="orders_last_minute=len(recent)",
        new="orders_last_minute=0",
    ),
    Mutant(
        name="a pause never ends",
        file="te_core/accounts/pauses.py",
        old="seconds = max(backoff(failures, *bounds).total_seconds(), asked)",
        new="seconds = 1e9",
        quick=True,
    ),
    Mutant(
        name="a read that is under way serves who asks later",
        file=READER,
        old="        if self._next is None:\n",
        new="        if self._running is not None and not self._running.done():\n"
        "            return await asyncio.shield(self._running)\n"
        "        if self._next is None:\n",
        tests="tests/engine/test_shared_reads.py",
    ),
    Mutant(
        name="what was filled in part counts as the goal",
        file=EXECUTION,
        old="        if isinstance(position, Unknown) or not at_target(self._expected, self._quantity, step):\n",
        new="        if isinstance(position, Unknown):\n",
    ),
)
