"""Malformed requests against the real engine: ``python -m fuzz [COUNT] [SEED]``.

None may be accepted, none answered with a 5xx, none leave a trace but counters and the bounded quarantine; memory does
not grow, and a good alert is still carried out afterwards.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.barrage import Barrage
from fuzz.odd_requests import Case, OddRequests
from harness.alerts import alert, encode
from harness.engine_process import EngineProcess

REQUESTS = 100_000
SEED = 2
PARTS = 10
"""Memory is measured after each tenth; the first one warms up."""

RESYNC = "1s"
"""Interval of reads without a cause, so that the account's figures are never stale."""

MARGIN = 16_000_000
"""Bytes that the resident memory may be larger at the end than after the first tenth. The list of locked-out addresses
and the caches fill in that time; both are bounded."""

QUARANTINE = 500
"""Refused inputs that are stored per source: the default of ``journal.quarantine``."""

AGES = frozenset({"read_age", "phase_age", "retry_in", "age", "as_of", "now", "last_order_at", "since"})
TABLES = ("signals", "latest_signals", "targets", "goals", "books", "intents", "confirmations")
REFUSALS = 100
"""Events that may report refused alerts: each kind once, and at most so many in ten minutes."""

_TIMEOUT = 15.0


@dataclass(slots=True)
class Findings:
    """``problems`` has to stay empty."""

    requests: int
    seconds: float = 0.0
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    """Resident bytes after each tenth."""
    problems: list[str] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Bytes between the end of the warm-up and the end."""
        return self.memory[-1] - self.memory[0]

    def slope(self, first: int = 0) -> float:
        """Bytes per request from the end of tenth number ``first`` on: the straight line that fits best."""
        sizes = self.memory[first:]
        xs = [number * self.requests / PARTS for number in range(len(sizes))]
        middle, mean = sum(xs) / len(xs), sum(sizes) / len(xs)
        over = sum((x - middle) * (y - mean) for x, y in zip(xs, sizes, strict=True))
        return over / sum((x - middle) ** 2 for x in xs)


def fuzz(folder: Path, requests: int = REQUESTS, seed: int = SEED) -> Findings:
    """Run the campaign against an engine of its own."""
    found = Findings(requests)
    with EngineProcess(folder, proxies=("127.0.0.1",), resync=RESYNC) as engine:
        trade(engine, "20/100", found)
        bombard(engine, iter(OddRequests(engine.token, seed)), found)
        trade(engine, "40/100", found)
        token = engine.token
    found.problems += traces(engine.output(), token)
    if found.growth > MARGIN:
        found.problems.append(f"memory grew by {found.growth / 1e6:.1f} MB after the warm-up")
    return found


def bombard(engine: EngineProcess, cases: Iterator[Case], found: Findings) -> None:
    """Send the cases, and compare the engine before and after."""
    before, files = snapshot(engine), open_files(engine)
    barrage = Barrage(engine.port, engine.token)
    started = time.perf_counter()
    for _ in range(PARTS):
        barrage.send(cases, found.requests // PARTS)
        found.memory.append(engine.memory())
    found.seconds = time.perf_counter() - started
    found.statuses = barrage.outcome.statuses
    found.problems += barrage.outcome.wrong
    found.problems += differences(before, snapshot(engine))
    if not eventually(lambda: open_files(engine) <= files + 2):
        found.problems.append(f"open files: {files} before, {open_files(engine)} after")


def trade(engine: EngineProcess, size: str, found: Findings) -> None:
    """Send a good alert, and check that it is carried out and its fee paid."""
    held, equity = position(engine), account(engine)["equity"]
    if engine.post(encode(alert("BTCUSDT", size=size))) != 200:
        found.problems.append("a good alert was not accepted")
    elif not eventually(
        lambda: (
            position(engine) not in (None, held) and account(engine)["equity"] != equity and at_rest(engine)
        )
    ):
        found.problems.append("a good alert was accepted and not carried out")


def account(engine: EngineProcess) -> dict[str, Any]:
    """Return what the engine reports of its account."""
    shown = engine.state()["accounts"]["paper-1"]
    assert isinstance(shown, dict)
    return shown


def position(engine: EngineProcess) -> str | None:
    """Return the size that the account holds."""
    held = account(engine)["positions"].get("BTCUSDT")
    return held["size"] if held else None


def at_rest(engine: EngineProcess) -> bool:
    """Return whether the account has confirmed all its targets."""
    targets = account(engine)["targets"].values()
    return all(target["confirmed"] and target["status"] == "at_target" for target in targets)


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; return whether it became true in time."""
    end = time.monotonic() + _TIMEOUT
    while not (holds := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return holds


def snapshot(engine: EngineProcess) -> dict[str, Any]:
    """Return everything that malformed input must not change: the reported state, and every row that affects
    trading."""
    state = engine.state()
    for source in state["sources"].values():
        del source["counters"], source["refused_24h"]  # refusals are meant to be counted
    for limit in state["limits"]:
        if limit["name"] == "orders_per_minute":
            del limit["now"]  # a minute later it is zero; the orders themselves are compared below
    for found in state["accounts"].values():
        found.pop("last_seen", None)  # a sample every 30 s; the first may be older than the first order
    with closing(sqlite3.connect(f"{engine.journal.as_uri()}?mode=ro", uri=True)) as journal:
        rows = {table: journal.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES}
        rows["events"] = journal.execute("SELECT * FROM events WHERE kind <> 'refused' ORDER BY 1").fetchall()
        refusals = journal.execute("SELECT count(*) FROM events WHERE kind = 'refused'").fetchone()[0]
        quarantined = journal.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    return {
        "state": state,
        "rows": rows,
        "quarantine within its bound": quarantined <= QUARANTINE,
        "events of refusals within their bound": refusals <= REFUSALS,
    }


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """List the differences, except in ages, which grow with time alone."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            if key in AGES:
                continue
            yield from differences(before.get(key), after.get(key), f"{where}.{key}")
    elif before != after:
        yield f"changed{where}: from {str(before)[:300]} to {str(after)[:300]}"


def open_files(engine: EngineProcess) -> int:
    """Count the process's open files and sockets, where the system shows them."""
    listed = Path(f"/proc/{engine.pid}/fd")
    return len(list(listed.iterdir())) if listed.exists() else 0


def traces(output: str, token: str) -> Iterator[str]:
    """Yield what must not be in the output."""
    for needle in ("Traceback", " ERROR ", " CRITICAL ", token):
        if (offset := output.find(needle)) >= 0:
            yield f"the output has {needle.strip()!r}: {output[max(0, offset - 200) : offset + 1500]}"


def report(found: Findings) -> Iterator[str]:
    """Return the report, line by line."""
    yield f"{found.requests} malformed requests in {found.seconds:.0f} s ({found.requests / found.seconds:.0f}/s)"
    kinds = dict.fromkeys(kind for kind, _ in sorted(found.statuses))
    for kind in kinds:
        counts = {status: count for (of, status), count in sorted(found.statuses.items()) if of == kind}
        shown = ", ".join(f"{status or 'closed'}: {count}" for status, count in counts.items())
        yield f"  {kind:<16} {shown}"
    yield "  resident memory after each tenth, MB: " + " ".join(f"{size / 1e6:.1f}" for size in found.memory)
    yield (
        f"  grown by {found.growth / 1e6:+.2f} MB after the first tenth (goal: at most {MARGIN / 1e6:.0f}), "
        f"slope {found.slope():+.1f} bytes per request, in the second half {found.slope(PARTS // 2):+.1f}"
    )
    yield f"  problems: {len(found.problems)} (goal: 0)"
    yield from (f"    {problem}" for problem in found.problems[:20])
