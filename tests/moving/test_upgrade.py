"""``te upgrade-check``: what another version would change, and whether it may be started."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from te_core import __version__
from te_core.app import last_run
from te_core.app.last_run import LastRun
from te_core.contracts.exchange import Severity
from te_core.moving.upgrade import check_defaults, check_plugins, check_version
from te_core.plugins.registry import Registry
from te_core.plugins.report import PluginReport, PluginStatus
from te_core.settings.schema import Settings
from te_exchange_paper.plugin import PAPER
from tests.cli.conftest import Folder, Process, folder, started

__all__ = ["folder", "started"]

NOW = last_run.present(Registry.of(PAPER))


def run(**defaults: str) -> LastRun:
    return LastRun(version="0.0.9", plugins={"paper": "0.0.9"}, defaults={**NOW.defaults, **defaults})


def settings(**account: Any) -> Settings:
    return Settings.model_validate({"accounts": {"one": {"plugin": "paper", "balance": 1, **account}}})


def found(last: LastRun, of: Settings) -> list[tuple[str, str]]:
    return [(change.what, change.text) for change in check_defaults(last, NOW, of)]


def test_every_key_of_core_and_plugins_has_its_default_recorded() -> None:
    assert NOW.defaults["accounts.*.drift"] == "reduce"
    assert NOW.defaults["listen.public.port"] == "8787"
    assert NOW.defaults["accounts.paper:fee"] == str(PAPER.settings.model_fields["fee"].default)
    assert NOW.defaults["sources.*.max_age"] == "none"


def test_a_default_that_changed_is_named_where_it_counts() -> None:
    before = run(**{"accounts.*.drift": "heal", "engine.resync": "1 minute", "accounts.paper:fee": "0.5"})
    fee = NOW.defaults["accounts.paper:fee"]
    assert found(before, settings()) == [
        ("engine.resync", f"default 1 minute becomes {NOW.defaults['engine.resync']}"),
        ("accounts.one.drift", "default heal becomes reduce"),
        ("accounts.one.fee", f"default 0.5 becomes {fee}"),
    ]
    assert [what for what, _ in found(before, settings(drift="alert", fee="0.1"))] == ["engine.resync"]
    assert found(run(), settings()) == []


def test_what_was_not_recorded_is_said_to_be_unknown() -> None:
    (version, defaults) = check_version(None, "0.0.9")
    assert version.text == f"0.0.9 ran last, {__version__} is installed"
    assert defaults.severity is Severity.WARNING
    assert "were not recorded" in defaults.text
    (none,) = check_version(None, "")
    assert "none has run here before" in none.text


def test_an_incompatible_plugin_is_an_error_with_a_new_version() -> None:
    reports = [
        PluginReport(name="paper", version="0.1.0", status=PluginStatus.LOADED),
        PluginReport(
            name="odd", version="3", status=PluginStatus.INCOMPATIBLE, reason="requires te-core<0.1"
        ),
    ]
    assert [(c.severity, c.what, c.text) for c in check_plugins(reports, run())] == [
        (Severity.OK, "plugin paper", "0.0.9 ran last, 0.1.0 is installed"),
        (Severity.ERROR, "plugin odd", "requires te-core<0.1"),
    ]


@pytest.mark.real_clock
def test_a_run_is_recorded_and_the_next_version_compares_with_it(
    folder: Folder, started: Callable[[Folder], Process], tmp_path: Path
) -> None:
    """A real engine: backed up while it runs, killed, restored elsewhere, and checked for an upgrade."""
    assert "none has run here before" in folder.te("upgrade-check").stdout
    process = started(folder)
    kept = last_run.read(folder.state)
    assert kept is not None
    assert (kept.version, "accounts.paper:fee" in kept.defaults) == (__version__, True)
    assert (folder.state / last_run.FILE).stat().st_mode & 0o777 == 0o600
    backup = tmp_path / "backup.tar.gz"
    made = folder.te("backup", str(backup))
    assert made.exit_code == 0, made.stderr
    process.process.kill()
    process.process.wait()
    fine = folder.te("upgrade-check")
    assert fine.exit_code == 0
    assert f"{__version__}, same as last run" in fine.stdout
    elsewhere = Folder(tmp_path / "elsewhere")
    assert elsewhere.te("restore", str(backup), "--yes").exit_code == 0
    assert last_run.read(elsewhere.state) == kept
    assert "paper" in elsewhere.te("status").stdout

    changed = asdict(kept) | {"defaults": {**kept.defaults, "accounts.*.drift": "heal"}}
    (folder.state / last_run.FILE).write_text(json.dumps(changed))
    rows = folder.json("upgrade-check")
    assert {"what": "accounts.paper.drift", "finding": "default heal becomes reduce"}.items() <= {
        key: value for row in rows if row["what"] == "accounts.paper.drift" for key, value in row.items()
    }.items()
    with closing(sqlite3.connect(folder.state / "journal.sqlite3")) as journal:
        journal.execute("UPDATE alembic_version SET version_num = '0001'")
        journal.commit()
    older = folder.te("upgrade-check")
    assert older.exit_code == 0
    assert "schema 0001 becomes" in older.stdout
    with closing(sqlite3.connect(folder.state / "journal.sqlite3")) as journal:
        journal.execute("UPDATE alembic_version SET version_num = '0099'")
        journal.commit()
    assert folder.te("upgrade-check").exit_code == 1


def test_a_key_that_is_no_more_is_an_error(folder: Folder) -> None:
    folder.edit("balance = 10000", 'balance = 10000\nleverages = "3"')
    result = folder.te("upgrade-check")
    assert result.exit_code == 1
    assert "accounts.paper.leverages" in result.stdout


def test_moving_names_this_installations_paths_and_service(folder: Folder) -> None:
    (folder.path / "ecosystem.config.js").write_text("")
    folder.edit("[listen.public]\n", '[listen.public]\ncertificate = "cert.pem"\n')
    result = folder.te("move")
    assert result.exit_code == 0, result.stderr
    assert "pm2 stop trade-engine" in result.stdout
    assert f"restore {folder.path}/te-backup.tar.gz.age" in result.stdout
    assert f"scp {folder.path}/cert.pem" in result.stdout
    assert f"pip install te-core=={__version__}" in result.stdout
