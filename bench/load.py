"""The load generator: a process of its own, so that it does not disturb what it measures.

``python -m bench.load JOB`` with a job in JSON; prints its report in JSON. A connection is a bare asyncio protocol that
writes requests built beforehand and reads no more of an answer than its status and length.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any, cast

from harness.alerts import Template, template
from harness.engine_process import ROOT
from harness.report import percentile

_LENGTH = b"Content-Length: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """``rate`` alerts per second are offered whatever the answers take; None: each connection sends when answered."""

    port: int
    path: str
    messages: list[dict[str, Any]]
    connections: int
    seconds: float
    rate: float | None = None
    first: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Latencies in ms; with a ``rate`` they count from when an alert was due."""

    answered: int
    per_second: float
    p50: float
    p99: float
    largest: float
    statuses: dict[str, int]
    busy: float
    """Share of a core used here."""


class Connection(asyncio.Protocol):
    """Sends one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._due = 0.0
        self._buffer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at a time."""
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Count an answer once all of it is here."""
        if self._buffer:
            data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        start = data.find(_LENGTH, 0, head) + len(_LENGTH)
        if head < 0 or len(data) < head + 4 + int(data[start : data.find(b"\r", start)]):
            self._buffer = data
            return
        self._buffer = b""
        self._load.answered(self, data[9:12], time.perf_counter() - self._due)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Report the lost connection to the load."""
        self._load.lost()


class Load:
    """Carries out one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._templates = cycle([template(job.path, message) for message in job.messages])
        self._number = job.first
        self._latencies: list[float] = []
        self._statuses: Counter[bytes] = Counter()
        self._idle: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._out = 0
        self._end = math.inf
        self._over = asyncio.Event()

    async def run(self) -> Report:
        """Connect, send until the time is up, and wait for the last answers."""
        loop = asyncio.get_running_loop()
        for _ in range(self._job.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self._job.port
            )
            self._idle.append(connection)
        gc.collect()
        gc.freeze()
        started, cpu = time.perf_counter(), time.process_time()
        self._end = started + self._job.seconds
        if self._job.rate is None:
            while self._idle:
                self._send(self._idle.popleft(), time.perf_counter())
        else:
            await self._offer(self._job.rate, started)
        await self._over.wait()
        lasted = time.perf_counter() - started
        return self._report(lasted, (time.process_time() - cpu) / lasted)

    def answered(self, connection: Connection, status: bytes, latency: float) -> None:
        """Count an answer, and let the connection send the next request."""
        self._latencies.append(latency)
        self._statuses[status] += 1
        self._out -= 1
        now = time.perf_counter()
        if self._job.rate is None and now < self._end:
            self._send(connection, now)
        elif self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)
            if not self._out and now >= self._end:
                self._over.set()

    def lost(self) -> None:
        """Count a connection that the other side closed."""
        if not self._over.is_set():
            self._statuses[b"connection lost"] += 1
            self._over.set()

    def _send(self, connection: Connection, due: float) -> None:
        request: Template = next(self._templates)
        self._out += 1
        connection.send(request.numbered(self._number), due)
        self._number += 1

    async def _offer(self, rate: float, started: float) -> None:
        """Send each alert when it is due; where no connection is free it waits, and that time counts."""
        for number in range(math.ceil(rate * self._job.seconds)):
            due = started + number / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            elif not number % 16:
                await asyncio.sleep(0)
            if self._idle:
                self._send(self._idle.popleft(), due)
            else:
                self._waiting.append(due)
        self._end = time.perf_counter()
        if not self._out:
            self._over.set()

    def _report(self, lasted: float, busy: float) -> Report:
        latencies = sorted(self._latencies)
        return Report(
            answered=len(latencies),
            per_second=len(latencies) / lasted,
            p50=percentile(latencies, 0.5) * 1000,
            p99=percentile(latencies, 0.99) * 1000,
            largest=latencies[-1] * 1000,
            statuses={status.decode(): count for status, count in self._statuses.items()},
            busy=busy,
        )


def run(job: Job) -> Report:
    """Carry out a job in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", json.dumps(asdict(job))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Report(**json.loads(done.stdout))


if __name__ == "__main__":
    report = asyncio.run(Load(Job(**json.loads(sys.argv[1]))).run())
    print(json.dumps(asdict(report)))
