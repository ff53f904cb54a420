"""PineConnector: ``LicenseID,command,symbol,key=value,…``, as far as the command says which position shall result.

    60123456789,closeshortopenlong,BTCUSDT,risk=1

Its licence, the first piece, and ``secret=`` are neither kept nor shown.
"""

from __future__ import annotations

import re

from te_core.api import SignalRejected
from te_signals_tradingview.adapters.translation import Act, Translation, no_target, present
from te_signals_tradingview.number import quoted

NAME = "pineconnector"
# Possessive (``*+``), so that the time stays proportional to the text, whatever stands in it.
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
_KEPT = frozenset({"comment", "size", "signal_seq", "event_id", "timenow", "price", "leverage"})


def is_line(text: str) -> bool:
    """Tell a line by its outline: a licence, a word, a symbol."""
    return "," in text and _LINE.fullmatch(text) is not None


def read_line(text: str) -> Translation:
    """Read a line. ``risk=`` is what the order adds, no target. Raises ``SignalRejected``."""
    pieces = [piece.strip() for piece in text.strip().split(",")]
    if len(pieces) < 3:
        hint = "it looks like LicenseID,closeshortopenlong,BTCUSDT"
        raise SignalRejected("is no message of PineConnector", field="body", hint=hint)
    command = pieces[1].lower()
    act = _ACTS.get(command)
    if act is None:
        instead = "send closeshortopenlong, closelongopenshort, closelong, closeshort or closelongshort"
        raise no_target(command if command.isalpha() and len(command) <= 40 else "…", "command", instead)
    more = dict(_pair(piece) for piece in pieces[3:] if "=" in piece)
    fields = {name: value for name, value in more.items() if name in _KEPT}
    return Translation(
        product=NAME,
        fields={**fields, **present(symbol=pieces[2], direction=act.direction)},
        names={"direction": "command"},
        closes=act.closes,
    )


def _pair(piece: str) -> tuple[str, str]:
    name, _, value = piece.partition("=")
    if len(name) > 40:
        raise SignalRejected(f"{quoted(name)} is no key", field="body")
    return name.strip().lower(), value.strip().strip('"')
