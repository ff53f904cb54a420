"""``te plugin dev``: which files count, when it restarts, and how it shows a failure."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest

from te_core.plugin_kit.developing import Developer, Engine, concerns
from te_core.plugin_kit.kinds import naming
from te_core.plugin_kit.project import read_project
from te_core.plugin_kit.traces import shorten
from te_core.plugin_kit.workbench import first_settings, observes
from te_core.plugin_kit.writing import files, write
from te_core.settings.schema import Settings

OWN = Path("/plugins/mine")
TRACE = """\
Traceback (most recent call last):
  File "/lib/te_core/runtime/guard.py", line 41, in call
    answer = await work
             ^^^^^^^^^^
  File "/plugins/mine/te_mine/source.py", line 20, in run
    await self.poll()
  File "/plugins/mine/te_mine/source.py", line 30, in poll
    raise ValueError("no")
ValueError: no
"""


class Process:
    """Stands in for an engine."""

    def __init__(self, log: list[str], name: str) -> None:
        self._log = log
        self._name = name
        self.ended = asyncio.Event()

    async def wait(self) -> int:
        await self.ended.wait()
        return 3

    async def stop(self) -> None:
        self._log.append(f"stopped {self._name}")


class Workshop:
    """Builds engines, or fails to; the test triggers changes."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.engines: list[Process] = []
        self.broken = False
        self._changes: asyncio.Queue[Collection[str]] = asyncio.Queue()
        self.developer = Developer(self.build, self.log.append)
        self._running = asyncio.create_task(self.developer.run(self._changing()))

    async def build(self) -> Engine | None:
        if self.broken:
            return None
        self.engines.append(Process(self.log, f"engine {len(self.engines) + 1}"))
        self.log.append(f"started engine {len(self.engines)}")
        return self.engines[-1]

    async def change(self, *names: str) -> list[str]:
        await self._changes.put(names)
        return await self.settled()

    async def settled(self) -> list[str]:
        await asyncio.sleep(1)
        found, self.log[:] = list(self.log), []
        return found

    async def end(self) -> list[str]:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        return await self.settled()

    async def _changing(self) -> AsyncIterator[Collection[str]]:
        while True:
            yield await self._changes.get()


async def test_each_change_ends_the_engine_and_starts_another() -> None:
    shop = Workshop()
    assert await shop.settled() == ["started engine 1"]
    assert await shop.change("b.py", "a.py") == [
        "-- changed: a.py, b.py",
        "stopped engine 1",
        "started engine 2",
    ]
    assert shop.developer.runs
    assert await shop.end() == ["stopped engine 2"]


async def test_what_cannot_be_loaded_waits_for_the_next_change() -> None:
    shop = Workshop()
    await shop.settled()
    shop.broken = True
    assert await shop.change("a.py") == [
        "-- changed: a.py",
        "stopped engine 1",
        "-- waiting for the next change",
    ]
    assert not shop.developer.runs
    shop.broken = False
    assert await shop.change("a.py") == ["-- changed: a.py", "started engine 2"]
    await shop.end()


async def test_an_engine_that_ends_on_its_own_is_reported_not_stopped() -> None:
    shop = Workshop()
    await shop.settled()
    shop.engines[0].ended.set()
    assert await shop.settled() == ["-- the engine ended with exit code 3; waiting for the next change"]
    assert not shop.developer.runs
    assert await shop.change("a.py") == ["-- changed: a.py", "started engine 2"]
    await shop.end()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("te_mine/source.py", True),
        ("te_mine/table.json", True),
        ("pyproject.toml", True),
        ("te_mine/__pycache__/source.py", False),
        (".venv/lib/x.py", False),
        (".git/config.toml", False),
        ("build/lib/x.py", False),
        ("te_mine/source.py~", False),
        ("README.md", False),
        (".te-dev/settings.toml", True),
        (".te-dev/.secrets.toml", False),
        (".te-dev/state/x.json", False),
        (".te-dev/site/x.txt", False),
    ],
)
def test_which_files_count(name: str, counts: bool) -> None:
    assert concerns(OWN / name, OWN, runs=False) is counts


def test_a_running_engine_applies_its_settings_itself() -> None:
    assert not concerns(OWN / ".te-dev" / "settings.toml", OWN, runs=True)
    assert concerns(OWN / "te_mine" / "source.py", OWN, runs=True)
    assert not concerns(Path("/elsewhere/x.py"), OWN, runs=True)


def test_of_a_traceback_the_own_frames_and_the_error_are_shown() -> None:
    assert shorten(TRACE, OWN) == [
        "  te_mine/source.py:20 in run",
        "  te_mine/source.py:30 in poll",
        '      raise ValueError("no")',
        "  ValueError: no",
    ]


def test_a_traceback_below_a_log_line_keeps_its_surroundings() -> None:
    indented = "".join(f"    {line}\n" for line in TRACE.splitlines())
    shown = shorten(f"ERROR source=mine: defect\n{indented}INFO next\n", OWN)
    assert shown[0] == "ERROR source=mine: defect"
    assert shown[-2:] == ["  ValueError: no", "INFO next"]
    assert len(shown) == 6


def test_without_a_frame_of_its_own_the_last_one_is_shown() -> None:
    assert shorten(TRACE, Path("/another")) == [
        "  /plugins/mine/te_mine/source.py:30 in poll",
        '      raise ValueError("no")',
        "  ValueError: no",
    ]


def test_the_place_of_a_syntax_error_is_shown(tmp_path: Path) -> None:
    import traceback

    try:
        compile("def f(:\n", str(tmp_path / "bad.py"), "exec")
    except SyntaxError as error:
        text = "".join(traceback.format_exception(error))
    assert shorten(text, tmp_path) == ["  bad.py:1", "      def f(:", "  SyntaxError: invalid syntax"]


def test_an_unfinished_traceback_is_shown_as_far_as_it_came() -> None:
    assert shorten("\n".join(TRACE.splitlines()[:5]), OWN) == ["  te_mine/source.py:20 in run"]


def spec(kind: str, *options: dict[str, object]) -> dict[str, object]:
    return {"status": "loaded", "specs": [{"kind": kind, "options": list(options)}]}


@pytest.mark.parametrize("kind", ["source", "exchange", "notifier"])
def test_the_first_settings_are_valid_without_fixed_ports(kind: str) -> None:
    option = {"name": "url", "required": True, "secret": False, "meaning": "the address"}
    loaded = {"mine": spec(kind, option)}
    text = first_settings(loaded)
    settings = Settings.model_validate(tomllib.loads(text))
    assert "# url =      # needed: the address" in text
    assert settings.plugins_in_use()
    assert (settings.listen.public.port, settings.listen.private.port) == (0, 0)
    assert observes(loaded) == (kind == "exchange")
    assert ("paper" in settings.accounts) == (kind != "exchange")


def test_no_settings_of_the_operator_reach_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TE_ACCOUNTS__MAIN__API_KEY", "s3cret")
    monkeypatch.setenv("TE_HOME", "/srv/te")
    write(tmp_path / "p", files(naming("source", "mine"), author="", year=2026))
    env = read_project(tmp_path / "p").environment(tmp_path / "site")
    assert not [name for name in env if name.startswith("TE_")]
    assert env["PYTHONPATH"].split(os.pathsep)[:2] == [str(tmp_path / "site"), str(tmp_path / "p")]


def test_only_what_pyproject_says_now_is_announced(tmp_path: Path) -> None:
    folder, site = tmp_path / "p", tmp_path / "site"
    write(folder, files(naming("source", "mine"), author="", year=2026))
    read_project(folder).announce(site)
    file = folder / "pyproject.toml"
    file.write_text(file.read_text().replace('"0.1.0"', '"0.2.0"').replace("mine = ", "yours = "))
    read_project(folder).announce(site)
    (found,) = metadata.distributions(path=[str(site)])
    assert (found.version, [point.name for point in found.entry_points]) == ("0.2.0", ["yours"])
    assert any(need.startswith("te-core") for need in found.requires or ())


@pytest.mark.real_clock
async def test_an_edit_is_run_by_a_fresh_engine_and_a_mistake_is_shown(tmp_path: Path) -> None:
    folder = (tmp_path / "te-signals-mine").resolve()
    write(folder, files(naming("source", "mine"), author="", year=2026))
    module = folder / "te_signals_mine" / "source.py"
    settings = folder / ".te-dev" / "settings.toml"
    good = module.read_text().replace("await self._fetch()", "b'{}'")
    module.write_text(good)
    command = (
        sys.executable,
        "-c",
        "from te_core.cli.main import main; main()",
        "plugin",
        "dev",
        str(folder),
    )
    output = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=asyncio.subprocess.STDOUT)
    try:
        await shown(process, lambda line: "the engine ended with exit code 2" in line)  # url is missing
        settings.write_text(settings.read_text().replace("# url =", 'url = "http://127.0.0.1:9/" #'))
        lines = await shown(process, lambda line: "source mine (mine): running" in line)
        pids = [line.rpartition(" ")[2] for line in lines if "is running, pid" in line]
        module.write_text(good.replace("self._reads += 1", 'raise ValueError("on purpose")'))
        lines = await shown(process, lambda line: line == "  ValueError: on purpose")
        assert lines[-3:-1] == [
            f"  te_signals_mine/source.py:{place(module, 'raise ValueError')} in poll",
            '      raise ValueError("on purpose")',
        ]
        assert "stopped" in lines
        await shown(process, lambda line: "is running, pid" in line and line.rpartition(" ")[2] not in pids)
        module.write_text("def broken(:\n")
        lines = await shown(process, lambda line: "waiting for the next change" in line)
        assert "  te_signals_mine/source.py:1" in lines
        process.send_signal(signal.SIGTERM)
        assert await process.wait() is not None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def place(module: Path, text: str) -> int:
    return next(n for n, line in enumerate(module.read_text().splitlines(), 1) if text in line)


async def shown(process: asyncio.subprocess.Process, wanted: Callable[[str], bool]) -> list[str]:
    """Read lines until one matches."""
    lines: list[str] = []
    assert process.stdout is not None
    async with asyncio.timeout(120):
        async for raw in process.stdout:
            lines.append(raw.decode().rstrip("\n"))
            if wanted(lines[-1]):
                return lines
    raise AssertionError(f"it ended: {lines}")
