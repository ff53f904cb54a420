"""What ``te plugin new`` writes, in an environment that has only installed wheels: installed, typed, tested, listed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

WRITTEN = {
    "source": ("oracle", "te-signals-oracle", "sources.oracle"),
    "exchange": ("acme", "te-exchange-acme", "accounts.acme"),
    "ccxt-exchange": ("mygate", "te-exchange-mygate", "accounts.mygate"),
    "notifier": ("bell", "te-notify-bell", "notifiers.bell"),
}
SETTINGS = """\
[sources.oracle]
plugin = "oracle"
url = "https://example.org/depths"
symbols = { BTC = "BTCUSDT" }
[accounts.acme]
plugin = "acme"
api_key = "K"
secret = "S"
[accounts.mygate]
plugin = "mygate"
api_key = "K"
secret = "S"
[notifiers.bell]
plugin = "bell"
url = "https://example.org/hook"
[symbols.BTCUSDT]
weights = { oracle = 0.3 }
"""


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("TE_", "PYTHON", "PYTEST"))
    }
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**clean, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(*arguments: str | Path, cwd: Path) -> None:
    run(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "-q", *arguments, cwd=cwd)


OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation")


@pytest.fixture(scope="module")
def stranger(bare_environment: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheels of the core and of the base on ccxt, and write all four packages with them."""
    folder = tmp_path_factory.mktemp("stranger")
    pip("wheel", *OFFLINE, "-w", folder / "ours", root, root / "plugins" / "exchange_ccxt", cwd=folder)
    install = ("--python", bare_environment, "install", *OFFLINE)
    pip(*install, *sorted((folder / "ours").glob("*.whl")), cwd=folder)
    te = bare_environment.with_name("te")
    for kind, (name, _, _) in WRITTEN.items():
        exchange = ("--exchange", "gate") if kind == "ccxt-exchange" else ()
        run(te, "plugin", "new", kind, name, "--dir", folder, *exchange, cwd=folder)
    pip("wheel", *OFFLINE, "-w", folder / "theirs", *(folder / d for _, d, _ in WRITTEN.values()), cwd=folder)
    pip(*install, *sorted((folder / "theirs").glob("*.whl")), cwd=folder)
    where = run(bare_environment, "-P", "-c", "import te_core; print(te_core.__file__)", cwd=folder)
    assert str(root) not in where
    return folder


def listed(te: Path, folder: Path) -> dict[str, tuple[str, str, str]]:
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    found = json.loads(run(te, "plugins", "--json", cwd=folder))["plugins"]
    assert not [plugin["reason"] for plugin in found if plugin["reason"]]
    return {
        plugin["name"]: (plugin["distribution"], plugin["status"], *plugin["instances"])
        for plugin in found
        if plugin["name"] != "ccxt"
    }


def test_wheels_are_discovered_and_pass_their_own_tests(bare_environment: Path, stranger: Path) -> None:
    expected = {name: (package, "loaded", section) for name, package, section in WRITTEN.values()}
    assert listed(bare_environment.with_name("te"), stranger) == expected
    for _, distribution, _ in WRITTEN.values():
        folder = stranger / distribution
        package = distribution.replace("-", "_")
        # The package is moved away, so that the installed one is tested.
        (folder / package).rename(folder / "moved")
        shown = run(bare_environment, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
        (folder / "moved").rename(folder / package)
        assert " passed" in shown
        if "exchange" in distribution:
            assert "the emulator cannot" not in shown, "the emulator can do all that the suite asks"


def test_they_are_typed_strictly(bare_environment: Path, stranger: Path, tmp_path: Path) -> None:
    for _, distribution, _ in WRITTEN.values():
        folder = stranger / distribution
        shown = run(bare_environment, "-m", "mypy", cwd=folder, MYPY_CACHE_DIR=str(tmp_path / "cache"))
        assert "Success" in shown
        assert "strict = true" in (folder / "pyproject.toml").read_text()


def test_installed_editable_they_are_discovered(bare_environment: Path, stranger: Path) -> None:
    folders = [word for _, package, _ in WRITTEN.values() for word in ("-e", stranger / package)]
    pip("--python", bare_environment, "install", *OFFLINE, *folders, cwd=stranger)
    expected = {name: (package, "loaded", section) for name, package, section in WRITTEN.values()}
    assert listed(bare_environment.with_name("te"), stranger) == expected
    code = "import te_signals_oracle; print(te_signals_oracle.__file__)"
    where = run(bare_environment, "-P", "-c", code, cwd=stranger)
    assert where.startswith(str(stranger))


def test_wheels_hold_the_package_its_licence_and_no_more(stranger: Path) -> None:
    wheels = sorted((stranger / "theirs").glob("*.whl"))
    assert len(wheels) == len(WRITTEN)
    for file in wheels:
        with zipfile.ZipFile(file) as wheel:
            names = wheel.namelist()
        package = file.name.partition("-")[0]
        assert f"{package}/py.typed" in names
        assert any(name.endswith("licenses/LICENSE") for name in names)
        assert {name.partition("/")[0].partition("-")[0] for name in names} == {package}
