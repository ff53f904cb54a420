"""Sends cases over many connections at once and records what came back."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from fuzz.odd_requests import Case

CONNECTIONS = 16
_TIMEOUT = 20.0
"""Seconds until a request counts as never answered."""

_IDLE = 0.2
"""Seconds after which a broken connection is abandoned: the other side may rightly wait for more."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Outcome:
    """The responses to the cases."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Cases that were not refused, with their responses."""

    def record(self, case: Case, statuses: list[int], said: bytes) -> None:
        """Record the answers to a case; none may be anything but a refusal."""
        for status in statuses or [0]:
            self.statuses[case.kind, status] += 1
        refused = all(400 <= status < 500 for status in statuses)
        if not refused or not (statuses or case.alone):
            self.wrong.append(
                f"{case.kind}: {statuses or 'no answer'}: {case.request[:300]!r} … {said[-300:]!r}"
            )


class Barrage:
    """Sends cases to one port; ``send`` may be called again."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token.encode()
        self.outcome = Outcome()

    def send(self, cases: Iterator[Case], count: int) -> None:
        """Send the next ``count`` cases and wait for their answers."""
        asyncio.run(self._send(cases, count))

    async def _send(self, cases: Iterator[Case], count: int) -> None:
        left = iter(range(count))
        await asyncio.gather(*(self._line(cases, left) for _ in range(CONNECTIONS)))

    async def _line(self, cases: Iterator[Case], left: Iterator[int]) -> None:
        line = _Line(self._port)
        for _ in left:
            case = next(cases)
            try:
                async with asyncio.timeout(_TIMEOUT):
                    statuses, said = await (alone(self._port, case) if case.alone else line.exchange(case))
            except TimeoutError:
                statuses, said = [], b"timeout"
                self.outcome.wrong.append(f"{case.kind}: never answered: {case.request[:300]!r}")
            if self._token in said:
                self.outcome.wrong.append(f"{case.kind}: the answer shows the token: {said!r}")
            self.outcome.record(case, statuses, said)
        line.close()


class _Line:
    """A persistent connection; it is replaced when the other side has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, case: Case) -> tuple[list[int], bytes]:
        """Send one request; a connection that turns out to be closed is replaced once."""
        fresh = self._open is None
        answer = await self._try(case)
        if answer is None and not fresh:
            answer = await self._try(case)
        return answer or ([], b"")

    async def _try(self, case: Case) -> tuple[list[int], bytes] | None:
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._open
        try:
            writer.write(case.request)
            return await self._answer(reader, bodiless=case.request.startswith(b"HEAD "))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            return None

    async def _answer(self, reader: asyncio.StreamReader, *, bodiless: bool) -> tuple[list[int], bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        if status == 100:
            return await self._answer(reader, bodiless=bodiless)
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length and not bodiless else b""
        if b"connection: close" in head.lower():
            self.close()
        return [status], head + body

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def alone(port: int, case: Case) -> tuple[list[int], bytes]:
    """Send on a connection of its own; then hang up at once, signal the end, or read what comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = bytearray()
    try:
        writer.write(case.request)
        match len(case.request) % 10:
            case 0:
                _cut(writer)
            case 1:
                writer.write_eof()
            case _:
                async with asyncio.timeout(_IDLE):
                    while part := await reader.read(65_536):
                        said += part
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return [int(status) for status in _STATUS.findall(said) if status != b"100"], bytes(said)


def _cut(writer: asyncio.StreamWriter) -> None:
    """Hang up at once: the other side finds the connection reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
