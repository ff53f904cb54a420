"""Alertatron: ``Keys(BTCUSDT) { market(position=0); } #bot``, as far as it says which position shall result.

``position=`` does; ``side=`` with ``amount=`` orders something and does not. The name of the key set is neither kept
nor shown.
"""

from __future__ import annotations

import re

from te_core.api import SignalRejected
from te_signals_tradingview.adapters.translation import Translation, no_target, present
from te_signals_tradingview.number import quoted, to_number

NAME = "alertatron"
# Possessive (``*+``), so that the time stays proportional to the text, whatever stands in it.
_BLOCK = re.compile(
    r"\s*+[^\s(){}]{1,100}\(\s*+([^\s(){}]{1,100})\s*+\)\s*+\{([^{}]*+)\}\s*+(?:#[^\s#]{1,40}\s*+)*+"
)
_COMMAND = re.compile(r"\s*+([A-Za-z]{1,40})\s*+\(([^()]*+)\)\s*+")
_HARMLESS = frozenset({"cancel", "wait", "notify"})
_SHAPE = "Keys(BTCUSDT) { market(position=0); } #bot"


def is_block(text: str) -> bool:
    """Tell a message by its outline."""
    return "{" in text and not text.lstrip().startswith("{") and _BLOCK.fullmatch(text) is not None


def read_block(text: str) -> Translation:
    """Read a message. Raises ``SignalRejected``."""
    found = _BLOCK.fullmatch(text)
    if found is None:
        raise SignalRejected("is no message of Alertatron", field="body", hint=f"it looks like {_SHAPE}")
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
    """Give direction and size of a command that states a position; None for one that trades nothing."""
    if not command.strip():
        return None
    found = _COMMAND.fullmatch(command)
    if found is None:
        raise SignalRejected("a command is not readable", field="body", hint=f"send {_SHAPE}")
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
    """``50%`` and ``50%b`` are shares of the balance; bare numbers are units of the instrument and only tell a side."""
    number = to_number(text.removesuffix("b").removesuffix("%"))
    if number is None:
        raise SignalRejected(
            f"{quoted(text)} is no position of a known kind",
            field="position",
            hint="write 0, or a share of the balance such as 50% or -50%",
        )
    direction = "flat" if not number else "long" if number > 0 else "short"
    return direction, f"{abs(number):f}%" if "%" in text else ""
