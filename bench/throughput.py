"""How many alerts per second are answered durably, compared with a handler that does nothing else."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.bare_handler import bare_handler
from bench.load import Job, Report, run
from harness.alerts import steady, turning
from harness.engine_process import SYMBOLS, EngineProcess, cpu_seconds
from harness.report import judge, print_line, three

ROUNDS = 5
SECONDS = 0.8
CONNECTIONS = (1, 16, 64)
OFFERED = 1000.0


@dataclass(slots=True)
class Contender:
    """Who is measured, with what it is sent."""

    name: str
    port: int
    path: str
    pid: int
    messages: list[dict[str, Any]]
    number: int = 1
    judged: bool = False
    """Whether the goal applies to this one."""
    reports: dict[int, list[Report]] = field(default_factory=dict)
    """By number of connections."""
    cpu: dict[int, list[float]] = field(default_factory=dict)
    """Microseconds of its process's CPU time per alert, by number of connections."""

    def send(self, connections: int, seconds: float, *, rate: float | None = None) -> Report:
        """Send alerts; each has to be accepted."""
        report = run(
            Job(
                port=self.port,
                path=self.path,
                messages=self.messages,
                connections=connections,
                seconds=seconds,
                rate=rate,
                first=self.number,
            )
        )
        self.number += report.answered + connections
        if set(report.statuses) != {"200"}:
            raise SystemExit(f"{self.name}: not every alert was accepted: {report.statuses}")
        return report

    def measure(self, connections: int) -> None:
        """Run one round."""
        before = cpu_seconds(self.pid)
        report = self.send(connections, SECONDS)
        self.reports.setdefault(connections, []).append(report)
        self.cpu.setdefault(connections, []).append((cpu_seconds(self.pid) - before) / report.answered * 1e6)


def throughput(folder: Path) -> None:
    """Measure engine and bare handler alternately."""
    with ExitStack() as running:
        engine = running.enter_context(EngineProcess(folder / "load"))
        port, pid = running.enter_context(bare_handler(folder / "bare.log"))
        fast_port, fast_pid = running.enter_context(bare_handler(folder / "fast.log", uvloop=True))
        print_line(f"(e) resident memory after start: {engine.memory() / 1e6:.1f} MB")
        bare = Contender("bare aiohttp handler", port, engine.path, pid, steady(SYMBOLS))
        fast = Contender("the same on uvloop", fast_port, engine.path, fast_pid, steady(SYMBOLS))
        same = Contender(
            "engine, same position", engine.port, engine.path, engine.pid, steady(SYMBOLS), judged=True
        )
        new = Contender(
            "engine, new position", engine.port, engine.path, engine.pid, turning(SYMBOLS), 5 * 10**8
        )
        contenders = (bare, fast, same, new)
        for contender in contenders:
            contender.send(16, 0.5)
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for contender in contenders:
                    contender.measure(connections)
        compare(contenders)
        offer(contenders)
        time.sleep(2)
        taken = sum(
            report.answered for one in (same, new) for each in one.reports.values() for report in each
        )
        print_line(
            f"(e) resident memory after these {taken} alerts and those offered: {engine.memory() / 1e6:.1f} MB"
        )


def compare(contenders: Sequence[Contender]) -> None:
    """Print what each did, and the engine's share of what the bare handler does."""
    print_line(
        f"(b) alerts answered durably per second, each connection sending when answered: {ROUNDS} rounds by turns,"
    )
    print_line(
        "    min / median / max; p50, p99: medians; CPU: of the answering process, µs per alert (medians)"
    )
    print_line(
        "    bare handler: appends each body to a file and syncs once per group of them, nothing else; on asyncio's own"
    )
    print_line("    event loop, and on uvloop, which the engine takes where it is installed")
    print_line(
        '    "new position": every alert changes the target too, and orders are made and journaled meanwhile: no goal'
    )
    bare = contenders[0]
    for connections in CONNECTIONS:
        for one in contenders:
            reports = one.reports[connections]
            rates = [report.per_second for report in reports]
            pairs = zip(rates, bare.reports[connections], strict=True)
            ratios = [rate / other.per_second for rate, other in pairs]
            p50 = statistics.median(report.p50 for report in reports)
            p99 = statistics.median(report.p99 for report in reports)
            cpu = statistics.median(one.cpu[connections])
            print_line(
                f"    {connections:>2} connections  {one.name:<22} {three(rates, '/s'):<24} p50 {p50:5.1f} "
                f"p99 {p99:5.1f} ms  CPU {cpu:4.0f} µs" + ("" if one is bare else f"  ratio {three(ratios)}")
            )
            if one.judged:
                ratio = statistics.median(ratios)
                figure = f"(b) {one.name}, {connections} connections: {ratio:.2f} of the bare handler"
                judge(figure, "0.50 or more", met=ratio >= 0.5)
    busiest = max(report.busy for one in contenders for each in one.reports.values() for report in each)
    print_line(
        f"    the load generator used {busiest:.0%} of a core at most, and got its most from the bare handler"
    )


def offer(contenders: Sequence[Contender]) -> None:
    """Print how long answers take at a given rate."""
    print_line(
        f"    {OFFERED:.0f} alerts per second offered over 64 connections for 4 s, twice; ms from when each was due:"
    )
    for one in contenders:
        reports = [one.send(64, 4, rate=OFFERED) for _ in range(2)]
        p99 = min(report.p99 for report in reports)
        print_line(
            f"      {one.name:<22} "
            + ";  ".join(
                f"{report.per_second:.0f}/s p50 {report.p50:.1f} p99 {report.p99:.1f} largest {report.largest:.0f}"
                for report in reports
            )
        )
        if one.name.startswith("engine"):
            figure = f"(b) {one.name}, {OFFERED:.0f}/s offered: p99 {p99:.1f} ms (the better of two)"
            judge(figure, "below 50 ms", met=p99 < 50)
