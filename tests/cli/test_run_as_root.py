"""``sudo te``: what root writes still belongs to the user that runs the engine, who could not read it otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from te_core.app.state_folder import prepare, return_to_owner
from te_core.errors import ConfigError
from te_core.settings.files import replace_file
from tests.cli.conftest import Folder

if sys.platform == "win32":  # it has neither user ids nor owners in this sense
    pytest.skip("Windows has no root", allow_module_level=True)

ENGINE, GROUP = 12345, 12346
"""The user that runs the engine; no such user has to exist."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
"""Anybody else's chown is refused by the kernel, so another user's installation cannot be set up."""


def owners(path: Path) -> dict[str, tuple[int, int]]:
    """Return user and group of everything below a folder, by name."""
    found = ((each, each.lstat()) for each in path.rglob("*"))
    return {str(each.relative_to(path)): (stat.st_uid, stat.st_gid) for each, stat in found}


@pytest.fixture
def installed(folder: Folder) -> Folder:
    """An installation as ``te service systemd`` sets it up: its folder belongs to the engine's user."""
    folder.state.mkdir(mode=0o700)
    (folder.path / ".secrets.toml").write_text('[sources.tradingview]\ntoken = "a-token-of-at-least-16"\n')
    for each in (folder.path, *folder.path.rglob("*")):
        os.chown(each, ENGINE, GROUP)
    return folder


@needs_root
def test_files_that_root_writes_belong_to_the_engines_user(installed: Folder) -> None:
    for arguments in (
        ("configure", "limits", "--set", "account_exposure=50000"),
        ("configure", "weights", "--set", "BTCUSDT.tradingview=0.4"),
        ("configure", "credentials", "--set", "tradingview.token=another-token-of-enough-length"),
    ):
        result = installed.te(*arguments)
        assert result.exit_code == 0, result.output
    found = owners(installed.path)
    assert {"settings.toml", ".secrets.toml", "state/settings"} <= set(found)
    assert set(found.values()) == {(ENGINE, GROUP)}


def test_root_gives_a_file_to_its_former_owner_or_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule alone, for whoever runs the tests; the others need real owners."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.fchown", lambda _, uid, gid: given.append((uid, gid)))
    mine = tmp_path.stat()
    replace_file(tmp_path / "new", "first", mode=0o600)
    replace_file(tmp_path / "new", "second", mode=0o600)
    assert given == [(mine.st_uid, mine.st_gid)] * 2
    monkeypatch.setattr("os.geteuid", lambda: ENGINE)
    replace_file(tmp_path / "new", "third", mode=0o600)
    assert len(given) == 2, "others keep what they write"


@needs_root
def test_secrets_that_root_creates_belong_to_the_folders_owner(installed: Folder) -> None:
    (installed.path / ".secrets.toml").unlink()
    result = installed.te(
        "configure", "credentials", "--set", "tradingview.token=another-token-of-enough-length"
    )
    assert result.exit_code == 0, result.output
    assert set(owners(installed.path).values()) == {(ENGINE, GROUP)}


@needs_root
def test_settings_that_root_keeps_for_itself_stay_its_own(installed: Folder) -> None:
    """As docs/security.md advises, so that a bug in the engine cannot change them."""
    os.chown(installed.settings, 0, 0)
    assert installed.te("configure", "limits", "--set", "account_exposure=50000").exit_code == 0
    assert owners(installed.path).pop("settings.toml") == (0, 0)


@needs_root
def test_checking_as_root_never_advises_to_lock_the_engine_out(installed: Folder) -> None:
    result = installed.te("check")
    assert result.exit_code == 0, result.output
    assert "chown" not in result.output


@needs_root
def test_checking_as_root_names_what_the_engine_cannot_read(installed: Folder) -> None:
    secrets = installed.path / ".secrets.toml"
    secrets.chmod(0o600)
    os.chown(secrets, 0, 0)
    told = " ".join(installed.te("check").output.split())
    assert f"belongs to user 0 with mode 0600, so user {ENGINE}, who owns its folder, cannot read it" in told
    assert f"run: chown {ENGINE} " in told


@needs_root
def test_root_never_takes_the_state_folder_over(installed: Folder) -> None:
    with pytest.raises(ConfigError, match=r"the engine runs as user 0: run it as that user$"):
        prepare(installed.state, installed.state / "journal.sqlite3")


@needs_root
def test_only_what_root_made_is_returned_and_no_link_followed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    folder = state / "accounts" / "main"
    folder.mkdir(parents=True)
    (folder / "markets.json").write_text("{}")
    (folder / "of-another").write_text("")
    os.chown(folder / "of-another", ENGINE + 1, GROUP)
    outside = tmp_path / "outside"
    outside.write_text("root's own")
    (state / "soft").symlink_to(outside)
    (state / "hard").hardlink_to(outside)
    os.chown(state, ENGINE, GROUP)
    return_to_owner(state)
    found = owners(state)
    assert (
        found["accounts/main/markets.json"] == found["accounts/main"] == found["accounts"] == (ENGINE, GROUP)
    )
    assert found["accounts/main/of-another"] == (ENGINE + 1, GROUP)
    assert (outside.stat().st_uid, outside.stat().st_gid) == (0, 0)


@needs_root
def test_an_installation_of_root_itself_stays_as_it_is(folder: Folder) -> None:
    assert folder.te("configure", "limits", "--set", "account_exposure=50000").exit_code == 0
    assert {uid for uid, _ in owners(folder.path).values()} == {0}


def test_what_this_user_cannot_read_is_reported_with_its_owner(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.settings.chmod(0o640)
    mine = folder.settings.stat().st_uid
    real = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "settings.toml":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    monkeypatch.setattr("os.geteuid", lambda: ENGINE)
    told = " ".join(folder.te("check").output.split())
    assert (
        f"cannot be read: Permission denied; it belongs to user {mine} with mode 0640, and this is user {ENGINE}: "
        f"run: chown {ENGINE} {folder.settings}"
    ) in told
