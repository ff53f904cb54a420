"""One alert at a time, each for another position, and when it was answered, became a target and an executed order.

Every alert carries its own number in the last digits of its price. The price stands in the target and in the order's
intent, so that the journal shows afterwards which alert they came from.
"""

from __future__ import annotations

import socket
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle

from harness.alerts import NUMBER, alert, template
from harness.engine_process import EngineProcess
from harness.report import percentile

_PRICE = "64250."
_TARGETS = "SELECT price, created_at FROM targets WHERE price LIKE ?"
_ORDERS = "SELECT reference_price, settled_at, account FROM intents WHERE reference_price LIKE ? AND state = 'filled'"


@dataclass(slots=True)
class Timeline:
    """Seconds per alert from just before it was sent, in the order of sending."""

    answers: list[float] = field(default_factory=list)
    targets: list[float] = field(default_factory=list)
    orders: list[float] = field(default_factory=list)
    """Of every account."""
    slowest: list[float] = field(default_factory=list)


class Sender:
    """Sends alerts over one kept connection. ``first``: number of the first one, never used before."""

    def __init__(self, engine: EngineProcess, *, first: int = 1) -> None:
        self._engine = engine
        self._number = first
        self._templates = cycle(
            template(engine.path, alert("BTCUSDT", size=size, price=_PRICE + NUMBER, event_id=""))
            for size in ("10/100", "20/100", "15/100", "30/100")
        )

    def send(self, count: int, *, pause: float) -> Timeline:
        """Send ``count`` alerts, ``pause`` seconds after each answer, and read their outcomes."""
        sent: dict[int, float] = {}
        made = Timeline()
        with socket.create_connection(("127.0.0.1", self._engine.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count):
                request = next(self._templates).numbered(self._number)
                sent[self._number] = time.time()
                connection.sendall(request)
                said = connection.recv(65_536)
                made.answers.append(time.time() - sent[self._number])
                assert said.startswith(b"HTTP/1.1 200"), said
                self._number += 1
                time.sleep(pause)
        time.sleep(0.5)
        self._read(sent, made)
        return made

    def _read(self, sent: dict[int, float], made: Timeline) -> None:
        with closing(sqlite3.connect(f"{self._engine.journal.as_uri()}?mode=ro", uri=True)) as journal:
            for price, at in journal.execute(_TARGETS, (_PRICE + "%",)):
                if (number := _number(price)) in sent:
                    made.targets.append(at / 1e6 - sent[number])
            last: dict[int, float] = {}
            for price, at, _ in journal.execute(_ORDERS, (_PRICE + "%",)):
                if (number := _number(price)) in sent:
                    made.orders.append(at / 1e6 - sent[number])
                    last[number] = max(last.get(number, 0.0), made.orders[-1])
            made.slowest += last.values()


def _number(price: str) -> int:
    return int(price.removeprefix(_PRICE).ljust(len(NUMBER), "0"))


def milliseconds(values: Sequence[float]) -> str:
    """Return p50 and p99 as text."""
    ordered = sorted(values)
    return f"p50 {percentile(ordered, 0.5) * 1000:.1f} ms, p99 {percentile(ordered, 0.99) * 1000:.1f} ms"
