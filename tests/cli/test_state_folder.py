"""The engine writes into a folder that only its owner can access, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from te_core.app.state_folder import prepare
from te_core.errors import ConfigError


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    prepare(tmp_path / "home" / "state", tmp_path / "home" / "state" / "journal")
    assert stat.S_IMODE((tmp_path / "home" / "state").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_one_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match=f"has mode {mode:04o}: others may write there; run: chmod go-w"):
        prepare(tmp_path, tmp_path / "journal")


def test_one_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: ours + 1)
    with pytest.raises(ConfigError, match=f"belongs to user {ours}, but the engine runs as user {ours + 1}"):
        prepare(tmp_path, tmp_path / "journal")


@pytest.mark.parametrize("name", ["journal", "engine.json", "engine.log", "accounts/paper", "sources"])
def test_a_link_where_files_belong_is_refused(tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    link = state / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"is a symbolic link to .*elsewhere"):
        prepare(state, state / "journal")


def test_a_journal_elsewhere_may_not_be_a_link_either(tmp_path: Path) -> None:
    (tmp_path / "journal").symlink_to(tmp_path / "other")
    with pytest.raises(ConfigError, match="is a symbolic link"):
        prepare(tmp_path / "state", tmp_path / "journal")
