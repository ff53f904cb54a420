"""The engine under a real pm2, from the file that `te service pm2` writes. Skipped where pm2 is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.engine_process import eventually, te
from tests.end_to_end.home import Home

PM2 = shutil.which("pm2")
NAME = "trade-engine"

pytestmark = pytest.mark.skipif(PM2 is None, reason="pm2 is not installed: npm install --global pm2")


class Pm2:
    """A pm2 with a daemon of its own."""

    def __init__(self, home: Home, folder: Path) -> None:
        self._home = home
        self._env = {**home.environment(), "PM2_HOME": str(folder), "NO_COLOR": "1"}

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(PM2), *arguments],
            env=self._env,
            cwd=self._home.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def app(self) -> dict[str, Any]:
        listed = self("jlist")
        (found,) = json.loads(listed[listed.index("[{") :])
        return {"pid": found["pid"], **found["pm2_env"]}

    def until_running(self, *, other_than: int = 0) -> int:
        """Wait until the engine that pm2 started responds; return its process id."""

        def look() -> int:
            shown = te(self._home, "status", "--json")
            pid: int = json.loads(shown.stdout)["engine"]["pid"] or 0 if shown.returncode == 0 else 0
            return 0 if pid == other_than else pid

        return eventually(look, told=self.log)

    def log(self) -> str:
        file = self._home.folder / "logs" / "engine.log"
        return file.read_text() if file.exists() else "no log"


@pytest.fixture
def pm2(home: Home, tmp_path: Path) -> Iterator[Pm2]:
    assert te(home, "service", "pm2").returncode == 0
    made = Pm2(home, tmp_path / "pm2")
    yield made
    made("kill")


def test_pm2_starts_restarts_reloads_revives_and_stops_it(pm2: Pm2) -> None:
    pm2("start", "ecosystem.config.js")
    first = pm2.until_running()
    assert pm2.app()["pid"] == first
    pm2("restart", NAME)
    second = pm2.until_running(other_than=first)
    pm2("reload", NAME)
    third = pm2.until_running(other_than=second)
    os.kill(third, 9)
    fourth = pm2.until_running(other_than=third)
    assert pm2.app()["pid"] == fourth
    pm2("stop", NAME)
    assert pm2.app()["status"] == "stopped"
    log = pm2.log()
    assert log.count("stopped") == 3, "each of the asked-for stops came to its end within pm2's patience"
    assert "did not stop within" not in log


REDIRECTED = """
const fs = require("fs");
const write = fs.writeFileSync;
fs.writeFileSync = (file, ...rest) => write(String(file).startsWith("/etc/") ? process.env.UNIT : file, ...rest);
process.getuid = () => 0;
"""
"""Makes pm2 write a unit as for root, but to another folder."""


def written_unit(home: Home, folder: Path) -> dict[str, list[str]]:
    """Return what `pm2 startup` would install for a pm2 in ``folder``; nothing outside it is touched."""
    shim, unit, bin_folder = folder / "redirect.js", folder / "unit", folder / "bin"
    shim.write_text(REDIRECTED)
    bin_folder.mkdir()
    systemctl = bin_folder / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "$@" >> "$UNIT.enabled"\n')
    systemctl.chmod(0o755)
    done = subprocess.run(
        [str(PM2), "startup", "systemd", "-u", "trader", "--hp", str(folder)],
        env={
            **home.environment(),
            "PM2_HOME": str(folder / "of-root"),
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "NODE_OPTIONS": f"--require {shim}",
            "UNIT": str(unit),
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "unit.enabled").read_text() == "enable pm2-trader\n"
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found.setdefault(key, []).append(value)
    return found


def test_pm2_startup_restores_and_stops_what_was_saved(home: Home, tmp_path: Path) -> None:
    """Of `pm2 start`, `pm2 save` and `pm2 startup`, as docs/operations.md and `te service pm2` have them."""
    assert te(home, "service", "pm2").returncode == 0
    pm2 = Pm2(home, tmp_path / ".pm2")
    try:
        pm2("start", "ecosystem.config.js")
        first = pm2.until_running()
        pm2("save")
        pm2("kill")
        unit = written_unit(home, tmp_path)
        assert (unit["User"], unit["Type"]) == (["trader"], ["forking"])
        booted = dict(line.split("=", 1) for line in unit["Environment"])
        assert booted["PM2_HOME"] == str(tmp_path / ".pm2"), "where pm2 save wrote"
        assert unit["PIDFile"] == [str(tmp_path / ".pm2" / "pm2.pid")]
        bare = {
            **booted,
            "HOME": str(tmp_path),
            "USER": "trader",
        }  # as under systemd: without a login environment
        subprocess.run(unit["ExecStart"][0].split(), env=bare, cwd="/", check=True, capture_output=True)
        second = pm2.until_running(other_than=first)
        assert pm2.app()["pid"] == second
        subprocess.run(unit["ExecStop"][0].split(), env=bare, cwd="/", check=True, capture_output=True)
        assert pm2.log().count("stopped") == 2, "both stops came to their end within pm2's patience"
    finally:
        pm2("kill")
