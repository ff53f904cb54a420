"""Genuine alerts while strangers crowd the public listener: ``python -m fuzz.flood [ALERTS] [SCENARIO …]``.

Every alert comes on a connection of its own, as TradingView sends it, and counts as answered when its 200 is there
within a second. The crowd is a process of its own and needs no token.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.alerts import alert, template
from harness.engine_process import ROOT, EngineProcess, cpu_seconds
from harness.report import judge, percentile, print_line, print_verdicts

GOAL = 0.999
IN_TIME = 1.0
"""Share of the alerts that must be answered, and within how many seconds."""

ALERTS, RATE = 1_000, 50
"""How many alerts, and how many a second."""

TIMEOUT = 5.0
"""Seconds after which an alert counts as never answered."""

WARM_UP = 3.0
"""Seconds that a crowd has before the first alert."""

HEAD = b"POST /hooks/tradingview%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n"
WRONG = b"/wrong-token-of-a-stranger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """``members`` hold a connection each and send a byte a second, or ``rate`` new connections come a second."""

    name: str
    port: int
    head: str
    members: int = 0
    rate: int = 0
    addresses: int = 1
    """How many they come from; 1: the address that the alerts come from, too, as behind a proxy."""

    def address(self, number: int) -> str:
        """Return the address that a connection comes from; all of 127.0.0.0/8 is this machine."""
        other = number % self.addresses + 1
        return "127.0.0.1" if self.addresses == 1 else f"127.1.{other >> 8}.{other & 255}"


def crowds(port: int) -> Iterator[Crowd]:
    """Return every scenario."""
    slow, half = (HEAD % b"").decode(), "POST /hooks/tradingview HTTP/1.1\r\nHost: 127.0"
    wrong, whole = (HEAD % WRONG).decode(), (HEAD % WRONG).decode().replace("900", "0")
    yield Crowd(name="nobody", port=port, head="")
    yield Crowd(name="500 slow bodies", port=port, head=slow, members=500)
    yield Crowd(name="490 senders with slow bodies", port=port, head=slow, members=490, addresses=490)
    yield Crowd(name="3000 slow bodies", port=port, head=slow, members=3_000)
    yield Crowd(name="3000 slow bodies from 60 addresses", port=port, head=slow, members=3_000, addresses=60)
    yield Crowd(name="3000 half headers", port=port, head=half, members=3_000)
    yield Crowd(name="3000 slow bodies with bad tokens", port=port, head=wrong, members=3_000)
    yield Crowd(name="2000 bad tokens a second", port=port, head=whole, rate=2_000)
    yield Crowd(
        name="2000 bad tokens a second, 60 addresses", port=port, head=whole, rate=2_000, addresses=60
    )


class Strangers:
    """The crowd at work."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._head = crowd.head.encode()
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Crowd until cancelled."""
        if self._crowd.rate:
            await self._come_and_go()
        else:
            await asyncio.gather(*(self._hold(number) for number in range(self._crowd.members)))

    async def _hold(self, number: int) -> None:
        """Hold one connection, a byte a second; open a new one a second after the other side has closed it."""
        await asyncio.sleep(number / self._crowd.members)
        while True:
            with suppress(OSError):
                reader, writer = await self._connect(number)
                try:
                    writer.write(self._head)
                    while not reader.at_eof():
                        writer.write(b"x")
                        with suppress(TimeoutError):
                            async with asyncio.timeout(1):
                                await reader.read(4096)
                finally:
                    writer.close()
            self.counts["closed"] += 1
            await asyncio.sleep(1)

    async def _come_and_go(self) -> None:
        loop = asyncio.get_running_loop()
        started, number = loop.time(), 0
        running: set[asyncio.Task[None]] = set()
        while True:
            due = int((loop.time() - started) * self._crowd.rate)
            for number in range(number, due):  # noqa: B020 - it goes on where it was
                if len(running) < 4 * self._crowd.rate:
                    task = loop.create_task(self._once(number))
                    running.add(task)
                    task.add_done_callback(running.discard)
            number = max(number, due)
            await asyncio.sleep(0.005)

    async def _once(self, number: int) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await self._connect(number)
                try:
                    writer.write(self._head)
                    self.counts[(await reader.read(4096))[9:12].decode() or "closed"] += 1
                finally:
                    writer.close()

    async def _connect(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._crowd.address(number)
        connected = await asyncio.open_connection("127.0.0.1", self._crowd.port, local_addr=(address, 0))
        self.counts["connected"] += 1
        return connected


@contextmanager
def crowded(crowd: Crowd) -> Iterator[Counter[str]]:
    """Run the crowd until the block ends; afterwards the counter holds what it saw."""
    counts: Counter[str] = Counter()
    if not crowd.head:
        yield counts
        return
    command = [sys.executable, "-m", "fuzz.flood", "--crowd", json.dumps(asdict(crowd))]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        time.sleep(WARM_UP)
        yield counts
    finally:
        said, _ = process.communicate(timeout=180)  # thousands of connections are cut off
        counts.update(json.loads(said))


async def be_the_crowd(crowd: Crowd) -> Counter[str]:
    """Crowd until standard input is closed."""
    strangers = Strangers(crowd)
    task = asyncio.create_task(strangers.run())
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return strangers.counts


class Alerts:
    """Genuine alerts, each on its own connection; ``waited``: seconds of those that got their 200."""

    def __init__(self, engine: EngineProcess) -> None:
        self._port = engine.port
        self._template = template(engine.path, alert("BTCUSDT"))
        self.waited: list[float] = []
        self.failed: Counter[str] = Counter()

    async def send(self, count: int) -> None:
        """Send them at the usual rate, regardless of earlier ones."""
        loop, started = asyncio.get_running_loop(), time.perf_counter()
        tasks = []
        for number in range(count):
            await asyncio.sleep(started + number / RATE - time.perf_counter())
            tasks.append(loop.create_task(self._one(number)))
        await asyncio.gather(*tasks)

    async def _one(self, number: int) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(self._template.numbered(number))
                status = (await reader.read(4096))[9:12].decode()
                writer.close()
        except (OSError, TimeoutError) as error:
            status = type(error).__name__
        waited = time.perf_counter() - started
        if status == "200":
            self.waited.append(waited)
        else:
            self.failed[status or "hung up"] += 1


def flood(folder: Path, name: str, alerts: int = ALERTS) -> tuple[float, str]:
    """Run one scenario; return the share of alerts that were answered in time, and a line about it."""
    with EngineProcess(folder) as engine:
        crowd = next(crowd for crowd in crowds(engine.port) if crowd.name == name)
        genuine = Alerts(engine)
        with crowded(crowd) as seen:
            started, cpu = time.perf_counter(), cpu_seconds(engine.pid)
            asyncio.run(genuine.send(alerts))
            busy = (cpu_seconds(engine.pid) - cpu) / (time.perf_counter() - started)
    in_time = sum(waited <= IN_TIME for waited in genuine.waited)
    waited = sorted(genuine.waited) or [float("nan")]
    p50, p99 = (percentile(waited, share) * 1000 for share in (0.5, 0.99))
    return in_time / alerts, (
        f"{in_time} of {alerts} alerts answered within {IN_TIME:g} s; "
        f"p50 {p50:.1f} p99 {p99:.1f} largest {waited[-1] * 1000:.0f} ms; the engine used {busy:.0%} of a core; "
        f"others: {dict(genuine.failed) or 'none'}; the crowd saw {dict(seen)}"
    )


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory if it is installed: a slow crowd would not test anything."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(names: list[str]) -> None:
    """Run the named scenarios (a part of the name is enough), or all."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if names[:1] == ["--crowd"]:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            print(json.dumps(runner.run(be_the_crowd(Crowd(**json.loads(names[1]))))))
        return
    alerts = ALERTS
    if names and names[0].isdecimal():
        alerts, names = int(names[0]), names[1:]
    with tempfile.TemporaryDirectory(prefix="te-flood-") as folder:
        for number, crowd in enumerate(crowds(0)):
            if not names or any(name in crowd.name for name in names):
                share, line = flood(Path(folder) / str(number), crowd.name, alerts)
                print_line(f"{crowd.name}: {line}")
                judge(f"{crowd.name}: {share:.2%} in time", f"{GOAL:.1%}", met=share >= GOAL)
    print_verdicts()


if __name__ == "__main__":
    main(sys.argv[1:])
