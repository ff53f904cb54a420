"""``te flatten --direct``: close positions without an engine, after stopping one that does not answer."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask, command, setting
from te_core.cli.commanding import confirmed, done, preview, show_preview
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines, print_note

if TYPE_CHECKING:
    from te_core.app.exclusive import CommandContext
    from te_core.model.control import Command

STOPPING = 5.0
"""Seconds an engine gets to stop; normally it takes at most 1.4."""
POLL = 0.1


def flatten_directly(paths: Paths, wanted: Mapping[str, Any], *, yes: bool) -> None:
    """Flatten through the engine if it answers, else without it."""
    try:
        ask(paths, "/api/v1/state")
    except (EngineDown, Failure):
        _take_over(paths, yes=yes)
        _flatten(paths, wanted, yes=yes)
        return
    print_note("the engine answers, so it closes the positions itself")
    preview(paths, "flatten", wanted, "Close this, and halt?", yes=yes)
    done(command(paths, "flatten", wanted))


def _take_over(paths: Paths, *, yes: bool) -> None:
    """Stop an engine that does not answer, so that it releases the journal. Raises ``Failure`` if it does not."""
    pid = _holder(paths)
    if pid is None:
        return
    print_note(f"the engine (process {pid}) does not answer; stopping it")
    if _ended(paths, pid, signal.SIGTERM):
        return
    confirmed(f"Process {pid} did not stop. Kill it? The journal survives that.", yes=yes)
    if not _ended(paths, pid, signal.SIGKILL):
        raise Failure(
            f"process {pid} still holds the journal", next_step=f"end it: kill -9 {pid}", code=ExitCode.ENGINE
        )


def _holder(paths: Paths) -> int | None:
    """Return the pid that holds the journal's lock, or None. Raises ``Failure``, ``JournalError``."""
    from te_core.errors import JournalLocked
    from te_core.journal.lock import JournalLock

    journal = paths.state / setting(paths, "journal", "file")
    if not journal.exists():
        return None
    try:
        JournalLock(journal).release()
    except JournalLocked as error:
        if error.pid is None or error.pid == os.getpid():
            raise
        return error.pid
    return None


def _ended(paths: Paths, pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        raise Failure(f"process {pid} belongs to another user", next_step="run te as that user") from None
    pause = threading.Event()
    for _ in range(int(STOPPING / POLL)):
        if _holder(paths) is None:
            return True
        pause.wait(POLL)
    return False


def command_context(paths: Paths) -> CommandContext:
    """Return the context of a command that runs in place of the engine."""
    from uuid import uuid4

    from te_core.app.exclusive import CommandContext
    from te_core.clock import SystemClock
    from te_core.plugins.registry import Registry

    return CommandContext(
        paths=paths, env=os.environ, clock=SystemClock(), new_id=lambda: uuid4().hex, registry=Registry()
    )


def _command(action: str, wanted: Mapping[str, Any]) -> Command:
    """Return the command of a request body."""
    from te_core.model.control import Action, Command

    return Command(
        action=Action(action),
        by=wanted["by"],
        reason=wanted["reason"],
        accounts=tuple(wanted["accounts"]),
        symbol=wanted["symbol"],
        foreign=wanted.get("foreign", False),
    )


def halt_directly(paths: Paths, wanted: Mapping[str, Any]) -> Any:
    """Persist a halt for the next engine. Raises ``Failure`` if one is running that does not answer."""
    import asyncio

    from te_core.app.halting import halt_offline
    from te_core.errors import JournalLocked

    os.umask(0o077)
    try:
        return asyncio.run(halt_offline(command_context(paths), _command("halt", wanted)))
    except JournalLocked as error:
        raise Failure(
            f"the engine (process {error.pid}) does not answer, and nothing was halted",
            next_step=f"te flatten --direct takes over; or end it (kill -9 {error.pid}), then te halt again",
            code=ExitCode.ENGINE,
        ) from None


def _flatten(paths: Paths, wanted: Mapping[str, Any], *, yes: bool) -> None:
    import asyncio

    from te_core.app.direct import DirectFlatten

    async def show_and_ask(answer: Mapping[str, Any]) -> None:
        show_preview(answer)
        await asyncio.to_thread(confirmed, "Close this, and halt?", yes=yes)

    os.umask(0o077)
    direct = DirectFlatten(command_context(paths), _command("flatten", wanted))
    try:
        asyncio.run(direct.run(show_and_ask, print_note))
    except KeyboardInterrupt:
        raise Failure(
            "interrupted; what was started is in the journal",
            next_step="te flatten --direct continues, and so does te run",
        ) from None
    print_lines("everything that was to be closed is closed; halted until te resume")
