"""A folder in the settings may contain single-file plugins: same loader, same guards, never imported again."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from te_core.plugins.discovery import discover
from te_core.plugins.files import files_in
from te_core.plugins.registry import Registry
from te_core.plugins.report import PluginReport, PluginStatus, restart_needed
from tests.plugins.conftest import GOOD, Install

pytestmark = pytest.mark.real_clock
HELPER = "VALUE = 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "my_plugins"
    made.mkdir()
    return made


def put(folder: Path, name: str, code: str = GOOD) -> Path:
    file = folder / f"{name}.py"
    file.write_text(code.replace("{name!r}", repr(name)))
    return file


def registry_of(folder: Path) -> Registry:
    registry = Registry(find=list)
    registry.look_in(folder)
    return registry


async def test_a_file_with_a_hook_is_a_plugin_and_a_helper_is_none(folder: Path) -> None:
    put(folder, "oracle")
    put(folder, "helper", HELPER)
    put(folder, "_private")
    (folder / "Not-A-Name.py").write_text(GOOD)
    registry = registry_of(folder)
    assert list(registry.reports) == ["oracle"]
    before = set(sys.modules)
    await registry.ensure(["oracle"])
    report = registry.reports["oracle"]
    assert (report.status, report.kind, report.distribution) == (PluginStatus.LOADED, "source", "file")
    assert registry.sources["oracle"].settings().depth == 0
    for name in set(sys.modules) - before:
        del sys.modules[name]


async def test_a_mistake_in_a_file_is_reported_with_its_line(folder: Path) -> None:
    put(folder, "bad", GOOD + "\n1 / 0\n")
    registry = registry_of(folder)
    await registry.ensure(["bad"])
    report = registry.reports["bad"]
    assert report.status is PluginStatus.FAILED
    assert report.reason == "ZeroDivisionError: division by zero (bad.py:12)"
    assert "1 / 0" in report.traceback
    assert "te_plugin_file_bad" not in sys.modules, "half a module stays nowhere"


async def test_a_file_that_everybody_can_write_is_refused(folder: Path) -> None:
    file = put(folder, "oracle")
    file.chmod(0o666)
    registry = registry_of(folder)
    await registry.ensure(["oracle"])
    assert f"chmod o-w {file}" in registry.reports["oracle"].reason
    assert "oracle" not in registry.sources


async def test_settings_decide_between_a_file_and_a_package(folder: Path, install: Install) -> None:
    install("oracle")
    put(folder, "oracle")
    registry = Registry(find=lambda: [entry for entry in discover() if entry.name == "oracle"])
    registry.look_in(folder)
    await registry.ensure(["oracle"])
    assert "te-oracle and file both offer it" in registry.reports["oracle"].reason
    await registry.ensure(["oracle"], {"oracle": "file"})
    assert registry.reports["oracle"].distribution == "file"


async def test_a_changed_file_is_not_imported_again(folder: Path) -> None:
    file = put(folder, "oracle")
    registry = registry_of(folder)
    await registry.ensure(["oracle"])
    running = registry.reports["oracle"].as_json()
    file.write_text(file.read_text().replace("depth: int = 0", "depth: int = 1"))
    await registry.ensure(["oracle"])
    assert registry.sources["oracle"].settings().depth == 0
    later = registry_of(folder)
    assert "its code has changed since the running engine loaded it: restart" in restart_needed(
        running, later.reports["oracle"], later.digest("oracle")
    )
    file.unlink()
    assert "no longer installed" in restart_needed(running, registry_of(folder).reports.get("oracle"), "")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    registry = registry_of(tmp_path / "nowhere")
    assert registry.notices == {
        "plugins_dir": f"engine.plugins_dir: folder {tmp_path / 'nowhere'} does not exist"
    }
    assert files_in(tmp_path / "nowhere") == []


async def test_an_upgrade_an_uninstall_and_an_edit_ask_for_a_restart(install: Install, site: Path) -> None:
    install("oracle")
    registry = Registry()
    await registry.ensure(["oracle"])
    report = registry.reports["oracle"]
    running, digest = report.as_json(), Registry().digest("oracle")
    assert restart_needed(running, report, digest) == ""
    upgraded = replace(report, version="1.3.0")
    assert restart_needed(running, upgraded, digest) == (
        "the running engine has loaded 1.2.3, but 1.3.0 is installed: restart the engine"
    )
    assert "no longer installed" in restart_needed(running, None, "")
    missing = PluginReport(name="oracle", status=PluginStatus.MISSING)
    assert "no longer installed" in restart_needed(running, missing, "")
    module = site / "te_oracle_module.py"
    module.write_text(module.read_text() + "\n# edited\n")
    assert "its code has changed" in restart_needed(running, report, Registry().digest("oracle"))
    assert restart_needed({**running, "status": "installed"}, None, "") == "", "it was never loaded"


async def test_a_package_is_digested_whole_without_importing_it(install: Install, site: Path) -> None:
    install("oracle", "raise AssertionError('imported')")
    (entry,) = (entry for entry in discover() if entry.name == "oracle")
    first = entry.digest()
    assert first
    (site / "te_oracle_module.py").unlink()
    assert entry.digest() == ""


async def test_an_entry_point_that_names_nothing_is_reported(install: Install, site: Path) -> None:
    install("oracle")
    points = next(site.glob("te_oracle-*.dist-info")) / "entry_points.txt"
    for value, reason in (
        ("te_oracle_modul", "te_oracle_modul, which does not exist: no module named 'te_oracle_modul'"),
        ("te_oracle_module.deep", "te_oracle_module.deep, which does not exist"),
        ("te_oracle_module:offer", "te_oracle_module:offer, which does not exist: module"),
    ):
        points.write_text(f"[trade_engine.plugins]\noracle = {value}\n")
        registry = Registry()
        await registry.ensure(["oracle"])
        assert f"the entry point names {reason}" in registry.reports["oracle"].reason
