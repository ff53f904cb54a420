"""Every query has one address: it waits for the engine, and its results are free of secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from inspect import iscoroutine
from pathlib import Path
from typing import Any

import pytest

from te_core.errors import NotReady
from te_core.reporting.queries import ProcessStatus, Queries
from te_core.runtime.engine import Engine
from te_core.secrets import Redactor
from tests.engine.scene import Scene, scene
from tests.querying import NOWHERE

SECRET = "a-secret-of-some-length"
QUERIES: dict[str, Callable[[Queries], Any]] = {
    "state": lambda queries: queries.state(),
    "plan": lambda queries: queries.plan(),
    "instruments": lambda queries: queries.instruments(["BTCUSDT"]),
    "explain": lambda queries: queries.explain("BTCUSDT"),
    "report": lambda queries: queries.report("tv"),
    "doctor": lambda queries: queries.doctor(),
    "summary": lambda queries: queries.summary(NOWHERE.now - timedelta(days=1)),
    "metrics": lambda queries: queries.metrics(""),
    "readiness": lambda queries: queries.readiness(),
}


def starting() -> Engine:
    raise NotReady("the engine is starting")


def of(world: Scene, engine: Callable[[], Engine], **known: Any) -> Queries:
    process = ProcessStatus(machine=NOWHERE, **known)
    return Queries(engine, world.journal, process=lambda: process, redactor=Redactor([SECRET]))


async def answer_of(queries: Queries, ask: Callable[[Queries], Any]) -> Any:
    answer = ask(queries)
    return await answer if iscoroutine(answer) else answer


def test_the_list_of_queries_is_complete() -> None:
    assert {name for name in vars(Queries) if not name.startswith("_")} == {*QUERIES, "state_steps"}


async def test_every_query_waits_for_the_engine(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        queries = of(world, starting)
        for ask in QUERIES.values():
            with pytest.raises(NotReady, match="the engine is starting"):
                await answer_of(queries, ask)


async def test_state_shows_what_only_the_process_knows_without_secrets(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        queries = of(
            world,
            lambda: world.engine,
            wrong_tokens=2,
            refused=(f"accounts.one.key: {SECRET}",),
            edits=3,
            applied=("update symbols.BTCUSDT",),
        )
        state = queries.state()
        assert state["listeners"] == {"private": {"wrong_tokens": 2}}
        assert state["settings"] == {
            "file": "settings.toml",
            "refused": ["accounts.one.key: ***"],
            "edits": 3,
            "applied": ["update symbols.BTCUSDT"],
        }
        assert state["accounts"].keys() == {"one"}
