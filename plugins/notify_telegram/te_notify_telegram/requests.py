"""Parses messages into commands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from te_core.api import Action, Command

COMMANDS = {
    "status": "what runs, and what needs attention",
    "positions": "what is held [account or symbol]",
    "pnl": "value and profit [24h, 7d, 30d]",
    "why": "why a symbol has its size: /why BTCUSDT",
    "halt": "reductions only [account] [symbol] [: reason]",
    "flatten": "close everything, then halt [account] [symbol] [: reason]",
    "resume": "lift halts and pauses [account or source] [symbol] [: reason]",
    "pause": "ignore a source: /pause tradingview [close] [: reason]",
}
RISKY = ("halt", "flatten", "resume", "pause")
_WRITTEN = re.compile(r"/([A-Za-z_]{1,32})(?:@(\w{1,64}))?(?=[\s:]|$)(.*)", re.S)
_SPAN = re.compile(r"(\d{1,4})([hd])")


def allowed(role: str) -> dict[str, str]:
    """Return the commands of a role, with their descriptions."""
    return {name: text for name, text in COMMANDS.items() if role == "control" or name not in RISKY}


class Unclear(ValueError):
    """A message cannot be carried out; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A parsed message: ``/pause tradingview close: holiday``."""

    name: str
    bot: str = ""
    """The addressed bot; empty for none."""
    words: tuple[str, ...] = ()
    reason: str = ""


def read(text: str) -> Written | None:
    """Parse a message; return None if it is not a command."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    name, bot, rest = found.groups(default="")
    said, _, reason = rest.partition(":")
    return Written(name=name.lower(), bot=bot, words=tuple(said.split()), reason=" ".join(reason.split()))


def command_of(written: Written, state: Mapping[str, Any], by: str) -> Command:
    """Return the engine's command for a message. Raises ``Unclear``.

    A word that is not a known name is refused and never treated as a reason: dropping it would widen the command.
    """
    action = Action(written.name)
    words = [word for word in written.words if action is not Action.PAUSE or word.lower() != "close"]
    accounts = [word for word in words if word in state["accounts"]]
    sources = [word for word in words if word in state["sources"] and word not in accounts]
    symbols = [word.upper() for word in words if word not in accounts and word not in sources]
    known = symbols_of(state)
    for symbol in symbols:
        if symbol not in known:
            raise Unclear(_unknown(symbol, [*state["accounts"], *state["sources"], *known]))
    if len(symbols) > 1:
        raise Unclear(f"one symbol at a time: {', '.join(symbols)}")
    if sources and action in (Action.HALT, Action.FLATTEN):
        raise Unclear(f"{sources[0]} is a source: use /pause {sources[0]} to ignore it")
    if action is Action.PAUSE and (not sources or accounts or symbols):
        raise Unclear(f"/pause SOURCE, one of: {', '.join(state['sources']) or 'none'}")
    return Command(
        action=action,
        by=by,
        reason=written.reason,
        accounts=tuple(accounts),
        sources=tuple(sources),
        symbol=symbols[0] if symbols else "",
        close=len(words) < len(written.words),
    )


def symbols_of(state: Mapping[str, Any]) -> list[str]:
    """Return every symbol in the settings or held by an account."""
    accounts = state["accounts"].values()
    held = [
        symbol for one in accounts for part in ("positions", "targets", "foreign") for symbol in one[part]
    ]
    return list(dict.fromkeys([*state["symbols"], *held]))


def span_of(words: tuple[str, ...]) -> timedelta:
    """Return the period of ``/pnl``; a day by default. Raises ``Unclear``."""
    if not words:
        return timedelta(days=1)
    found = _SPAN.fullmatch(words[0].lower())
    if found is None or len(words) > 1 or int(found[1]) == 0:
        raise Unclear("expected a period such as 24h, 7d or 30d")
    return timedelta(hours=int(found[1])) if found[2] == "h" else timedelta(days=int(found[1]))


def _unknown(word: str, known: Iterable[str]) -> str:
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, 1)
    hint = f"; did you mean {by_lower[near[0]]}?" if near else ""
    return f"no account, source or symbol is named {word}{hint} (a reason follows a colon)"
