"""Control characters sent through every input; then every output is read as bytes (I22).

ESC (colours, OSC 52 to write the clipboard, OSC 8 for links), C1 controls, bidi controls, line breaks that forge lines.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.engine_process import TE, EngineProcess
from tests.end_to_end.home import TOKEN, Home
from tests.end_to_end.packages import install

pytestmark = pytest.mark.real_clock

FORGED = "2000-01-01T00:00:00.000Z INFO    all is well"
HOSTILE = (
    "h0stile \x1b[2J\x1b]52;c;ZXZpbA==\x07 \x1b]8;;http://e.example\x1b\\link\x1b]8;;\x1b\\ \x9b31m \x90q\x9c \x07\x08"
    f"\x7f\u202e\u2066\u200e\u200b\u2028\u2029\x85\r{FORGED}\n{FORGED}\n"
)

EXCHANGE = """
    from te_core.api import AuthError, ExchangeSpec, Finding, Severity, hookimpl
    from te_exchange_paper.account import PaperAccount
    from te_exchange_paper.options import PaperOptions
    from te_exchange_paper.plugin import CAPABILITIES

    HOSTILE = <hostile>

    class Options(PaperOptions):
        mood: str = "calm"

    class Terminal(PaperAccount):
        async def open(self):
            self._context.log.warning("{}", HOSTILE)
            self._context.log.bind(symbol=HOSTILE, more={HOSTILE: [HOSTILE]}).info("bound")
            try:
                raise LookupError(HOSTILE)
            except LookupError:
                self._context.log.exception("failed: {}", HOSTILE)
            if self._context.options.mood == "refused":
                raise AuthError(HOSTILE)
            if self._context.options.mood == "defective":
                raise RuntimeError(HOSTILE)
            await super().open()

        async def diagnose(self):
            return [Finding(severity=Severity.WARNING, check=HOSTILE, text=HOSTILE, remedy=HOSTILE)]

    @hookimpl
    def te_exchanges():
        yield ExchangeSpec(name=NAME, settings=Options, factory=Terminal, capabilities=CAPABILITIES)
"""

SOURCE = """
    import typer
    from pydantic import BaseModel
    from te_core.api import CommandSpec, SignalSource, SignalSourceSpec, hookimpl

    HOSTILE = <hostile>

    class Options(BaseModel):
        pass

    class Oracle(SignalSource):
        def __init__(self, context):
            self._context = context
            context.outages.failing("feed", HOSTILE)
            context.record("told", HOSTILE)

        def status(self):
            return {"warning": HOSTILE, HOSTILE: HOSTILE}

        def report(self):
            return {"mood": HOSTILE}

    @hookimpl
    def te_signal_sources():
        yield SignalSourceSpec(name=NAME, settings=Options, factory=Oracle)
"""

BROKEN = "HOSTILE = <hostile>\nraise RuntimeError(HOSTILE)\n"

COMMANDS = (
    ("status",),
    ("plan",),
    ("plugins",),
    ("signals", "--limit", "100"),
    ("signals", "--quarantine", "--limit", "100"),
    ("doctor",),
    ("explain", "BTCUSDT"),
)
PAGES = (
    "/readyz",
    *(f"/api/v1/{name}" for name in ("state", "plan", "plugins", "doctor", "sources/oracle")),
    "/api/v1/signals?limit=100",
    "/api/v1/quarantine?limit=100",
    "/api/v1/explain/BTCUSDT",
)


def alerts() -> Iterator[tuple[int, object]]:
    good = {"symbol": "BTCUSDT.P", "direction": "long", "size": "50/100", "price": "50000"}
    yield 200, good | {"event_id": "1", "comment": HOSTILE, HOSTILE: HOSTILE, "signal_seq": f"1{HOSTILE}"}
    yield 422, good | {"direction": HOSTILE}
    yield 422, good | {"symbol": HOSTILE}
    yield 422, good | {"size": HOSTILE, HOSTILE: [HOSTILE]}
    yield 400, HOSTILE.encode()
    yield 400, b'{"symbol": "\x1b]52;c;h0stile\x07' + b"\xc2\x9b\xff"


class Readings:
    """Every output, by its origin."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.found: dict[str, bytes] = {}

    def run(self, *arguments: str, note: str = "") -> None:
        done = subprocess.run(
            [str(TE), "--settings", str(self.home.settings), *arguments],
            env=self.home.environment(),
            cwd=self.home.folder,
            capture_output=True,
            timeout=120,
            check=False,
        )
        self.found[f"te {' '.join(arguments)}{note}"] = done.stdout + done.stderr

    def read_files(self) -> None:
        for file in (self.home.stdout, self.home.stderr, self.home.state / "engine.log"):
            self.found[file.name] = file.read_bytes()

    def with_text(self, text: str) -> set[str]:
        return {name for name, found in self.found.items() if text.encode() in found}

    def ask(self, engine: EngineProcess, page: str) -> None:
        address = urlsplit(engine.announcement()["private"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        connection.request("GET", page, headers={"Authorization": f"Bearer {engine.private_token()}"})
        self.found[page] = connection.getresponse().read()
        connection.close()

    def raw(self) -> dict[str, set[str]]:
        """Return what would act on a terminal, by output."""
        odd = {
            name: {f"U+{ord(c):04X}" for c in text.decode() if not c.isprintable() and c != "\n"}
            for name, text in self.found.items()
        }
        return {name: characters for name, characters in odd.items() if characters}


def send(engine: EngineProcess, readings: Readings) -> None:
    address = urlsplit(engine.announcement()["public"])
    for number, (expected, body) in enumerate(alerts()):
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=number % 2 == 0).encode()
        connection.request("POST", f"/hooks/tradingview/{TOKEN}", body=raw)
        response = connection.getresponse()
        readings.found[f"answer {number}"] = response.read()
        connection.close()
        assert response.status == expected, (number, readings.found[f"answer {number}"])


@pytest.fixture
def hostile(home: Home) -> Home:
    for name, code in (("terminal", EXCHANGE), ("oracle", SOURCE), ("broken", BROKEN)):
        install(home, name, code.replace("<hostile>", ascii(HOSTILE)))
    for name, mood in (("calm", "calm"), ("refused", "refused"), ("defective", "defective")):
        home.tree["accounts"][name] = {"plugin": "terminal", "balance": 1000, "mood": mood}
    home.tree["accounts"]["broken"] = {"plugin": "broken"}
    home.tree["sources"]["oracle"] = {"plugin": "oracle"}
    home.tree["logs"] = {"level": "TRACE", "file": "engine.log"}
    home.write()
    return home


def test_nothing_that_acts_on_a_terminal_comes_out(
    hostile: Home, start: Callable[[Home], EngineProcess]
) -> None:
    readings = Readings(hostile)
    engine = start(hostile).until_listening()
    send(engine, readings)
    engine.until_position("BTCUSDT", "0.09")
    engine.wait(lambda: engine.state()["accounts"]["refused"]["status"] == "failing")
    for page in PAGES:
        readings.ask(engine, page)
    for command in COMMANDS:
        readings.run(*command)
        readings.run(*command, "--json")
    readings.run("check")
    assert engine.stop() == 0
    for command in (("status",), ("signals", "--quarantine"), ("signals",)):
        readings.run(*command, "--json", note=", stopped")
    readings.read_files()

    assert not readings.raw()
    assert readings.with_text("h0stile") >= {
        *(
            "te status",
            "te status --json",
            "te plugins",
            "te plugins --json",
            "te doctor",
            "te doctor --json",
        ),
        *(f"te signals --quarantine --limit 100{how}" for how in ("", " --json")),
        *(
            "te signals --limit 100 --json",
            "te status --json, stopped",
            "te signals --quarantine --json, stopped",
        ),
        *("stdout.txt", "stderr.txt", "engine.log"),
        *("/api/v1/state", "/api/v1/doctor", "/api/v1/sources/oracle", "/api/v1/quarantine?limit=100"),
    }
    assert not readings.with_text(f"\n{FORGED}")


def test_a_log_in_json_has_none_either(hostile: Home, start: Callable[[Home], EngineProcess]) -> None:
    hostile.tree["logs"]["format"] = "json"
    hostile.write()
    readings = Readings(hostile)
    engine = start(hostile).until_listening()
    send(engine, readings)
    engine.wait(lambda: engine.state()["accounts"]["refused"]["status"] == "failing")
    assert engine.stop() == 0
    readings.read_files()
    assert not readings.raw()
    lines = [json.loads(line) for line in readings.found["engine.log"].splitlines()]
    assert any(line["message"] == HOSTILE for line in lines), "escaped as JSON, no character is lost"


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    readings = Readings(Home(tmp_path / "home"))
    readings.found |= {"one": "fine é\n".encode(), "two": b"\x1b[2J", "three": "\x9b\u202e".encode()}
    assert readings.raw() == {"two": {"U+001B"}, "three": {"U+009B", "U+202E"}}
