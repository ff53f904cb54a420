"""What ``te doctor`` reports about the machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from te_core.contracts.exchange import Severity
from te_core.reporting import machine as module
from te_core.reporting.machine import CHECKS, EXHAUSTED, OLD, SCARCE, Machine, examine_machine, findings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without findings."""
    here = Machine(settings=tmp_path / "settings.toml", state=tmp_path / "state", env={}, now=NOW, uid=1000)
    for path, mode in ((here.settings, 0o644), (here.secrets, 0o600)):
        path.touch(mode)
        path.chmod(mode)
    os.utime(here.secrets, times=((NOW - timedelta(days=3)).timestamp(),) * 2)
    here.state.mkdir(0o700)
    return here


def found(machine: Machine, check: str) -> list[tuple[Severity, str, str]]:
    return [(one.severity, one.text, one.remedy) for one in findings(machine) if one.check == check]


def test_a_good_machine_gets_no_warning(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "clock_state", lambda: 0)
    assert {one.severity for one in findings(machine)} == {Severity.OK}
    assert {one.check for one in findings(machine)} == CHECKS.keys() - {"user", "proxy"}


@pytest.mark.parametrize(
    ("which", "mode", "remedy"),
    [("secrets", 0o640, "chmod 600"), ("settings", 0o666, "chmod o-w"), ("state", 0o770, "chmod go-w")],
)
def test_files_of_everybody_are_named(machine: Machine, which: str, mode: int, remedy: str) -> None:
    path: Path = getattr(machine, which)
    path.chmod(mode)
    ((severity, text, told),) = found(machine, "files")
    assert severity is Severity.WARNING
    assert str(path) in text
    assert f"{mode:04o}" in text
    assert told == f"{remedy} {path}"


def test_old_secrets_are_worth_changing(machine: Machine) -> None:
    ((severity, text, _),) = found(machine, "tokens")
    assert (severity, text) == (Severity.OK, "no secret in .secrets.toml was changed for 3 days")
    os.utime(machine.secrets, times=((NOW - OLD - timedelta(days=2)).timestamp(),) * 2)
    ((severity, text, _),) = found(machine, "tokens")
    assert (severity, text) == (Severity.WARNING, "no secret in .secrets.toml was changed for 367 days")
    machine.secrets.unlink()
    assert found(machine, "tokens") == []


@pytest.mark.parametrize(
    ("free", "severity"),
    [(SCARCE, Severity.OK), (SCARCE - 1, Severity.WARNING), (EXHAUSTED - 1, Severity.ERROR)],
)
def test_a_full_disk_is_noticed_before(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, free: int, severity: Severity
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, free))
    assert [one[0] for one in found(machine, "disk")] == [severity]


def test_the_disk_of_a_folder_that_is_not_there_yet(machine: Machine) -> None:
    machine.state.rmdir()
    assert len(found(machine, "disk")) == 1


@pytest.mark.parametrize(("state", "severities"), [(0, ["ok"]), (5, ["warning"]), (None, [])])
def test_a_clock_that_is_not_synchronised(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, state: int | None, severities: list[str]
) -> None:
    monkeypatch.setattr(module, "clock_state", lambda: state)
    assert [one[0] for one in found(machine, "clock")] == severities


def test_the_kernel_is_asked_and_nothing_is_set() -> None:
    assert module.clock_state() in {None, *range(6)}


def test_a_machine_without_certificates_cannot_connect(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(machine, "tls")[0][0] is Severity.OK
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    ((severity, text, remedy),) = found(machine, "tls")
    assert severity is Severity.ERROR
    assert "no exchange can be reached" in text
    assert "ca-certificates" in remedy
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 0


def test_a_proxy_of_the_environment_is_not_used_and_not_shown(machine: Machine) -> None:
    env = {"https_proxy": "http://u:secret-4711@proxy", "HTTP_PROXY": "", "NO_PROXY": "x"}
    here = Machine(settings=machine.settings, state=machine.state, env=env, now=NOW, uid=1000)
    ((severity, text, remedy),) = found(here, "proxy")
    assert (severity, text) == (Severity.WARNING, "HTTPS_PROXY in the environment is not used")
    assert "secret-4711" not in text + remedy


def test_root_is_warned_of_and_windows_has_no_modes(machine: Machine) -> None:
    parts: dict[str, Any] = {"settings": machine.settings, "state": machine.state, "env": {}, "now": NOW}
    assert found(Machine(**parts, uid=0), "user")[0][0] is Severity.WARNING
    machine.secrets.chmod(0o666)
    assert found(Machine(**parts, uid=None), "files") == []


def test_what_cannot_be_checked_is_reported(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: object) -> Usage:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    ((severity, text, _),) = found(machine, "disk")
    assert (severity, text) == (Severity.WARNING, "cannot be checked: Permission denied")
    assert found(machine, "tokens"), "the others are made all the same"


@pytest.mark.real_clock
async def test_a_disk_that_hangs_holds_up_no_answer(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: hanging.wait(20) and Usage(1, 0, SCARCE))
    try:
        async with asyncio.timeout(10):
            (finding,) = await examine_machine(machine)
    finally:
        hanging.set()
    assert (finding.severity, finding.check) == (Severity.ERROR, "disk")
