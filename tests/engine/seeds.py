"""Runs a simulation over a block of seeds: reports those that fail, and requires that every kind of event happened.

The number of seeds is raised with ``TE_SEEDS`` (``make soak``); ``TE_SEED`` runs one alone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.clock import SystemClock
from te_core.journal.journal import Journal
from te_core.testing import virtual_clock

Simulation = Callable[[Path, int], Coroutine[Any, Any, Counter[str]]]
SHOWN = 5
"""Failing seeds whose reason is shown."""


def blocks(usually: int, size: int) -> list[range]:
    """Return the blocks of seeds to run: as many as ``TE_SEEDS`` asks for, each of ``size``."""
    if "TE_SEED" in os.environ:
        one = int(os.environ["TE_SEED"])
        return [range(one, one + 1)]
    last = int(os.environ.get("TE_SEEDS", str(usually)))
    return [range(first, min(first + size, last)) for first in range(0, last, size)]


def other_tasks() -> list[asyncio.Task[Any]]:
    """Return every task but the running one, oldest first: the order of ``all_tasks`` is that of addresses."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return sorted(tasks, key=lambda task: int(task.get_name().rpartition("-")[2]))


@cache
def empty_journal() -> bytes:
    """Return the file of a new journal: creating it takes longer than a quarter of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j.sqlite3"
        Journal.open(path, clock=SystemClock(), new_id=lambda: "j", inline=True).close()
        return path.read_bytes()


def run_seed(simulation: Simulation, folder: Path, seed: int) -> Counter[str] | str:
    """Run one seed: return how often each kind of event happened, or why it failed."""
    logger.disable("te_core")
    home = folder / str(seed)
    home.mkdir()
    (home / "j.sqlite3").write_bytes(empty_journal())
    try:
        return virtual_clock.run(simulation(home, seed))
    except (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - a run's end, whatever it is
        return f"seed {seed}: {type(error).__name__}: {error}"
    finally:
        logger.enable("te_core")
        shutil.rmtree(home)


def run_block(simulation: Simulation, folder: Path, seeds: range, kinds: Iterable[str]) -> Counter[str]:
    """Run a block of seeds; a seed that fails and a kind that never happened fail it."""
    counts: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        ended = run_seed(simulation, folder, seed)
        if isinstance(ended, str):
            failed.append(ended)
        else:
            counts.update(ended)
    assert not failed, f"{len(failed)} of {len(seeds)} seeds failed:\n" + "\n".join(failed[:SHOWN])
    if len(seeds) > 1:
        never = [kind for kind in kinds if not counts[kind]]
        assert not never, f"seeds {seeds}: never happened: {never}; {dict(counts)}"
    return counts
