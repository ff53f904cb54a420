"""``te configure``: what it asks, what it refuses, and what it writes."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from te_core.cli.failure import Failure
from te_core.cli.main import app
from te_core.cli.settings_text import changed
from te_core.cli.settings_tree import UNSET, value_at, with_value

SETTINGS = """\
# mine
[sources.tradingview]
plugin = "tradingview"   # alerts
[sources.sn8]   # miners
plugin = "bittensor"
url = "https://v.example.org/miner-positions"
interval = "20s"   # not too often

[sources.sn8.symbols]
BTCUSD = "BTCUSDT"  # old id

# an account
[accounts.paper]
plugin = "paper"

[symbols.BTCUSDT]
weights = { tradingview = 0.5, sn8 = 0.1 }
"""


class Harness:
    def __init__(self, folder: Path) -> None:
        self.settings = folder / "settings.toml"
        self.secrets = folder / ".secrets.toml"
        self.settings.write_text(SETTINGS)
        self.settings.chmod(0o640)

    def te(self, *arguments: str, answers: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--settings", str(self.settings), *arguments], input=answers)

    def tree(self) -> Any:
        return tomllib.loads(self.settings.read_text())

    def answers(self, **given: str) -> str:
        """Return the input that keeps everything else: one line for every key, in the order of the prompts."""
        from te_core.settings.schema import SourceSettings
        from te_core.wizards.draft import Draft
        from te_signals_bittensor.plugin import te_signal_sources

        (spec,) = te_signal_sources()
        draft = Draft(section_path=("sources", "sn8"), section=SourceSettings, spec=spec, data={})
        names = [p.name for group in draft.groups() for p in group.parameters]
        unknown = set(given) - {name.replace(".", "__") for name in names}
        assert not unknown
        return "".join(given.get(name.replace(".", "__"), "") + "\n" for name in names)

    def untouched(self) -> bool:
        return self.settings.read_text() == SETTINGS and not self.secrets.exists()


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_every_parameter_is_asked_for_with_its_meaning_and_value(harness: Harness) -> None:
    result = harness.te("configure", "sn8", "--all", answers=harness.answers())
    assert result.exit_code == 0
    assert (
        "interval: pause between two fetches\n  a duration like 30s, 5m, 12h, 1s or more\n  now 20s"
        in result.stdout
    )
    assert (
        "scoring.min_trades: fewest trades of a miner\n  a whole number, 0 or more\n  default 10"
        in result.stdout
    )
    assert "on_expiry: " in result.stdout
    assert "one of hold, decay, flat" in result.stdout
    assert "a number, from 0 to 1" in result.stdout
    assert "nothing changed" in result.stdout
    assert harness.untouched()


def test_answers_are_written_and_everything_else_stays(harness: Harness) -> None:
    answers = harness.answers(interval="30s", scoring__min_trades="20", on_expiry="decay", max_age="20m")
    result = harness.te("configure", "bittensor", "--all", answers=answers + "y\n")
    assert result.exit_code == 0, result.output
    assert harness.settings.read_text() == SETTINGS.replace('"20s"', '"30s"').replace(
        "often\n", 'often\nmax_age = "20m"\non_expiry = "decay"\n'
    ).replace("old id\n", "old id\n\n[sources.sn8.scoring]\nmin_trades = 20\n")
    assert stat.S_IMODE(harness.settings.stat().st_mode) == 0o640
    assert not harness.secrets.exists()


def test_a_wrong_answer_is_explained_and_asked_for_again(harness: Harness) -> None:
    answers = harness.answers(interval="0s\nsoon\n25s", auth="cookie\nbody", url="v.example.org\n")
    result = harness.te("configure", "sn8", "--all", "--yes", answers=answers)
    assert result.exit_code == 0, result.output
    assert "greater than or equal to 1s" in result.stderr
    assert "a duration is a number of seconds or a text such as" in result.stderr
    assert "'header', 'body' or 'both'" in result.stderr
    assert "an address begins with https://" in result.stderr
    section = harness.tree()["sources"]["sn8"]
    assert (section["interval"], section["auth"]) == ("25s", "body")


def test_secrets_go_into_their_own_file_and_are_never_shown(harness: Harness) -> None:
    harness.settings.write_text(
        SETTINGS.replace('plugin = "bittensor"', 'plugin = "bittensor"\napi_key = "oldkey"')
    )
    result = harness.te("configure", "sn8", "--all", "--yes", answers=harness.answers(api_key="N3wKey"))
    assert result.exit_code == 0, result.output
    assert "N3wKey" not in result.output
    assert "oldkey" not in result.output
    assert harness.settings.read_text() == SETTINGS
    assert tomllib.loads(harness.secrets.read_text()) == {"sources": {"sn8": {"api_key": "N3wKey"}}}
    assert stat.S_IMODE(harness.secrets.stat().st_mode) == 0o600


def test_a_secret_that_is_refused_is_not_quoted(harness: Harness) -> None:
    result = harness.te("configure", "sn8", "--set", "api_key=two words")
    assert result.exit_code == 2
    assert "no spaces" in result.stderr
    assert "two words" not in result.output
    assert harness.untouched()


def test_a_dash_goes_back_to_the_default(harness: Harness) -> None:
    assert harness.te("configure", "sn8", "--set", "interval=-").exit_code == 0
    assert "interval" not in harness.tree()["sources"]["sn8"]
    refused = harness.te("configure", "sn8", "--set", "url=-")
    assert refused.exit_code == 2
    assert "url has no default" in refused.stderr


@pytest.mark.parametrize("end", ["", "\n\n\n"])
def test_giving_up_writes_nothing(harness: Harness, end: str) -> None:
    result = harness.te("configure", "sn8", "--all", answers=harness.answers(interval="30s")[:20] + end)
    assert result.exit_code == 1
    assert "Aborted" in result.output
    assert harness.untouched()


def test_no_at_the_end_writes_nothing(harness: Harness) -> None:
    assert (
        harness.te("configure", "sn8", "--all", answers=harness.answers(interval="30s") + "n\n").exit_code
        == 1
    )
    assert harness.untouched()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("intervall=3s", "did you mean 'interval'?"),
        ("interval", "KEY=VALUE"),
        ("scoring.min_trades=-3", "greater than or equal to 0"),
        ("feed_url=https://v.example.org", "WebSocket"),
        ("symbols={ BTCUSD = 'btc-usdt' }", "must match pattern"),
        ("tier=40", "0, 30, 50 or 100"),
    ],
)
def test_a_change_that_does_not_hold_writes_nothing(harness: Harness, change: str, reason: str) -> None:
    result = harness.te("configure", "sn8", "--set", "refresh=2m", "--set", change)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert harness.untouched()


def test_values_are_written_as_what_they_are(harness: Harness) -> None:
    changes = (
        "hysteresis=0.02",
        "contributors=5",
        "strategy=parity",
        "tier=50",
        "scoring.max_trade_age_days=inf",
    )
    words = [word for change in changes for word in ("--set", change)]
    result = harness.te(
        "configure", "sn8", *words, "--set", 'symbols={ BTCUSD = "BTCUSDT", BTCUSDC = "BTCUSDT" }'
    )
    assert result.exit_code == 0, result.output
    section = harness.tree()["sources"]["sn8"]
    assert section["hysteresis"] == 0.02
    assert section["contributors"] == 5
    assert section["strategy"] == "parity"
    assert section["tier"] == 50
    assert section["scoring"] == {"max_trade_age_days": float("inf")}
    assert section["symbols"] == {"BTCUSD": "BTCUSDT", "BTCUSDC": "BTCUSDT"}
    assert "# old id\nBTCUSDC" in harness.settings.read_text()
    assert harness.te("check").exit_code == 0


def test_a_plugin_gets_a_new_instance_under_a_chosen_name(harness: Harness) -> None:
    harness.settings.write_text(SETTINGS.replace("[sources.sn8]", "[sources.other]").replace("sn8", "other"))
    result = harness.te(
        "configure", "bittensor", "--new", "sn9", "--set", "url=https://w.example.org/miner-positions"
    )
    assert result.exit_code == 0, result.output
    assert "te configure weights --set BTCUSDT.sn9=0.1" in result.stdout
    added = harness.tree()["sources"]["sn9"]
    assert added == {"plugin": "bittensor", "url": "https://w.example.org/miner-positions"}
    several = harness.te("configure", "bittensor")
    assert several.exit_code == 2
    assert "sources.other, sources.sn9" in several.stderr


def test_the_first_instance_of_a_plugin(harness: Harness) -> None:
    three = [w for name in ("api_key", "secret", "passphrase") for w in ("--set", f"{name}={name}-of-mine")]
    result = harness.te(
        "configure", "blofin", "--new", "main", *three, "--set", "test=demo", "--set", "leverage=3"
    )
    assert result.exit_code == 0, result.output
    assert harness.tree()["accounts"]["main"] == {"plugin": "blofin", "test": "demo", "leverage": 3}
    assert set(tomllib.loads(harness.secrets.read_text())["accounts"]["main"]) == {
        "api_key",
        "secret",
        "password",
    }
    assert "-of-mine" not in result.output


def test_an_account_that_still_lacks_keys_is_written_with_a_note(harness: Harness) -> None:
    result = harness.te("configure", "blofin", "--new", "main", "--set", "api_key=a-of-mine")
    assert result.exit_code == 0, result.output
    assert "accounts.main" in result.stderr
    assert "passphrase" in result.stderr
    assert "-of-mine" not in result.output
    assert harness.tree()["accounts"]["main"] == {"plugin": "blofin"}


def test_what_te_check_would_refuse_is_not_written(harness: Harness) -> None:
    keys = [w for name in ("api_key", "secret", "passphrase") for w in ("--set", f"{name}={name}-of-mine")]
    result = harness.te("configure", "blofin", "--new", "main", "--set", "ws_url=wss://example.org", *keys)
    assert result.exit_code == 2, result.output
    assert "ws_url leads to another machine" in result.stderr
    assert harness.untouched()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nothing-here"], "unknown name"),
        (["sn9"], "did you mean 'sn8'?"),
        (["bittensor", "--new", "sn8"], "exists already"),
        (["bittensor", "--new", "SN 8"], "lower-case letters"),
    ],
)
def test_a_name_that_means_nothing(harness: Harness, words: list[str], reason: str) -> None:
    result = harness.te("configure", *words, "--set", "interval=30s")
    assert result.exit_code == 2
    assert reason in result.stderr
    assert harness.untouched()


def test_files_that_were_edited_meanwhile_are_left_alone(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from te_core.cli import saving

    monkeypatch.setattr(saving, "_show_loose_ends", lambda *_: harness.settings.write_text("# another hand"))
    result = harness.te("configure", "sn8", "--set", "interval=30s")
    assert result.exit_code == 1
    assert "edited meanwhile" in result.stderr
    assert harness.settings.read_text() == "# another hand"


# -- only what is chosen


def test_groups_and_keys_are_chosen_by_number_or_name(harness: Harness) -> None:
    answers = ["9 x", "how many", "2 4", "interval", "30s", "1", "", "y"]
    result = harness.te("configure", "sn8", answers="\n".join([*answers, ""]))
    assert result.exit_code == 0, result.output
    assert result.stderr.count("no such number or name") == 2
    assert "which trades count" in result.stdout
    assert result.stdout.count("a duration like") == 1, "only the chosen key is asked for"
    assert harness.tree()["sources"]["sn8"]["interval"] == "30s"
    assert harness.te("configure", "sn8", answers="\n").stdout.endswith("nothing changed\n")


def test_a_new_section_is_asked_for_what_it_needs(harness: Harness) -> None:
    url = "https://w.example.org/miner-positions"
    result = harness.te("configure", "bittensor", "--new", "sn9", answers=f"\n{url}\n\n\ny\n")
    assert result.exit_code == 0, result.output
    assert "a value is required" in result.stderr
    assert harness.tree()["sources"]["sn9"] == {"plugin": "bittensor", "url": url}


# -- the core's own sections


def test_limits_of_the_engine_and_of_accounts(harness: Harness) -> None:
    result = harness.te(
        "configure",
        "limits",
        *("--set", "leverage=5", "--set", "paper.leverage=3"),
        *("--set", "limits.order_notional=20000", "--set", "accounts.paper.limits.price_distance=0.02"),
    )
    assert result.exit_code == 0, result.output
    tree = harness.tree()
    assert tree["limits"] == {"leverage": 5, "order_notional": 20000}
    assert tree["accounts"]["paper"]["limits"] == {"leverage": 3, "price_distance": 0.02}
    assert harness.te("configure", "limits", "--set", "leverage=-").exit_code == 0
    assert harness.tree()["limits"] == {"order_notional": 20000}
    result = harness.te("configure", "limits", answers="1\norder_notional\n-1\n\n")
    assert "a number, more than 0\n  now 20000" in result.stdout
    assert "greater than 0" in result.stderr
    assert "nothing changed" in result.stdout


@pytest.mark.parametrize(
    ("chapter", "change", "path_and_value"),
    [
        ("engine", "resync=45s", ("engine", "resync", "45s")),
        ("engine", "logs.level=DEBUG", ("logs", "level", "DEBUG")),
        ("engine", "keep=30d", ("journal", "keep", "30d")),
        ("listen", "public.port=9000", ("listen", "public", "port", 9000)),
        (
            "listen",
            "listen.public.trusted_proxies=10.0.0.1, 10.0.0.2",
            ("listen", "public", "trusted_proxies", ["10.0.0.1", "10.0.0.2"]),
        ),
    ],
)
def test_every_section_of_the_core_is_set_without_questions(
    harness: Harness, chapter: str, change: str, path_and_value: tuple[Any, ...]
) -> None:
    result = harness.te("configure", chapter, "--set", change)
    assert result.exit_code == 0, result.output
    *path, value = path_and_value
    assert value_at(harness.tree(), tuple(path)) == value


@pytest.mark.parametrize(
    ("chapter", "change", "reason"),
    [
        ("engine", "file=x", "ambiguous; use one of logs.file, journal.file"),
        ("engine", "resynk=45s", "unknown key"),
        ("limits", "paper.levrage=3", "did you mean"),
        ("limits", "leverage=0", "greater than or equal to 1"),
        ("listen", "private.host=0.0.0.0", "can be reached from outside"),
        ("listen", "public.port=99999", "less than or equal to 65535"),
        ("notifiers", "phone.timeout=1s", "no notifier"),
    ],
)
def test_a_wrong_key_or_value_of_the_core_writes_nothing(
    harness: Harness, chapter: str, change: str, reason: str
) -> None:
    result = harness.te("configure", chapter, "--set", change)
    assert result.exit_code in {1, 2}
    assert reason in result.stderr
    assert harness.untouched()


def test_a_first_notifier_is_offered_and_then_configured(harness: Harness) -> None:
    secret = "https://example.org/t0ken-of-mine"
    result = harness.te("configure", "notifiers", answers=f"webhook\nphone\n{secret}\n\ny\n")
    assert result.exit_code == 0, result.output
    assert secret not in result.output
    assert tomllib.loads(harness.secrets.read_text())["notifiers"]["phone"]["url"] == secret
    done = harness.te(
        "configure", "notifiers", "--set", "phone.kinds=outage, recovery", "--set", "timeout=5s"
    )
    assert done.exit_code == 0, done.output
    section = harness.tree()["notifiers"]["phone"]
    assert section == {"plugin": "webhook", "kinds": ["outage", "recovery"], "timeout": "5s"}


def test_an_optional_table_is_begun_and_ended_by_its_keys(harness: Harness) -> None:
    def set_to(*changes: str) -> Result:
        return harness.te("configure", "limits", *(word for change in changes for word in ("--set", change)))

    assert set_to("funding_guard.rate=0.001", "paper.liquidation_distance=0.1").exit_code == 0
    assert harness.tree()["limits"] == {"funding_guard": {"rate": 0.001}}
    wrong = set_to("liquidation_distance=1")
    assert "less than 1" in wrong.stderr
    shown = harness.te("configure", "limits", "--all", answers="\n" * 60)
    assert "a number, more than 0, less than 1" in shown.stdout
    assert set_to("funding_guard.rate=-").exit_code == 0
    assert not harness.tree().get("limits", {}).get("funding_guard")


def test_groups_of_symbols_are_set_with_their_limits(harness: Harness) -> None:
    changes = ("--set", "groups.majors=BTCUSDT, ETHUSDT", "--set", "paper.group_share.majors=0.5")
    result = harness.te("configure", "limits", *changes)
    assert result.exit_code == 0, result.output
    assert harness.tree()["groups"] == {"majors": ["BTCUSDT", "ETHUSDT"]}
    assert harness.tree()["accounts"]["paper"]["limits"] == {"group_share": {"majors": 0.5}}
    wrong = harness.te("configure", "limits", "--set", "group_share.others=0.5")
    assert (wrong.exit_code, "there is no groups.others" in wrong.stderr) == (2, True)
    assert harness.te("configure", "limits", "--set", "groups.small=btc!").exit_code == 2


def test_answers_that_do_not_fit_together_are_asked_for_again(harness: Harness) -> None:
    answers = ["1", "group_share", "majors=0.5", "1", "group_share leverage", "majors=-", "5", "y", ""]
    result = harness.te("configure", "limits", answers="\n".join(answers))
    assert result.exit_code == 0, result.output
    assert "there is no groups.majors" in result.stderr
    assert "Your answers are still here" in result.stdout
    assert harness.tree()["limits"] == {"leverage": 5}


def test_a_list_accepts_words_or_phrases(harness: Harness) -> None:
    hours = "Mon 13:00-15:00, Fri 21:00-23:00"
    done = harness.te("configure", "paper", "--set", f"no_increases={hours}")
    assert done.exit_code == 0, done.output
    assert harness.tree()["accounts"]["paper"]["no_increases"] == hours.split(", ")


def test_every_key_of_the_core_is_described(harness: Harness) -> None:
    """The texts are the docstrings under the schema's fields."""
    from te_core.settings.schema import AccountSettings, NotifierSettings, Settings, SourceSettings
    from te_core.wizards.parameters import parameters

    core = [p for p in parameters(Settings) if p.path[0] in {"engine", "logs", "journal", "limits", "listen"}]
    sections = (SourceSettings, AccountSettings, NotifierSettings)
    found = [
        *core,
        *(p for model in sections for p in parameters(model) if p.name not in {"plugin", "options"}),
    ]
    assert len(found) > 40
    assert [p.name for p in found if len(p.meaning) < 10] == []


# -- entries of tables


def test_an_entry_is_added_to_a_table_and_taken_out(harness: Harness) -> None:
    def symbols() -> Any:
        return harness.tree()["sources"]["sn8"]["symbols"]

    add = ("--set", "symbols.TAOUSD=TAOUSDT", "--set", "symbols.BTCUSDT.P=BTCUSDT")
    assert harness.te("configure", "sn8", *add).exit_code == 0
    assert symbols() == {"BTCUSD": "BTCUSDT", "TAOUSD": "TAOUSDT", "BTCUSDT.P": "BTCUSDT"}
    assert harness.te("configure", "sn8", "--set", "symbols.TAOUSD=-").exit_code == 0
    assert harness.te("configure", "sn8", "--set", "max_leverage=BTCUSDC=2.5, ETHUSDC=3").exit_code == 0
    assert harness.tree()["sources"]["sn8"]["max_leverage"] == {"BTCUSDC": 2.5, "ETHUSDC": 3}
    assert list(symbols()) == ["BTCUSD", "BTCUSDT.P"]
    assert "# old id" in harness.settings.read_text()
    wrong = harness.te("configure", "sn8", "--set", "symbols.TAOUSD=b!")
    assert wrong.exit_code == 2


def test_replacing_a_table_asks(harness: Harness) -> None:
    change = ("--set", 'symbols={ TAOUSD = "TAOUSDT" }')
    result = harness.te("configure", "sn8", *change, answers="n\n")
    assert result.exit_code == 1
    assert "symbols loses BTCUSD" in result.stdout
    assert harness.untouched()
    assert harness.te("configure", "sn8", "--set", "symbols=-", answers="").exit_code == 1
    assert harness.untouched()
    assert harness.te("configure", "sn8", *change, "--yes").exit_code == 0
    assert harness.tree()["sources"]["sn8"]["symbols"] == {"TAOUSD": "TAOUSDT"}


# -- the text

keys = st.sampled_from(["a", "b", "c"])
leaves = st.integers() | st.booleans() | st.text("xyz\"'# ", max_size=4)
trees = st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(keys, trees, max_size=3),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3),
    leaves | st.just(UNSET) | st.dictionaries(keys, leaves, max_size=2),
)
def test_a_change_of_a_text_changes_nothing_else(tree: dict[str, Any], path: list[str], value: Any) -> None:
    import tomlkit

    before = value_at(tree, tuple(path))
    if isinstance(before, dict):  # tables stay tables, and lose no tables, which no setting does
        assume(isinstance(value, dict) and not any(isinstance(inner, dict) for inner in before.values()))
    text = "# top\n" + tomlkit.dumps(tree) + "\n# bottom\n"
    try:
        made = changed(text, tuple(path), value)
    except (Failure, TypeError, AttributeError):  # a value is where a table should be
        return
    assert tomllib.loads(made) == with_value(tree, tuple(path), value)
    assert made.startswith("# top\n")
    assert made.endswith("# bottom\n") or "# bottom\n" in made
