"""Secrets may be in a file of their own, in a unit's credentials or in the keyring; odd files cause warnings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from te_core.plugins.registry import Registry
from te_core.settings.problems import SettingsInvalid
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from te_core.settings.secrets import missing_secrets
from tests.settings.conftest import SETTINGS, Folder

Load = Callable[..., Settings]
KEYED = '[accounts.main]\nplugin = "keyed"\n'
TOKEN = '[sources.oracle]\ntoken = "a-token"\n'


class Keyring(ModuleType):
    """A stand-in for the keyring library: its one call that is used."""

    class KeyringError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("keyring")
        self.errors = SimpleNamespace(KeyringError=self.KeyringError)
        self.locked = False

    def get_password(self, service: str, user: str) -> str | None:
        if self.locked:
            raise self.KeyringError("it is locked")
        return {("te", "main"): "from-the-keyring"}.get((service, user))


def options(resolved: Resolved, name: str = "main") -> dict[str, str]:
    found = resolved.account_options[name].model_dump()
    return {key: getattr(value, "get_secret_value", lambda v=value: v)() for key, value in found.items()}


def test_a_secret_may_be_in_a_file_of_its_own(load: Load, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfthe-key\r\n")
    (tmp_path / "absolute").write_text("the-secret")
    keys = f'api_key_file = "key"\napi_secret_file = "{tmp_path / "absolute"}"\n'
    resolved = resolve(load(SETTINGS + KEYED + keys, TOKEN), registry)
    assert options(resolved) == {"api_key": "the-key", "api_secret": "the-secret", "region": "eu"}


def test_a_unit_s_credentials_come_first(load: Load, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "key").write_text("of-the-unit")
    (tmp_path / "key").write_text("beside")
    (tmp_path / "secret").write_text("beside-too")
    keys = 'api_key_file = "key"\napi_secret_file = "secret"\n'
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    found = options(resolve(load(SETTINGS + KEYED + keys, TOKEN, **env), registry))
    assert (found["api_key"], found["api_secret"]) == ("of-the-unit", "beside-too")


def test_a_variable_may_name_the_file(load: Load, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the-key")
    env = {"TE_ACCOUNTS__MAIN__API_KEY_FILE": str(tmp_path / "key"), "TE_ACCOUNTS__MAIN__API_SECRET": "s"}
    assert options(resolve(load(SETTINGS + KEYED, TOKEN, **env), registry))["api_key"] == "the-key"


def test_a_token_that_is_kept_elsewhere_is_not_made(load: Load, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-mine")
    settings = load(SETTINGS.replace("[accounts.paper]", 'token_file = "token"\n[accounts.paper]'))
    assert list(missing_secrets(settings, registry)) == []
    assert "oracle" in resolve(settings, registry).source_options


def test_the_core_s_own_secrets_may_be_kept_elsewhere(load: Load, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t" * 24)
    settings = load(SETTINGS + '[listen.private]\ntoken_file = "token"\n', TOKEN)
    assert settings.listen.private.token is not None
    assert settings.listen.private.token.get_secret_value() == "t" * 24


def test_the_keyring_is_asked_by_service_and_user(
    load: Load, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    settings = SETTINGS + KEYED + 'api_key_keyring = "te/main"\napi_secret = "x"\n'
    assert options(resolve(load(settings, TOKEN), registry))["api_key"] == "from-the-keyring"
    keyring.locked = True
    assert "it is locked" in resolve(load(settings, TOKEN), registry).unavailable["accounts.main"]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('api_key_file = "nowhere"', "nowhere: No such file or directory"),
        ('api_key_file = "empty"', "empty is empty"),
        ("api_key_file = 3", "expected a text that names where the secret is stored"),
        ('api_key_file = "."', "Is a directory"),
        ('api_key_file = "large"', "longer than 65536 bytes"),
        ('api_key_keyring = "main"', "expected SERVICE/USER"),
        ('api_key_keyring = "te/nobody"', "no such entry in the keyring; run: keyring set te nobody"),
        ('api_key_file = "empty"\napi_key = "x"', "api_key is set as well"),
    ],
)
def test_what_cannot_be_fetched_leaves_one_section_out(
    keys: str, told: str, load: Load, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", Keyring())
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * 70_000)
    resolved = resolve(load(f'{SETTINGS}{KEYED}{keys}\napi_secret = "x"\n', TOKEN), registry)
    assert told in resolved.unavailable["accounts.main"]
    assert set(resolved.account_options) == {"paper"}


def test_a_keyring_without_its_library_is_refused_with_help(
    load: Load, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    settings = load(SETTINGS + KEYED + 'api_key_keyring = "te/main"\n', TOKEN)
    assert "te-core[keyring]" in resolve(settings, registry).unavailable["accounts.main"]


def test_only_secrets_are_fetched(load: Load, registry: Registry) -> None:
    with pytest.raises(SettingsInvalid, match="region_file: unknown key"):
        resolve(load(SETTINGS + KEYED + 'region_file = "x"\n', TOKEN), registry)


# -- what is odd with the files


def test_a_secret_in_settings_toml_is_warned_of_with_its_line(load: Load, registry: Registry) -> None:
    settings = SETTINGS + KEYED + 'api_key = "k"\n[listen.private]\ntoken = "t"\n'
    resolved = resolve(load(settings, TOKEN + '[accounts.main]\napi_secret = "s"\n'), registry)
    warned = [warning for warning in resolved.warnings if "move it to .secrets.toml" in warning]
    assert [warning.split(" is a secret")[0].rpartition("/")[2] for warning in warned] == [
        "settings.toml:16: listen.private.token",
        "settings.toml:14: accounts.main.api_key",
    ]


def test_a_secret_that_is_kept_elsewhere_is_not_warned_of(
    load: Load, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("the-key")
    env = {"TE_ACCOUNTS__MAIN__API_SECRET": "s"}
    resolved = resolve(load(SETTINGS + KEYED + 'api_key_file = "key"\n', TOKEN, **env), registry)
    assert resolved.warnings == ()


@pytest.mark.parametrize(
    ("file", "mode", "told"),
    [
        (".secrets.toml", 0o640, "others on this machine may read it; run: chmod 600"),
        (".secrets.toml", 0o604, "others on this machine may read it; run: chmod 600"),
        ("settings.toml", 0o646, "any user of this machine may change what is traded; run: chmod o-w"),
        (".", 0o777, "any user of this machine may replace settings.toml; run: chmod o-w"),
    ],
)
def test_what_others_may_do_to_the_files_is_warned_of(
    file: str, mode: int, told: str, folder: Folder
) -> None:
    folder.write(SETTINGS, TOKEN)
    assert folder.load().origin.warnings == ()
    (folder.path / file).chmod(mode)
    assert any(told in warning for warning in folder.load().origin.warnings)


def test_files_of_another_user_are_warned_of(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(SETTINGS)
    monkeypatch.setattr("os.geteuid", lambda: folder.file.stat().st_uid + 1)
    assert any("belongs to user" in text for text in folder.load().origin.warnings) is (
        folder.file.stat().st_uid != 0
    )


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no such names of open files")
def test_a_file_that_was_replaced_behind_its_mount_is_warned_of(folder: Folder) -> None:
    """The visible file has no name left, as an open file that was deleted."""
    folder.write(SETTINGS)
    with folder.file.open() as opened:
        folder.file.unlink()
        folder.file.symlink_to(f"/proc/self/fd/{opened.fileno()}")
        (warning,) = folder.load().origin.warnings
    assert "edits no longer arrive; mount the folder instead of the file" in warning


def test_a_byte_order_mark_is_accepted_in_both_files(folder: Folder, registry: Registry) -> None:
    folder.write()
    folder.file.write_bytes(b"\xef\xbb\xbf" + SETTINGS.encode())
    folder.secrets.touch(mode=0o600)
    folder.secrets.write_bytes(b"\xef\xbb\xbf" + TOKEN.encode())
    resolved = resolve(folder.load(), registry)
    assert set(resolved.source_options) == {"oracle"}


SERVICE_LINKS = {
    "TE_SERVICE_HOST": "10.3.240.10",
    "TE_SERVICE_PORT": "8787",
    "TE_SERVICE_PORT_HTTP": "8787",
    "TE_PORT": "tcp://10.3.240.10:8787",
    "TE_PORT_8787_TCP": "tcp://10.3.240.10:8787",
    "TE_PORT_8787_TCP_PROTO": "tcp",
    "TE_PORT_8787_TCP_PORT": "8787",
    "TE_PORT_8787_TCP_ADDR": "10.3.240.10",
    "TE_MAIN_SERVICE_HOST": "10.3.240.11",
    "TE_MAIN_PORT_80_TCP_ADDR": "10.3.240.11",
}
"""https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables"""


def test_service_links_of_kubernetes_are_ignored_with_a_warning(load: Load) -> None:
    settings = load(SETTINGS, TOKEN, **SERVICE_LINKS)
    (warning,) = settings.origin.warnings
    assert all(name in warning for name in SERVICE_LINKS)
    assert "enableServiceLinks: false" in warning


@pytest.mark.parametrize("name", ["TE_PORTS", "TE_LISTEN__PUBLIC__PORTT", "TE_ACCOUNTS_MAIN_API_KEY"])
def test_other_unknown_variables_are_still_refused(name: str, load: Load) -> None:
    with pytest.raises(SettingsInvalid):
        load(SETTINGS, TOKEN, **{name: "1"})
