"""What must hold in a simulation of an engine: at every order, at every fill, and in the end."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.api import AccountContext, ExchangeAccount, OrderRequest
from te_core.rules.plan import at_target
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.commanding import Hand
from tests.engine.edits import ON, permission
from tests.engine.engine_world import EngineWorld
from tests.engine.shared_exchange import FOREIGN, PRICES, UIDS, Connection, SharedExchange
from tests.querying import queries_of

D = Decimal
STEP = D("0.001")
LATELY = 180
"""Seconds for which an order for an earlier target may still be in flight."""

ON_ITS_WAY = 10.0
"""Seconds within which an order that was sent arrives, if it arrives at all."""


class CheckedWorld(EngineWorld):
    """Knows what signals, settings and commands ask for, and collects what the engine does against it."""

    def __init__(
        self, folder: Path, clock: VirtualClock, chance: random.Random, kinds: frozenset[str]
    ) -> None:
        super().__init__(folder, clock, chance, kinds)
        self.live: set[str] = set()
        """Accounts that may have been allowed to trade: by a command, or by settings that may have been active."""
        self.told_to_go: set[str] = set()
        self.swept = False
        """Whether what its owner holds may have been closed."""
        self.limited: list[tuple[float, Decimal | None]] = []
        """When each limit on the total stopped applying; an order sent before may still be in flight."""
        self.violations: list[str] = []
        self.goals_lately: dict[str, list[tuple[float, dict[str, Decimal]]]] = {}
        self.unclear_until = 0.0
        self.sent_at = float("-inf")
        for exchange in self.exchanges.values():
            exchange.on_fill = self.on_fill

    def account(self, context: AccountContext[Any]) -> ExchangeAccount:
        connection = Connection(
            self.exchange_of(context.options.key.get_secret_value()),
            context.name,
            faults=self.fault,
            chance=self.chance,
            counts=self.counts,
            kinds=self.kinds,
            refuse=self.on_order,
            sends=self.on_sending,
        )
        connection.calm = self.calm
        self.connections.append(connection)
        return connection

    def may_trade(self, settings: Mapping[str, Any], name: str) -> bool:
        """Whether a section does not observe, as far as is known."""
        section = settings["accounts"].get(name, {})
        observe = section.get("observe")
        if observe is None:
            return "key" in section and UIDS[section["key"]] in self.live
        return not observe

    def hand(self, uid: str, symbol: str) -> Hand | None:
        """Return the manual depth that applies to a symbol of an account."""
        found = self.commanding.hands.get((uid, symbol))
        now = self.clock.monotonic() + 0.001  # the engine stores datetimes, which have no more digits
        over = found is not None and found.until is not None and now >= found.until
        return None if over else found

    def depth(self, symbol: str, who: set[str]) -> Decimal:
        settings = self.settings
        if symbol not in settings["symbols"] or not settings.get("plugins", {}).get("pushed", ON)["enabled"]:
            return D(0)
        total = D(0)
        for source, weight in settings["symbols"][symbol]["weights"].items():
            section = settings["sources"][source]
            ended = section.get("max_age") and section.get("on_expiry", "hold") != "hold"
            paused = source in self.commanding.paused
            if section.get("enabled", True) and (paused or not ended):
                said = self.said.get((source, symbol), D(0))
                weights = settings["symbols"][symbol]["weights"]
                total += D(str(weight)) * self.commanding.share(who, source, symbol, weights, said)
        return total

    def goals(self, account: str) -> Mapping[str, Decimal]:
        section, goals, who = self.settings["accounts"][account], {}, self.who(account)
        for symbol, price in PRICES.items():
            flat = self.commanding.flat(who, symbol) or not section.get("enabled", True)
            hand = self.hand(UIDS[section["key"]], symbol)
            depth = self.depth(symbol, who) if hand is None else hand.depth
            depth = D(0) if flat else depth
            leverage = section.get("leverage") or self.settings["symbols"].get(symbol, {}).get("leverage", 1)
            steps = abs(10000 * depth * leverage / D(price)) // STEP
            goals[symbol] = (steps * STEP).copy_sign(depth)
        return goals

    def note_live(self) -> None:
        """Record which accounts the settings allow to trade."""
        sections = self.settings["accounts"].values()
        self.live |= {UIDS[section["key"]] for section in sections if section.get("observe") is False}

    def note_goals(self) -> None:
        """Record the targets of each section from now on; a removed section has none, so none may be ordered."""
        self.commanding.end_hands(self.weights)
        self.note_live()
        for symbol in PRICES:
            wanted = {
                f"{name} {self.uid_of(name)}": self.goals(name)[symbol] for name in self.settings["accounts"]
            }
            self.goals_lately.setdefault(symbol, []).append((self.clock.monotonic(), wanted))

    def sections(self, exchange: SharedExchange, goals: Mapping[str, Decimal]) -> list[str]:
        """Return the sections that may have traded an account when those were the goals."""
        return [name for name in goals if name.endswith(exchange.uid)]

    @property
    def expires(self) -> bool:
        """Whether the target changes over time without a new signal."""
        tv = self.settings["sources"]["tv"]
        return bool(tv.get("max_age")) and tv.get("on_expiry", "hold") != "hold"

    @staticmethod
    def total_limit(settings: Mapping[str, Any]) -> Decimal | None:
        """Return the limit on the total of some settings."""
        limit = settings.get("limits", {}).get("total_exposure")
        return None if limit is None else D(limit)

    def found(self, *parts: object) -> None:
        if len(self.violations) < 20:
            self.violations.append(f"t={self.clock.monotonic():.1f} " + " ".join(map(str, parts)))

    def on_order(self, name: str, exchange: SharedExchange, order: OrderRequest) -> None:
        """Check which account sends an order, and whether the settings allow it."""
        allowed = {permission(settings, name) for settings in (self.settings, self.applied)}
        if allowed == {"nothing"} or (allowed <= {"nothing", "reductions"} and not order.reduce_only):
            self.found(f"{name}, which may send {allowed}, sent {order}")
        if not order.reduce_only and self.held_back(name, exchange.uid, order.symbol):
            self.found(f"{name} sent {order} though it was halted")
        if exchange.ids[order.client_order_id] > 1:
            self.found(f"{name} sent {order.client_order_id} twice")
        if exchange.trader not in (None, name):
            self.found(f"{name} sent {order} to {exchange.uid}, which {exchange.trader} trades")
        if (exchange.uid, order.symbol) == FOREIGN[:2] and not self.swept:
            self.found(f"{name} sent {order} for what its owner holds at {exchange.uid}")
        exchange.trader = name

    def held_back(self, name: str, uid: str, symbol: str) -> bool:
        """Whether a symbol of an account may only be reduced."""
        books = {f"#{record.book}" for record in self.met() if record.uid == uid}
        newest = self.commanding.newest({name, *books}, symbol)
        if newest is not None and newest.action == "next" and self.hand(uid, symbol) is not None:
            return False
        return self.commanding.held({name, *books}, symbol, self.weights(symbol))

    def on_sending(self, name: str, exchange: SharedExchange, what: str) -> None:
        """Check that an account to which anything is sent does not observe."""
        self.sent_at = self.clock.monotonic()
        if not any(self.may_trade(settings, name) for settings in (self.settings, self.applied)):
            self.found(f"{name}, which observes, sent {what} to {exchange.uid}")

    def on_fill(self, exchange: SharedExchange, order: OrderRequest, before: Decimal) -> None:
        """Check where an order led, over all accounts."""
        after = exchange.quantity(order.symbol)
        if exchange.executed[order.client_order_id] > 1:
            self.found(f"{order} was executed twice")
        since = self.clock.monotonic() - ON_ITS_WAY
        limits = [limit for at, limit in self.limited if at >= since]
        limits += [self.total_limit(settings) for settings in (self.settings, self.applied)]
        if abs(after) > abs(before) and None not in limits:
            total = sum((other.exposure for other in self.exchanges.values()), D(0))
            if total > max(limit for limit in limits if limit is not None):
                self.found(f"{order} at {exchange.uid} led to {total} in all, above {limits}")
        if abs(after) < abs(before) and exchange.held[order.symbol].margin_mode == order.margin_mode:
            self._check_reduction(exchange, order, before, after)

    def _check_reduction(
        self, exchange: SharedExchange, order: OrderRequest, before: Decimal, after: Decimal
    ) -> None:
        since = self.clock.monotonic() - LATELY
        if self.clock.monotonic() < self.unclear_until or self.expires:
            return
        self.note_goals()  # a manual depth may have ended just now
        history = self.goals_lately.get(order.symbol, [])
        start = max((at for at, _ in history if at <= since), default=-1.0)
        wanted = [
            goals.get(name, D(0))
            for at, goals in history
            if at >= start
            for name in self.sections(exchange, goals)
        ]
        floor = min(
            (abs(min(abs(before), abs(goal))) if goal * before > 0 else D(0) for goal in wanted), default=D(0)
        )
        if abs(after) < floor - STEP:
            self.found(f"{order} at {exchange.uid} led from {before} to {after}, though {wanted} were wanted")

    def amiss(self) -> list[str]:
        """Return what differs from what settings and signals ask for, once there was enough time."""
        found = list(self.violations)
        for uid, exchange in self.exchanges.items():
            claims = [
                n
                for n in self.settings["accounts"]
                if self.uid_of(n) == uid and permission(self.settings, n) != "nothing"
            ]
            if claims:
                wrong = [self.wrong(name, exchange) for name in claims]
                if all(wrong):
                    found += [line for lines in wrong for line in lines]
                found += self.not_refused(claims)
        if self.settings.get("plugins", {}).get("pushed", ON)["enabled"]:
            enabled = [n for n, section in self.settings["sources"].items() if section.get("enabled", True)]
            found += [f"source {name} does not run" for name in enabled if not self.runs(name)]
        held = self.exchanges[FOREIGN[0]].quantity(FOREIGN[1])
        changed_by = held != D(FOREIGN[2]) and not self.swept
        return [*found, f"its owner's own position became {held}"] if changed_by else found

    def not_refused(self, claims: list[str]) -> list[str]:
        """Of several sections that claim one account, at most one runs; the others report why they do not."""
        shown = {name: queries_of(self.engine).state()["accounts"][name] for name in claims}
        running = [name for name in claims if shown[name]["status"] in ("running", "observing")]
        silent = [name for name in claims if name not in running and shown[name]["status"] != "disabled"]
        found = [f"{running} all run on one account"] if len(running) > 1 else []
        return found + [
            f"{name} does not say why it does not run" for name in silent if not shown[name]["reason"]
        ]

    def wrong(self, name: str, exchange: SharedExchange) -> list[str]:
        """Return the targets that a section has not reached, unless the limit on the total prevents it."""
        shown = queries_of(self.engine).state()["accounts"][name]
        if shown["observing"]:
            told = exchange.uid in self.told_to_go and self.settings["accounts"][name].get("observe") is None
            return [f"{name} observes though it was told to go: {shown}"] if told else []
        if not self.may_trade(self.settings, name):
            return [f"{name} should observe: {shown}"] if shown["status"] == "running" else []
        found = []
        for symbol, goal in self.goals(name).items():
            held = exchange.quantity(symbol)
            if (exchange.uid, symbol) == FOREIGN[:2] or at_target(held, goal, STEP):
                continue
            row = shown["targets"].get(symbol, {})
            halted = self.held_back(name, exchange.uid, symbol)
            if halted and abs(held) < abs(goal) and goal * held >= 0 and row.get("status") == "halted":
                continue
            if (
                abs(held) < abs(goal)
                and goal * held > 0
                and "when the symbol is next flat" in row.get("reason", "")
            ):
                continue  # it was opened in the other margin mode, and is not increased in it
            limited = self.settings.get("limits", {}).get("total_exposure") is not None
            if (
                limited
                and goal * held >= 0
                and abs(held) < abs(goal)
                and "total_exposure" in row.get("reason", "")
            ):
                continue
            found.append(f"{name} holds {held} {symbol} at {exchange.uid}, not {goal}: {row}")
        return found
