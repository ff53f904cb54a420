"""The way of an alert through the code is the one that docs/architecture.md shows, and it is a short one."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import pytest

from tests.cli.test_application import _running, _send, _target, _until

pytestmark = pytest.mark.real_clock

GUIDE = Path(__file__).parents[2] / "docs" / "architecture.md"
STEP = re.compile(r"^(te_core/[\w/]+)\.py: ([\w.]+)$", re.M)


def steps() -> list[tuple[str, str]]:
    """Return (file, name) of every step that the guide lists."""
    found = STEP.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(found) > 20
    return found


def code_of(file: str, name: str) -> CodeType:
    part = importlib.import_module(file.replace("/", "."))
    for word in name.split("."):
        part = getattr(part, word)
    code: CodeType = part.__code__
    return code


@contextmanager
def recorded(codes: dict[CodeType, str]) -> Iterator[list[str]]:
    """Record the order in which these functions are first called, from the first of them on.

    The account looks around by itself, too: what it does before the alert arrives is not its way.
    """
    order: list[str] = []
    first = next(iter(codes.values()))

    def watch(frame: FrameType, event: str, argument: object) -> None:
        del argument
        name = codes.get(frame.f_code) if event == "call" else None
        if name is not None and name not in order and (order or name == first):
            order.append(name)

    sys.setprofile(watch)
    try:
        yield order
    finally:
        sys.setprofile(None)


async def test_an_alert_takes_the_way_that_the_guide_shows(folder: object) -> None:
    listed = [f"{file}: {name}" for file, name in steps()]
    codes = {code_of(file, name): f"{file}: {name}" for file, name in steps()}
    async with _running(folder) as application:
        await _send(application, direction="flat", size="0/100")
        await _until(lambda: _target(application).get("status") == "at_target")
        with recorded(codes) as order:
            assert await _send(application) == 200
            await _until(
                lambda: _target(application).get("confirmed") and _target(application)["depth"] != "0"
            )
    assert order == listed


def test_no_file_is_entered_more_than_twice_on_the_way() -> None:
    assert max(Counter(file for file, _ in steps()).values()) <= 2
