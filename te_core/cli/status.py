"""``te status``: what runs, what it holds, and what it is working on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from te_core.app.paths import Place
from te_core.cli.client import EngineDown, ask
from te_core.cli.output import clear_screen, print_json, show, table, to_the_second
from te_core.reporting.symbol_view import doing, duration, why

_REFRESH = 1.0
"""Seconds between two looks of ``--watch``."""

_SOURCE = ("source", "plugin", "status", "last signal", "symbol", "depth", "leverage", "price", "note")
_ACCOUNT = ("account", "plugin", "status", "equity", "read", "reason")
_POSITION = (
    "account",
    "symbol",
    "position",
    "entry",
    "target",
    "depth",
    "leverage",
    "revision",
    "status",
    "read",
    "reason",
)

_BREAKER = ("breakers of", "how near", "used", "then", "as of")
_NOTIFIER = ("notifier", "plugin", "status", "sent", "waiting", "dropped", "reason")


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until Ctrl-C.")] = False,
) -> None:
    """Show sources, accounts, positions and targets.

    \b
    Example: te status
             te status --json | jq .accounts.paper.positions
    """
    place = Place.of(context)
    if watch:
        _watch(place, as_json)
    elif as_json:
        print_json(_state(place))
    else:
        show(*_tables(_state(place)))


def _state(place: Place) -> Any:
    try:
        return ask(place, "/api/v1/state")
    except EngineDown:
        from te_core.cli.offline import offline_state

        return offline_state(place)


def _watch(place: Place, as_json: bool) -> None:
    pause = threading.Event()
    while True:
        state = ask(place, "/api/v1/state")
        if as_json:
            print_json(state)
        else:
            clear_screen()
            show(*_tables(state))
        pause.wait(_REFRESH)


def _tables(state: Any) -> Iterator[Any]:
    engine = state["engine"]
    yield f"engine {engine['status']}" + (
        f", pid {engine['pid']}, since {to_the_second(engine['started_at'])}" if engine["pid"] else ""
    )
    breakers = state.get("breakers", ())
    tripped = [one for one in breakers if one["tripped_at"]]
    for breaker in tripped:
        yield f"! {breaker['text']} (since {to_the_second(breaker['tripped_at'])})"
    own = {(f"breaker {one['name']}", one["symbol"]) for one in tripped}
    for command in state.get("commands", ()):
        if (command["by"], command["symbol"]) not in own:  # what a breaker commanded is told above
            yield f"! {command['text']}"
    for name, account in state["accounts"].items():
        for left in account.get("still_open", ()):
            yield f"! {name}: still open: {left}"
    for reason in engine.get("reasons", ()):
        yield f"not ready: {reason}"
    for refused in state.get("settings", {}).get("refused", ()):
        yield f"settings refused; the last good ones stay active: {refused}"
    if near := [one for one in breakers if not one["tripped_at"]]:
        yield table("Breakers", _BREAKER, _breakers(near))
    yield table("Sources", _SOURCE, _sources(state), spare=("price", "leverage", "plugin"))
    yield table("Accounts", _ACCOUNT, _accounts(state))
    spare = ("entry", "revision", "leverage", "depth", "read")
    yield table("Positions and targets", _POSITION, _positions(state), spare=spare)
    if state.get("notifiers"):
        yield table("Notifiers", _NOTIFIER, _notifiers(state))


def _breakers(near: list[Any]) -> Iterator[tuple[object, ...]]:
    for one in near:
        seen = to_the_second(one["as_of"]) or "not yet"
        yield (one["account"] or "all accounts", one["text"], f"{one['used']:.0%}", one["action"], seen)


def _sources(state: Any) -> Iterator[tuple[object, ...]]:
    for name, source in state["sources"].items():
        head = (name, source["plugin"], source["status"])
        if not source["signals"]:
            yield (*head, to_the_second(source["last_signal_at"]), "", "", "", "", _note(source))
        for symbol, signal in source["signals"].items():
            note = _note(source, "expired" if signal.get("expired") else "")
            yield (
                *head,
                to_the_second(signal["received_at"]),
                symbol,
                *(signal[key] for key in ("depth", "leverage", "price")),
                note,
            )
            head = ("", "", "")


def _note(source: Any, more: str = "") -> str:
    silent = f"silent since {to_the_second(source['silent_since'])}" if source.get("silent_since") else ""
    warning = source.get("counters", {}).get("warning", "")
    return "; ".join(part for part in (silent, more, source["reason"], warning) if part)


def _accounts(state: Any) -> Iterator[tuple[object, ...]]:
    for name, account in state["accounts"].items():
        read = _ago(account.get("read_age"))
        shadow = f"shadow of {account['shadow_of']}" if account.get("shadow_of") else ""
        seen = account.get("last_seen") if account["equity"] is None else None
        last = f"last seen with {seen['total']} at {to_the_second(seen['at'])}" if seen else ""
        note = "; ".join(part for part in (shadow, account["reason"], last) if part)
        yield (name, account["plugin"], account["status"], account["equity"], read, note)


def _notifiers(state: Any) -> Iterator[tuple[object, ...]]:
    for name, notifier in state["notifiers"].items():
        yield (name, *(notifier[key] for key in _NOTIFIER[1:]))


def _positions(state: Any) -> Iterator[tuple[object, ...]]:
    for name, account in state["accounts"].items():
        for symbol in sorted({*account["positions"], *account["targets"]}):
            position = account["positions"].get(symbol, {})
            target = account["targets"].get(symbol, {})
            wanted = (target.get(key) for key in ("quantity", "depth", "leverage", "revision"))
            yield (
                name,
                symbol,
                position.get("size"),
                position.get("entry_price"),
                *wanted,
                doing(target) if target else "not ours",
                _ago(target.get("read_age")),
                why(target),
            )


def _ago(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds)} ago"
