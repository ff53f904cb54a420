"""Alertatron: ``Keys(BTCUSDT) { market(position=0); } #bot``, as far as it states the resulting position.

``position=`` does; ``side=`` with ``amount=`` is an order and does not. The name of the key set is neither persisted
nor shown.
"""

from __future__ import annotations

import re

from te_core.api import SignalRejected
from te_signals_tradingview.formats.adapters.translation import Translation, no_target, present
from te_signals_tradingview.formats.numbers import quoted, to_number

NAME = "alertatron"
# Possessive (``*+``): matching takes time proportional to the length of the text, whatever the text is.
_BLOCK = re.compile(
    r"\s*+[^\s(){}]{1,100}\(\s*+([^\s(){}]{1,100})\s*+\)\s*+\{([^{}]*+)\}\s*+(?:#[^\s#]{1,40}\s*+)*+"
)
_COMMAND = re.compile(r"\s*+([A-Za-z]{1,40})\s*+\(([^()]*+)\)\s*+")
_HARMLESS = frozenset({"cancel", "wait", "notify"})
_SHAPE = "Keys(BTCUSDT) { market(position=0); } #bot"


def is_block(text: str) -> bool:
    """Return whether a text has the outline of an Alertatron alert."""
    return "{" in text and not text.lstrip().startswith("{") and _BLOCK.fullmatch(text) is not None


def parse_block(text: str) -> Translation:
    """Translate an alert. Raises ``SignalRejected``."""
    found = _BLOCK.fullmatch(text)
    if found is None:
        raise SignalRejected("is not an Alertatron message", field="body", hint=f"the form is {_SHAPE}")
    symbol, commands = found.groups()
    targets = [target for command in commands.split(";") if (target := _target(command)) is not None]
    if len(targets) != 1:
        reason = f"{len(targets)} commands state a position: exactly one has to"
        raise SignalRejected(reason, field="body", hint=f"send {_SHAPE}")
    direction, size = targets[0]
    return Translation(
        product=NAME,
        fields=present(symbol=symbol, direction=direction, size=size),
        names={"direction": "position", "size": "position"},
    )


def _target(command: str) -> tuple[str, str] | None:
    """Return direction and size of a command that states a position; None for one that trades nothing."""
    if not command.strip():
        return None
    found = _COMMAND.fullmatch(command)
    if found is None:
        raise SignalRejected("a command cannot be parsed", field="body", hint=f"send {_SHAPE}")
    name, arguments = found[1].lower(), _arguments(found[2])
    if name in _HARMLESS:
        return None
    if name == "close" and not arguments:
        return "flat", ""
    if name != "market" or "position" not in arguments:
        raise no_target(name, "body", f"state the position: {_SHAPE}")
    return _position(arguments["position"])


def _arguments(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if pair.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _position(text: str) -> tuple[str, str]:
    """Return direction and size: ``50%`` and ``50%b`` are shares of the balance; a bare number only states the side."""
    number = to_number(text.removesuffix("b").removesuffix("%"))
    if number is None:
        raise SignalRejected(
            f"{quoted(text)} is not a position of a known kind",
            field="position",
            hint="write 0, or a share of the balance such as 50% or -50%",
        )
    direction = "flat" if not number else "long" if number > 0 else "short"
    return direction, f"{abs(number):f}%" if "%" in text else ""
