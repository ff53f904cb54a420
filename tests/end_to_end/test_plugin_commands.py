"""A plugin has commands of its own, which query its sources in the running engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import PLAIN, Home
from tests.end_to_end.packages import WITNESS, install

pytestmark = pytest.mark.real_clock

ORACLE = """
    import json
    import typer
    from pydantic import BaseModel, SecretStr
    from te_core.api import CommandSpec, SignalSource, SignalSourceSpec, WebhookSpec, hookimpl

    class Options(BaseModel):
        token: SecretStr = SecretStr("secret-of-the-oracle")
        mood: str = "calm"

    class Oracle(SignalSource):
        def __init__(self, context):
            self.mood = context.options.mood
            self.token = context.options.token

        def report(self):
            return {"mood": self.mood, "leak": self.token.get_secret_value()}

    def commands(context):
        app = typer.Typer(help="About oracles.")

        @app.command()
        def mood(name: str = "delphi"):
            print(json.dumps(dict(context.report(name))))

        @app.command()
        def sources():
            found = context.sources()
            print(json.dumps({n: [s.options.mood, dict(s.symbols), s.webhook_url] for n, s in found.items()}))

        return app

    @hookimpl
    def te_signal_sources():
        webhook = WebhookSpec(path=lambda o: "/" + o.token.get_secret_value(), example=lambda s: {})
        yield SignalSourceSpec(name=NAME, settings=Options, factory=Oracle, webhook=webhook)

    @hookimpl
    def te_commands():
        yield CommandSpec(name=NAME, build=commands)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    delphi = {"plugin": "oracle", "mood": "dark", "symbols": {"gold": "XAUUSDT"}}
    made = Home(tmp_path, {**PLAIN, "sources": {**PLAIN["sources"], "delphi": delphi}})
    install(made, "oracle", ORACLE)
    install(made, "silent", WITNESS)
    install(made, "broken", "import te_not_there\n")
    made.write_secrets('[sources.tradingview]\ntoken = "end-to-end-token-of-tradingview"\n')
    return made


def test_a_command_queries_the_source_and_shows_no_secret(home: Home) -> None:
    with EngineProcess(home) as engine:
        engine.until_ready()
        asked = te(home, "oracle", "mood")
        assert json.loads(asked.stdout) == {"mood": "dark", "leak": "***"}, asked.stderr
        unknown = te(home, "oracle", "mood", "--name", "dodona")
        assert unknown.returncode == 1
        assert "no source dodona is running (those that are: tradingview, delphi)" in unknown.stderr


def test_without_an_engine_it_shows_how_to_start_one(home: Home) -> None:
    asked = te(home, "oracle", "mood")
    assert asked.returncode == 3
    assert "no engine is running" in asked.stderr
    assert "start it: te --settings" in asked.stderr


def test_a_command_knows_its_plugins_sources_and_their_addresses(home: Home) -> None:
    found = json.loads(te(home, "oracle", "sources").stdout)
    assert list(found) == ["delphi"]
    mood, symbols, address = found["delphi"]
    assert (mood, symbols) == ("dark", {"gold": "XAUUSDT"})
    assert address.endswith("/hooks/delphi/secret-of-the-oracle")


def test_the_commands_of_a_plugin_are_described_by_its_help(home: Home) -> None:
    shown = te(home, "oracle", "--help")
    assert shown.returncode == 0
    assert "About oracles." in shown.stdout
    assert "mood" in shown.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("silent", "plugin silent: it brings no commands of its own"),
        ("broken", "plugin broken: cannot be imported: no module named 'te_not_there'"),
    ],
)
def test_a_plugin_without_working_commands_says_why(home: Home, name: str, told: str) -> None:
    asked = te(home, name, "anything")
    assert asked.returncode == 1
    assert told in asked.stderr


def test_an_unknown_name_is_not_a_command(home: Home) -> None:
    asked = te(home, "statsu")
    assert asked.returncode == 2
    assert "No such command 'statsu'" in asked.stderr
