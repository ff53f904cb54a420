"""``te plugin dev``: an engine with one plugin, which is started again, in a fresh process, when its files change.

Modules are never imported a second time in a process that lives: what runs is what is on disk.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from te_core.plugin_kit.evidence import loaded_by_probe
from te_core.plugin_kit.project import PYTHON, PluginProject, read_project
from te_core.plugin_kit.traces import Shortener, shorten
from te_core.plugin_kit.workbench import FOLDER, Workbench, observes

Say = Callable[[str], None]

STOPS_WITHIN = 20.0
"""Seconds that an engine has to stop; then it is killed."""
SETTLED = 200
"""Milliseconds without a further change after which a burst of them is over."""
LONGEST_LINE = 2**20
IGNORED = frozenset(
    {".git", ".venv", "venv", ".tox", ".nox", "build", "dist", "node_modules", "__pycache__", "site-packages"}
)
WATCHED = frozenset({".py", ".toml", ".json", ".yaml", ".yml", ".txt", ".pem"})
ENGINE = "from te_core.cli.main import main; main()"


class Engine(Protocol):
    """An engine that runs."""

    async def wait(self) -> int:
        """Return its exit code when it has ended."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class Developer:
    """Keeps an engine that runs what is on disk. ``build`` starts one; None where the plugin cannot be loaded."""

    def __init__(self, build: Callable[[], Awaitable[Engine | None]], say: Say) -> None:
        self._build = build
        self._say = say
        self._engine: Engine | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        """Whether an engine runs."""
        return self._engine is not None

    async def run(self, changes: AsyncIterator[Collection[str]]) -> None:
        """Build at once and after every change, until there are no more."""
        try:
            await self._rebuild()
            async for changed in changes:
                self._say(f"-- changed: {', '.join(sorted(changed))}")
                await self._rebuild()
        finally:
            await self._stop()

    async def _rebuild(self) -> None:
        await self._stop()
        engine = self._engine = await self._build()
        if engine is None:
            self._say("-- waiting for the next change")
        else:
            self._watching = asyncio.create_task(self._watch(engine))

    async def _watch(self, engine: Engine) -> None:
        """Report an engine that ends by itself."""
        code = await engine.wait()
        self._engine = None
        self._say(f"-- the engine ended with exit code {code}; waiting for the next change")

    async def _stop(self) -> None:
        engine, self._engine = self._engine, None
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        if engine is not None:
            await engine.stop()


class EngineProcess:
    """An engine in a process of its own; what it prints is passed on, with short tracebacks."""

    def __init__(self, process: asyncio.subprocess.Process, own: Path, say: Say) -> None:
        self._process = process
        self._printing = asyncio.create_task(self._print(Shortener(own), say))

    async def wait(self) -> int:
        """Return its exit code when it has ended and everything is printed."""
        await asyncio.shield(self._printing)
        return await self._process.wait()

    async def stop(self) -> None:
        """End it as SIGTERM does; kill it where it takes too long."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOPS_WITHIN):
                await self.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self.wait()

    async def _print(self, shortener: Shortener, say: Say) -> None:
        output = self._process.stdout
        assert output is not None
        with suppress(ValueError):  # a line of megabytes
            async for raw in output:
                for line in shortener.feed(raw.decode(errors="replace").rstrip("\n")):
                    say(line)
        for line in shortener.end():
            say(line)


class Builder:
    """Starts an engine with the plugin as it is on disk now, or says why it cannot be loaded."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say

    async def __call__(self) -> Engine | None:
        """Probe the plugin in a process of its own, then start the engine."""
        from te_core.errors import CommandFailed

        try:
            project = read_project(self._folder)
        except CommandFailed as error:
            self._say(f"-- {error.reason}")
            return None
        bench = Workbench(project)
        project.announce(bench.announced)
        loaded = {}
        for name in project.points:
            report = await asyncio.to_thread(loaded_by_probe, project, name, bench.announced)
            if report["status"] != "loaded":
                for line in self._failure(name, report["reason"], report.get("traceback", "")):
                    self._say(line)
                return None
            loaded[name] = report
        if bench.prepare(loaded):
            self._say(f"-- wrote {bench.settings}: complete it where it says so")
        return await self._start(project, bench, observe=observes(loaded))

    def _failure(self, name: str, reason: str, trace: str) -> Sequence[str]:
        return [f"-- plugin {name}: {reason}", *shorten(trace, self._folder)]

    async def _start(self, project: PluginProject, bench: Workbench, *, observe: bool) -> Engine:
        further = ("--observe",) if observe else ()
        how = "observing: nothing is sent" if observe else "on paper"
        self._say(f"-- starting an engine in {bench.home} ({how})")
        process = await asyncio.create_subprocess_exec(
            *(*PYTHON, "-c", ENGINE, "--settings", str(bench.settings), "run", *further),
            cwd=bench.home,
            env=project.environment(bench.announced),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LONGEST_LINE,
        )
        return EngineProcess(process, self._folder, self._say)


def concerns(path: Path, folder: Path, *, runs: bool) -> bool:
    """Return whether a changed file means that the plugin is built again.

    The settings of the workbench do so only while no engine runs: one that runs applies an edit by itself. What it
    writes there does not.
    """
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
    if not parts or path.suffix not in WATCHED or IGNORED.intersection(parts[:-1]):
        return False
    if parts[0] == FOLDER:
        return not runs and parts[1:] == ("settings.toml",)
    return not any(part.startswith(".") for part in parts)


async def changes(folder: Path, runs: Callable[[], bool]) -> AsyncIterator[Collection[str]]:
    """Yield what changed in a plugin's folder, a burst at a time."""
    from watchfiles import Change, awatch

    def wanted(_: Change, path: str) -> bool:
        return concerns(Path(path), folder, runs=runs())

    async for found in awatch(folder, watch_filter=wanted, step=SETTLED, ignore_permission_denied=True):
        yield {str(Path(path).relative_to(folder)) for _, path in found}


async def develop(folder: Path, say: Say) -> None:
    """Run an engine with the plugin in that folder (absolute, without links) until cancelled."""
    developer = Developer(Builder(folder, say), say)
    working = asyncio.current_task()
    assert working is not None
    for end in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # Ctrl-C is the event loop's own; the engine never outlives us
        asyncio.get_running_loop().add_signal_handler(end, working.cancel)
    await developer.run(changes(folder, lambda: developer.runs))
