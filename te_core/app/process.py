"""An engine as a process: started, told to stop by signals, gone in time."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import traceback
from collections.abc import Callable, Coroutine
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
"""Seconds after a signal at which the process ends whatever it is doing; pm2 kills after 1.6."""

_LAST_LINES = 0.2
"""Seconds that the end waits for the last lines to be written, where an output is stuck."""

_IMPORT = 3.0
"""Seconds that the start waits for one plugin's import; a slower one is taken up when it is there."""


def run_to_the_end(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run the engine until it ends by itself.

    A plugin's own task or callback that raises ``SystemExit`` or ``KeyboardInterrupt`` would end the loop, and with it
    everybody's trading. Once signals are handled neither means that somebody wants to stop the engine.
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
                "{} raised in {}:{} ({}): a plugin's task ended; the engine goes on, only a signal stops it",
                type(error).__name__,
                last.filename,
                last.lineno,
                last.name,
            )


_FILES = 65_536
"""Open files that the process asks for, as far as it may: a burst of connections is accepted before any gives way."""


def allow_many_files() -> None:
    """Raise the limit of open files. With the usual 1,024, a flood would stop every connection for a second."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(paths: Paths, *, new_id: Callable[[], str], observe: str = "") -> None:
    """Run an engine until a signal comes. Raises what ``Application.start`` raises.

    ``observe``: why no account sends anything; empty when they may.
    """
    _stop_on_signals()
    allow_many_files()
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
        await until_connected(application, 30)
        _collect_what_comes()
        await asyncio.Event().wait()
    except asyncio.CancelledError:  # a signal came
        await application.stop()
        print_lines("stopped")
    finally:
        flush_logs(_LAST_LINES)


def _collect_what_comes() -> None:
    """Look for garbage again, but only in what is made from now on.

    The hundred thousands of objects that a start makes, exchanges' client and instruments among them, are here to stay:
    going through them stops everything for a tenth of a second. What an alert makes is freed without a search, so that
    a search in every 700 allocations (the default) finds next to nothing. What survives one is searched once more with
    that of two others: with that of ten, the default, it stops everything for 80 ms while thousands of orders are sent.
    """
    gc.freeze()
    gc.set_threshold(10_000, 2, 50)
    gc.enable()


def _stop_on_signals() -> None:
    """Let the first SIGINT or SIGTERM end this task. What then takes too long is cut off: the journal allows it."""
    loop, running = asyncio.get_running_loop(), asyncio.current_task()
    assert running is not None
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            return  # cancelling once more would break off the stop that is under way
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
    logger.error("not stopped after {} s; ending now, the next start resolves what is open", _GRACE)
    flush_logs(0.1)
    os._exit(1)
