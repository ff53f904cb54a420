"""`te demo`: everything at once, on this machine only, without leaving anything."""

from __future__ import annotations

import socket
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from typer.testing import CliRunner

from te_core.cli.main import app
from te_core.setup.tape import TAPE

connected: list[Any] = []
"""Addresses that were connected to during the demonstration."""


class WatchedSocket(socket.socket):
    """Records the addresses that it connects to."""

    def connect(self, address: Any) -> None:
        connected.append(address)
        super().connect(address)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the output of a demonstration without pauses, and check that its folder is gone."""
    scratch = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setattr(socket, "socket", WatchedSocket)
        result = CliRunner().invoke(app, ["demo", "--seconds", "0"])
    logger.remove()
    assert result.exit_code == 0, result.output
    assert not list(scratch.iterdir())
    return result.stdout


def test_two_accounts_follow_every_alert(shown: str) -> None:
    parts = shown.split("\n\n")
    assert len([part for part in parts if " s  " in part.splitlines()[0]]) == len(TAPE)
    assert "small  BTCUSDT         0  ->  0.013" in shown
    assert "large  ETHUSDT         0  ->  -11.99" in shown
    assert "small  BTCUSDT     0.027  ->  -0.014" in shown


def test_the_first_position_is_explained(shown: str) -> None:
    assert "weight 0.3 x depth 0.5 = 0.15" in shown
    assert "equity 2000 x depth 0.15 x leverage 3 / price 65000" in shown


def test_repetitions_change_nothing_and_unmapped_are_refused(shown: str) -> None:
    assert "answered 200, duplicate" in shown
    assert 'answered 422: "DOGEUSDT.P" is not mapped' in shown


def test_the_demo_ends_flat_and_names_the_next_command(shown: str) -> None:
    rows = [line.split() for line in shown.splitlines() if line.endswith("nothing")]
    assert [row[0] for row in rows] == ["small", "large"]
    assert all(Decimal(row[1]) > 1500 for row in rows)
    assert shown.rstrip().endswith("te init")


@pytest.mark.usefixtures("shown")
def test_it_connects_only_to_this_machine() -> None:
    there = {address[0] for address in connected if isinstance(address, tuple)}
    assert there == {"127.0.0.1"}


def test_the_tape_runs_forward_and_ends_in_time() -> None:
    assert [alert.at for alert in TAPE] == sorted(alert.at for alert in TAPE)
    assert all(0 <= alert.at < 1 for alert in TAPE)


def test_a_demonstration_needs_its_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listen = (
        "listen = {public = {port = 0}, private = {port = 0}}"  # regardless of other programs on this machine
    )
    settings = f'{listen}\n[accounts.small]\nplugin = "pape"\n'
    monkeypatch.setattr("te_core.cli.performance.SETTINGS", settings)
    result = CliRunner().invoke(app, ["--settings", str(tmp_path / "x.toml"), "demo", "--seconds", "0"])
    logger.remove()
    assert result.exit_code == 1
    assert "plugin pape:" in result.stderr
