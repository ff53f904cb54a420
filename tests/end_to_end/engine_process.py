"""The real program: ``te run`` as a process, and other commands next to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from tests.end_to_end.home import TOKEN, Home

T = TypeVar("T")

TE = Path(sys.executable).with_name("te")
TIMEOUT = 120.0
"""Seconds until a test gives up waiting: an upper bound, never an assertion about time."""
PAUSE = 0.02
"""Seconds between two polls."""
AGES = frozenset({"read_age", "phase_age", "retry_in", "age", "as_of", "now", "last_order_at", "since"})


def eventually(look: Callable[[], T], *, told: Callable[[], str] = str, within: float = TIMEOUT) -> T:
    """Poll until there is a result; ``told`` adds to the message on a time-out."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {within:g} s; {told()}")
        time.sleep(PAUSE)
    return seen


def te(home: Home, *arguments: str, within: float = TIMEOUT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(TE), "--settings", str(home.settings), *arguments],
        env=home.environment(),
        cwd=home.folder,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


def _without_ages(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    return {key: _without_ages(value) for key, value in state.items() if key not in AGES}


async def until_enough(
    enough: asyncio.Event, senders: Sequence[asyncio.Task[None]], engine: EngineProcess
) -> None:
    """Wait until senders have sent enough. They end on their own only when the engine is gone."""
    waiting = asyncio.create_task(enough.wait())
    done, _ = await asyncio.wait([waiting, *senders], timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    if waiting not in done:
        waiting.cancel()
        state = "goes on" if engine.process.poll() is None else f"ended with {engine.process.returncode}"
        raise AssertionError(f"senders gave up, the engine {state}: {done}; {engine.home.said()}")


class EngineProcess:
    """A running ``te run``. As a context manager it kills what is still running at the end."""

    before: Callable[[], None] | None = None
    """Called in the new process before the program."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._alerts = 0
        self._token = ""
        with home.stdout.open("ab") as stdout, home.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [str(TE), "--settings", str(home.settings), "run"],
                env=home.environment(),
                cwd=home.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                preexec_fn=self.before,  # noqa: PLW1509 - no thread of ours holds a lock that it needs
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    # -- life

    def kill(self) -> None:
        """Kill it as a power cut would, wherever it is."""
        self.process.kill()
        self.process.wait(TIMEOUT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return the exit code."""
        self.process.send_signal(number)
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait until it has ended on its own."""
        return self.process.wait(TIMEOUT)

    def holds_the_journal(self) -> bool:
        """Return whether this process has locked the journal, which it is about to read."""
        try:
            return (self.home.state / "journal.sqlite3.lock").read_text().strip() == str(self.process.pid)
        except OSError:
            return False

    def announcement(self) -> dict[str, Any]:
        """Return what this process announced, or nothing yet."""
        try:
            found: dict[str, Any] = json.loads((self.home.state / "engine.json").read_text())
        except (OSError, ValueError):
            found = {}
        return found if found.get("pid") == self.process.pid else {}

    def wait(self, look: Callable[[], T], *, within: float = TIMEOUT) -> T:
        """Wait for something while the process lives."""

        def poll_while_alive() -> T:
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.home.said()}"
            return look()

        return eventually(poll_while_alive, told=self.home.said, within=within)

    def until_listening(self) -> Self:
        """Wait until both listeners are up and alerts are accepted."""
        self.wait(self.announcement)
        return self

    def until_ready(self) -> Self:
        """Wait until ``/readyz`` says so."""
        self.until_listening()
        self.wait(lambda: self.get("/readyz")[0] == 200)
        return self

    # -- the two listeners

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Send a request to the private listener, with the token that the first start created or the test chose."""
        return self._send(
            "private", "GET", path, None, {"Authorization": f"Bearer {self.private_token()}"} | headers
        )

    def private_token(self) -> str:
        """Return the token as it was first found: a test may replace the file later, which the engine ignores."""
        if not self._token:
            secrets = tomllib.loads(self.home.secrets.read_text()) if self.home.secrets.exists() else {}
            self._token = secrets.get("listen", {}).get("private", {}).get("token", "")
        return self._token

    def post(
        self, body: dict[str, Any] | bytes, *, source: str = "tradingview", token: str = TOKEN
    ) -> tuple[int, Any]:
        """Send an alert."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._send("public", "POST", f"/hooks/{source}/{token}", raw, {})

    def command(self, action: str, **body: Any) -> tuple[int, Any]:
        """Send a command over the private listener."""
        headers = {
            "Authorization": f"Bearer {self.private_token()}",
            "Content-Type": "application/json",
        }
        return self._send("private", "POST", f"/api/v1/commands/{action}", json.dumps(body).encode(), headers)

    def accept(self, *, source: str = "tradingview", **message: str) -> None:
        """Send an alert that must be accepted. It differs from all others: equal ones would be redeliveries."""
        self._alerts += 1
        status, answer = self.post({**message, "event_id": f"alert {self._alerts}"}, source=source)
        assert (status, answer.get("status")) == (200, "accepted"), answer

    def _send(
        self, listener: str, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        address = urlsplit(self.announcement()[listener])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except OSError as error:
            raise AssertionError(
                f"{method} {path}: {error!r}; {self.process.poll()}: {self.home.said()}"
            ) from None
        finally:
            connection.close()

    # -- what it says of itself

    def state(self) -> Any:
        """Return ``/api/v1/state``."""
        status, state = self.get("/api/v1/state")
        assert status == 200, state
        return state

    def standing(self) -> Any:
        """Return the state of all accounts without the ages in it, which grow with time alone."""
        return _without_ages(self.state()["accounts"])

    def position(self, symbol: str, account: str = "paper") -> Decimal:
        """Return the size that an account holds."""
        held = self.state()["accounts"][account]["positions"].get(symbol)
        return Decimal(held["size"]) if held else Decimal(0)

    def until_position(self, symbol: str, size: str | Decimal, account: str = "paper") -> None:
        """Wait until an account holds exactly that much."""
        self.wait(lambda: self.position(symbol, account) == Decimal(size))

    def at_rest(self) -> bool:
        """Return whether every target of every account is confirmed, and nothing is in flight."""
        return all(
            target["confirmed"] and target["status"] != "working"
            for account in self.state()["accounts"].values()
            for target in account["targets"].values()
        )
