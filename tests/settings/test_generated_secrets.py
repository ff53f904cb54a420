"""Generated tokens are random, written once, and readable by their owner only."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

import pytest

from te_core.plugins.registry import Registry
from te_core.settings.secrets import generate_missing, random_secret
from tests.settings.conftest import SETTINGS, Folder

TWO = SETTINGS + '[sources.second]\nplugin = "oracle"\n[sources.off]\nplugin = "oracle"\nenabled = false\n'


def made(folder: Folder, registry: Registry) -> tuple[str, ...]:
    numbers = itertools.count(1)
    return generate_missing(
        folder.file, folder.load(), registry, generate=lambda: f"generated-{next(numbers)}"
    )


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_each_enabled_source_gets_its_own(folder: Folder, registry: Registry) -> None:
    assert made(folder.write(TWO), registry) == ("sources.oracle.token", "sources.second.token")
    settings = folder.load()
    assert settings.sources["oracle"].options["token"] == "generated-1"
    assert settings.sources["second"].options["token"] == "generated-2"
    assert settings.sources["off"].options == {}
    assert mode(folder.secrets) == 0o600


def test_the_second_time_nothing_is_written(folder: Folder, registry: Registry) -> None:
    made(folder.write(), registry)
    before = folder.secrets.stat()
    assert made(folder, registry) == ()
    after = folder.secrets.stat()  # not the whole stat: reading changes the access time
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_chosen_token_stays(folder: Folder, registry: Registry) -> None:
    folder.write(SETTINGS, '[sources.oracle]\ntoken = "chosen by hand"\n')
    assert made(folder, registry) == ()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_mode_is_private_whatever_it_was(folder: Folder, registry: Registry, umask: int) -> None:
    folder.write(SETTINGS, "# mine\n")
    folder.secrets.chmod(0o666)
    before = os.umask(umask)
    try:
        made(folder, registry)
    finally:
        os.umask(before)
    assert mode(folder.secrets) == 0o600


def test_comments_order_and_other_secrets_stay(folder: Folder, registry: Registry) -> None:
    mine = '# my keys\n[accounts.paper]\napi_key = "k" # never show\n\n[sources.second] # later\nwindow = 5\n'
    made(folder.write(TWO, mine), registry)
    text = folder.secrets.read_text()
    for piece in ("# my keys", 'api_key = "k" # never show', "[sources.second] # later", "window = 5"):
        assert piece in text
    settings = folder.load()
    assert settings.sources["second"].options == {"window": 5, "token": "generated-2"}
    assert settings.accounts["paper"].options["api_key"] == "k"


@pytest.mark.parametrize(
    "secrets",
    [
        "sources = {}\n",
        "sources.oracle.window = 5\n",
        "[sources]\noracle = { window = 5 }\n",
        "[sources]\n[sources.oracle]\nwindow = 5\n[accounts]\n",
        "[sources.second]\nwindow = 5\n[accounts.paper]\n[sources.third]\n# the end",
        "[sources.oracle.symbols]\nA = 'AA'\n[accounts.paper]\n[sources.second]\n",
    ],
)
def test_however_the_operator_spells_tables(folder: Folder, registry: Registry, secrets: str) -> None:
    more = '[sources.second]\nplugin = "oracle"\n[sources.third]\nplugin = "oracle"\n'
    folder.write(SETTINGS + more, secrets)
    made(folder, registry)
    settings = folder.load()
    assert settings.sources["oracle"].options["token"] == "generated-1"
    assert settings.sources["second"].options["token"] == "generated-2"
    assert settings.sources["third"].options["token"] == "generated-3"
    assert made(folder, registry) == ()


def test_a_linked_file_is_written_where_it_is(folder: Folder, registry: Registry, tmp_path: Path) -> None:
    elsewhere = tmp_path / "vault"
    elsewhere.mkdir()
    (elsewhere / "secrets.toml").write_text("# vault\n")
    folder.write()
    folder.secrets.symlink_to(elsewhere / "secrets.toml")
    made(folder, registry)
    assert folder.secrets.is_symlink()
    assert "generated-1" in (elsewhere / "secrets.toml").read_text()


def test_the_rest_of_an_interrupted_write_does_not_matter(folder: Folder, registry: Registry) -> None:
    folder.write()
    folder.secrets.with_name(f".secrets.toml.{os.getpid()}").write_text("half")
    made(folder, registry)
    assert sorted(path.name for path in folder.path.iterdir()) == [".secrets.toml", "settings.toml"]


def test_a_file_that_is_being_edited_this_moment_is_left_alone(folder: Folder, registry: Registry) -> None:
    settings = folder.write().load()
    folder.write(SETTINGS, '[sources.oracle]\nwindow = "')
    assert generate_missing(folder.file, settings, registry) == ()
    assert folder.secrets.read_text() == '[sources.oracle]\nwindow = "'


def test_a_failed_write_leaves_the_old_file(
    folder: Folder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(SETTINGS, "# mine\n")

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        made(folder, registry)
    assert folder.secrets.read_text() == "# mine\n"


def test_random_secrets_are_long_and_different() -> None:
    made = {random_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret) == 43 for secret in made)
