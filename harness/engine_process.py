"""The real ``te run`` in a folder of its own, on loopback, and what can be observed from outside."""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
_TIMEOUT = 60.0
_POLL_INTERVAL = 0.002
"""Seconds for a start, and between two checks whether it listens."""

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def free_ports(count: int) -> list[int]:
    """Return free ports of this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(held.getsockname()[1]) for held in sockets]
    for held in sockets:
        held.close()
    return ports


def settings_text(
    ports: Sequence[int],
    *,
    accounts: int = 1,
    symbols: Sequence[str] = SYMBOLS,
    proxies: Sequence[str] = (),
    resync: str = "30s",
    weight: str = "0.3",
    account_lines: Sequence[str] = ("balance = 10000",),
) -> str:
    """Return settings with one TradingView source, paper accounts, and practically no limit on orders per minute."""
    mapping = ", ".join(f'{symbol} = "{symbol}"' for symbol in symbols)
    account = "\n".join(['plugin = "paper"', *account_lines])
    lines = [
        "[sources.tradingview]",
        'plugin = "tradingview"',
        f"symbols = {{ {mapping} }}",
        *(f"[accounts.paper-{number}]\n{account}" for number in range(1, accounts + 1)),
        *(f"[symbols.{symbol}]\nleverage = 2\nweights = {{ tradingview = {weight} }}" for symbol in symbols),
        f'[engine]\nresync = "{resync}"',
        "[limits]\nleverage = 5\norders_per_minute = 1000000",
        f"[listen.public]\nport = {ports[0]}\ntrusted_proxies = {json.dumps(list(proxies))}",
        f"[listen.private]\nport = {ports[1]}",
    ]
    return "\n".join(lines) + "\n"


class EngineProcess:
    """Starts and stops one engine; what it prints goes to ``output.log`` in its folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        """``settings``: see ``settings_text``."""
        self.folder = folder
        self.journal = folder / "state" / "journal.sqlite3"
        self.port, self.private_port = ports = free_ports(2)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.toml").write_text(settings_text(ports, **settings))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start; return the seconds from exec until the first alert would be accepted."""
        te = Path(sys.executable).with_name("te")
        command = [str(te), "--settings", str(self.folder / "settings.toml"), "run"]
        with (self.folder / "output.log").open("ab") as output:
            started = time.perf_counter()
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "TE_HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not self._ready():
            if self._process.poll() is not None or time.perf_counter() - started > _TIMEOUT:
                raise SystemExit(f"the engine did not start:\n{self.output()[-4000:]}")
            time.sleep(_POLL_INTERVAL)  # another process: it has no event to wait for
        return time.perf_counter() - started

    def _ready(self) -> bool:
        """Return whether alerts are accepted: a start announces itself last, and listens right after."""
        return (self.folder / "state" / "engine.json").exists() and self.get("/readyz")[0] == 200

    def stop(self) -> None:
        """Stop gracefully."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_TIMEOUT)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Return the process's id."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Return whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def token(self) -> str:
        """Return the webhook token that the first start made."""
        return str(self._secrets["sources"]["tradingview"]["token"])

    @property
    def _secrets(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / ".secrets.toml").read_text())

    @property
    def private_token(self) -> str:
        """Return the private listener's token, which the first start made too."""
        return str(self._secrets["listen"]["private"]["token"])

    @property
    def path(self) -> str:
        """Return the path that alerts are sent to."""
        return f"/hooks/tradingview/{self.token}"

    def get(self, path: str) -> tuple[int, Any]:
        """Request a path of the private listener; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.private_port, timeout=10)
        try:
            token = self._secrets["listen"]["private"]["token"]
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except OSError:
            return 0, None
        finally:
            connection.close()

    def state(self) -> dict[str, Any]:
        """Return what ``te status --json`` shows."""
        status, body = self.get("/api/v1/state")
        assert status == 200, f"/api/v1/state answered {status}"
        assert isinstance(body, dict)
        return body

    def post(self, body: bytes) -> int:
        """Send one alert on a connection of its own; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", self.path, body)
            return connection.getresponse().status
        finally:
            connection.close()

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        found = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, check=True, text=True
        )
        return int(found.stdout) * 1024

    def output(self) -> str:
        """Return everything that was printed so far."""
        return (self.folder / "output.log").read_text(errors="replace")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far (Linux), in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_peak() -> int:
    """Return this process's largest resident memory in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
