"""Faults in the engine around the accounts: plugins, breakers, commands, money, notices, the page, risk checks."""

from __future__ import annotations

from tests.mutants.mutant import GUARD, KEEPER, RECONCILER, Mutant

ENGINE = (
    Mutant(
        name="a stray cancellation ends an instance",
        file=GUARD,
        old='        raise PluginDefect(f"{what} raised CancelledError, although nobody cancelled it{at}") from error',
        new="        raise",
        also=(
            (
                GUARD,
                '            raise PluginDefect(f"{what} cancelled its own task{defined_at(work)}")',
                "            raise asyncio.CancelledError",
            ),
        ),
    ),
    Mutant(
        name="a plugin that ignores its cancellation is waited for",
        file=GUARD,
        old="await asyncio.wait([running], timeout=CANCEL_TIMEOUT)",
        new="await asyncio.wait([running])",
        tests="tests/engine/test_plugin_failures.py",
    ),
    Mutant(
        name="calls that were abandoned pile up",
        file=GUARD,
        old="                    left.add(running)",
        new="                    pass",
        tests="tests/engine/test_plugin_failures.py",
    ),
    Mutant(
        name="nothing is checked in an order's last turn",
        file="te_core/runtime/guarded_account.py",
        old="            check_dispatch()\n",
        new="",
        tests="tests/engine/test_plugin_failures.py",
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
        tests="tests/engine/test_plugin_failures.py",
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
        tests="tests/engine/test_observing.py",
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
CLOCKS = (
    Mutant(
        name="what was observed before the clock jumped ahead is believed",
        file="te_core/signals/netting.py",
        old="        self._missed()\n",
        new="",
        tests="tests/engine/test_suspended_machine.py",
    ),
    Mutant(
        name="what ends at a time ends late after a suspension",
        file="te_core/clock.py",
        old="LONGEST_SLEEP = 60.0",
        new="LONGEST_SLEEP = 6e9",
        tests="tests/engine/test_suspended_machine.py",
    ),
    Mutant(
        name="a source is blamed for the silence of a suspended machine",
        file="te_core/signals/netting.py",
        old="        self.heartbeat.excuse()\n",
        new="",
        tests="tests/engine/test_suspended_machine.py",
    ),
)
CONTROL = (
    Mutant(
        name="a command that was given up applies at the next start",
        file="te_core/runtime/commands.py",
        old="return await unbroken(self._execute(command))",
        new="return await self._execute(command)",
    ),
    Mutant(
        name="a new account that was given up does not observe",
        file="te_core/runtime/accounts.py",
        old="await unbroken(self._enrol(runner, name, identity, live=live))",
        new="await self._enrol(runner, name, identity, live=live)",
        tests="tests/engine/test_identities.py",
    ),
    Mutant(
        name="a flatten is done while a position of others is held",
        file="te_core/accounts/flattening.py",
        old="if self._targets.closes_foreign(symbol) and not (symbol in keepers and keepers[symbol].target)",
        new="if False and not (symbol in keepers and keepers[symbol].target)",
        tests="tests/engine/test_foreign_flattens.py",
    ),
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
        name="each symbol of one failure is notified",
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
        name="a missing price counts as unchanged",
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
        file="te_core/reporting/history.py",
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
        name="what is not sent is lost with the engine",
        file="te_core/runtime/notifiers.py",
        old="        await asyncio.gather(*stops)\n        self._save()\n",
        new="        await asyncio.gather(*stops)\n",
        tests="tests/engine/test_notifying.py",
    ),
    Mutant(
        name="a key is not read again before it expires",
        file="te_core/runtime/account_key.py",
        old="                self.check(await account.identity())\n",
        new="                self._warn_of_expiry(self._clock.now())\n",
        tests="tests/engine/test_identities.py",
    ),
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
        name="a risk check that fails counts as an approval",
        file="te_core/runtime/risk_checks.py",
        old='if self.section.on_failure == "allow":',
        new="if True:",
        tests="tests/engine/test_risk_checks.py",
    ),
)
