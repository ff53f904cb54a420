"""What the page costs, figure by figure with its budget: ``python -m bench.page [1x3 5x20 10x40]``.

Real engines with so many paper accounts and symbols, half of which are held. Times are taken by this program, on
loopback and on the same cores: they are those of a browser next to the engine, above what the engine itself takes.
"""

from __future__ import annotations

import gzip
import http.client
import os
import re
import statistics
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from socket import SHUT_RDWR

from bench.viewers import SYMBOLS, VIEWERS, cookie_of, watched_by_ten
from harness.alerts import alert, encode
from harness.chromium import CHROMIUM, MISSING, chromium
from harness.engine_process import EngineProcess, cpu_seconds
from harness.report import judge, percentile, print_line, print_verdicts, three

SIZES = ((1, 3), (5, 20), (10, 40))
COINS = (
    *SYMBOLS,
    *("SUIUSDT", "TAOUSDT", "HYPEUSDT", "BCHUSDT", "AAVEUSDT", "XLMUSDT", "HBARUSDT", "INJUSDT", "ICPUSDT"),
    *("TONUSDT", *(f"OTHER{number}USDT" for number in range(10))),
)
"""Only the settings list the last ten: a paper account does not offer them."""
OFFERED = 30
REQUESTS = 60
LOADS = 7
PHONE = 375
ALERT_EACH = 2.0
ALERTS = 15
READ_EACH = 30.0
"""Seconds between two reads of each account; CPU shares are measured over this period."""
QUIET = 20.0
KB = 1024
FIRST_PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
    const found = list.getEntriesByName("first-contentful-paint")[0];
    if (found) done(found.startTime);
}).observe({ type: "paint", buffered: true }))"""


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in browser's side of one engine."""

    engine: EngineProcess
    cookie: str

    def get(self, path: str, *, packed: bool = True) -> bytes:
        """Return the bytes that a page or a file takes on the wire."""
        connection = http.client.HTTPConnection("127.0.0.1", self.engine.private_port, timeout=10)
        try:
            return self.ask(connection, path, packed=packed)
        finally:
            connection.close()

    def ask(self, connection: http.client.HTTPConnection, path: str, *, packed: bool = True) -> bytes:
        """Send one request over a connection, and return the body as it came."""
        headers = {"Cookie": self.cookie} | ({"Accept-Encoding": "gzip"} if packed else {})
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, f"{path} answered {response.status}"
        return body

    def milliseconds(self, path: str) -> tuple[float, float]:
        """Return the median from a request to its last byte, and how much of a processor each took of the engine."""
        connection = http.client.HTTPConnection("127.0.0.1", self.engine.private_port, timeout=10)
        times = []
        before = cpu_seconds(self.engine.pid)
        for _ in range(REQUESTS):
            began = time.perf_counter()
            self.ask(connection, path)
            times.append((time.perf_counter() - began) * 1000)
        connection.close()
        taken = (cpu_seconds(self.engine.pid) - before) * 1000 / REQUESTS
        return percentile(sorted(times), 0.5), taken


class Stream(threading.Thread):
    """One viewer that has the newest page: what it is sent, packed and unpacked."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(daemon=True)
        found = re.search(r'data-version="([^"]+)"', visit.get("/", packed=False).decode())
        assert found, "the page has no version"
        connection = http.client.HTTPConnection("127.0.0.1", visit.engine.private_port)
        connection.request(
            "GET", f"/live?seq={found[1]}", headers={"Cookie": visit.cookie, "Accept-Encoding": "gzip"}
        )
        self._socket = connection.sock
        self._response = connection.getresponse()
        self.packed = 0
        self.text = bytearray()

    def run(self) -> None:
        """Read until stopped."""
        unpack = zlib.decompressobj(wbits=31)
        with suppress(OSError, ValueError, http.client.HTTPException):
            while data := self._response.read1(65_536):
                self.packed += len(data)
                self.text += unpack.decompress(data)

    def stop(self) -> None:
        """Leave."""
        self._socket.shutdown(SHUT_RDWR)
        self.join()
        self._response.close()

    @property
    def patches(self) -> int:
        """How often the parts changed."""
        return self.text.count(b"event: patch")


@contextmanager
def engine_of(folder: Path, accounts: int, symbols: int, *, resync: str = "30s") -> Iterator[EngineProcess]:
    """Run an engine that holds every other symbol on each account."""
    names = COINS[:symbols]
    path = folder / f"page-{accounts}x{symbols}-{resync}"
    with EngineProcess(path, accounts=accounts, symbols=names, weight="0.05", resync=resync) as engine:
        for number, symbol in enumerate(names[:OFFERED:2]):
            _send(engine, symbol, number, "long" if number % 2 else "short")
        deadline = time.monotonic() + 60
        while not _at_rest(engine):
            assert time.monotonic() < deadline, "the accounts did not reach their targets"
            time.sleep(0.2)  # between two requests for the state: asking would load what is measured
        yield engine


def _send(engine: EngineProcess, symbol: str, number: int, direction: str = "long") -> None:
    message = alert(symbol, size=f"{50 + number % 40}/100", direction=direction, event_id=f"page-{number}")
    assert engine.post(encode(message)) == 200


def _at_rest(engine: EngineProcess) -> bool:
    return all(
        target["confirmed"] and target["status"] != "working"
        for account in engine.state()["accounts"].values()
        for target in account["targets"].values()
    )


def bytes_and_times(visit: Visit, name: str) -> None:
    """Measure what a visit costs: bytes, and milliseconds of every page."""
    plain, packed = visit.get("/", packed=False), visit.get("/")
    assert gzip.decompress(packed)[:15] == plain[:15]
    files = re.findall(r'"(/static/app\.(?:css|js)\?[^"]+)"', plain.decode())
    assert len(files) == 2
    static = sum(len(visit.get(file)) for file in files)
    print_line(
        f"    / is {len(plain) / KB:.1f} KB, {len(packed) / KB:.1f} KB packed; css and js {static / KB:.1f} KB packed"
    )
    judge(
        f"(p) {name}: / is {len(packed) / KB:.1f} KB on the wire", "at most 20 KB", met=len(packed) <= 20 * KB
    )
    judge(
        f"(p) {name}: css and js are {static / KB:.1f} KB on the wire",
        "at most 10 KB",
        met=static <= 10 * KB,
    )
    first, *others = (
        *(
            "/",
            "/why/BTCUSDT?account=paper-1",
            "/account/paper-1",
            "/activity",
            "/money",
            "/money?period=all",
        ),
        *("/do/halt/all", "/do/flatten/all"),
    )
    measured = {path: visit.milliseconds(path) for path in (first, *others)}
    shown = ", ".join(f"{path} {middle:.1f} ({taken:.1f})" for path, (middle, taken) in measured.items())
    print_line(f"    milliseconds, median of {REQUESTS} (in brackets those of a processor): {shown}")
    front = measured.pop(first)[0]
    times = {path: middle for path, (middle, _) in measured.items()}
    judge(f"(p) {name}: / takes {front:.1f} ms", "at most 15 ms", met=front <= 15)
    slowest = max(times, key=lambda path: times[path])
    judge(
        f"(p) {name}: the slowest other page takes {times[slowest]:.1f} ms ({slowest})",
        "at most 20 ms",
        met=times[slowest] <= 20,
    )


def first_paint(visit: Visit, name: str) -> None:
    """Measure the first contentful paint of a new browser at a phone's width."""
    if not CHROMIUM:
        print_line(f"    first contentful paint: not measured, {MISSING}")
        return
    times = []
    address = f"http://127.0.0.1:{visit.engine.private_port}"
    key, _, value = visit.cookie.partition("=")
    with chromium() as browser:
        for _ in range(LOADS):
            context = browser.new_context(base_url=address, viewport={"width": PHONE, "height": 812})
            context.add_cookies([{"name": key, "value": value, "url": address}])
            page = context.new_page()
            page.goto("/")
            times.append(float(page.evaluate(FIRST_PAINT)))
            context.close()
    print_line(
        f"    first contentful paint at {PHONE} px: {three(times, 'ms')}, least / median / most of {LOADS} new browsers"
    )
    middle = statistics.median(times)
    judge(f"(p) {name}: first contentful paint after {middle:.0f} ms", "at most 300 ms", met=middle <= 300)


def stream(visit: Visit, name: str, symbols: int) -> None:
    """Measure what a viewer is sent while alerts come."""
    viewer = Stream(visit)
    viewer.start()
    began = time.perf_counter()
    coins = cycle(COINS[: min(symbols, OFFERED)])
    for number in range(ALERTS):
        _send(visit.engine, next(coins), 100 + number)
        time.sleep(max(0.0, began + (number + 1) * ALERT_EACH - time.perf_counter()))  # keeps the rate
    seconds = time.perf_counter() - began
    viewer.stop()
    plain, packed = len(viewer.text) / seconds / KB, viewer.packed / seconds / KB
    print_line(
        f"    stream, an alert each {ALERT_EACH:g} s: {plain:.1f} KB/s, {packed:.2f} KB/s packed, "
        f"{viewer.patches / seconds:.2f} patches/s"
    )
    judge(f"(p) {name}: the stream takes {packed:.2f} KB/s", "at most 1 KB/s", met=packed <= 1)


def quiet(visit: Visit, name: str) -> None:
    """Measure what a viewer is sent while nothing changes, no account being read meanwhile."""
    viewer = Stream(visit)
    viewer.start()
    time.sleep(QUIET)  # the period over which patches are counted
    viewer.stop()
    beats = viewer.text.count(b"event: beat")
    print_line(f"    stream, nothing changes for {QUIET:g} s: {viewer.patches} patches, {beats} beats")
    judge(
        f"(p) {name}: {viewer.patches} patches while nothing changes",
        "none, and beats",
        met=viewer.patches == 0 and beats >= 3,
    )


def share(engine: EngineProcess) -> float:
    """Return the share of a processor that an idle engine takes, each of its accounts being read once."""
    before = cpu_seconds(engine.pid)
    time.sleep(READ_EACH)  # the accounts have been read once more
    return (cpu_seconds(engine.pid) - before) / READ_EACH


def viewers_cost(visit: Visit, name: str, before: float, memory: int, front: int) -> None:
    """Measure what ten viewers take of processor and memory.

    ``before``, ``memory``: when nobody had been there yet; ``front``: memory after the first page was.
    """
    opened = visit.engine.memory()
    with watched_by_ten(visit.engine, visit.cookie):
        watched = share(visit.engine)
        full = visit.engine.memory()
    time.sleep(1)  # the engine notices that they left
    left = share(visit.engine)
    print_line(
        f"    processor of an idle engine: {before:.2%} before anybody came, {watched:.2%} with {VIEWERS} viewers, "
        f"{left:.2%} after they left"
    )
    judge(
        f"(p) {name}: {VIEWERS} viewers take {watched - before:+.2%} of a processor",
        "at most +1%",
        met=watched - before <= 0.01,
    )
    judge(
        f"(p) {name}: {left - before:+.2%} of a processor after they left",
        "0%, within 0.1%",
        met=left - before <= 0.001,
    )
    more = [f"{(one - memory) / KB / KB:+.1f}" for one in (front, opened, full)]
    print_line(
        f"    memory: {memory / KB / KB:.1f} MB before anybody came; {more[0]} MB after the first page, "
        f"{more[1]} after every page, {more[2]} with {VIEWERS} viewers"
    )
    judge(
        f"(p) {name}: {more[2]} MB of memory",
        "at most +5 MB",
        met=full - memory <= 5 * KB * KB,
    )


def page(folder: Path, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """Measure the page of engines of several sizes."""
    for accounts, symbols in sizes:
        name = f"{accounts} x {symbols}"
        print_line(f"(p) the page of {name} accounts and symbols")
        with engine_of(folder, accounts, symbols) as engine:
            before, memory = share(engine), engine.memory()
            visit = Visit(engine, cookie_of(engine))
            visit.get("/")
            front = engine.memory()
            bytes_and_times(visit, name)
            viewers_cost(visit, name, before, memory, front)
            first_paint(visit, name)
            stream(visit, name, symbols)
        with engine_of(folder, accounts, symbols, resync="1h") as engine:
            quiet(Visit(engine, cookie_of(engine)), name)


def main() -> None:
    """Measure the sizes that are named, or all."""
    wanted = [tuple(map(int, one.split("x"))) for one in sys.argv[1:]]
    sizes = tuple((one[0], one[1]) for one in wanted) or SIZES
    print_line(
        f"load before the run: {os.getloadavg()[0]:.1f} (above 0.5, other programs disturb the figures)"
    )
    with tempfile.TemporaryDirectory(prefix="te-page-") as place:
        page(Path(place), sizes)
    print_verdicts()
    print_line(f"load after the run: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
