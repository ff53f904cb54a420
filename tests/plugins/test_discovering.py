"""Plugins are found by their metadata, without importing them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from te_core.plugins.discovery import PluginEntry, discover
from tests.plugins.conftest import Install


def found(name: str) -> list[PluginEntry]:
    return [entry for entry in discover() if entry.name == name]


def test_an_installed_plugin_is_listed_with_its_metadata(install: Install) -> None:
    install("oracle", requires=("te-core>=0.1,<9", "pydantic>=2; python_version>='3'"))
    (entry,) = found("oracle")
    assert (entry.distribution, entry.version) == ("te-oracle", "1.2.3")
    assert entry.requires_core == "<9,>=0.1"


@pytest.mark.parametrize(
    ("keywords", "level"),
    [
        ("trading,trade-engine-gold", "gold"),
        ("trade-engine-silver", "silver"),
        ("trade-engine-best", ""),
        ("", ""),
    ],
)
def test_the_level_that_a_package_states_is_listed(
    keywords: str, level: str, install: Install, site: Path
) -> None:
    install("oracle")
    (metadata,) = site.glob("te_oracle-*.dist-info/METADATA")
    metadata.write_text(metadata.read_text() + f"Keywords: {keywords}\n")
    assert [entry.level for entry in found("oracle")] == [level]


def test_listing_imports_nothing(install: Install) -> None:
    install("oracle", "raise SystemExit('imported')")
    (entry,) = found("oracle")
    assert entry.entry_point.value not in sys.modules


def test_the_plugins_of_this_repo_are_listed() -> None:
    assert {"paper", "tradingview"} <= {entry.name for entry in discover()}


def test_a_distribution_that_is_on_the_path_twice_counts_once(
    install: Install, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("oracle")
    copy = site.parent / "copy"
    copy.mkdir()
    for file in site.rglob("*"):
        target = copy / file.relative_to(site)
        target.mkdir() if file.is_dir() else target.write_bytes(file.read_bytes())
    monkeypatch.syspath_prepend(str(copy))
    assert len(found("oracle")) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("entry_points.txt", "[trade_engine.plugins]\nno equals sign\n"),
        ("entry_points.txt", "[trade_engine.plugins]\n= nothing\n"),
        ("entry_points.txt", "\xff\xfe"),
        ("METADATA", ""),
        ("METADATA", "Name: \n"),
        ("METADATA", None),
        ("METADATA", "\x00"),
    ],
)
def test_a_damaged_distribution_hides_no_other(
    install: Install, site: Path, file: str, text: str | None
) -> None:
    install("oracle")
    install("damaged")
    path = site / "te_damaged-1.2.3.dist-info" / file
    path.unlink() if text is None else path.write_bytes(text.encode("latin-1"))
    assert len(found("oracle")) == 1


def test_a_plugin_installed_by_pip_is_found_and_works(site: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "te_pipped").mkdir(parents=True)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "te-pipped"\nversion = "0.7"\ndependencies = ["te-core>=0.1"]\n'
        '[project.entry-points."trade_engine.plugins"]\npipped = "te_pipped.plugin"\n'
    )
    (project / "te_pipped" / "__init__.py").touch()
    (project / "te_pipped" / "plugin.py").write_text(
        "from pydantic import BaseModel\nfrom te_core.api import ExchangeSpec, hookimpl\n"
        "class Options(BaseModel): pass\n"
        "@hookimpl\ndef te_exchanges():\n"
        '    return [ExchangeSpec(name="pipped", settings=Options, factory=print)]\n'
    )
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    quiet = ["--disable-pip-version-check", "--root-user-action=ignore"]
    subprocess.run([*pip, *quiet, "--target", str(site), str(project)], check=True)

    from te_core.plugins.loading import load

    (entry,) = found("pipped")
    loaded = load(entry)
    assert loaded.report.as_json() == {
        "name": "pipped",
        "kind": "exchange",
        "distribution": "te-pipped",
        "version": "0.7",
        "status": "loaded",
        "reason": "",
        "traceback": "",
        "digest": entry.digest(),
    }
    assert len(entry.digest()) == 16
    assert [spec.name for spec in loaded.specs] == ["pipped"]
