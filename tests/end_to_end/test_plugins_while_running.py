"""Plugins of one file in a real engine, and what `te plugins` and `te notify` report when their code changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import Home

pytestmark = pytest.mark.real_clock

BELL = """
from pydantic import BaseModel
from te_core.api import Notifier, NotifierSpec, hookimpl

class Options(BaseModel):
    pass

class Bell(Notifier):
    def __init__(self, context):
        pass

    async def notify(self, event):
        pass

@hookimpl
def te_notifiers():
    yield NotifierSpec(name="bell", settings=Options, factory=Bell)
"""


def listed(home: Home, name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (
        one for one in json.loads(te(home, "plugins", "--json").stdout)["plugins"] if one["name"] == name
    )
    return found


def test_a_changed_file_needs_a_restart_and_its_version_is_named(
    home: Home, start: Callable[[Home], EngineProcess]
) -> None:
    folder = home.folder / "my_plugins"
    folder.mkdir()
    file = folder / "bell.py"
    file.write_text(BELL)
    home.tree["engine"]["plugins_dir"] = "my_plugins/"
    home.tree["notifiers"] = {"phone": {"plugin": "bell"}}
    home.write()
    engine = start(home).until_ready()
    assert engine.state()["notifiers"]["phone"]["status"] == "running"
    found = listed(home, "bell")
    assert (found["distribution"], found["status"], found["restart"]) == ("file", "loaded", "")
    quiet = te(home, "notify", "phone")
    assert (quiet.returncode, quiet.stderr) == (0, "")

    file.write_text(BELL + "\n1 / 0\n")
    assert "its code has changed since the running engine loaded it" in listed(home, "bell")["restart"]
    assert "restart" in te(home, "plugins").stdout
    traced = te(home, "plugins", "--trace", "bell")
    assert traced.returncode == 0
    assert "Traceback" in traced.stdout
    assert "ZeroDivisionError: division by zero (bell.py:" in traced.stdout

    file.write_text(BELL + "\n# a comment\n")
    other = te(home, "notify", "phone")
    assert other.returncode == 0
    assert "this tested the code that is installed now, not what the running engine uses" in other.stderr

    file.unlink()
    assert "it is no longer installed" in listed(home, "bell")["restart"]
    assert te(home, "plugins", "--trace", "bell").returncode == 1
    assert engine.stop() == 0
