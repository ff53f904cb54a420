"""``te configure mappings`` and ``te configure weights``: questions, typed answers, and what ends up in the file."""

from __future__ import annotations

import asyncio
import json
import stat
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from te_core.cli.main import app
from te_core.clock import SystemClock
from te_core.journal.journal import Journal
from te_core.model.signal import QuarantinedInput
from te_core.wizards.pairs import base, candidates, doubt, read_pair, refused_spellings
from te_core.wizards.weights import Row
from te_emulators.threads import served
from tests.exchanges.trading import keys

SETTINGS = """\
# mine
[sources.tradingview]
plugin = "tradingview"
symbols = { "BTCUSDT" = "BTCUSDT", "BTCUSDT.P" = "BTCUSDT", "ETHUSDT" = "ETHUSDT" }  # as charts call them
[sources.other]
plugin = "tradingview"

# an account
[accounts.paper]
plugin = "paper"

[symbols.BTCUSDT]
leverage = 3   # tested
weights = { tradingview = 0.5, other = 0.1 }

# ---- limits
[limits]
leverage = 5
"""


class Harness:
    def __init__(self, folder: Path) -> None:
        self.settings = folder / "settings.toml"
        self.settings.write_text(SETTINGS)
        self.folder = folder

    def te(self, *arguments: str, answers: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--settings", str(self.settings), *arguments], input=answers)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.te(*arguments, "--json").stdout)

    def tree(self) -> Any:
        return tomllib.loads(self.settings.read_text())

    def mapping(self, source: str = "tradingview") -> list[tuple[str, str]]:
        return list(self.tree()["sources"][source].get("symbols", {}).items())

    def configure(self, what: str, *answers: str) -> Result:
        result = self.te("configure", what, answers="".join(f"{answer}\n" for answer in answers))
        assert result.exit_code == 0, result.output
        return result


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    monkeypatch.setenv("TE_HOME", str(tmp_path))
    return Harness(tmp_path)


BEFORE = [("BTCUSDT", "BTCUSDT"), ("BTCUSDT.P", "BTCUSDT"), ("ETHUSDT", "ETHUSDT")]

# -- mappings


def test_enter_everywhere_keeps_every_mapping(harness: Harness) -> None:
    result = harness.configure("mappings", "", "", "")
    assert "nothing changed" in result.output
    assert "BTCUSDT.P" in result.output
    assert harness.settings.read_text() == SETTINGS


def test_new_pairs_are_typed_in_any_of_three_ways(harness: Harness) -> None:
    harness.configure(
        "mappings", "k", "SOLUSDT SOLUSDT", "TAOUSDT -> TAOUSDT", "DOGEUSD=dogeusdt", "", "", ""
    )
    assert harness.mapping() == [
        *BEFORE,
        ("SOLUSDT", "SOLUSDT"),
        ("TAOUSDT", "TAOUSDT"),
        ("DOGEUSD", "DOGEUSDT"),
    ]
    assert harness.mapping("other") == []
    assert "# as charts call them" in harness.settings.read_text()


def test_each_source_has_a_list_of_its_own(harness: Harness) -> None:
    harness.configure("mappings", "", "", "XBTUSD BTCUSDT", "", "")
    assert harness.mapping() == BEFORE
    assert harness.mapping("other") == [("XBTUSD", "BTCUSDT")]


def test_one_by_one_keeps_modifies_and_removes(harness: Harness) -> None:
    harness.configure("mappings", "m", "", "r", "m", "ETHUSDC", "", "", "")
    assert harness.mapping() == [("BTCUSDT", "BTCUSDT"), ("ETHUSDT", "ETHUSDC")]


def test_starting_fresh_leaves_nothing_of_before(harness: Harness) -> None:
    harness.configure("mappings", "n", "ETHUSDT.P ETHUSDT", "", "", "")
    assert harness.mapping() == [("ETHUSDT.P", "ETHUSDT")]


def test_a_mapped_spelling_is_updated_only_when_asked_back(harness: Harness) -> None:
    harness.configure("mappings", "", "ethusdt ETHUSDC", "n", "", "")
    assert harness.mapping() == BEFORE
    harness.configure("mappings", "", "ethusdt ETHUSDC", "y", "", "", "")
    assert harness.mapping() == [*BEFORE[:2], ("ETHUSDT", "ETHUSDC")]


def test_a_symbol_mapped_by_another_spelling_is_shown_and_replaceable(harness: Harness) -> None:
    result = harness.configure("mappings", "", "ETHUSDT.P ETHUSDT", "b", "", "", "")
    assert "ETHUSDT is ETHUSDT too" in result.output
    assert harness.mapping() == [*BEFORE, ("ETHUSDT.P", "ETHUSDT")]
    harness.configure("mappings", "", "BTCUSD BTCUSDT", "r", "", "", "")
    assert harness.mapping() == [("ETHUSDT", "ETHUSDT"), ("ETHUSDT.P", "ETHUSDT"), ("BTCUSD", "BTCUSDT")]


def test_what_looks_like_a_mistake_is_asked_back(harness: Harness) -> None:
    result = harness.configure("mappings", "", "SOLUSD BTCUSDT", "n", "", "")
    assert "SOLUSD looks like SOL, and BTCUSDT like BTC" in result.output
    assert harness.mapping() == BEFORE


def test_nonsense_is_explained_and_asked_again(harness: Harness) -> None:
    result = harness.configure("mappings", "x", "k", "a b c", "SOLUSD B!", "SOLUSDT", "", "", "")
    assert "one of k, m, n" in result.output
    assert "expected the source's spelling" in result.output
    assert "letters and digits" in result.output
    assert harness.mapping() == [*BEFORE, ("SOLUSD", "SOLUSDT")]


def test_refused_alerts_are_proposed(harness: Harness) -> None:
    state = harness.folder / "state"
    state.mkdir()
    reason = '"TAOUSDT.P" is not mapped'
    where = {"source": "tradingview", "field": "symbol", "reason": reason, "body": "{}"}

    async def refuse() -> None:
        journal = Journal.open(
            state / "journal.sqlite3", clock=SystemClock(), new_id=lambda: "j", inline=True
        )
        for _ in range(3):
            await journal.append(QuarantinedInput(received_at=SystemClock().now(), **where))
        journal.close()

    asyncio.run(refuse())
    result = harness.configure("mappings", "", "y", "", "", "", "")
    assert "3 alerts were refused for TAOUSDT.P. Map it?" in result.output
    assert harness.mapping() == [*BEFORE, ("TAOUSDT.P", "TAOUSDT")]
    assert "sources.tradingview maps ETHUSDT, TAOUSDT without a weight" in result.output


def test_mappings_are_set_without_a_question(harness: Harness) -> None:
    result = harness.te(
        "configure", "mappings", "--set", "tradingview.TAOUSDT.P=TAOUSDT", "--set", "tradingview.ETHUSDT=-"
    )
    assert result.exit_code == 0, result.output
    assert harness.mapping() == [*BEFORE[:2], ("TAOUSDT.P", "TAOUSDT")]
    for wrong in ("TAOUSDT=TAOUSDT", "nobody.TAOUSDT=TAOUSDT", "tradingview.TAOUSDT", "tradingview.A=B!"):
        assert harness.te("configure", "mappings", "--set", wrong).exit_code == 2


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("BTCUSD BTCUSDT", ("BTCUSD", "BTCUSDT")),
        ("  BTCUSD->BTCUSDT ", ("BTCUSD", "BTCUSDT")),
        ('"BTCUSD" = "BTCUSDT"', ("BTCUSD", "BTCUSDT")),
        ("BYBIT:BTCUSDT.P", ("BYBIT:BTCUSDT.P", "")),
    ],
)
def test_a_pair_is_read_however_it_is_typed(text: str, pair: tuple[str, str]) -> None:
    assert read_pair(text) == pair


@pytest.mark.parametrize(
    ("spelling", "coin"),
    [
        ("BTCUSDT", "BTC"),
        ("BYBIT:BTCUSDT.P", "BTC"),
        ("XBTUSDTM", "BTC"),
        ("BTC-USDT-SWAP", "BTC"),
        ("ETH_USDC", "ETH"),
        ("BTCPERP", "BTC"),
        ("XBTUSD", "BTC"),
        ("SHIBUSD", "SHIB"),
        ("1000PEPEUSDT", "1000PEPE"),
        ("USDT", "USDT"),
    ],
)
def test_the_coin_of_a_spelling(spelling: str, coin: str) -> None:
    assert base(spelling) == coin


def test_contracts_on_many_coins_are_not_those_on_one() -> None:
    assert "different amounts" in doubt("PEPEUSDT", "1000PEPEUSDT")
    assert "different amounts" in doubt("SHIBUSDT", "SHIB1000USDT")
    assert doubt("ETHUSD", "ETHUSDT") == ""


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_has_an_answer(spelling: str, symbol: str) -> None:
    assert (doubt(spelling, symbol) == "") == (base(spelling) == base(symbol))


def test_what_is_refused_for_another_reason_is_not_proposed() -> None:
    entries: list[dict[str, Any]] = [
        {"source": "tradingview", "reason": "size: not a number"},
        {"source": "tradingview", "reason": None},
    ]
    assert refused_spellings(entries, "tradingview") == {}


@pytest.mark.parametrize(
    ("spelling", "first"),
    [
        ("BTCUSD", "BTCUSDT"),
        ("BYBIT:ETHUSDC.P", "ETHUSDC"),
        ("XBTUSDTM", "BTCUSDT"),
        ("SOL-USDT-SWAP", "SOLUSDT"),
        ("1000PEPEUSD", "1000PEPEUSDT"),
    ],
)
def test_a_spelling_suggests_a_symbol(spelling: str, first: str) -> None:
    assert candidates(spelling)[0] == first
    assert doubt(spelling, candidates(spelling)[0]) == ""


def test_a_symbol_in_use_is_suggested_before_others() -> None:
    assert candidates("BTCUSD", ["ETHUSDC", "BTCUSDC"])[0] == "BTCUSDC"


def test_enter_takes_what_is_suggested_and_a_dash_does_not(harness: Harness) -> None:
    result = harness.configure("mappings", "", "TAOUSD", "", "SOLUSD", "-", "", "", "")
    assert "your symbol [TAOUSDT], - for none" in result.output
    assert harness.mapping() == [*BEFORE, ("TAOUSD", "TAOUSDT")]


# -- weights


def test_enter_everywhere_keeps_every_weight(harness: Harness) -> None:
    result = harness.configure("weights", "", "", "", "n")
    assert "weight of tradingview, 0.90 of 1.00 left [0.5]" in result.output
    assert "weight of other, 0.50 of 1.00 left [0.1]" in result.output
    assert "nothing changed" in result.output
    assert harness.settings.read_text() == SETTINGS


def test_leverage_and_weights_are_asked_for_and_summed_up(harness: Harness) -> None:
    result = harness.configure("weights", "25", "4", "0.6", "0.5", "0", "y", "2", "0.2", "", "y")
    assert "more than 20 needs --force" in result.output
    assert "0.40 of 1.00 left" in result.output
    assert "0.5: expected a weight from 0 to 1, and only 0.4 is left" in result.output
    symbols = harness.tree()["symbols"]
    assert symbols["BTCUSDT"] == {"leverage": 4, "weights": {"tradingview": 0.6, "other": 0}}
    assert symbols["ETHUSDT"] == {"leverage": 2, "weights": {"tradingview": 0.2}}
    assert "80%" in result.output
    assert "2.80" in result.output


def test_a_new_symbol_stands_with_the_others(harness: Harness) -> None:
    harness.configure("weights", "", "", "", "y", "2", "0.2", "", "y")
    text = harness.settings.read_text()
    assert text.index("[symbols.BTCUSDT]") < text.index("[symbols.ETHUSDT]") < text.index("# ---- limits")
    assert "# tested" in text


def test_weights_are_set_without_a_question(harness: Harness) -> None:
    done = harness.te("configure", "weights", "--set", "TAOUSDT.other=0.25", "--set", "TAOUSDT.leverage=2")
    assert done.exit_code == 0, done.output
    assert harness.tree()["symbols"]["TAOUSDT"] == {"leverage": 2, "weights": {"other": 0.25}}
    done = harness.te("configure", "weights", "--set", "BTCUSDT.other=-")
    assert harness.tree()["symbols"]["BTCUSDT"]["weights"] == {"tradingview": 0.5, "other": 0}
    for wrong in (
        "BTCUSDT.other=0.6",
        "BTCUSDT.nobody=0.1",
        "BTCUSDT.leverage=21",
        "BTCUSDT.leverage=0",
        "BTCUSDT",
    ):
        assert harness.te("configure", "weights", "--set", wrong).exit_code == 2
    forced = harness.te("configure", "weights", "--force", "--set", "BTCUSDT.leverage=25")
    assert forced.exit_code == 0


def test_more_than_every_exchange_allows_is_refused() -> None:
    row = Row("BTCUSDT", 1, {}, (1, {}), new=False, most=25)
    row.set_leverage("25", force=True)
    with pytest.raises(ValueError, match="no account's exchange allows more than 25"):
        row.set_leverage("26", force=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.decimals(-1, 2, places=2)), max_size=12))
def test_weights_never_make_more_than_one(answers: list[tuple[str, Decimal]]) -> None:
    row = Row("BTCUSDT", 1, {}, (1, {}), new=False)
    for source, weight in answers:
        try:
            row.set_weight(source, str(weight))
        except ValueError:
            assert weight < 0 or weight > row.left(source)
    assert 0 <= row.total <= 1


# -- credentials


@pytest.fixture(scope="module")
def exchange() -> Iterator[dict[str, str]]:
    """An emulated Bybit in a thread of its own; returns where it is, and the key that it knows."""
    with served("bybit") as found:
        yield {key: str(text) for key, text in keys(found.servers["bybit"]).items()}


@pytest.fixture
def keyed(harness: Harness, exchange: dict[str, str]) -> Harness:
    where = "".join(
        f'{key} = "{text}"\n' for key, text in exchange.items() if key not in ("api_key", "secret")
    )
    account = f'[accounts.main]\nplugin = "bybit"\nstreams = false\n{where}'
    harness.settings.write_text(SETTINGS.replace("# an account", account))
    return harness


def secrets_of(harness: Harness) -> Any:
    file = harness.folder / ".secrets.toml"
    return tomllib.loads(file.read_text()).get("accounts", {}) if file.exists() else {}


@pytest.mark.real_clock
def test_only_what_is_needed_is_asked_for_and_tried(keyed: Harness, exchange: dict[str, str]) -> None:
    result = keyed.te(
        "configure", "credentials", answers="\n".join([exchange["api_key"], exchange["secret"], "n", "y", ""])
    )
    assert result.exit_code == 0, result.output
    assert secrets_of(keyed)["main"] == {"api_key": exchange["api_key"], "secret": exchange["secret"]}
    assert "[accounts.paper]" not in result.output, "it needs nothing"
    assert "[sources.tradingview]" not in result.output, "its token is made by the first start"
    assert result.output.count("api_key:") == 1
    assert "testing main" in result.output
    assert "may trade contracts" in result.output


@pytest.mark.real_clock
def test_what_the_exchange_refuses_is_not_saved_unasked(keyed: Harness, exchange: dict[str, str]) -> None:
    wrong = ["--set", "main.api_key=wrong", "--set", "main.secret=wrong"]
    result = keyed.te("configure", "credentials", *wrong)
    assert result.exit_code == 1
    assert secrets_of(keyed) == {}
    result = keyed.te("configure", "credentials", answers="\n".join(["wrong", "wrong", "n", "l", ""]))
    assert "nothing changed" in result.output
    result = keyed.te("configure", "credentials", "--no-try", *wrong)
    assert result.exit_code == 0, result.output
    assert secrets_of(keyed)["main"]["api_key"] == "wrong"


@pytest.mark.real_clock
def test_the_key_of_another_account_is_asked_for_again(keyed: Harness, exchange: dict[str, str]) -> None:
    known = [exchange["api_key"], exchange["secret"]]
    text = keyed.settings.read_text()
    section = text.partition("[accounts.main]")[2].partition("[accounts.paper]")[0]
    keyed.settings.write_text(f"{text}\n[accounts.again]{section}")
    answers = [*known, "n", *known, "n", "s", *known, "n", "l", "y", ""]
    result = keyed.te("configure", "credentials", answers="\n".join(answers))
    assert result.exit_code == 0, result.output
    assert result.output.count("has the same credentials as accounts.main") == 3
    assert set(secrets_of(keyed)) == {"main"}


def test_credentials_of_nobody_are_refused(harness: Harness) -> None:
    assert harness.te("configure", "credentials", "--set", "nobody.api_key=x").exit_code == 2
    assert "nothing changed" in harness.configure("credentials").output


# -- one symbol in one step


def test_a_symbol_is_added_with_mapping_weight_and_leverage(harness: Harness) -> None:
    more = ("--from", "tradingview:TAOUSDT.P", "--weight", "tradingview=0.2", "--weight", "other=0.1")
    result = harness.te("add", "symbol", "taousdt", *more, "--leverage", "2")
    assert result.exit_code == 0, result.output
    assert harness.mapping() == [*BEFORE, ("TAOUSDT.P", "TAOUSDT")]
    assert harness.mapping("other") == [("TAOUSDT", "TAOUSDT")]
    weights = {"tradingview": 0.2, "other": 0.1}
    assert harness.tree()["symbols"]["TAOUSDT"] == {"leverage": 2, "weights": weights}
    assert "asking paper" in result.output


def test_what_is_missing_is_asked_for(harness: Harness) -> None:
    result = harness.te("add", "symbol", "TAOUSDT", answers="2\n0.3\nTAOUSDT.P\n\ny\n")
    assert result.exit_code == 0, result.output
    assert harness.mapping() == [*BEFORE, ("TAOUSDT.P", "TAOUSDT")]
    assert harness.mapping("other") == []
    assert harness.tree()["symbols"]["TAOUSDT"] == {"leverage": 2, "weights": {"tradingview": 0.3}}


@pytest.mark.real_clock
def test_a_symbol_that_an_account_does_not_offer_is_asked_about(
    keyed: Harness, exchange: dict[str, str]
) -> None:
    key = ("--set", f"main.api_key={exchange['api_key']}", "--set", f"main.secret={exchange['secret']}")
    assert keyed.te("configure", "credentials", "--no-try", *key).exit_code == 0
    before = keyed.settings.read_text()
    result = keyed.te("add", "symbol", "NOSUCHUSDT", "--weight", "tradingview=0.1", answers="n\n")
    assert result.exit_code == 1
    assert "NOSUCHUSDT cannot be traded on every account" in result.output
    assert keyed.settings.read_text() == before


def test_wrong_additions_are_refused(harness: Harness) -> None:
    for wrong in (["--weight", "nobody=0.1"], ["--weight", "other=2"], ["--weight", "other=0"]):
        assert harness.te("add", "symbol", "TAOUSDT", *wrong).exit_code == 2
    assert harness.te("add", "symbol", "T!", "--weight", "other=0.1").exit_code == 2
    much = harness.te("add", "symbol", "TAOUSDT", "--weight", "other=0.1", "--leverage", "21")
    assert (much.exit_code, "more than 20 needs --force" in much.stderr) == (2, True)
    assert harness.settings.read_text() == SETTINGS


def test_a_removed_symbol_is_gone_from_mapping_and_weights(harness: Harness) -> None:
    result = harness.te("remove", "symbol", "BTCUSDT", "--yes")
    assert result.exit_code == 0, result.output
    assert harness.mapping() == [("ETHUSDT", "ETHUSDT")]
    assert "BTCUSDT" not in harness.tree().get("symbols", {})
    assert "# ---- limits" in harness.settings.read_text()
    assert harness.te("remove", "symbol", "BTCUSDT", "--yes").exit_code == 2


# -- earlier versions


def test_what_a_command_wrote_can_be_undone_and_that_too(harness: Harness) -> None:
    harness.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.3")
    changed = harness.settings.read_text()
    listed = harness.te("settings", "history")
    assert "1        20" in listed.output
    result = harness.te("settings", "undo", "--yes")
    assert result.exit_code == 0, result.output
    assert "-weights = { tradingview = 0.3" in result.output
    assert harness.settings.read_text() == SETTINGS
    harness.te("settings", "undo", "--yes")
    assert harness.settings.read_text() == changed
    kept = list((harness.folder / "state" / "settings").iterdir())
    assert len(kept) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_no_more_versions_are_kept_than_needed(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_core.cli.versions.KEPT", 2)
    for weight in ("0.1", "0.2", "0.3", "0.4"):
        harness.te("configure", "weights", "--set", f"BTCUSDT.tradingview={weight}")
    assert harness.te("settings", "undo", "3").exit_code == 2
    assert harness.te("settings", "undo", "2", "--yes").exit_code == 0
    assert harness.tree()["symbols"]["BTCUSDT"]["weights"]["tradingview"] == 0.2


def test_loose_ends_are_named(harness: Harness) -> None:
    harness.settings.write_text(
        SETTINGS.replace('"ETHUSDT" = "ETHUSDT"', '"XRPUSDT" = "XRPUSDT"').replace("BTCUSDT]", "SOLUSDT]")
    )
    warnings = "\n".join(harness.json("check")["warnings"])
    assert "sources.tradingview maps BTCUSDT, XRPUSDT without a weight" in warnings
    assert (
        "sources.tradingview has weight for SOLUSDT and maps nothing to it: te configure mappings" in warnings
    )
    assert "sources.other has weight" not in warnings, "it maps nothing: whatever it publishes counts"


def test_a_kind_of_event_that_nothing_records_is_named(harness: Harness) -> None:
    text = harness.settings.read_text()
    notifier = '\n[notifiers.phone]\nplugin = "webhook"\nurl = "https://example.org"\n'
    notifier += 'kinds = ["*", "outage", "drifts", "refused"]\nmute = ["fills"]\ncritical = ["halt", "*"]\n'
    harness.settings.write_text(text + notifier)
    found = [line for line in harness.json("check")["warnings"] if "no event is of kind" in line]
    assert found[:2] == [
        "notifiers.phone.kinds: no event is of kind drifts; did you mean 'drift'?",
        "notifiers.phone.mute: no event is of kind fills; did you mean 'filled'?",
    ]
    assert found[2].startswith("notifiers.phone.critical: no event is of kind * (known: ")
    assert len(found) == 3
    result = harness.te("configure", "notifiers", "--set", "phone.kinds=outage, missed_alert, silence")
    assert "no event is of kind silence; did you mean 'silent'?" in result.output


def test_a_leverage_that_no_account_allows_is_named(harness: Harness) -> None:
    def found() -> list[str]:
        return [line for line in harness.json("check")["warnings"] if "leverage" in line]

    assert found() == []
    harness.settings.write_text(SETTINGS.replace("leverage = 3", "leverage = 7"))
    assert found() == ["symbols.BTCUSDT.leverage is 7, and no account allows more than 5"]
    harness.settings.write_text(SETTINGS.replace("leverage = 3", "leverage = 7").replace("leverage = 5", ""))
    assert found() == [], "what the exchange allows is not known here"


def test_loose_ends_are_told_before_they_are_written(harness: Harness) -> None:
    result = harness.te("configure", "weights", answers="7\n\n\nn\nn\n")
    assert "no account allows more than 5" in result.output
    assert "no engine is running here, so what this orders is not known" in result.output
    assert result.exit_code == 1
    assert harness.settings.read_text() == SETTINGS


def test_secrets_are_neither_kept_in_the_history_nor_shown_by_undoing(harness: Harness) -> None:
    key = "once-in-the-settings-file"
    assert harness.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.3").exit_code == 0
    harness.settings.write_text(
        harness.settings.read_text().replace("# mine", f'plugins = {{}}\nlisten.private.token = "{key}"')
    )
    result = harness.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.2")
    assert "it contains secrets" in result.output
    result = harness.te("settings", "undo", "--yes")
    assert result.exit_code == 0, result.output
    assert "-listen.private.token" in result.output
    assert key not in result.output
    assert not any(key in path.read_text() for path in (harness.folder / "state" / "settings").iterdir())


def test_trying_an_account_leaves_the_engines_own_folder_alone(harness: Harness) -> None:
    assert harness.te("add", "symbol", "TAOUSDT", "--weight", "other=0.1", "--yes").exit_code == 0
    assert not (harness.folder / "state" / "accounts").exists()


def test_settings_that_were_broken_by_hand_can_be_undone(harness: Harness) -> None:
    harness.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.3")
    harness.settings.write_text(
        SETTINGS.replace("leverage = 3", 'levrage = "a-secret-put-in-the-wrong-place"')
    )
    result = harness.te("settings", "undo", "--yes")
    assert result.exit_code == 0, result.output
    assert "a-secret" not in result.output
    assert harness.settings.read_text() == SETTINGS
