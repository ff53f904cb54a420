"""Help is quick and complete; listing imports no plugin that nobody asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from te_core.cli.main import app

COMMANDS = [
    "init", "demo", "run", "check", "status", "health", "plan", "explain", "signals", "events", "logs", "plugins",
    "signal send", "source url", "service pm2", "service systemd", "service tls",
    "add symbol", "add account", "add source", "remove symbol", "settings history", "settings undo",
]  # fmt: skip
HEAVY = {
    "aiohttp",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "dynaconf",
    "watchfiles",
    "rich",
    "loguru",
    "pluggy",
    "asyncio",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert f"Example: te {command}" in shown.stdout


def test_every_command_is_listed_and_documented() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    documented = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for command in COMMANDS:
        assert f"  {command.split()[0]} " in shown
        assert f"## te {command}\n" in documented


def test_help_lists_commands_of_plugins_with_their_own_summaries() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    bring = {
        path.parts[-3].removeprefix("signals_")
        for path in (Path(__file__).parents[2] / "plugins").glob("*/te_*/plugin.py")
        if "def te_commands" in path.read_text()
    }
    listed = shown.partition("Commands of plugins:")[2]
    assert bring == {
        line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line.split()
    }
    assert "te bittensor --help" in listed


def completed(folder: Any, words: str) -> list[str]:
    given = {
        "_TE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("te")],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder.path,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("TE_")}, **given},
    )
    return done.stdout.split()


def test_the_shell_completes_commands_and_names_of_the_settings(folder: Any) -> None:
    assert completed(folder, "te st") == ["status"]
    assert completed(folder, "te status --account p") == ["paper"]
    assert completed(folder, "te halt p") == ["paper"]
    assert completed(folder, "te orders --symbol E") == ["ETHUSDT"]
    assert completed(folder, "te close paper B") == ["BTCUSDT"]
    assert completed(folder, f"te --settings {folder.settings} pause t") == ["tradingview"]
    assert completed(folder, "te events --kind ou") == ["outage"]
    folder.settings.write_text("this is not toml [")
    assert completed(folder, "te status --account p") == []


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from te_core.cli.main import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())


def test_a_broken_plugin_is_listed_with_its_reason_and_isolated(folder: Any, tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "te_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: te-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[trade_engine.plugins]\nbroken = te_broken\n")
    (site / "te_broken.py").write_text("open('imported', 'w').close()\nraise RuntimeError('no good')\n")
    folder.edit("[symbols.BTCUSDT]", '[accounts.bad]\nplugin = "broken"\n[symbols.BTCUSDT]')

    def listed(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("te"),
                "plugins",
                "--json",
                "--settings",
                folder.settings,
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"PYTHONPATH": str(site)},
        )
        return {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}

    assert listed("--no-import")["broken"]["status"] == "installed"
    assert not (tmp_path / "imported").exists()
    found = listed()
    assert (found["broken"]["status"], found["broken"]["instances"]) == ("failed", ["accounts.bad"])
    assert "no good" in found["broken"]["reason"]
    assert found["broken"]["version"] == "1.0"
    assert found["paper"]["status"] == "loaded"
    (tmp_path / "imported").unlink()
    folder.settings.write_text("this is not toml [")
    assert listed()["broken"]["status"] == "installed"
    assert not (tmp_path / "imported").exists()
