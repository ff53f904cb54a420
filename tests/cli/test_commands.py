"""The commands against a real engine: an alert in, and every query about it answered."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer
from typing import Any, ClassVar

import pytest

from tests.end_to_end.terminal import Terminal


@pytest.fixture(scope="module")
def btc(engine: Any) -> Any:
    """The engine after an alert on BTCUSDT was carried out."""
    sent = engine.folder.te(
        "signal",
        "send",
        "--symbol",
        "BTCUSDT.P",
        "--direction",
        "short",
        "--size",
        "50/100",
        "--price",
        "64000",
    )
    assert sent.exit_code == 0, sent.output
    assert json.loads(sent.stdout)["answer"]["status"] == "accepted"
    return _confirmed(engine, "BTCUSDT")


def _confirmed(engine: Any, symbol: str) -> Any:
    """Poll until the account is at its target. The test's time-out is the only clock."""
    while True:
        account = engine.folder.json("status")["accounts"]["paper"]
        if account["targets"].get(symbol, {}).get("confirmed"):
            return engine


def test_the_start_prints_what_runs_and_no_secret(engine: Any) -> None:
    assert re.search(
        r"source tradingview \(tradingview\): running  http://127\.0\.0\.1:\d+/hooks/tradingview", engine.said
    )
    assert "account paper (paper): running  equity 10000" in engine.said
    secret = re.search('token = "(.*)"', (engine.folder.path / ".secrets.toml").read_text())
    assert secret is not None
    assert secret[1] not in engine.said
    assert secret[1] not in engine.log
    assert (engine.folder.path / ".secrets.toml").stat().st_mode & 0o777 == 0o600
    assert (engine.folder.state / "engine.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_printed_curl_line_works_when_pasted(engine: Any, tmp_path: Any) -> None:
    line = next(line for line in engine.said.splitlines() if line.startswith("  curl "))
    pasted = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(pasted.stdout)["status"] == "accepted", pasted.stdout + pasted.stderr


def test_status_shows_position_and_target_as_decimal_strings(btc: Any) -> None:
    state = btc.folder.json("status")
    account = state["accounts"]["paper"]
    assert state["engine"]["pid"] == btc.process.pid
    assert state["sources"]["tradingview"]["status"] == "running"
    assert state["sources"]["tradingview"]["last_signal_at"]
    assert (account["status"], account["enabled"]) == ("running", True)
    assert Decimal(account["equity"]) > 0
    assert account["positions"]["BTCUSDT"]["size"] == "-0.117"
    assert Decimal(account["positions"]["BTCUSDT"]["entry_price"]) > 0
    target = account["targets"]["BTCUSDT"]
    assert {key: target[key] for key in ("depth", "leverage", "quantity", "confirmed")} == {
        "depth": "-0.25",
        "leverage": "3",
        "quantity": "-0.117",
        "confirmed": True,
    }
    assert isinstance(target["revision"], int)


def test_status_as_a_table_names_everything(btc: Any) -> None:
    shown = btc.folder.te("status")
    assert shown.exit_code == 0
    for word in ("tradingview", "paper", "BTCUSDT", "-0.117", "at target", "engine ready"):
        assert word in shown.stdout


class Here:
    """An engine's folder, as a terminal needs it."""

    def __init__(self, engine: Any, **env: str) -> None:
        self.settings: Path = engine.folder.settings
        self._env = env

    def environment(self) -> dict[str, str]:
        hidden = ("NO_COLOR", "LC_ALL")
        clean = {k: v for k, v in os.environ.items() if k not in hidden and not k.startswith("TE_")}
        return {**clean, "LANG": "C.UTF-8", **self._env}


def test_status_at_a_terminal_fits_it_and_has_colours(btc: Any) -> None:
    shown = Terminal(Here(btc), "status")
    assert shown.end() == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.shown).splitlines()
    assert "\x1b[32m" in shown.shown, "green where all is well"
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("engine ready  pid ")
    assert lines[1].startswith("paper ")
    assert any(line.startswith("BTC ") for line in lines)
    assert not any("BTCUSDT" in line for line in lines), "no table of everything where it would not fit"
    plain = Terminal(Here(btc, LANG="C", NO_COLOR="1"), "status", "--account", "paper")
    assert plain.end() == 0
    assert plain.shown.isascii()
    assert not re.search(r"\x1b\[[0-9;]*[34][0-7]", plain.shown), "no colour"
    assert "-0.117" in plain.shown


def test_status_goes_on_until_a_key_or_an_interrupt_ends_it(btc: Any) -> None:
    watching = Terminal(Here(btc), "status", "--watch=0.3")
    watching.until("page 1/1, all")
    watching.type("h")
    watching.until("page 1/1, held")
    watching.type("!q")
    assert watching.end() == 0
    interrupted = Terminal(Here(btc), "status", "--watch")
    interrupted.until("page 1/1, all")
    while interrupted.process.poll() is None:  # as by somebody who holds Ctrl-C
        interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.end() == 0
    assert "Traceback" not in interrupted.shown


def test_status_of_what_is_not_there_names_what_is(btc: Any) -> None:
    for arguments, word in (
        (["--account", "papre"], "did you mean 'paper'"),
        (["--symbol", "doge"], "BTCUSDT"),
    ):
        refused = btc.folder.te("status", *arguments)
        assert refused.exit_code == 2
        assert word in refused.stderr
    found = btc.folder.json("status", "--symbol", "btcusdt")
    assert list(found["symbols"]) == list(found["accounts"]["paper"]["targets"]) == ["BTCUSDT"]


def test_the_explanation_multiplies_out(btc: Any) -> None:
    found = btc.folder.json("explain", "btcusdt")["accounts"]["paper"]
    shares = [Decimal(term["weight"]) * Decimal(term["depth"]) for term in found["terms"]]
    sizing = {
        key: value for key, value in found["sizing"].items() if isinstance(value, str) and key != "sized_at"
    }
    number = {key: Decimal(value) for key, value in sizing.items()}
    assert sum(shares) == Decimal(found["depth"]) == number["depth"]
    unrounded = number["equity"] * number["depth"] * number["leverage"] / number["price"]
    assert abs(unrounded - number["unrounded"]) < Decimal("1e-20")
    assert number["quantity"] == int(unrounded / number["quantity_step"]) * number["quantity_step"]


def test_the_explanation_in_words_has_the_same_terms(btc: Any) -> None:
    shown = btc.folder.te("explain", "BTCUSDT", "--account", "paper")
    assert "weight 0.5 x depth -0.5 = -0.25" in shown.stdout
    product = re.search(r"equity (\S+) x depth (\S+) x leverage (\S+) / price (\S+) = (\S+)", shown.stdout)
    assert product is not None
    equity, depth, leverage, price, unrounded = map(Decimal, product.groups())
    assert abs(equity * depth * leverage / price - unrounded) < Decimal("1e-20")
    assert "in steps of 0.001: -0.117" in shown.stdout


def test_explaining_what_is_unknown_names_what_is_known(btc: Any) -> None:
    unknown = btc.folder.te("explain", "DOGEUSDT")
    assert unknown.exit_code == 1
    assert "ETHUSDT" in unknown.stderr
    unknown = btc.folder.te("explain", "BTCUSDT", "--account", "other")
    assert unknown.exit_code == 1
    assert "paper" in unknown.stderr


def test_the_plan_at_target_is_empty_and_sends_nothing(btc: Any) -> None:
    before = btc.log
    plan = btc.folder.json("plan")["accounts"]["paper"]["symbols"]["BTCUSDT"]
    assert plan["steps"] == []
    assert "nothing to do" in btc.folder.te("plan").stdout
    assert btc.log == before


def test_signals_and_refused_input_are_listed(btc: Any) -> None:
    refused = btc.folder.te(
        "signal", "send", "--json", '{"symbol": "DOGE", "direction": "long", "size": "1"}'
    )
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["status"] == 422
    assert "--quarantine" in refused.stderr
    # Its sender waits for a response, not for the record, which is written a moment later.
    while not (kept := btc.folder.json("signals", "--quarantine")["quarantine"]):
        continue
    newest = kept[0]
    assert (newest["field"], newest["source"]) == ("symbol", "tradingview")
    assert "DOGE" in btc.folder.te("signals", "--quarantine").stdout
    signals = btc.folder.json("signals", "--limit", "1000")["signals"]
    assert any(signal["symbol"] == "BTCUSDT" and signal["depth"] == "-0.5" for signal in signals)
    assert "BTCUSDT" in btc.folder.te("signals").stdout


def test_the_address_of_a_source_holds_its_token(engine: Any) -> None:
    url = engine.folder.te("source", "url", "tradingview").stdout.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/hooks/tradingview/[\w-]{43}", url)
    outside = engine.folder.te("source", "url", "tradingview", "--base", "https://alerts.example.org/")
    assert outside.stdout.strip() == "https://alerts.example.org" + url[url.index("/hooks/") :]
    unknown = engine.folder.te("source", "url", "other")
    assert unknown.exit_code == 1
    assert "tradingview" in unknown.stderr


def test_a_second_start_is_refused_with_the_holders_pid(engine: Any) -> None:
    second = engine.folder.te("run")
    assert second.exit_code == 3
    assert f"process {engine.process.pid}" in second.stderr


def test_commands_find_the_token_of_the_private_listener(folder: Any, started: Any) -> None:
    (folder.path / ".secrets.toml").write_text('[listen.private]\ntoken = "a-private-token-of-24-chars"\n')
    started(folder)
    assert folder.json("status")["engine"]["status"] == "ready"


def test_a_notifier_is_tried_with_one_command(folder: Any) -> None:
    folder.settings.write_text(
        folder.settings.read_text() + '[notifiers.phone]\nplugin = "webhook"\nbody = "text"\n'
    )
    lacking = folder.te("notify", "phone")
    assert lacking.exit_code == 1
    assert "lacks url: set it below [notifiers.phone] in .secrets.toml" in lacking.stderr
    with TCPServer(("127.0.0.1", 0), Receiver) as server:
        secrets = folder.settings.with_name(".secrets.toml")
        secrets.write_text(
            f'[notifiers.phone]\nurl = "http://127.0.0.1:{server.server_address[1]}/secret-path"\n'
        )
        secrets.chmod(0o600)
        Receiver.got = []
        with ThreadPoolExecutor(1) as threads:
            threads.submit(server.handle_request)
            took = folder.te("notify", "phone", "--text", "is anybody there")
            assert (took.exit_code, took.stdout) == (0, "phone accepted it\n"), took.stderr
    assert Receiver.got == [("/secret-path", b"test: is anybody there")]
    own = folder.state / "notifiers" / "phone"
    assert own.is_dir(), "a notifier may keep files there"
    own.rmdir()
    own.write_text("something else")
    nowhere = folder.te("notify", "phone")
    assert nowhere.exit_code == 1
    assert f"cannot create its folder {own}" in nowhere.stderr
    own.unlink()
    nobody = folder.te("notify", "phone")
    assert nobody.exit_code == 1
    assert "127.0.0.1 cannot be reached" in nobody.stderr
    assert "secret-path" not in nobody.stderr
    unknown = folder.te("notify", "phon")
    assert "notifiers that can run: phone" in unknown.stderr


class Receiver(BaseHTTPRequestHandler):
    got: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        self.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def test_health_is_an_exit_code(engine: Any, tmp_path: Any) -> None:
    assert engine.folder.te("health").stdout == "alive\n"
    assert engine.folder.te("health", "--ready").stdout == "ready\n"
    nobody = type(engine.folder)(tmp_path)
    assert nobody.te("health").exit_code == 3
