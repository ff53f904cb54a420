"""PineConnector: ``LicenseID,command,symbol,key=value,…``, as far as the command states the resulting position.

    60123456789,closeshortopenlong,BTCUSDT,risk=1

The licence, its first piece, and ``secret=`` are neither persisted nor shown.
"""

from __future__ import annotations

import re

from te_core.api import SignalRejected
from te_signals_tradingview.formats.adapters.translation import Act, Translation, no_target, present
from te_signals_tradingview.formats.numbers import quoted

NAME = "pineconnector"
# Possessive (``*+``): matching takes time proportional to the length of the text, whatever the text is.
_LINE = re.compile(r"\s*+[0-9]{6,20}\s*+,\s*+[A-Za-z]{2,40}\s*+,\s*+[^,=\s]{1,100}\s*+(?:,[^\r\n]*+)?+\s*+")
_ACTS = {
    "closeshortopenlong": Act(direction="long"),
    "closeshortbuy": Act(direction="long"),
    "closelongopenshort": Act(direction="short"),
    "closelongsell": Act(direction="short"),
    "closelongshort": Act(direction="flat"),
    "closeall": Act(direction="flat"),
    "closelong": Act(direction="flat", closes=1),
    "closeshort": Act(direction="flat", closes=-1),
}
_PASSED_ON = frozenset({"comment", "size", "signal_seq", "event_id", "timenow", "price", "leverage"})


def is_line(text: str) -> bool:
    """Return whether a text has the outline of a PineConnector alert: a licence, a word, a symbol."""
    return "," in text and _LINE.fullmatch(text) is not None


def parse_line(text: str) -> Translation:
    """Translate a line. ``risk=`` is what the order adds, not a target. Raises ``SignalRejected``."""
    pieces = [piece.strip() for piece in text.strip().split(",")]
    if len(pieces) < 3:
        hint = "the form is LicenseID,closeshortopenlong,BTCUSDT"
        raise SignalRejected("is not a PineConnector message", field="body", hint=hint)
    command = pieces[1].lower()
    act = _ACTS.get(command)
    if act is None:
        instead = "send closeshortopenlong, closelongopenshort, closelong, closeshort or closelongshort"
        raise no_target(command if command.isalpha() and len(command) <= 40 else "…", "command", instead)
    options = dict(_pair(piece) for piece in pieces[3:] if "=" in piece)
    fields = {name: value for name, value in options.items() if name in _PASSED_ON}
    return Translation(
        product=NAME,
        fields={**fields, **present(symbol=pieces[2], direction=act.direction)},
        names={"direction": "command"},
        closes=act.closes,
    )


def _pair(piece: str) -> tuple[str, str]:
    name, _, value = piece.partition("=")
    if len(name) > 40:
        raise SignalRejected(f"{quoted(name)} is not a key", field="body")
    return name.strip().lower(), value.strip().strip('"')
