"""The faults that are planted: each is one replacement in the source, of a text that occurs exactly once there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One planted fault. ``quick``: it is caught fast enough to be tried in every ``make test``.

    ``tests``: what catches it where no simulation can: it says nothing of any single position.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str = ""
    quick: bool = False
    also: tuple[tuple[str, str, str], ...] = ()
    """More to replace (file, old, new), where two places guard against the same fault."""

    def plant(self, root: Path) -> None:
        """Change the source under ``root``. Raises ``ValueError`` unless each text occurs exactly once."""
        for file, old, new in ((self.file, self.old, self.new), *self.also):
            path = root / file
            source = path.read_text()
            if (found := source.count(old)) != 1:
                raise ValueError(f"{self.name}: found {found} times in {file}: {old!r}")
            path.write_text(source.replace(old, new))


BELIEF, PLAN, LIMITS = "te_core/rules/belief.py", "te_core/rules/plan.py", "te_core/rules/limits.py"
DECISION, DRIFT, SIZING = "te_core/rules/decision.py", "te_core/rules/drift.py", "te_core/rules/sizing.py"
EXECUTION, OUTCOMES = "te_core/accounts/execution.py", "te_core/accounts/outcomes.py"
READER, LEDGER = "te_core/accounts/reader.py", "te_core/accounts/exposure.py"
RECONCILER, KEEPER = "te_core/accounts/reconciler.py", "te_core/accounts/keeper.py"
ORDERS, GUARD = "te_core/accounts/own_orders.py", "te_core/runtime/guard.py"

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
        old="        self._beliefs.order_of_others(symbol)\n",
        new="",
        tests="tests/engine/test_wrong_beliefs.py",
    ),
    Mutant(
        name="orders are counted on though they miss changes",
        file="te_core/accounts/beliefs.py",
        old="        if missed and self.told_of_changes and",
        new="        if missed and self.follows(Feed.POSITIONS) and",
        tests="tests/engine/test_wrong_beliefs.py",
    ),
    Mutant(name="a price counts for ever", file=BELIEF, old="PRICE_AGE = 10.0", new="PRICE_AGE = 1e9"),
    Mutant(name="an equity counts for ever", file=BELIEF, old="EQUITY_AGE = 30.0", new="EQUITY_AGE = 1e9"),
    Mutant(
        name="no equity is believed while something is held",
        file=BELIEF,
        old="if seen.value.wallet <= 0 and seen.value.total <= 0 and (symbol := held()):",
        new='if (symbol := ""):',
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
        name="a kept goal is sized anew at each read",
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
        name="an order whose answer was lost is taken for one that never left",
        file=EXECUTION,
        old="        except (NotReady, AuthError) as error:\n            self._sent.remove(intent)",
        new="        except (NotReady, AuthError, OutcomeUnknown) as error:\n            self._sent.remove(intent)",
    ),
    Mutant(
        name="not found counts at once",
        file=OUTCOMES,
        old="over = asked_at >= keeper.orders.sent_at(intent, asked_at) + ctx.window",
        new="over = True",
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
    ),
    Mutant(
        name="a plan goes on though the target has changed",
        file=EXECUTION,
        old="if target is None or target.revision != self._goal.revision:",
        new="if target is None:",
        tests="tests/engine/test_worker_failures.py",
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
    ),
    Mutant(
        name="the goal counts as reached unseen",
        file=EXECUTION,
        old="        keeper.observe_mode(position)\n        shown = position.quantity\n",
        new="        keeper.observe_mode(position)\n        shown = self._quantity\n",
    ),
)
ENGINE = (
    Mutant(
        name="a stray cancellation ends an instance",
        file=GUARD,
        old='        raise PluginDefect(f"{what} raised CancelledError, although nobody cancelled it{at}") from error',
        new="        raise",
    ),
    Mutant(
        name="a plugin's exit ends the engine",
        file=GUARD,
        old="ENDINGS = (SystemExit, KeyboardInterrupt)",
        new="ENDINGS = (ZeroDivisionError,)",
        quick=True,
    ),
    Mutant(
        name="our own cancellation is swallowed",
        file=GUARD,
        old="        if task is not None and task.cancelling() > before:\n            raise\n",
        new="",
    ),
    Mutant(
        name="two sections trade one account",
        file="te_core/runtime/identities.py",
        old="if held == identity and other != name:",
        new="if False:",
    ),
    Mutant(
        name="an account is known by its name",
        file="te_core/runtime/identities.py",
        old="identity = Identity(plugin=by_key.plugin, host=stated.host, uid=stated.uid)",
        new='identity = Identity(plugin=by_key.plugin, host="", uid=name)',
    ),
    Mutant(
        name="an account that observes sends what is asked for past the rules",
        file="te_core/accounts/dispatch.py",
        old="    if why := observing():",
        new="    if why := str():",
    ),
    Mutant(
        name="a new live account trades at once",
        file="te_core/runtime/accounts.py",
        old='if live and not known and self._wanted[name].observe != "":',
        new="if False:",
    ),
    Mutant(
        name="a refused key is never tried again",
        file="te_core/runtime/supervisor.py",
        old="REFUSED_FIRST, REFUSED_LAST = timedelta(minutes=1), timedelta(hours=1)",
        new="REFUSED_FIRST, REFUSED_LAST = timedelta(days=1), timedelta(days=1)",
    ),
    Mutant(
        name="a disabled source still counts",
        file="te_core/rules/blend.py",
        old="    if not opinion.enabled:",
        new="    if False:",
    ),
    Mutant(
        name="a weight does not count",
        file="te_core/rules/blend.py",
        old="depth=sum((t.weight * t.depth for t in terms), ZERO)",
        new="depth=max(ZERO - 1, min(ZERO + 1, sum((t.depth for t in terms), ZERO)))",
        quick=True,
    ),
)
BREAKERS = (
    Mutant(
        name="what tripped is forgotten at a restart",
        file="te_core/runtime/breakers.py",
        old="            entries += [self._record(key) for key in affected]\n",
        new="",
        tests="tests/engine/test_circuit_breakers.py",
    ),
    Mutant(
        name="a withdrawal is a loss",
        file="te_core/rules/profit.py",
        old="result = seen.total - money.total - transfer if money.total",
        new="result = seen.total - money.total if money.total",
        tests="tests/engine/test_loss_arithmetic.py",
    ),
    Mutant(
        name="a new day lifts what a breaker holds",
        file="te_core/rules/breakers.py",
        old='for key, trip in sums.tripped.items() if trip.action != "warn"}',
        new="for key, trip in sums.tripped.items() if not key}",
        tests="tests/engine/test_breaker_rules.py",
    ),
    Mutant(
        name="a breaker is lifted without a reason",
        file="te_core/runtime/commands.py",
        old="if not command.reason.strip() and",
        new="if False and",
        tests="tests/engine/test_circuit_breakers.py",
    ),
)
CONTROL = (
    Mutant(
        name="a plugin that was stopped still controls",
        file="te_core/runtime/control.py",
        old="        self._revoked = True\n",
        new="        self._revoked = False\n",
        tests="tests/engine/test_control_by_plugins.py",
    ),
    Mutant(
        name="a plugin may command anything",
        file="te_core/runtime/control.py",
        old="if type(command) is not Command or command.action not in CONTROLS:",
        new="if type(command) is not Command:",
        tests="tests/engine/test_control_by_plugins.py",
    ),
    Mutant(
        name="each symbol of one failure is told",
        file="te_core/rules/notices.py",
        old="told = now - known.told_at < ONE_FAILURE or",
        new="told = False and",
        tests="tests/engine/test_notice_rules.py",
        quick=True,
    ),
    Mutant(
        name="nobody's sleep is kept",
        file="te_core/rules/notices.py",
        old="    if hours is not None:\n",
        new="    if False:\n",
        tests="tests/engine/test_notice_rules.py",
    ),
)
MONEY = (
    Mutant(
        name="a missing price is taken for the one seen before",
        file="te_core/rules/pnl.py",
        old="        unvalued += change + closed\n",
        new="        cost += (change + closed) * (before.cost / held if held else ZERO)\n",
        tests="tests/engine/test_profit_by_symbol.py",
    ),
    Mutant(
        name="a profit belongs to the sources of the order that closed it",
        file="te_core/rules/pnl.py",
        old="_credited(before, after, before.shares if held else fill.shares)",
        new="_credited(before, after, fill.shares)",
        tests="tests/engine/test_profit_by_symbol.py",
    ),
    Mutant(
        name="what nobody told apart is lost at a restart",
        file="te_core/accounts/tallies.py",
        old="explained(whole) + stored.result - explained(stored)",
        new="explained(whole)",
        tests="tests/engine/test_profit_by_symbol.py",
    ),
    Mutant(
        name="a result is journaled without the fill it counts",
        file="te_core/accounts/bookkeeping.py",
        old="            *self._tallies.unwritten(fill.at, [fill.symbol]),\n",
        new="",
        tests="tests/engine/test_profit_in_an_engine.py",
    ),
    Mutant(
        name="a page tears an alert from its orders",
        file="te_core/web/history.py",
        old="    found = [*_ahead(connection, wanted), *orders.rows]\n",
        new="    found = [*orders.rows]\n",
        tests="tests/journal/test_activity.py",
    ),
    Mutant(
        name="play money is added to real money",
        file="te_core/rules/periods.py",
        old="        key = (one.kind, one.key)\n",
        new='        key = (Kind(False, ""), one.key)\n',
        tests="tests/journal/test_results.py",
    ),
)
TELLING = (
    Mutant(
        name="a code is good more than once",
        file="te_core/assistant/confirmation.py",
        old="self._waiting.pop(code.strip(), None)",
        new="self._waiting.get(code.strip())",
        tests="tests/cli/test_mcp.py",
    ),
    Mutant(
        name="a code never expires",
        file="te_core/assistant/confirmation.py",
        old="        if found.until <= self._clock.now():\n",
        new="        if False:\n",
        tests="tests/cli/test_mcp.py",
    ),
    Mutant(
        name="an account is not read when its streams break",
        file="te_core/accounts/pushes.py",
        old="        self._beliefs.feeds_down(feeds)\n        self._read_by(self._clock.monotonic())\n",
        new="        self._beliefs.feeds_down(feeds)\n",
        tests="tests/engine/test_outages.py",
    ),
    Mutant(
        name="an account is not read when an order finds the exchange closed",
        file="te_core/accounts/schedule.py",
        old="        elif isinstance(error, NotReady):\n",
        new="        elif False:\n",
        tests="tests/engine/test_outages.py",
        quick=True,
    ),
)
PAGE = (
    Mutant(
        name="a viewer is not sent what it missed",
        file="te_core/page/live.py",
        old="if self._changed[name] > known}",
        new="if self._changed[name] > known + 1}",
        tests="tests/page/test_parts.py",
        quick=True,
    ),
)

REVIEWS = (
    Mutant(
        name="a risk check closes what is held",
        file="te_core/rules/risk_checks.py",
        old="    left = max(room, same_side)\n",
        new="    left = room\n",
        tests="tests/engine/test_risk_check_rules.py",
        quick=True,
    ),
    Mutant(
        name="the loosest of several verdicts counts",
        file="te_core/rules/risk_checks.py",
        old="return min(objections",
        new="return max(objections",
        tests="tests/engine/test_risk_check_rules.py",
        quick=True,
    ),
    Mutant(
        name="an increase goes while a risk check is asked",
        file=RECONCILER,
        old="        if stands.waiting_for:\n",
        new="        if False:\n",
        tests="tests/engine/test_risk_checks.py",
    ),
    Mutant(
        name="a veto is forgotten while it is asked for again",
        file="te_core/accounts/reviews.py",
        old="        if record.answered and record.allowance is not None:\n",
        new="        if False:\n",
        tests="tests/engine/test_risk_checks.py",
    ),
    Mutant(
        name="what a flip opens is forgotten after its close",
        file=KEEPER,
        old="return self._awaited or (self.decision is not None and self.decision.asking)",
        new="return self._awaited",
        tests="tests/engine/test_risk_checks.py",
    ),
    Mutant(
        name="a risk check that fails is taken for an approval",
        file="te_core/runtime/risk_checks.py",
        old='if self.section.on_failure == "allow":',
        new="if True:",
        tests="tests/engine/test_risk_checks.py",
    ),
)

MUTANTS = (*BELIEFS, *RULES, *ACCOUNTS, *ENGINE, *BREAKERS, *CONTROL, *MONEY, *TELLING, *PAGE, *REVIEWS)
