"""`te service`: files that start the engine as written, and the remaining manual steps."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.setup.proxy_files import DOMAIN, Hook, caddy_file, nginx_file
from te_core.setup.service_files import Service, pm2_file, systemd_unit

TE = Path(sys.executable).with_name("te")
ROOT = Path(__file__).parents[2]
SENDERS = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
SAMPLE = [Hook(source="tradingview", senders=SENDERS)]


def evaluated(file: Path) -> Any:
    """Read an ecosystem file as pm2 does."""
    if not (node := shutil.which("node")):
        pytest.skip("node is not installed")
    code = f"console.log(JSON.stringify(require({json.dumps(str(file))})))"
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    (app,) = json.loads(done.stdout)["apps"]
    return app


def test_pm2_starts_this_program_with_these_settings(folder: Any) -> None:
    shown = folder.te("service", "pm2", "--memory", "512M")
    assert shown.exit_code == 0, shown.output
    app = evaluated(folder.path / "ecosystem.config.js")
    assert (app["script"], app["args"]) == (str(TE), ["run", "--settings", "settings.toml"])
    assert (app["cwd"], app["interpreter"]) == (str(folder.path), "none")
    assert app["kill_timeout"] > 1500
    assert app["max_memory_restart"] == "512M"
    assert "env" not in app


def test_pm2_s_next_steps_rotate_logs_and_start_at_boot(folder: Any) -> None:
    shown = folder.te("service", "pm2").stdout
    for step in (
        "pm2 start",
        "pm2 save",
        "pm2 startup",
        "max_size 50M",
        "retain 10",
        "compress true",
        "logrotate@2.7.0",
    ):
        assert step in shown
    assert "rotateInterval '0 */6 * * *'" in shown


def test_the_state_folder_of_te_home_is_handed_to_both(folder: Any, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    env = {"TE_HOME": str(home)}
    assert folder.te("service", "pm2", env=env).exit_code == 0
    assert evaluated(folder.path / "ecosystem.config.js")["env"] == {"TE_HOME": str(home)}
    folder.te("service", "systemd", "--user", "someone", env=env)
    unit = (folder.path / "trade-engine.service").read_text()
    assert f"Environment=TE_HOME={home}\n" in unit
    assert f"ExecStart={TE} run --settings {folder.settings}\n" in unit
    assert f"ReadWritePaths={home}\n" in unit


def test_a_unit_that_systemd_accepts(folder: Any) -> None:
    assert folder.te("service", "systemd", "--user", "somebody").exit_code == 0
    unit = folder.path / "trade-engine.service"
    assert f"Environment=TE_HOME={folder.path}\n" in unit.read_text()
    assert f"ExecStart={TE} run\n" in unit.read_text()
    if analyse := shutil.which("systemd-analyze"):
        done = subprocess.run([analyse, "verify", str(unit)], capture_output=True, text=True, check=False)
        assert "trade-engine.service" not in done.stderr


def test_root_never_runs_it(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    assert folder.te("service", "systemd").exit_code == 0
    assert "useradd" not in folder.te("service", "systemd", "--user", "daemon", "--force").stdout
    assert "useradd --system" in folder.te("service", "systemd", "--user", "no-such-user", "--force").stdout
    folder.te("service", "systemd", "--force")
    assert "User=trade-engine\n" in (folder.path / "trade-engine.service").read_text()
    assert folder.te("service", "systemd", "--user", "root", "--force").exit_code == 2


def test_a_folder_below_home_is_not_hidden_from_it() -> None:
    there = Path("/") / "home" / "me" / "te"
    unit = systemd_unit(
        Service(program=there / "bin/te", settings=there / "settings.toml", home=there), user="me"
    )
    assert "ProtectHome=read-only\n" in unit


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_tls_lets_alerts_through_and_nothing_else(folder: Any, proxy: str) -> None:
    folder.edit("[listen.public]\nport = 0", "[listen.public]\nport = 8123")
    shown = folder.te("service", "tls", "Alerts.Example.org", "--proxy", proxy)
    assert shown.exit_code == 0, shown.output
    file = folder.path / ("Caddyfile" if proxy == "caddy" else "trade-engine.nginx.conf")
    text = file.read_text()
    assert "alerts.example.org" in text
    assert "127.0.0.1:8123" in text
    assert "/hooks/tradingview/" in text
    assert all(sender in text for sender in SENDERS)
    assert "8788" not in text
    assert "te source url tradingview --base https://alerts.example.org" in shown.stdout
    assert "trusted_proxies" in shown.stdout


def test_a_file_for_another_container_goes_to_stdout_alone(folder: Any) -> None:
    shown = folder.te("service", "tls", "alerts.example.org", "--upstream", "engine:8787", "--output", "-")
    assert shown.stdout == caddy_file("alerts.example.org", "engine:8787", SAMPLE)
    assert "Remaining steps:" in shown.stderr
    assert folder.te("service", "tls", "alerts.example.org", "--upstream", "engine").exit_code == 2
    assert not (folder.path / "Caddyfile").exists()


def test_what_is_set_already_is_not_asked_for(folder: Any) -> None:
    folder.edit("[listen.public]", '[listen.public]\ntrusted_proxies = ["127.0.0.1"]')
    assert "trusted_proxies" not in folder.te("service", "tls", "alerts.example.org").stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["tls", "https://alerts.example.org"], "expected a host name such as alerts.example.org"),
        (["tls", "alerts.example.org { respond 200 }"], "expected a host name"),
        (["pm2", "--memory", "lots"], "a size such as 512M or 1G"),
        (["systemd", "--user", "a b"], "its own user"),
    ],
)
def test_what_no_file_should_hold_is_refused(folder: Any, arguments: list[str], reason: str) -> None:
    before = list(folder.path.iterdir())
    shown = folder.te("service", *arguments)
    assert shown.exit_code == 2
    assert reason in shown.stderr
    assert list(folder.path.iterdir()) == before


def test_a_file_of_ones_own_is_written_over_only_when_asked_to(folder: Any) -> None:
    file = folder.path / "ecosystem.config.js"
    file.write_text("// mine\n")
    shown = folder.te("service", "pm2")
    assert (shown.exit_code, file.read_text()) == (2, "// mine\n")
    assert "--force" in shown.stderr
    assert folder.te("service", "pm2", "--force").exit_code == 0
    assert "exists already and is up to date" in folder.te("service", "pm2").stdout


def test_without_settings_there_is_nothing_to_run(folder: Any) -> None:
    folder.settings.unlink()
    shown = folder.te("service", "pm2")
    assert (shown.exit_code, "te init" in shown.stderr) == (2, True)


def test_the_files_of_the_repository_are_what_te_writes() -> None:
    here = Service(program=ROOT / ".venv/bin/te", settings=ROOT / "settings.toml", home=ROOT)
    assert (ROOT / "ecosystem.config.js").read_text() == pm2_file(here)
    home = Path("/var/lib/trade-engine")
    there = Service(
        program=Path("/opt/trade-engine/.venv/bin/te"), settings=home / "settings.toml", home=home
    )
    assert (ROOT / "trade-engine.service").read_text() == systemd_unit(there, user="trade-engine")


@pytest.mark.parametrize("make", [caddy_file, nginx_file])
def test_the_proxies_of_the_guide_are_what_te_writes(make: Callable[..., str]) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert make("alerts.example.org", "127.0.0.1:8787", SAMPLE) in guide


_names = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12).filter(
    lambda name: "/" not in name and name not in {".", ".."} and name.isprintable()
)


@given(_names, _names)
def test_paths_of_any_kind_survive_the_unit(folder: str, program: str) -> None:
    home = Path("/srv") / folder
    service = Service(program=home / program / "te", settings=home / "settings.toml", home=home)
    unit = systemd_unit(service, user="me").splitlines()
    (start,) = (line for line in unit if line.startswith("ExecStart="))
    (writable,) = (line for line in unit if line.startswith("ReadWritePaths="))

    def read_back(text: str) -> list[str]:
        quoted = text.startswith('"')
        inner = text[1:-1] if quoted else text
        if quoted:
            assert '"' not in inner.replace("\\\\", "").replace('\\"', "")
            inner = inner.replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")
        return [inner.replace("%%", "%")]

    command = start.removeprefix("ExecStart=").removesuffix(" run")
    assert read_back(command.replace("$$", "$")) == [str(service.program)]
    assert read_back(writable.removeprefix("ReadWritePaths=")) == [str(home)]


@given(st.text(max_size=30))
def test_no_domain_breaks_out_of_its_place(text: str) -> None:
    if DOMAIN.fullmatch(text):
        assert not set(text) - set("abcdefghijklmnopqrstuvwxyz0123456789-.")
