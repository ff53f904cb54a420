"""An alert follows the path through the plugin's files that docs/tradingview.md lists, and it is a straight one."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import te_signals_tradingview

PACKAGE = Path(te_signals_tradingview.__file__).parent
GUIDE = Path(__file__).parents[3] / "docs" / "tradingview.md"
STEP = re.compile(r"^te_signals_tradingview/([\w/]+\.py): ([\w.]+)$", re.M)
ALERT = {
    "symbol": "BYBIT:ETHUSDT.P",
    "direction": "long",
    "action": "buy",
    "size": "14.08/100",
    "price": "3200.5",
    "market_position_size": "2.5",
    "prev_market_position": "flat",
    "prev_market_position_size": "0",
    "timenow": "2026-01-01T00:00:00Z",
}
FLAT = {**ALERT, "direction": "flat", "market_position_size": "0", "timenow": "2025-12-31T23:00:00Z"}


HELPERS = {
    "auth/tokens.py",
    "deadlines.py",
    "formats/fields.py",
    "formats/numbers.py",
    "formats/stated_position.py",
    "ordering/evidence.py",
}
"""Small functions that a stage calls as often as it needs them."""


def listed() -> list[tuple[str, str]]:
    """Return (file, function) of every step in the guide."""
    return STEP.findall(GUIDE.read_text(encoding="utf-8"))


@contextmanager
def traced() -> Iterator[list[tuple[str, str]]]:
    """Record every call from one file of the package to another, and the first from outside: (file, function)."""
    entries: list[tuple[str, str]] = []

    def watch(frame: FrameType, event: str, argument: object) -> None:
        del argument
        path, caller = Path(frame.f_code.co_filename), frame.f_back
        if event != "call" or caller is None or not path.is_relative_to(PACKAGE):
            return
        from_file = Path(caller.f_code.co_filename)
        if not entries or (from_file != path and from_file.is_relative_to(PACKAGE)):
            entries.append((path.relative_to(PACKAGE).as_posix(), frame.f_code.co_qualname))

    sys.setprofile(watch)
    try:
        yield entries
    finally:
        sys.setprofile(None)


async def entries_of_an_alert(make_harness: Callable[..., Any]) -> list[tuple[str, str]]:
    """Follow an alert that takes over from another one."""
    harness = make_harness()
    assert (await harness.post(FLAT)).status == 200
    with traced() as entries:
        assert (await harness.post(ALERT)).body["status"] == "accepted"
    return entries


async def test_an_alert_takes_the_path_that_the_guide_lists(make_harness: Callable[..., Any]) -> None:
    first: dict[str, str] = {}
    for file, function in await entries_of_an_alert(make_harness):
        first.setdefault(file, function)
    assert list(first.items()) == listed()


async def test_every_stage_of_the_way_is_entered_once(make_harness: Callable[..., Any]) -> None:
    entered = Counter(file for file, _ in await entries_of_an_alert(make_harness))
    assert entered.keys() >= HELPERS
    assert {file: count for file, count in entered.items() if count > 1 and file not in HELPERS} == {}
