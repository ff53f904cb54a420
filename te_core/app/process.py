"""Run an engine as a process that stops on signals, within a time limit."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from loguru import logger

from te_core.app.application import Application
from te_core.app.paths import Paths
from te_core.app.summary import summarise, until_connected
from te_core.clock import SystemClock
from te_core.logs import flush_logs, print_lines
from te_core.plugins.registry import Registry
from te_core.settings.secrets import random_secret

_GRACE = 1.4
"""Seconds after a signal at which the process ends, whatever it is doing; pm2 kills after 1.6."""

_LAST_LINES = 0.2
"""Seconds that the end waits for the last log lines if an output is stuck."""

_IMPORT = 3.0
"""Seconds that the start waits for one plugin's import; a slower one is added once it is imported."""


def run_to_the_end(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run the engine until it ends on its own.

    A task or callback of a plugin that raises ``SystemExit`` or ``KeyboardInterrupt`` would end the loop, and with it
    all trading. Once signals are handled, neither exception means that the operator wants to stop the engine.
    """
    task = loop.create_task(main)
    while True:
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            if task.done():
                return task.result()
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            logger.error(
                "{} raised in {}:{} ({}): a plugin's task ended; the engine continues, only a signal stops it",
                type(error).__name__,
                last.filename,
                last.lineno,
                last.name,
            )


_FILES = (65_536, 10_240)
"""Limits of open files that the process requests, so that a burst of connections is accepted before any is dropped.

macOS accepts 10,240 by default (``kern.maxfilesperproc``), whatever it reports as the hard limit.
"""


def allow_many_files() -> None:
    """Raise the limit of open files. With the usual 1,024, a flood would block every connection for a second."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in _FILES:
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        with suppress(ValueError, OSError):  # the kernel allows fewer than it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


_SWITCH = 0.001
"""Seconds after which the event loop passes the interpreter's lock to a thread that waits for it (Python: 0.005)."""


def share_with_threads() -> None:
    """Let the journal's thread run soon while the event loop is busy.

    It releases the interpreter's lock at each statement, and waits this long to get it back. With Python's own interval
    a commit of 20 statements took a tenth of a second, and so did the alerts and orders that waited for it.
    """
    sys.setswitchinterval(_SWITCH)


async def serve(paths: Paths, *, new_id: Callable[[], str], observe: str = "") -> None:
    """Run an engine until a signal arrives. Errors of ``Application.start`` are raised.

    ``observe``: why no account sends anything; empty if they may send.
    """
    _stop_on_signals()
    allow_many_files()
    share_with_threads()
    application = Application(
        paths,
        env=os.environ,
        clock=SystemClock(),
        new_id=new_id,
        new_secret=random_secret,
        registry=Registry(import_timeout=_IMPORT),
        observe=observe,
    )
    try:
        await application.start()
        await summarise(application)
        await until_connected(application.queries, 30)
        _collect_what_comes()
        await asyncio.Event().wait()
    except asyncio.CancelledError:  # a signal arrived
        await application.stop()
        print_lines("stopped")
    finally:
        flush_logs(_LAST_LINES)


def _collect_what_comes() -> None:
    """Enable garbage collection again, but only for objects created from now on.

    The hundreds of thousands of objects created at the start, such as exchange clients and instruments, live as long
    as the process: a collection that scans them blocks everything for a tenth of a second. The objects of an alert are
    freed by reference counting, so a collection every 700 allocations (the default) finds almost nothing. Survivors are
    scanned again with those of two more collections: with ten, the default, that blocks everything for 80 ms while
    thousands of orders are sent.
    """
    gc.freeze()
    gc.set_threshold(10_000, 2, 50)
    gc.enable()


def _stop_on_signals() -> None:
    """Cancel this task on the first SIGINT or SIGTERM. A stop that takes too long is cut off; the journal allows it."""
    loop, running = asyncio.get_running_loop(), asyncio.current_task()
    assert running is not None
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            return  # cancelling again would abort the stop in progress
        stopping = True
        deadline = threading.Timer(_GRACE, _force_exit)
        deadline.daemon = True
        deadline.start()
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # on Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def _force_exit() -> None:
    logger.error("did not stop within {} s; exiting now, the next start resolves open orders", _GRACE)
    flush_logs(0.1)
    os._exit(1)
