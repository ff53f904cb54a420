"""``te import``: the result of the earlier program's files, and that existing positions are not traded."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import tomllib
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from typer.testing import CliRunner, Result

from te_core.api import Known, MarginMode
from te_core.cli.main import app
from te_core.clock import SystemClock
from te_core.errors import ConfigError
from te_core.journal.journal import Journal
from te_core.moving.import_plan import ImportPlan, news, plan_import
from te_core.plugins.registry import Registry
from te_core.runtime.engine import Engine
from te_core.settings.store import SettingsStore
from te_core.testing.fakes import account_context
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from te_exchange_paper.plugin import PAPER
from tests.exchanges.trading import spec_of
from tests.moving.earlier import MAPPINGS, MINERS, SECRETS, WEIGHTS, install, key, line
from tests.querying import queries_of

pytestmark = pytest.mark.real_clock

NOW = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)


def planned(folder: Path, **files: Any) -> ImportPlan:
    return plan_import(install(folder, NOW, **files), zone=UTC, now=NOW)


def sections(plan: ImportPlan) -> dict[str, Mapping[str, Any]]:
    return {f"{section.group}.{section.name}": section.values for section in plan.sections}


def te(folder: Path, *arguments: str, answers: str = "") -> Result:
    return CliRunner().invoke(app, ["--settings", str(folder / "settings.toml"), *arguments], input=answers)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TE_")]:
        monkeypatch.delenv(name)


# -- what the files become


def test_every_exchange_becomes_an_account_with_its_own_keys(tmp_path: Path) -> None:
    plan = planned(tmp_path / "old")
    made = sections(plan)
    assert made["accounts.bybit"] == {"plugin": "bybit", "minimum_order": Decimal("5.0")}
    assert made["accounts.blofin"] == {"plugin": "blofin", "leverage": 2, "account_type": "copy_trading"}
    assert made["accounts.bingx"] == {"plugin": "ccxt", "exchange": "bingx", "enabled": False}
    assert made["accounts.okx"] == {"plugin": "ccxt", "exchange": "okx", "enabled": False}
    assert made["accounts.second"] == {"plugin": "bybit", "enabled": False}
    assert made["accounts.sirius"] == {
        "plugin": "ccxt",
        "exchange": "hyperliquid",
        "settle": "USDC",
        "wallet_address": "0x1111111111111111111111111111111111111111",
        "minimum_order": Decimal("10.0"),
    }
    hidden = {section.name: section.hidden for section in plan.sections if section.group == "accounts"}
    assert hidden["kucoin"] == {
        "api_key": "key-of-kucoin-000",
        "secret": "secret-of-kucoin-000",
        "passphrase": "phrase-of-kucoin-000",
    }
    assert hidden["sirius"] == {"private_key": "secret-of-hyperliquid-000"}
    notes = "\n".join(plan.notes)
    assert "hyperliquid Sirius: the agent wallet was left out" in notes
    assert "named like BTCUSDC here" in notes


def test_mappings_weights_and_miners_keep_their_meaning(tmp_path: Path) -> None:
    made = sections(planned(tmp_path / "old"))
    assert made["symbols.ETHUSDT"] == {
        "leverage": 5,
        "weights": {"tradingview": Decimal("0.1"), "bittensor": Decimal("0.15")},
    }
    assert list(made["sources.tradingview"]["symbols"].items()) == list(MAPPINGS["tradingview"].items())
    miners = made["sources.bittensor"]
    assert (miners["strategy"], miners["url"]) == ("parity", "https://validator.example/miners")
    assert miners["scoring"] == {
        name: Decimal(str(value)) for name, value in MINERS.items() if name != "leverage_limit_crypto"
    }


def test_a_weighted_unmapped_symbol_is_mapped_to_itself(tmp_path: Path) -> None:
    made = sections(planned(tmp_path / "old", asset_mapping_config={}))
    assert made["sources.tradingview"]["symbols"] == {"BTCUSDT": "BTCUSDT", "ETHUSDT": "ETHUSDT"}


def test_without_a_file_of_mappings_its_defaults_count(tmp_path: Path) -> None:
    folder = install(tmp_path / "old", NOW)
    (folder / "asset_mapping_config.json").unlink()
    plan = plan_import(folder, zone=UTC, now=NOW)
    assert sections(plan)["sources.bittensor"]["symbols"] == {"BTCUSD": "BTCUSDT", "ETHUSD": "ETHUSDT"}
    assert any("newer validators call BTCUSD BTCUSDC" in note for note in plan.notes)


def test_an_exchange_in_the_ccxt_list_replaces_its_own_entry(tmp_path: Path) -> None:
    listed = {**key("listed"), "exchange_name": "bybit", "enabled": True}
    plan = planned(tmp_path / "old", credentials={"bybit": key("own"), "ccxt": {"ccxt_list": [listed]}})
    (account,) = [section for section in plan.sections if section.group == "accounts"]
    assert account.hidden["secret"] == "secret-of-listed-000"
    assert any("bybit: the ccxt list has an account there" in note for note in plan.notes)


def test_the_single_account_of_before_the_list_is_taken_over(tmp_path: Path) -> None:
    plan = planned(tmp_path / "old", credentials={"ccxt": {**key("gate"), "exchange_name": "Gate"}})
    assert sections(plan)["accounts.gate"] == {"plugin": "ccxt", "exchange": "gate"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"credentials": {"kucoin": key("x")}}, "credentials.json: kucoin: passphrase missing"),
        (
            {"credentials": {"kraken": {"api_key": "k"}}},
            "credentials.json: kraken: not known from the earlier",
        ),
        (
            {"credentials": {"mexc": key("m", copy_trading=True)}},
            "mexc: copy_trading is only supported for BloFin",
        ),
        ({"credentials": {"mexc": key("m", speed=9)}}, "credentials.json: mexc: speed: unknown key"),
        ({"credentials": {}}, "bittensor_sn8 has no endpoint, so the source cannot be imported"),
        ({"asset_mapping_config": {"oracle": {"A": "B"}}}, "oracle: not a source of the earlier program"),
        ({"asset_mapping_config": {"tradingview": {"A": "btc"}}}, "tradingview: A = btc: not a symbol"),
        ({"signal_weight_config": [*WEIGHTS, {"symbol": "BTC-USD"}]}, "BTC-USD: not a symbol"),
        ({"signal_weight_config": [*WEIGHTS, WEIGHTS[0]]}, "BTCUSDT: duplicate entry"),
        (
            {"signal_weight_config": [{**WEIGHTS[0], "leverage": 2.5}]},
            "BTCUSDT: leverage 2.5 is not a positive whole",
        ),
        ({"bittensor_processor_config": {"luck": 7}}, "bittensor_processor_config.json: luck: not a param"),
        ({"account_asset_depths": {"Kraken": {"BTCUSDT": 0.1}}}, "Kraken: no imported account"),
    ],
)
def test_what_is_not_understood_is_named_and_left_out(
    files: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    assert any(expected in note for note in planned(tmp_path / "old", **files).notes)


def test_a_broken_file_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = install(tmp_path / "old", NOW)
    (folder / "credentials.json").write_text('{\n  "bybit": {\n')
    with pytest.raises(ConfigError, match=r"credentials\.json:3: this is not JSON"):
        plan_import(folder, zone=UTC, now=NOW)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a folder of the earlier program"):
        plan_import(tmp_path, zone=UTC, now=NOW)


# -- last signals


def test_last_signals_are_dated_by_their_own_time(tmp_path: Path) -> None:
    signals = {(s.source, s.symbol): s for s in planned(tmp_path / "old").signals}
    btc = signals["tradingview", "BTCUSDT"]
    assert (btc.depth, btc.price, btc.rule) == (Decimal("0.5"), Decimal(60000), "imported")
    assert btc.time == btc.received_at == NOW - timedelta(hours=2)
    assert signals["tradingview", "ETHUSDT"].depth == 0
    assert signals["bittensor", "ETHUSDT"].time == NOW - timedelta(minutes=1)
    assert ("tradingview", "DOGEUSDT") not in signals  # it has no weight


def test_the_zone_of_the_logs_counts(tmp_path: Path) -> None:
    folder = install(tmp_path / "old", NOW)
    from zoneinfo import ZoneInfo

    plan = plan_import(folder, zone=ZoneInfo("Asia/Kolkata"), now=NOW)
    btc = next(signal for signal in plan.signals if signal.symbol == "BTCUSDT")
    assert btc.time == NOW - timedelta(hours=7, minutes=30)
    with pytest.raises(ConfigError, match="in the future: set the time zone"):
        plan_import(folder, zone=ZoneInfo("America/New_York"), now=NOW)


def test_a_signal_that_no_longer_counted_is_left_out(tmp_path: Path) -> None:
    folder = install(tmp_path / "old", NOW)
    later = NOW + timedelta(days=61)
    plan = plan_import(folder, zone=UTC, now=later)
    assert not plan.signals
    assert any("older than 60 days" in note for note in plan.notes)


def test_only_what_is_newer_than_the_journal_is_added(tmp_path: Path) -> None:
    signals = planned(tmp_path / "old").signals
    assert news(signals, []) == list(signals)
    assert news(signals, signals) == []


def test_adopting_is_proposed_where_all_positions_match(tmp_path: Path) -> None:
    assert planned(tmp_path / "old").adoptable() == {"bybit": True, "blofin": False}


# -- the command


def test_nothing_is_written_before_it_was_shown_and_asked_for(tmp_path: Path) -> None:
    install(tmp_path / "old", datetime.now(UTC))
    new = tmp_path / "new"
    refused = te(new, "import", str(tmp_path / "old"), "--zone", "UTC", answers="y\nn\nn\n")
    assert refused.exit_code == 1
    assert "[accounts.bybit]" in refused.stdout
    assert not new.exists()


def test_the_files_are_private_and_no_secret_is_shown(tmp_path: Path) -> None:
    install(tmp_path / "old", datetime.now(UTC))
    new = tmp_path / "new"
    new.mkdir()
    result = te(new, "import", str(tmp_path / "old"), "--zone", "UTC", "--yes")
    assert result.exit_code == 0, result.stderr
    written = (new / ".secrets.toml").read_text()
    said = result.stdout + result.stderr
    assert all(secret in written and secret not in said for secret in SECRETS)
    assert "key-of-" not in said
    assert "phrase-of-" not in said
    assert (new / ".secrets.toml").stat().st_mode & 0o777 == 0o600
    assert "secret-of" not in (new / "settings.toml").read_text()
    settings = tomllib.loads((new / "settings.toml").read_text())
    assert settings["accounts"]["bybit"]["adopt"] is True
    assert "adopt" not in settings["accounts"]["blofin"]
    with closing(sqlite3.connect(new / "state" / "journal.sqlite3")) as journal:
        found = journal.execute("SELECT source, symbol, depth, rule FROM signals ORDER BY source, symbol")
        assert [(source, symbol, rule) for source, symbol, _, rule in found] == [
            ("bittensor", "ETHUSDT", "imported"),
            ("tradingview", "BTCUSDT", "imported"),
            ("tradingview", "ETHUSDT", "imported"),
        ]
    again = te(new, "import", str(tmp_path / "old"), "--zone", "UTC", "--yes")
    assert again.exit_code == 2
    assert "--replace" in again.stderr
    (new / "settings.toml").write_text("# mine\n" + (new / "settings.toml").read_text())
    replaced = te(new, "import", str(tmp_path / "old"), "--zone", "UTC", "--yes", "--replace", "--no-adopt")
    assert replaced.exit_code == 0, replaced.stderr
    assert "0 last signals will be written" in replaced.stdout
    assert (new / "settings.toml").read_text().startswith("# mine\n")
    assert "adopt" not in tomllib.loads((new / "settings.toml").read_text())["accounts"]["bybit"]


def test_signals_are_journaled_before_the_settings_name_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that adopts positions and has no signal for them would close them."""
    install(tmp_path / "old", datetime.now(UTC))
    new = tmp_path / "new"

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("te_core.cli.saving.write", killed)
        te(new, "import", str(tmp_path / "old"), "--zone", "UTC", "--yes")
    assert not (new / "settings.toml").exists()
    reader = Journal.open_readonly(new / "state" / "journal.sqlite3")
    assert len(reader.snapshot().signals) == 3
    reader.close()
    again = te(new, "import", str(tmp_path / "old"), "--zone", "UTC", "--yes")
    assert again.exit_code == 0, again.stderr
    assert "0 last signals will be written" in again.stdout


def test_it_is_refused_while_an_engine_runs(tmp_path: Path) -> None:
    install(tmp_path / "old", datetime.now(UTC))
    (tmp_path / "state").mkdir(mode=0o700)
    journal = Journal.open(
        tmp_path / "state" / "journal.sqlite3", clock=SystemClock(), new_id=lambda: "j", inline=True
    )
    try:
        result = te(tmp_path, "import", str(tmp_path / "old"), "--yes", "--zone", "UTC")
    finally:
        journal.close()
    assert result.exit_code == 3
    assert "an engine is running" in result.stderr


# -- afterwards

PAPER_SECTION = """
[accounts.paper]
plugin = "paper"
balance = 10000
fee = 0
slippage = 0
adopt = true
"""


async def hold_on_paper(folder: Path) -> None:
    """Make the paper account hold its target: 0.3 * 0.5 of 10,000 at leverage 3 and 60,000."""
    known = Known(value=Decimal(60000), as_of=SystemClock().now())
    account = PAPER.factory(
        account_context(
            name="paper",
            options=PAPER.settings(balance=Decimal(10000), fee=Decimal(0), slippage=Decimal(0)),
            clock=SystemClock(),
            state_dir=folder,
            signal_price=lambda _: known,
        )
    )
    await account.open()
    await account.set_leverage("BTCUSDT", 3, MarginMode.ISOLATED)
    await account.place_order(order("0.075", leverage=3))
    await account.close()


async def test_accounts_that_hold_their_targets_are_left_as_they_are(tmp_path: Path) -> None:
    """Paper and Bybit's emulator: the plan is empty, both are at target, and no order is sent."""
    credentials = {"bybit": {"api_key": "K", "api_secret": "S", "leverage_override": 0}}
    weights = [{**WEIGHTS[0], "leverage": 3}]
    old = install(
        tmp_path / "old",
        datetime.now(UTC),
        credentials=credentials,
        signal_weight_config=weights,
        asset_mapping_config={"tradingview": {"BTCUSDT.P": "BTCUSDT"}},
        account_asset_depths={"ByBit": {"BTCUSDT": 0.15}},
    )
    new = tmp_path / "new"
    new.mkdir()
    (new / "settings.toml").write_text(PAPER_SECTION)
    paper = new / "state" / "accounts" / "paper"
    paper.mkdir(parents=True, mode=0o700)
    (new / "state").chmod(0o700)
    await hold_on_paper(paper)
    async with running("bybit") as emulator:
        symbol = emulator.exchange.market.by_base("BTC").symbol
        emulator.exchange.set_price(symbol, Decimal(60000))
        async with connected(spec_of("bybit"), emulator, tmp_path / "by-hand") as account:
            await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
            await account.set_leverage("BTCUSDT", 3, MarginMode.ISOLATED)
            await account.place_order(order("0.074", leverage=3))  # 0.075 after the fee
        sent = emulator.exchange.counts.requests["order"]
        arguments = ("import", str(old), "--zone", "UTC", "--yes")
        result = await asyncio.to_thread(te, new, *arguments)
        assert result.exit_code == 0, result.stderr
        assert "bybit    BTCUSDT  0.15" in result.stdout
        text = (new / "settings.toml").read_text()
        where = f'url = "{emulator.url}"\nws_url = "{emulator.ws_url}"\n'
        (new / "settings.toml").write_text(text.replace("[accounts.bybit]\n", f"[accounts.bybit]\n{where}"))
        found = await plan_of_a_start(new)
        assert {name: row["symbols"]["BTCUSDT"]["steps"] for name, row in found.items()} == {
            "paper": [],
            "bybit": [],
        }
        assert {row["symbols"]["BTCUSDT"]["status"] for row in found.values()} == {"at_target"}
        assert emulator.exchange.counts.requests["order"] == sent


async def plan_of_a_start(folder: Path) -> Mapping[str, Any]:
    """Start an engine with a folder's settings and journal, and return its plan once all accounts were read."""
    registry = Registry()
    store = SettingsStore(folder / "settings.toml", env={}, registry=registry, generate=lambda: "t" * 32)
    journal = Journal.open(
        folder / "state" / "journal.sqlite3", clock=SystemClock(), new_id=lambda: "j", inline=True
    )
    engine = Engine(
        journal=journal, registry=registry, clock=SystemClock(), log=logger, state_dir=folder / "state"
    )
    try:
        await engine.start(await store.load())
        async with asyncio.timeout(30):
            while not all(
                runner.running and runner.worker.beliefs.read_at is not None
                for runner in engine.accounts.values()
            ):
                await asyncio.sleep(0.02)
        found: Mapping[str, Any] = (await queries_of(engine).plan())["accounts"]
        return found
    finally:
        await engine.stop()
        journal.close()


def test_the_formats_of_the_samples_are_read(tmp_path: Path) -> None:
    """A line of 2024 has spaces, numbers and more keys."""
    folder = install(tmp_path / "old", NOW)
    log = folder / "raw_signals" / "tradingview" / "trade_requests_2026-03-12.log"
    more = {
        "symbol": "BTCUSDT.P",
        "direction": "short",
        "size": "0.035/1",
        "order_price": 63905.0,
        "muid_rank": 1,
    }
    log.write_text(log.read_text() + f"{NOW:%Y-%m-%d %H:%M:%S.%f} {json.dumps(more)}\n")
    log.write_text(log.read_text() + line(NOW, "ETHUSDT", "long", "Exit @ 2"))
    plan = plan_import(folder, zone=UTC, now=NOW)
    btc = next(s for s in plan.signals if s.symbol == "BTCUSDT")
    assert btc.depth == Decimal("-0.035")
    assert any("1 lines were ignored by the earlier program, too: no size" in note for note in plan.notes)
