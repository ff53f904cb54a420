"""How much more an alert's order costs while ten people watch the page."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from bench.latency import Sender, milliseconds
from harness.engine_process import EngineProcess, cpu_seconds
from harness.report import judge, percentile, print_line

VIEWERS = 10
ACCOUNTS = 5
ALERTS = 300
ROUNDS = 8
"""A p99 is as good as the number of alerts behind it: of a hundred it is the worst but one."""
SYMBOLS = (
    *("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LTCUSDT", "BNBUSDT", "AVAXUSDT"),
    *("LINKUSDT", "DOTUSDT", "TRXUSDT", "ATOMUSDT", "UNIUSDT", "ETCUSDT", "FILUSDT", "NEARUSDT", "APTUSDT"),
    *("ARBUSDT", "OPUSDT"),
)


class Viewer(threading.Thread):
    """Reads one stream until it is closed, and counts what comes."""

    def __init__(self, engine: EngineProcess, cookie: str) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._connection = socket.create_connection(("127.0.0.1", engine.private_port))
        self._connection.sendall(
            f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\nCookie: {cookie}\r\n\r\n".encode()
        )

    def run(self) -> None:
        """Read."""
        while data := self._connection.recv(65_536):
            self.bytes += len(data)

    def stop(self) -> None:
        """Leave."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self.join()
        self._connection.close()


def cookie_of(engine: EngineProcess) -> str:
    """Sign in as a browser does."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.private_port, timeout=10)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    connection.request("POST", "/login", body=f"token={engine.private_token}", headers=form)
    answer = connection.getresponse()
    connection.close()
    return answer.headers["Set-Cookie"].partition(";")[0]


@contextmanager
def watched_by_ten(engine: EngineProcess, cookie: str) -> Iterator[list[Viewer]]:
    """Open the page's stream for ten viewers until the block ends."""
    viewers = [Viewer(engine, cookie) for _ in range(VIEWERS)]
    for viewer in viewers:
        viewer.start()
    time.sleep(1.5)
    yield viewers
    for viewer in viewers:
        viewer.stop()


def viewers(folder: Path) -> None:
    """Measure alternately without viewers and with ten."""
    print_line(
        f"(v) alert to order while {VIEWERS} watch the page: {ACCOUNTS} accounts x {len(SYMBOLS)} symbols, by turns"
    )
    orders: dict[bool, list[float]] = {False: [], True: []}
    with EngineProcess(folder / "viewers", accounts=ACCOUNTS, symbols=SYMBOLS, weight="0.05") as engine:
        cookie, sender = cookie_of(engine), Sender(engine)
        sender.send(20, pause=0.02)
        with watched_by_ten(engine, cookie):
            pass  # the templates are loaded for the first viewer
        for number in range(2 * ROUNDS):
            watched = number % 4 in (1, 2)  # each goes first as often as the other
            looking: AbstractContextManager[list[Viewer]] = (
                watched_by_ten(engine, cookie) if watched else nullcontext([])
            )
            with looking as people:
                began = time.perf_counter()
                orders[watched] += sender.send(ALERTS, pause=0.03).orders
                seconds = time.perf_counter() - began
            if people:
                each = sum(one.bytes for one in people) / VIEWERS / seconds / 1024
        idle = _idle(engine, cookie)
    for name, found in (("nobody", orders[False]), (f"{VIEWERS} viewers", orders[True])):
        print_line(f"    {name}: {milliseconds(found)}, {len(found)} orders in {ROUNDS} rounds")
    print_line(
        f"    each was sent {each:.2f} KB/s; processor while idle: {idle[0]:.1%} nobody, {idle[1]:.1%} watched"
    )
    more = _p99(orders[True]) - _p99(orders[False])
    all_there = min(map(len, orders.values())) > 0.95 * ROUNDS * ALERTS * ACCOUNTS
    judge(
        f"(v) p99 with {VIEWERS} viewers: {more * 1000:+.1f} ms"
        + ("" if all_there else ", orders are missing"),
        "at most 1 ms more",
        met=more <= 0.001 and all_there,
    )


def _p99(orders: list[float]) -> float:
    return percentile(sorted(orders), 0.99)


def _idle(engine: EngineProcess, cookie: str) -> tuple[float, float]:
    """Return the share of a processor that an idle engine takes, alone and watched."""
    shares = []
    for people in (False, True):
        if people:
            with watched_by_ten(engine, cookie):
                shares.append(_share(engine))
        else:
            shares.append(_share(engine))
    return shares[0], shares[1]


def _share(engine: EngineProcess, seconds: float = 8.0) -> float:
    before = cpu_seconds(engine.pid)
    time.sleep(seconds)
    return (cpu_seconds(engine.pid) - before) / seconds
