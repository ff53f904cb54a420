"""Speed and memory of the real engine, each figure with its goal: ``python -m bench.bench``.

Everything runs on this machine and shares its cores, this program included: compare the ratios, which are measured in
turns; the absolute figures move with whatever else runs.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.alerts import steady, turning
from bench.bare_handler import bare_handler
from bench.engine_process import SYMBOLS, EngineProcess, cpu_seconds
from bench.history import write_history
from bench.latency import Sender, Timeline, milliseconds
from bench.load import Job, Report, run

ROUNDS = 5
SECONDS = 1.0
CONNECTIONS = (1, 16, 64)
OFFERED = 1000.0
HISTORY = 1_000_000


def say(text: str = "") -> None:
    print(text, flush=True)


def three(values: Iterable[float], unit: str = "") -> str:
    """Show min / median / max."""
    ordered = sorted(values)
    digits = 0 if ordered[-1] >= 100 else 2
    shown = (ordered[0], statistics.median(ordered), ordered[-1])
    return " / ".join(f"{value:.{digits}f}" for value in shown) + (f" {unit}" if unit else "")


# -- start-up and memory


def start_up(folder: Path) -> None:
    say("(d) start-up: from exec until the first alert would be taken, s, min / median / max of 5")
    fresh: list[float] = []
    again: list[float] = []
    for number in range(5):
        engine = EngineProcess(folder / f"start-{number}")
        for times in (fresh, again):
            times.append(engine.start())
            engine.stop()
    say(f"    fresh state (token, journal and account are made): {three(fresh)}")
    say(f"    second start: {three(again)}   (goal: below 3 s)")


# -- from the alert to the order


def alert_to_order(folder: Path) -> None:
    say(
        "(a) from alert to executed order: from just before the alert is sent until the paper account's fill is taken"
    )
    say(
        "    down (intents.settled_at in the journal; one machine, one clock); each alert asks for another position"
    )
    for accounts, alerts, pause in ((1, 300, 0.02), (10, 150, 0.08)):
        with EngineProcess(folder / f"orders-{accounts}", accounts=accounts) as engine:
            sender = Sender(engine)
            sender.send(20, pause=pause)
            timeline = sender.send(alerts, pause=pause)
        expected = alerts * accounts
        say(
            f"    {accounts:>2} account{'s' if accounts > 1 else ' '}  {milliseconds(timeline.orders)} "
            f"({len(timeline.orders)} orders, {expected} expected; goal: p99 below 1000 ms)"
            + (f"; slowest of the ten: {milliseconds(timeline.slowest)}" if accounts > 1 else "")
        )


# -- throughput


@dataclass(slots=True)
class Contender:
    """Who is measured, with what it is sent; and its reports per number of connections."""

    name: str
    port: int
    path: str
    pid: int
    messages: list[dict[str, Any]]
    reports: dict[int, list[Report]] = field(default_factory=dict)
    cpu: dict[int, list[float]] = field(default_factory=dict)
    numbers: int = 1

    def measure(self, connections: int, *, seconds: float = SECONDS, rate: float | None = None) -> Report:
        """Run one round; ``cpu``: microseconds of CPU time of its process per alert."""
        before = cpu_seconds(self.pid)
        job = Job(
            port=self.port,
            path=self.path,
            messages=self.messages,
            connections=connections,
            seconds=seconds,
            rate=rate,
            first=self.numbers,
        )
        report = run(job)
        self.numbers += report.answered + connections
        if set(report.statuses) != {"200"}:
            raise SystemExit(f"{self.name}: not all alerts were taken: {report.statuses}")
        if rate is None:
            self.reports.setdefault(connections, []).append(report)
            spent = (cpu_seconds(self.pid) - before) / report.answered
            self.cpu.setdefault(connections, []).append(spent * 1e6)
        return report


def throughput(folder: Path) -> None:
    with ExitStack() as running:
        engine = running.enter_context(EngineProcess(folder / "load"))
        port, pid = running.enter_context(bare_handler(folder))
        say(f"(e) resident memory after start: {engine.memory() / 1e6:.1f} MB")
        bare = Contender("bare aiohttp handler", port, engine.path, pid, steady(SYMBOLS))
        same = Contender("engine, same position", engine.port, engine.path, engine.pid, steady(SYMBOLS))
        new = Contender("engine, new position", engine.port, engine.path, engine.pid, turning(SYMBOLS))
        new.numbers = 500_000_000
        contenders = (bare, same, new)
        for contender in contenders:
            contender.measure(16, seconds=0.5)
            contender.reports.clear()
            contender.cpu.clear()
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for contender in contenders:
                    contender.measure(connections)
        compare(contenders)
        offered(contenders)
        time.sleep(2)
        alerts = sum(
            report.answered for one in (same, new) for each in one.reports.values() for report in each
        )
        say(
            f"(e) resident memory after {alerts} alerts and as fast as they came: {engine.memory() / 1e6:.1f} MB"
        )


def compare(contenders: Sequence[Contender]) -> None:
    say(
        f"(b) alerts answered durably per second, each connection sending when answered: {ROUNDS} rounds by turns,"
    )
    say("    min / median / max; p50, p99: medians; CPU: of the answering process, µs per alert")
    say("    the bare handler appends each body to a file and syncs once per group of them")
    say('    "new position": every alert changes the target as well, and orders follow meanwhile')
    bare = contenders[0]
    for connections in CONNECTIONS:
        for one in contenders:
            reports = one.reports[connections]
            rates = [report.per_second for report in reports]
            against = zip(rates, bare.reports[connections], strict=True)
            ratio = three(rate / other.per_second for rate, other in against)
            p50, p99 = (
                statistics.median(values) for values in zip(*((r.p50, r.p99) for r in reports), strict=True)
            )
            say(
                f"    {connections:>2} connections  {one.name:<22} {three(rates, '/s'):<26} "
                f"p50 {p50:5.1f} p99 {p99:5.1f} ms  CPU {statistics.median(one.cpu[connections]):4.0f} µs"
                + ("" if one is bare else f"  ratio {ratio} (goal: 0.50 or more)")
            )
    busiest = max(report.busy for one in contenders for each in one.reports.values() for report in each)
    say(
        f"    the load generator never used more than {busiest:.0%} of a core, and got its most from the bare handler"
    )


def offered(contenders: Sequence[Contender]) -> None:
    say(
        f"    {OFFERED:.0f} alerts per second offered over 64 connections for 5 s, latency from when each was due:"
    )
    for _ in range(2):
        for one in contenders:
            report = one.measure(64, seconds=5, rate=OFFERED)
            say(
                f"      {one.name:<22} {report.per_second:.0f}/s  p50 {report.p50:.1f} ms, p99 {report.p99:.1f} ms, "
                f"largest {report.largest:.0f} ms"
                + ("" if one is contenders[0] else "  (goal: p99 below 50 ms)")
            )


# -- history


def history(folder: Path) -> None:
    say(f"(c) the cost of history: a journal with 100 signals beside one with {HISTORY:,}, by turns")
    engines: dict[int, EngineProcess] = {}
    with ExitStack() as running:
        for signals in (100, HISTORY):
            engine = engines[signals] = EngineProcess(folder / f"history-{signals}")
            began = time.perf_counter()
            write_history(engine.journal, signals)
            size = engine.journal.stat().st_size / 1e6
            say(f"    {signals:>9,} signals: {size:.1f} MB, written in {time.perf_counter() - began:.1f} s")
        starts: dict[int, list[float]] = {signals: [] for signals in engines}
        for _ in range(3):
            for signals, engine in engines.items():
                starts[signals].append(engine.start())
                engine.stop()
        for signals, engine in engines.items():
            running.enter_context(engine)
            say(
                f"    {signals:>9,} signals: start-up {three(starts[signals], 's')}, "
                f"resident memory {engine.memory() / 1e6:.1f} MB"
            )
        signal_costs(engines)


def signal_costs(engines: dict[int, EngineProcess]) -> None:
    senders = {signals: Sender(engine) for signals, engine in engines.items()}
    timelines: dict[int, Timeline] = {signals: Timeline() for signals in engines}
    cpu: dict[int, list[float]] = {signals: [] for signals in engines}
    for number in range(ROUNDS + 1):
        for signals, sender in senders.items():
            before = cpu_seconds(engines[signals].pid)
            timeline = sender.send(80, pause=0.005)
            if number:  # the first round warms up
                cpu[signals].append((cpu_seconds(engines[signals].pid) - before) / 80 * 1000)
                timelines[signals].answers += timeline.answers
                timelines[signals].targets += timeline.targets
    for signals, timeline in timelines.items():
        say(
            f"    {signals:>9,} signals: durable answer {milliseconds(timeline.answers)}; target set "
            f"{milliseconds(timeline.targets)}; CPU per alert with its order {three(cpu[signals], 'ms')}"
        )
    few, many = (sorted(timelines[signals].answers) for signals in engines)
    say(
        f"    ratio of medians, many to few: answer {statistics.median(many) / statistics.median(few):.2f}, CPU "
        f"{statistics.median(cpu[HISTORY]) / statistics.median(cpu[100]):.2f} (goal: 1 within noise)"
    )


def machine() -> Iterator[str]:
    yield f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    yield f"load before the run: {os.getloadavg()[0]:.1f} (above 0.5, other programs disturb the figures)"


def main() -> None:
    began = time.perf_counter()
    say("; ".join(machine()))
    with tempfile.TemporaryDirectory(prefix="te-bench-") as place:
        folder = Path(place)
        for measurement in (start_up, alert_to_order, throughput, history):
            measurement(folder)
    say(f"took {time.perf_counter() - began:.0f} s; load after the run: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
