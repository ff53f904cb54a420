"""What becomes of a hostile plugin next to honest ones in one engine: what the engine says, and who trades on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.plugins.discovery import PluginEntry
from te_core.plugins.loading import load
from te_core.plugins.report import PluginStatus
from te_core.testing.fakes import webhook_request
from te_core.testing.virtual_clock import START
from tests.engine.scene import Scene
from tests.hostile.cases import GROUPS, Case
from tests.hostile.plugins import Offering, settings_for, spec_of
from tests.querying import account_findings, queries_of

D = Decimal


def reason_of(case: Case) -> str:
    """Load a plugin with a hostile hook, and return what ``te plugins`` reports about it."""
    entry = PluginEntry(
        name="hostile",
        distribution="te-hostile",
        version="1",
        requires_core="",
        requires=(),
        entry_point=Offering(case),
    )
    loaded = load(entry)
    assert loaded.report.status is PluginStatus.FAILED
    return loaded.report.reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a case: what the engine reports, and whether the honest instances traded undisturbed."""

    says: str
    traded_on: bool
    closed_within: float


async def outcome(case: Case, folder: Path) -> Outcome:
    """Run a case: honest signals before, during and after, and a stop at the end."""
    if case.kind == "hook":
        return Outcome(_steady(reason_of(case)), traded_on=True, closed_within=0.0)
    world = Scene(folder)
    world.more = [spec_of(case)]
    for group, sections in settings_for(case).items():
        world.settings = {**world.settings, group: {**world.settings.get(group, {}), **sections}}
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="DEBUG")
    try:
        await world.start()
        traded_on = await _trades(world, "0.5", "0.1")
        found = await _stimulated(world, case)
        traded_on = await _trades(world, "0.2", "0.04") and traded_on
        await asyncio.sleep(75)
        traded_on = await _trades(world, "-0.2", "-0.04") and traded_on
        texts = [*_told(world, case), *found, *_strings(world.whole_state()[GROUPS[case.kind]]["bad"])]
        began = world.clock.monotonic()
        await world.stop()
        closed_within = world.clock.monotonic() - began
    finally:
        logger.remove(sink)
    return Outcome(says(case, [*texts, *lines]), traded_on, closed_within)


async def _trades(world: Scene, depth: str, position: str) -> bool:
    """Publish a signal of the honest source; a second later the honest account holds it."""
    await world.say(depth)
    await world.say(depth, "ETHUSDT", wait=0)
    return world.held() == D(position) and world.at_target()


async def _stimulated(world: Scene, case: Case) -> list[str]:
    """Call the method where trading alone does not; return what its caller received."""
    if case.method == "on_webhook":
        asking = asyncio.create_task(
            world.engine.on_webhook("bad", webhook_request(b"{}", received_at=START))
        )
        if (await asyncio.wait([asking], timeout=15))[0]:
            return list(_strings(asking.result().body))
        asking.cancel()
    if case.method == "report":
        return list(_strings(queries_of(world.engine).report("bad")))
    if case.method == "diagnose":
        findings = (await account_findings(world.engine))["bad"]
        return [one["text"] for one in findings]
    return []


def _told(world: Scene, case: Case) -> Iterator[str]:
    """Yield the history's entries about the instance: outages, then the rest."""
    events = world.events()
    mine = [event for event in events if "bad" in (event.account, event.source) or "bad" in event.text]
    yield from (event.text for event in mine if event.kind == "outage")
    yield from (event.text for event in mine if event.kind not in ("outage", "recovery", "noise"))
    del case


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def says(case: Case, texts: Sequence[str]) -> str:
    """Return the first text that names what the method did, without the parts that differ between runs."""
    if case.way == "floods":
        return FLOODED[case.kind]
    needles = [f"{case.method}()", "its factory"]
    if case.way in ("hangs", "clings"):
        needles += ["not connected within", "took longer than", "did not stop within"]
    if case.way == "ends":
        needles += ["ended on its own"]
    needles += [f"{case.method}:"]
    for needle in needles:
        for text in texts:
            if needle in text:
                return _steady(text)
    return ""


FLOODED = {
    "source": "what it may not publish is refused, what it records is kept in the journal",
    "exchange": "pushes are facts, not commands: one pass follows from any number of them",
    "risk check": "however often it asks to be asked again, once in half a second",
}


def _steady(text: str) -> str:
    """Return a text without line numbers, and without other failures of the same time."""
    text = re.sub(r" \((?:\w+/)*\w+\.py:\d+\)", " (*file:line*)", text.splitlines()[0])
    text = re.sub(r"; next try in .*", "", text)
    return text.replace("|", "\\|")
