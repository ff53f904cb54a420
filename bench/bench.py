"""Speed and memory of the real engine, each figure with its goal: ``python -m bench.bench``.

Everything runs on this machine and shares its cores, this program included. Ratios are measured alternately; absolute
figures vary with whatever else runs.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from bench.cost_of_history import cost_of_history
from bench.crowd import crowd
from bench.growth import growth
from bench.latency import Sender, milliseconds
from bench.past import past
from bench.throughput import throughput
from bench.viewers import viewers
from harness.engine_process import EngineProcess
from harness.report import judge, percentile, print_line, print_verdicts, three


def alert_to_order(folder: Path) -> None:
    """Measure one alert at a time."""
    print_line(
        "(a) from alert to executed order: from just before the alert is sent until the paper account's fill is taken"
    )
    print_line(
        "    down (settled_at of the order's intent; one machine, one clock); each alert asks for another position"
    )
    for accounts, alerts, pause in ((1, 300, 0.02), (10, 100, 0.08)):
        with EngineProcess(folder / f"orders-{accounts}", accounts=accounts) as engine:
            sender = Sender(engine)
            sender.send(20, pause=pause)
            timeline = sender.send(alerts, pause=pause)
        executed, expected = len(timeline.orders), alerts * accounts
        last = f"; the last of the {accounts}: {milliseconds(timeline.slowest)}" if accounts > 1 else ""
        print_line(f"    {accounts:>2} accounts: {milliseconds(timeline.orders)}, {executed} orders{last}")
        p99 = percentile(sorted(timeline.slowest), 0.99) * 1000
        figure = f"(a) {accounts} accounts: p99 {p99:.1f} ms, {executed} of {expected} orders"
        judge(figure, "below 1000 ms, an order per alert", met=p99 < 1000 and executed == expected)


def start_up(folder: Path) -> None:
    """Measure the first and the second start of several engines."""
    fresh: list[float] = []
    again: list[float] = []
    for number in range(3):
        engine = EngineProcess(folder / f"start-{number}")
        for times in (fresh, again):
            times.append(engine.start())
            engine.stop()
    print_line("(d) start-up: from exec until the first alert would be taken, min / median / max of 3")
    print_line(
        f"    fresh (token, journal and account are made): {three(fresh, 's')};  second start: {three(again, 's')}"
    )
    middle = statistics.median(again)
    judge(f"(d) second start: {middle:.2f} s", "below 3 s", met=middle < 3)


def main() -> None:
    """Measure everything."""
    began = time.perf_counter()
    print_line(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print_line(
        f"load before the run: {os.getloadavg()[0]:.1f} (above 0.5, other programs disturb the figures)"
    )
    with tempfile.TemporaryDirectory(prefix="te-bench-") as place:
        for measure in (alert_to_order, throughput, cost_of_history, crowd, viewers, start_up, past, growth):
            measure(Path(place))
    print_verdicts()
    print_line(f"took {time.perf_counter() - began:.0f} s; load after the run: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
