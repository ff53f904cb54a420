"""Many accounts on many symbols: the cost of an order, and how long alerts wait while all of them trade.

``python -m bench.crowd``, or ``python -m bench.crowd 100x100`` for one size.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from harness.alerts import Template, alert, template
from harness.engine_process import EngineProcess, cpu_seconds
from harness.report import judge, percentile, print_line, print_verdicts

SIZES = ((1, 20), (20, 50), (100, 100))
"""Accounts and symbols."""

SENDERS = 8
PERIOD = 0.1
"""Seconds from one alert of a sender to its next, if it is answered by then."""

PROBED = "BTCUSDT"
ORDERS_MEASURED = 2000
"""Minimum number of orders over which CPU time is measured: the kernel counts it in hundredths of a second."""

_TIMEOUT = 600.0
_FILLED = "SELECT count(*) FROM intents WHERE state = 'filled'"
_DEPTHS = ("10/100", "20/100", "15/100", "25/100")


@dataclass(slots=True)
class Probes:
    """Alerts that repeat a position, sent by several senders at once while the engine has other work."""

    engine: EngineProcess
    latencies: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, first: int) -> Iterator[None]:
        """Send until the block ends. ``first``: number of the first alert, with 10 million free behind it."""
        made = template(self.engine.path, alert(PROBED))
        senders = [
            threading.Thread(target=self._send, args=(made, count(first + sender, SENDERS)))
            for sender in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        try:
            yield
        finally:
            self._over.set()
            for sender in senders:
                sender.join()

    def _send(self, request: Template, numbers: Iterator[int]) -> None:
        with connected(self.engine) as connection:
            while not self._over.is_set():
                sent = time.perf_counter()
                post(connection, request.numbered(next(numbers)))
                self.latencies.append(time.perf_counter() - sent)
                self._over.wait(max(0.0, sent + PERIOD - time.perf_counter()))


class Crowd:
    """An engine with that many paper accounts, whose symbols all get alerts at once."""

    def __init__(self, folder: Path, accounts: int, symbols: int) -> None:
        self.accounts = accounts
        self._symbols = [PROBED, *(f"C{number:03}USDT" for number in range(symbols - 1))]
        self._numbers = count(1)
        self._rounds = count()
        self.engine = EngineProcess(
            folder,
            accounts=accounts,
            symbols=self._symbols,
            weight="0.005",
            account_lines=[
                "balance = 10000000",
                "limits.orders_per_minute = 1000000",
                *(f'instruments.{name}.quantity_step = "0.1"' for name in self._symbols[1:]),
            ],
        )

    def turn(self) -> tuple[int, float, float]:
        """Change every position but the probed one in every account; return orders, seconds and CPU seconds."""
        size = _DEPTHS[next(self._rounds) % len(_DEPTHS)]
        expected = self.accounts * (len(self._symbols) - 1)
        before, started, cpu = self._filled(), time.perf_counter(), cpu_seconds(self.engine.pid)
        with connected(self.engine) as connection:
            for symbol in self._symbols[1:]:
                request = template(self.engine.path, alert(symbol, size=size))
                post(connection, request.numbered(next(self._numbers)))
        self._wait(before + expected)
        return expected, time.perf_counter() - started, cpu_seconds(self.engine.pid) - cpu

    def open_probed(self) -> None:
        """Open the position that the probes repeat in every account."""
        before = self._filled()
        with connected(self.engine) as connection:
            post(connection, template(self.engine.path, alert(PROBED)).numbered(next(self._numbers)))
        self._wait(before + self.accounts)

    def cost(self) -> tuple[float, float]:
        """Return CPU milliseconds per order and orders per second, over enough orders to measure it."""
        orders, seconds, cpu = 0, 0.0, 0.0
        while orders < ORDERS_MEASURED:
            made, lasted, used = self.turn()
            orders, seconds, cpu = orders + made, seconds + lasted, cpu + used
        return cpu / orders * 1000, orders / seconds

    def _filled(self) -> int:
        with closing(sqlite3.connect(f"{self.engine.journal.as_uri()}?mode=ro", uri=True)) as journal:
            return int(journal.execute(_FILLED).fetchone()[0])

    def _wait(self, expected: int) -> None:
        deadline = time.perf_counter() + _TIMEOUT
        while (filled := self._filled()) < expected:
            if time.perf_counter() > deadline:
                raise SystemExit(f"{filled} of {expected} orders after {_TIMEOUT:.0f} s")
            time.sleep(0.05)


@contextmanager
def connected(engine: EngineProcess) -> Iterator[socket.socket]:
    """Hold a connection to the public listener."""
    with socket.create_connection(("127.0.0.1", engine.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def post(connection: socket.socket, request: bytes) -> None:
    """Send one alert and wait until it is accepted."""
    connection.sendall(request)
    answer = connection.recv(65_536)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"an alert was not accepted: {answer!r}")


def crowd(folder: Path, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """Measure every size, the largest with probes."""
    print_line(
        "(f) every account changes its position of every symbol at once: CPU of the engine's process per order;"
    )
    print_line(
        f"    {SENDERS} senders repeat a position meanwhile, {PERIOD * 1000:.0f} ms apart or when answered"
    )
    costs: list[float] = []
    for accounts, symbols in sizes:
        made = Crowd(folder / f"crowd-{accounts}-{symbols}", accounts, symbols)
        with made.engine as engine:
            made.open_probed()
            probes = Probes(engine)
            with probes.running(first=10**9):
                orders, lasted, _ = made.turn()
            cost, rate = made.cost()
        costs.append(cost)
        waited = sorted(probes.latencies)
        p50, p99 = (percentile(waited, share) * 1000 for share in (0.5, 0.99))
        print_line(
            f"    {accounts:>3} accounts x {symbols:>3} symbols: {cost:.2f} ms CPU per order, {rate:.0f} orders/s;  "
            f"{orders} orders in {lasted:.1f} s during {len(waited)} alerts: p50 {p50:.1f} p99 {p99:.1f} "
            f"largest {waited[-1] * 1000:.0f} ms"
        )
        figure = f"(f) alerts while {accounts} x {symbols} trade: p99 {p99:.1f} ms"
        judge(figure, "below 100 ms", met=p99 < 100)
    if len(costs) > 1:
        growth = costs[-1] / costs[0]
        judge(
            f"(f) CPU per order at the largest size: {growth:.2f} of the smallest",
            "1.2 or less",
            met=growth <= 1.2,
        )


def main() -> None:
    """Measure the requested sizes, or all."""
    asked = [tuple(int(part) for part in size.split("x")) for size in sys.argv[1:]]
    sizes = tuple((accounts, symbols) for accounts, symbols in asked)
    with tempfile.TemporaryDirectory(prefix="te-bench-") as folder:
        crowd(Path(folder), sizes or SIZES)
    print_verdicts()


if __name__ == "__main__":
    main()
