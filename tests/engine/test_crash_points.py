"""Six scenarios, each killed at every point: the account reaches its target, and no order is sent twice.

``make test`` runs a sample of the points; ``TE_CRASHES=all`` runs every one (``make crashes``).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import NotReady, OutcomeUnknown
from te_core.model.control import Action
from te_core.testing import virtual_clock
from te_core.testing.faults import Fault
from tests.engine.crashes import LAST_REQUESTS, Crashing, LastRequest, Step

D = Decimal
STRIDE = 1 if os.environ.get("TE_CRASHES") == "all" else 29
"""Step between the tried points; coprime to the calls of a pass, so that samples cover all kinds of calls."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The steps (floats are seconds to wait), the settings, and what is held in the end."""

    steps: list[Step | float]
    ends: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    "two symbols open, one is resized": Scenario(
        steps=[("say", "0.5", "BTCUSDT"), ("say", "-0.2", "ETHUSDT"), 3.0, ("say", "0.3", "BTCUSDT"), 3.0],
        ends={"BTCUSDT": "0.06", "ETHUSDT": "-0.8"},
    ),
    "flip": Scenario(
        steps=[("say", "0.5", "BTCUSDT"), 3.0, ("say", "-0.5", "BTCUSDT"), 3.0],
        ends={"BTCUSDT": "-0.1"},
        settings={"symbols__BTCUSDT__leverage": 1},
    ),
    "chunks, one filled in part, one not taken": Scenario(
        steps=[
            ("fault", "place_order", Fault(answer_delay=0.5)),
            ("fault", "place_order", Fault(share=D("0.5"))),
            ("fault", "place_order", Fault(refused=NotReady("busy"))),
            ("say", "0.6", "BTCUSDT"),
            30.0,
        ],
        ends={"BTCUSDT": "0.12"},
        settings={"accounts__one__limits": {"order_notional": 1500}},
    ),
    "an answer is lost, the close too": Scenario(
        steps=[
            ("fault", "place_order", Fault(lost=OutcomeUnknown("timeout"))),
            ("say", "0.5", "BTCUSDT"),
            3.0,
            ("fault", "place_order", Fault(lost=OutcomeUnknown("timeout"), late=3)),
            ("say", "0", "BTCUSDT"),
            30.0,
        ],
        ends={"BTCUSDT": "0"},
    ),
    "leverage and margin mode change, the account is switched off and on": Scenario(
        steps=[
            ("say", "0.5", "BTCUSDT"),
            3.0,
            ("edit", "symbols.BTCUSDT.leverage", 3),
            3.0,
            ("edit", "accounts.one.margin_mode", "cross"),
            5.0,
            ("edit", "accounts.one.enabled", False),
            3.0,
            ("edit", "accounts.one.enabled", True),
            5.0,
        ],
        ends={"BTCUSDT": "0.3"},
    ),
    "flattened in the middle of a plan, resumed from the next signal on": Scenario(
        steps=[
            ("say", "0.2", "ETHUSDT"),
            3.0,
            ("fault", "place_order", Fault(answer_delay=0.5)),
            ("say", "0.3", "BTCUSDT"),
            0.7,
            ("fault", "place_order", Fault(lost=OutcomeUnknown("timeout"), late=3)),
            ("command", Action.FLATTEN, False),
            30.0,
            ("command", Action.RESUME, True),
            3.0,
            ("say", "0.1", "BTCUSDT"),
            5.0,
        ],
        ends={"BTCUSDT": "0.02", "ETHUSDT": "0"},
        settings={"accounts__one__limits": {"order_notional": 1500}},
    ),
}


async def play(
    folder: Path, scenario: Scenario, at: int | None, last_request: LastRequest
) -> tuple[int, str]:
    """Play a scenario with the engine killed at a point; return how many points there were, and what is wrong."""
    (folder / "0").mkdir(parents=True)
    world = Crashing(folder, at, last_request, **scenario.settings)
    await world.start()
    await world.play([*scenario.steps, 300.0])
    points, wrong = world.points, []
    for symbol, want in scenario.ends.items():
        if world.held(symbol) != D(want) or world.row(symbol)["status"] not in ("at_target", "halted"):
            wrong.append(f"holds {world.held(symbol)} {symbol}, not {want}: {world.row(symbol)}")
    wrong += [f"{order} was sent {times} times" for order, times in world.ids.items() if times > 1]
    wrong += [f"still open: {intent}" for intent in world.journal.snapshot().open_intents]
    sent = len(world.sent())
    await world.play([120.0])
    wrong += ["sent at target"] * (len(world.sent()) > sent)
    await world.stop()
    return points, f"killed at {at} ({world.point}, {last_request}): {wrong}" if wrong else ""


async def simulate(folder: Path, seed: int) -> Counter[str]:
    """Play one scenario with the engine killed at a point that the seed draws."""
    chance = random.Random(seed)
    scenario = list(SCENARIOS.values())[seed % len(SCENARIOS)]
    _, wrong = await play(folder, scenario, chance.randrange(120), chance.choice(LAST_REQUESTS))
    assert not wrong, wrong
    return Counter(kill=1)


@pytest.mark.parametrize("last_request", LAST_REQUESTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_engine_killed_at_any_point_loses_and_repeats_nothing(
    tmp_path: Path, name: str, last_request: LastRequest
) -> None:
    logger.disable("te_core")
    try:
        points, wrong = virtual_clock.run(play(tmp_path / "never", SCENARIOS[name], None, last_request))
        assert not wrong
        assert points > 20
        start = (0, STRIDE // 3, 2 * STRIDE // 3)[LAST_REQUESTS.index(last_request)]
        ended = [
            virtual_clock.run(play(tmp_path / str(at), SCENARIOS[name], at, last_request))[1]
            for at in range(start, points, STRIDE)
        ]
    finally:
        logger.enable("te_core")
    assert not (failed := [text for text in ended if text]), f"{len(failed)} of {len(ended)}: {failed[:3]}"
