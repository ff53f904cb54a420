"""The least a durable answer can cost: an aiohttp handler that only appends each body to a file.

Bodies that arrive while a sync to disk runs share the next one. ``python -m bench.bare_handler PORT FILE [uvloop]``.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from aiohttp import web

from harness.engine_process import ROOT, free_ports

Work = tuple[bytes, asyncio.Future[None]]


class DurableFile:
    """Appends in a thread; a future resolves when its bytes are on the disk."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._queue: SimpleQueue[Work] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def append(self, body: bytes) -> asyncio.Future[None]:
        """Queue a body; the future resolves when it is on the disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put((body, done))
        return done

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            try:
                while True:
                    batch.append(self._queue.get_nowait())
            except Empty:
                pass
            os.write(self._descriptor, b"".join(body + b"\n" for body, _ in batch))
            os.fdatasync(self._descriptor)
            batch[0][1].get_loop().call_soon_threadsafe(_resolve, [done for _, done in batch])


def _resolve(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)


def site(path: Path) -> web.Application:
    """Build the one-route site."""
    file = DurableFile(path)

    async def accept(request: web.Request) -> web.Response:
        await file.append(await request.read())
        return web.Response(text='{"status": "accepted"}', content_type="application/json")

    made = web.Application()
    made.router.add_post("/hooks/{source}/{token}", accept)
    return made


@contextmanager
def bare_handler(file: Path, *, uvloop: bool = False) -> Iterator[tuple[int, int]]:
    """Run it in a process of its own; yield its port and process id."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.bare_handler", str(port), str(file), *(["uvloop"] * uvloop)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        _await_listening(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _await_listening(port: int) -> None:
    import socket

    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise SystemExit("the bare handler did not start")


def main(port: str, file: str, loop: str = "asyncio") -> None:
    """Serve on a port until interrupted."""
    made = asyncio.new_event_loop()
    if loop == "uvloop":
        import uvloop

        made = uvloop.new_event_loop()
    web.run_app(site(Path(file)), host="127.0.0.1", port=int(port), access_log=None, print=None, loop=made)


if __name__ == "__main__":
    main(*sys.argv[1:])
