"""Alerts and queries take the paths through the code that docs/architecture.md lists."""

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
from aiohttp import ClientSession

from te_core.accounts.worker import AccountWorker
from tests.cli.test_application import TOKEN, _running, _send, _target, _until

pytestmark = pytest.mark.real_clock

GUIDE = Path(__file__).parents[2] / "docs" / "architecture.md"
PATH = re.compile(r"^```\n((?:te_core/[\w/]+\.py: [\w.]+\n)+)```$", re.M)


def paths() -> tuple[list[str], list[str]]:
    """Return the steps of an alert and of a query, as the guide lists them: ``file: name``."""
    alert, query = PATH.findall(GUIDE.read_text(encoding="utf-8"))
    return alert.splitlines(), query.splitlines()


def code_of(step: str) -> CodeType:
    file, _, name = step.partition(".py: ")
    part = importlib.import_module(file.replace("/", "."))
    for word in name.split("."):
        part = getattr(part, word)
    code: CodeType = part.__code__
    return code


@contextmanager
def recorded(steps: list[str]) -> Iterator[list[str]]:
    """Record the order in which the functions of these steps are first called, from the first of them on.

    The account also works on its own: what it does before the alert arrives is not part of the path.
    """
    order: list[str] = []
    codes = {code_of(step): step for step in steps}
    first = steps[0]

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


def _rests(worker: AccountWorker) -> bool:
    """Return whether the account makes no pass of its own within the next second."""
    delay = worker._delay()
    return not worker._wake_event.is_set() and (delay is None or delay > 1)


async def test_an_alert_takes_the_path_that_the_guide_shows(folder: object) -> None:
    listed, _ = paths()
    assert len(listed) > 20
    async with _running(folder) as application:
        await _send(application, direction="flat", size="0/100")
        await _until(lambda: _target(application).get("status") == "at_target")
        assert application.engine is not None
        worker = application.engine.accounts["paper"].worker
        await _until(lambda: _rests(worker))
        with recorded(listed) as order:
            assert await _send(application) == 200
            await _until(
                lambda: _target(application).get("confirmed") and _target(application)["depth"] != "0"
            )
    assert order == listed


async def test_a_query_takes_the_way_that_the_guide_shows(folder: object) -> None:
    _, listed = paths()
    async with _running(folder) as application, ClientSession() as http:
        url, headers = f"{application.servers.private.url}/api/v1/state", {"Authorization": f"Bearer {TOKEN}"}
        with recorded(listed) as order:
            async with http.get(url, headers=headers) as response:
                assert response.status == 200
    assert order == listed


def test_no_file_is_entered_more_than_twice_on_the_way() -> None:
    for listed in paths():
        assert max(Counter(step.partition(":")[0] for step in listed).values()) <= 2
