"""What one alert and a start cost with a short history, and with a long one."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from pathlib import Path

from bench.history import write_history
from bench.latency import Sender, Timeline, milliseconds
from harness.engine_process import EngineProcess, cpu_seconds
from harness.report import judge, print_line, three

FEW, MANY = 100, 1_000_000
ROUNDS = 6
ALERTS = 60


def cost_of_history(folder: Path) -> None:
    """Measure two engines alternately."""
    print_line(f"(c) a journal with {FEW} signals and one with {MANY:,}, by turns")
    engines: dict[int, EngineProcess] = {}
    for signals in (FEW, MANY):
        engine = engines[signals] = EngineProcess(folder / f"history-{signals}")
        began = time.perf_counter()
        write_history(engine.journal, signals)
        size = engine.journal.stat().st_size / 1e6
        print_line(
            f"    {signals:>9,} signals: {size:.1f} MB, written in {time.perf_counter() - began:.1f} s"
        )
    starts: dict[int, list[float]] = {signals: [] for signals in engines}
    for _ in range(3):
        for signals, engine in engines.items():
            starts[signals].append(engine.start())
            engine.stop()
    with ExitStack() as running:
        for signals, engine in engines.items():
            running.enter_context(engine)
            memory = f"{engine.memory() / 1e6:.1f} MB"
            print_line(
                f"    {signals:>9,} signals: start-up {three(starts[signals], 's')}, resident memory {memory}"
            )
        compare_alerts(engines)


def compare_alerts(engines: dict[int, EngineProcess]) -> None:
    """Send alerts that each change the target, to one engine and the other."""
    senders = {signals: Sender(engine) for signals, engine in engines.items()}
    timelines = {signals: Timeline() for signals in engines}
    cpu: dict[int, list[float]] = {signals: [] for signals in engines}
    for number in range(ROUNDS):
        for signals, sender in senders.items():
            before = cpu_seconds(engines[signals].pid)
            timeline = sender.send(ALERTS, pause=0.005)
            if number:  # the first round warms up
                cpu[signals].append((cpu_seconds(engines[signals].pid) - before) / ALERTS * 1000)
                timelines[signals].answers += timeline.answers
                timelines[signals].targets += timeline.targets
    for signals, timeline in timelines.items():
        print_line(
            f"    {signals:>9,} signals: durable answer {milliseconds(timeline.answers)}; target set "
            f"{milliseconds(timeline.targets)}; CPU per alert with its order {three(cpu[signals], 'ms')}"
        )
    answer = statistics.median(timelines[MANY].answers) / statistics.median(timelines[FEW].answers)
    target = statistics.median(timelines[MANY].targets) / statistics.median(timelines[FEW].targets)
    work = statistics.median(cpu[MANY]) / statistics.median(cpu[FEW])
    figure = f"(c) many to few signals, medians: answer {answer:.2f}, target {target:.2f}, CPU {work:.2f}"
    judge(figure, "1 within noise: CPU below 1.25", met=work < 1.25)
