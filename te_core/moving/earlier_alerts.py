"""Finds the last signal of each symbol in the logs of the earlier program, by that program's rules.

There is one file per day; a line is a local time and the alert's JSON. The earlier program sorted the alerts of a
symbol and file by time. It ordered a flat and a position within 5 seconds of each other by their sequence, or else by
what was held before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.moving.earlier_files import ALERTS, OPINIONS, Notes, number

WINDOW = timedelta(seconds=5)
NUDGE = timedelta(milliseconds=1)
COUNTED = timedelta(days=60)
"""Age beyond which alerts were ignored."""
UNRANKED = 3
FORMAT = "%Y-%m-%d %H:%M:%S.%f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One line of a log."""

    symbol: str
    spelling: str
    """The symbol as sent."""
    flat: bool
    depth: Decimal
    at: datetime
    """Local time without zone."""
    where: str
    line: int
    leverage: Decimal | None = None
    price: Decimal | None = None
    rank: int = UNRANKED
    sequence: int | str = ""

    @property
    def order_key(self) -> tuple[datetime, int, int | str, int]:
        """Return the sort key within a file."""
        return self.at, self.rank, self.sequence, self.line


def read_alerts(
    folder: Path, mapping: Mapping[str, str], prior: Mapping[str, bool], notes: Notes
) -> dict[str, Alert]:
    """Return the newest alert of each symbol. ``prior``: by symbol, whether a position was held before the first."""
    newest: dict[str, Alert] = {}
    files = sorted((folder / ALERTS).glob("*.log")) if (folder / ALERTS).is_dir() else []
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                found = list(parse_lines(lines, file.name, mapping, notes))
        except OSError as error:
            notes.add(file.name, f"cannot be read ({error.strerror}), left out")
            continue
        for symbol, alerts in _by_symbol(found).items():
            before = newest.get(symbol)
            state = before.depth != 0 if before is not None else prior.get(symbol)
            for alert in in_order(alerts, state):
                if before is None or alert.at >= before.at:
                    newest[symbol] = alert
    return newest


def parse_lines(
    lines: Iterable[str], where: str, mapping: Mapping[str, str], notes: Notes
) -> Iterator[Alert]:
    """Yield the alerts that counted; add a note with the number of the others."""
    dropped: dict[str, int] = {}
    for number_of, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            yield _alert(line, where, number_of, mapping)
        except ValueError as error:
            dropped[str(error)] = dropped.get(str(error), 0) + 1
    for reason, count in dropped.items():
        notes.add(where, f"{count} lines were ignored by the earlier program, too: {reason}")


def _alert(line: str, where: str, number_of: int, mapping: Mapping[str, str]) -> Alert:
    """Parse a line. Raises ``ValueError`` with the reason if it never counted."""
    parts = line.split(" ", 2)
    try:
        at = datetime.strptime(" ".join(parts[:2]), FORMAT)  # noqa: DTZ007 - the zone is its server's, added later
        data = json.loads(parts[2], parse_float=Decimal)
    except (ValueError, IndexError):
        raise ValueError("not a time and an alert") from None
    spelling = data.get("symbol") if isinstance(data, dict) else None
    if not isinstance(spelling, str) or not spelling:
        raise ValueError("no symbol")
    direction = data.get("direction")
    if direction not in ("long", "short", "flat"):
        raise ValueError("no direction")
    flat = direction == "flat"
    price = number(data["price"]) if "price" in data else Decimal(0)
    if price is None:
        raise ValueError("no price")
    leverage = None if flat else number(data.get("leverage"))
    rank, sequence = _sequence(data)
    return Alert(
        symbol=mapping.get(spelling, spelling),
        spelling=spelling,
        flat=flat,
        depth=Decimal(0) if flat else _depth(data.get("size"), direction),
        at=at,
        where=where,
        line=number_of,
        leverage=leverage if leverage is not None and leverage > 0 else None,
        price=price if price > 0 else None,
        rank=rank,
        sequence=sequence,
    )


def _depth(size: Any, direction: str) -> Decimal:
    above, slash, below = size.partition("/") if isinstance(size, str) else ("", "", "")
    share, whole = number(above), number(below)
    if not slash or share is None or not whole:
        raise ValueError("no size")
    depth = abs(share) / abs(whole)
    return -depth if share < 0 or direction == "short" else depth


def _sequence(data: Mapping[str, Any]) -> tuple[int, int | str]:
    given = data.get("signal_seq")
    if given not in (None, ""):
        text = str(given).strip()
        try:
            return 0, int(text)
        except ValueError:
            return 1, text
    event = data.get("event_id")
    return (2, str(event).strip()) if event not in (None, "") else (UNRANKED, "")


def _by_symbol(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.symbol, []).append(alert)
    return found


def in_order(alerts: Sequence[Alert], held: bool | None) -> Iterator[Alert]:
    """Yield the alerts of one symbol and file in effective order. ``held``: whether a position was held before."""
    waiting = sorted(alerts, key=lambda alert: alert.order_key)
    while waiting:
        first, *rest = waiting
        second = rest[0] if rest else None
        if second is not None and first.flat != second.flat and second.at - first.at <= WINDOW:
            pair: tuple[Alert, ...] = _pair(first, second, held)
            waiting = rest[1:]
        else:
            pair, waiting = (first,), rest
        yield from pair
        held = pair[-1].depth != 0


def _pair(first: Alert, second: Alert, held: bool | None) -> tuple[Alert, Alert]:
    """Order a flat and a position, and adjust their times if those are in a different order."""
    pair = first, second
    if first.rank == second.rank < UNRANKED and first.sequence != second.sequence:
        pair = (first, second) if _precedes(first, second) else (second, first)
    elif held is not None:
        flat, position = (first, second) if first.flat else (second, first)
        pair = (flat, position) if held else (position, flat)
    if pair == (first, second) and first.at < second.at:
        return pair
    at = min(first.at, second.at)
    return replace(pair[0], at=at), replace(pair[1], at=at + NUDGE)


def _precedes(one: Alert, other: Alert) -> bool:
    """Return whether a sequence precedes another of the same rank: compare numbers as numbers, texts as texts."""
    if isinstance(one.sequence, int) and isinstance(other.sequence, int):
        return one.sequence < other.sequence
    return str(one.sequence) < str(other.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """The miners' last depth for a symbol."""

    symbol: str
    depth: Decimal
    at: int
    """Milliseconds since 1970."""
    where: str
    price: Decimal | None = None


def read_opinions(folder: Path, notes: Notes) -> dict[str, Opinion]:
    """Return the newest stored opinion of the miners for each symbol."""
    newest: dict[str, Opinion] = {}
    bittensor_folder = folder / OPINIONS
    for file in (
        sorted(bittensor_folder.glob("bittensor_signal*.json"), reverse=True)
        if bittensor_folder.is_dir()
        else ()
    ):
        try:
            found = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
        except (OSError, ValueError):
            notes.add(file.name, "cannot be read, left out")
            continue
        for symbol, entry in found.items() if isinstance(found, dict) else ():
            opinion = _opinion(symbol, entry, file.name)
            if opinion is None:
                notes.add(file.name, f"{symbol}: no depth and time, left out")
            elif opinion.at and (symbol not in newest or opinion.at > newest[symbol].at):
                newest[symbol] = opinion
    return newest


def _opinion(symbol: str, entry: Any, where: str) -> Opinion | None:
    values = entry if isinstance(entry, dict) else {}
    depth, at, price = (number(values.get(name)) for name in ("depth", "timestamp", "price"))
    if depth is None or at is None or at < 0:
        return None
    return Opinion(
        symbol=symbol, depth=depth, at=int(at), where=where, price=price if price and price > 0 else None
    )
