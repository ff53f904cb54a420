"""Formats the engine's answers as messages for a phone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from te_core.api import Command, printable
from te_notify_telegram.requests import allowed

MOST = 25
"""Maximum number of lines in a list."""


def help_text(role: str) -> str:
    """Return the commands of a role as a list."""
    return "\n".join(f"/{name}: {text}" for name, text in allowed(role).items())


def status_text(state: Mapping[str, Any]) -> str:
    """Return the engine's status, starting with what needs attention."""
    engine = state["engine"]
    lines = [f"engine {engine['status']}"]
    lines += [f"! not ready: {reason}" for reason in engine["reasons"]]
    lines += [f"! {one['text']}" for one in state["breakers"] if one["tripped_at"]]
    lines += [f"! {one['text']}" for one in state["commands"]]
    lines += [
        f"! {name}: still open: {left}"
        for name, one in state["accounts"].items()
        for left in one["still_open"]
    ]
    for name, source in state["sources"].items():
        newest = source["last_signal_at"]
        said = f", last signal {_time(newest)}" if newest else ", no signal yet"
        lines.append(f"{name}: {source['status']}{said}{_because(source['reason'])}")
    for name, account in state["accounts"].items():
        held = len(account["positions"])
        worth = f", equity {_amount(account['equity'])}" if account["equity"] is not None else ""
        lines.append(
            f"{name}: {account['status']}{worth}, {held} position{'' if held == 1 else 's'}"
            f"{_because(account['reason'])}"
        )
    return _listed(lines)


def positions_text(state: Mapping[str, Any], words: tuple[str, ...]) -> str:
    """Return positions and targets, optionally of one account or symbol."""
    wanted = {word.upper() for word in words}
    lines: list[str] = []
    for name, account in state["accounts"].items():
        symbols = sorted({*account["positions"], *account["targets"]})
        for symbol in symbols:
            if wanted and not wanted & {name.upper(), symbol}:
                continue
            lines.append(_position(name, symbol, account))
    return _listed([line for line in lines if line] or ["no positions and no targets"])


def _position(name: str, symbol: str, account: Mapping[str, Any]) -> str:
    position, target = account["positions"].get(symbol), account["targets"].get(symbol)
    if position is None and target is not None and not Decimal(target["quantity"] or 0):
        return "" if target["status"] == "at_target" else f"{name} {symbol} flat{_doing(target)}"
    held = "flat"
    if position is not None:
        size = Decimal(position["size"])
        entry = f" at {position['entry_price']}" if position["entry_price"] is not None else ""
        held = f"{'long' if size > 0 else 'short'} {_plain(abs(size))}{entry}"
    return f"{name} {symbol} {held}{_doing(target) if target is not None else ', not ours'}"


def _doing(target: Mapping[str, Any]) -> str:
    wanted = target["quantity"]
    goal = f", target {wanted}" if wanted is not None else ""
    return f"{goal}, {target['status'].replace('_', ' ')}{_because(target['reason'])}"


def pnl_text(summary: Mapping[str, Any], last: timedelta) -> str:
    """Return the profit of each account."""
    lines = []
    for name, one in summary["accounts"].items():
        profit = (
            "profit not known" if one["profit"] is None else f"profit {_amount(one['profit'], sign=True)}"
        )
        since = f" since {_time(one['since'])}" if one["since"] else ""
        paid = f", {_amount(one['moved'], sign=True)} paid in" if Decimal(one["moved"]) else ""
        paper = " (paper)" if one["simulated"] else ""
        lines.append(f"{name}{paper}: {_amount(one['equity'])}, {profit}{since}{paid}")
    if (live := summary["live"]) is not None:
        total = "not known" if live["profit"] is None else _amount(live["profit"], sign=True)
        lines.append(f"all live accounts: {_amount(live['equity'])}, profit {total}")
    hours = int(last.total_seconds() // 3600)
    head = f"last {hours} h" if hours < 48 else f"last {hours // 24} d"
    return _listed([f"{head}, without deposits and withdrawals", *(lines or ["no accounts"])])


def why_text(found: Mapping[str, Any]) -> str:
    """Return the arithmetic of each account's position in a symbol."""
    lines: list[str] = []
    for name, one in found["accounts"].items():
        lines.append(
            f"{name} {found['symbol']}: depth {one['depth']}, leverage {one['leverage']}, {one['reason']}"
        )
        lines += [
            f"  {term['source']}: {term['weight']} x {term['depth']} = {term['share']}" + _noted(term["note"])
            for term in one["terms"]
        ]
        if (sizing := one["sizing"]) is not None and Decimal(sizing["depth"]):
            lines.append(
                f"  {_amount(sizing['equity'])} x {sizing['depth']} x {sizing['leverage']} / {sizing['price']}"
                f" = {sizing['quantity']}"
            )
        elif sizing is not None:
            lines.append("  flat")
        lines += [f"  {said}" for said in dict.fromkeys((one["limited"], one["now"])) if said]
        confirmed = one["confirmed"]
        lines.append(f"  reached {_time(confirmed['at'])}" if confirmed else "  not reached yet")
    return _listed(lines)


def plan_text(command: Command, preview: Mapping[str, Any], within: timedelta) -> str:
    """Return what a command would do, and how to confirm it."""
    lines = [f"{meaning(command)}?"]
    if command.reason:
        lines.append(f"reason: {command.reason}")
    lines += [f"re-arms: {text}" for text in preview["breakers"]]
    lines += [f"lifts: {row['text']}" for row in preview["lifted"]]
    orders = list(_orders(preview.get("accounts", {})))
    lines += ["it would order:", *orders] if orders else ["it would order nothing now"]
    return f"{_listed(lines)}\nconfirm within {within.total_seconds():.0f} s"


def meaning(command: Command) -> str:
    """Return a command in words."""
    where = ", ".join((*command.accounts, *command.sources)) or "everything"
    symbol = f" {command.symbol}" if command.symbol else ""
    if command.close:
        return f"pause {where}, closing its share"
    return f"{command.action} {where}{symbol}"


def done_text(command: Command, outcome: Mapping[str, Any]) -> str:
    """Return what is active after a command."""
    said = list(dict.fromkeys(row["text"] for row in outcome["set"])) or ["there was nothing to change"]
    return _listed([f"done: {meaning(command)}", *said])


def _orders(accounts: Mapping[str, Any]) -> Iterator[str]:
    for name, account in accounts.items():
        if "error" in account:
            yield f"  {name}: not known: {account['error']}"
        for symbol, found in account.get("symbols", {}).items():
            steps = [_step(step) for step in found["steps"]]
            if steps:
                yield f"  {name} {symbol}: {', '.join(steps)}"


def _step(step: Mapping[str, Any]) -> str:
    if step["kind"] == "order":
        return f"{step['side']} {step['quantity']}{' reduce-only' if step['reduce_only'] else ''}"
    return f"set {step['kind'].replace('_', ' ')}"


def _listed(lines: list[str]) -> str:
    more = len(lines) - MOST - 1
    shown = lines if more <= 0 else [*lines[: MOST + 1], f"… and {more} more lines"]
    return "\n".join(map(printable, shown))


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _noted(note: str) -> str:
    return f" ({note})" if note else ""


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _amount(value: str | None, *, sign: bool = False) -> str:
    if value is None:
        return "not known"
    rounded = round(Decimal(value), 2) or Decimal(0)
    return f"{rounded:+,.2f}" if sign and rounded else f"{rounded:,.2f}"


def _time(value: str) -> str:
    return f"{datetime.fromisoformat(value):%d %b %H:%M} UTC"
