"""Queries of an engine that runs in a test, without an application around it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from te_core.reporting.doctor import examine_all
from te_core.reporting.machine import Machine
from te_core.reporting.queries import ProcessStatus, Queries
from te_core.runtime.engine import Engine
from te_core.secrets import Redactor

NOWHERE = Machine(
    settings=Path("settings.toml"),
    state=Path("state"),
    env={},
    now=datetime(2026, 1, 1, tzinfo=UTC),
    uid=None,
)


def queries_of(engine: Engine) -> Queries:
    """Return the queries of an engine; what only an application knows is empty."""
    return Queries(
        lambda: engine, engine._journal, process=lambda: ProcessStatus(machine=NOWHERE), redactor=Redactor()
    )


async def account_findings(engine: Engine) -> dict[str, Any]:
    """Return what ``te doctor`` finds at the accounts; the machine is examined in threads, on no virtual clock."""
    assert engine.resolved is not None
    found = await examine_all(engine.accounts, engine.resolved.settings, engine.clock)
    accounts: dict[str, Any] = found["accounts"]
    return accounts
