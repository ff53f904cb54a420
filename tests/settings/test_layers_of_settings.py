"""settings.toml < .secrets.toml < TE_ variables, and nothing else, unaltered by the library that merges them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.settings import layers
from te_core.settings.layers import Texts
from te_core.settings.loading import settings_from
from te_core.settings.problems import SettingsInvalid
from te_core.settings.schema import Settings

Load = Callable[..., Settings]


def test_a_later_layer_wins_key_by_key(load: Load) -> None:
    settings = load(
        '[accounts.a]\nplugin = "acme"\nleverage = 2\nconcurrency = 3\nadopt = true\n',
        "[accounts.a]\nconcurrency = 4\nadopt = false\n",
        TE_ACCOUNTS__a__adopt="true",
    )
    account = settings.accounts["a"]
    assert (account.plugin, account.leverage, account.concurrency, account.adopt) == ("acme", 2, 4, True)


def test_tables_merge_and_lists_replace(load: Load) -> None:
    settings = load(
        '[sources.s]\nplugin = "x"\nsymbols = { A = "AA" }\nhosts = ["one", "two"]\n',
        '[sources.s]\nsymbols = { B = "BB" }\nhosts = ["three"]\n',
    )
    assert settings.sources["s"].symbols == {"A": "AA", "B": "BB"}
    assert settings.sources["s"].options == {"hosts": ["three"]}


def test_lists_from_a_variable_replace_too(load: Load) -> None:
    settings = load(
        '[listen.public]\ntrusted_proxies = ["10.0.0.1"]\n', TE_LISTEN__PUBLIC__TRUSTED_PROXIES='["::1"]'
    )
    assert settings.listen.public.trusted_proxies == ("::1",)


def test_keys_keep_dots_colons_underscores_and_case(load: Load) -> None:
    first = '[sources.s]\nplugin = "x"\n[sources.s.symbols]\n"BTCUSDT.P" = "A1"\n"BYBIT:BTC__X.P" = "A2"\nbtc = "A3"\n'
    settings = load(first, '[sources.s.symbols]\n"BTC" = "A4"\n"btcusdt.p" = "A5"\n')
    assert settings.sources["s"].symbols == {
        "BTCUSDT.P": "A1",
        "BYBIT:BTC__X.P": "A2",
        "btc": "A3",
        "BTC": "A4",
        "btcusdt.p": "A5",
    }


TRICKY = [
    "@int 3", "@format {env[HOME]}", "@jinja {{ this }}", "@del", "@none", "@empty", "@merge x", "@json {}", "@",
    "{this.x}", "true", "007", "1e5", "0x1f", "2020-01-01", "", " padded ", "null", "nan", "None", '"quoted"',
]  # fmt: skip


@pytest.mark.parametrize("value", TRICKY)
@pytest.mark.parametrize("source", ["settings", "secrets", "environment"])
def test_a_text_arrives_verbatim(load: Load, value: str, source: str) -> None:
    base = '[sources.s]\nplugin = "x"\n'
    line = f"[sources.s]\ntoken = '{value}'\n"
    if source == "settings":
        settings = load(f"{base}token = '{value}'\n")
    elif source == "secrets":
        settings = load(base, line)
    else:
        settings = load(base, TE_SOURCES__s__token=value)
    assert settings.sources["s"].options == {"token": value}


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")))
def test_a_secret_in_a_variable_stays_the_same_text(value: str) -> None:
    texts = Texts(file=Path("settings.toml"), settings="[listen]", secrets=None)
    if value.lstrip()[:1] in {"[", "{"}:
        return  # a complete TOML array or inline table is read as one
    settings = settings_from(texts, {"TE_LISTEN__PRIVATE__TOKEN": value})
    assert settings.listen.private.token is not None
    assert settings.listen.private.token.get_secret_value() == value


def test_json_in_a_variable_is_still_a_text(load: Load) -> None:
    settings = load('[sources.s]\nplugin = "x"\n', TE_SOURCES__s__token='{"a": 1}', TE_SOURCES__s__other="[x")
    assert settings.sources["s"].options == {"token": '{"a": 1}', "other": "[x"}


def test_variables_are_parsed_as_numbers_switches_and_durations(load: Load) -> None:
    settings = load(
        '[accounts.paper]\nplugin = "x"\n[sources.o]\nplugin = "y"\n[symbols.BTCUSDT]\n',
        TE_ACCOUNTS__paper__enabled="false",
        TE_SYMBOLS__BTCUSDT__leverage="5",
        TE_SYMBOLS__BTCUSDT__weights__o="0.1",
        TE_ENGINE__resync="45",
        TE_JOURNAL__keep="7d",
    )
    assert settings.accounts["paper"].enabled is False
    assert settings.symbols["BTCUSDT"].leverage == 5
    assert settings.symbols["BTCUSDT"].weights == {"o": Decimal("0.1")}
    assert settings.engine.resync == timedelta(seconds=45)
    assert settings.journal.keep == timedelta(days=7)


def test_variables_may_be_written_in_capitals(load: Load) -> None:
    settings = load(
        '[accounts.bybit-main]\nplugin = "x"\n',
        TE_ACCOUNTS__BYBIT_MAIN__API_KEY="k",
        TE_ACCOUNTS__BYBIT_MAIN__LIMITS__ORDER_NOTIONAL="10",
        TE_ACCOUNTS__BYBIT_MAIN__PRICES__BTCUSDT="1",
        TE_LISTEN__PUBLIC__PORT="9000",
        TE_SOURCES__TV__PLUGIN="tv",
        TE_SOURCES__TV__SYMBOLS__ETHUSDT="ETHUSDT",
        TE_SYMBOLS__ETHUSDT__LEVERAGE="4",
    )
    account = settings.accounts["bybit-main"]
    assert account.options == {"api_key": "k", "prices": {"BTCUSDT": "1"}}
    assert account.limits.order_notional == 10
    assert settings.listen.public.port == 9000
    assert settings.sources["tv"].symbols == {"ETHUSDT": "ETHUSDT"}
    assert settings.symbols["ETHUSDT"].leverage == 4


def test_two_variables_for_one_table_are_both_heard(load: Load) -> None:
    settings = load(
        '[accounts.paper]\nplugin = "x"\n', TE_ACCOUNTS__PAPER__ADOPT="true", TE_ACCOUNTS__paper__leverage="2"
    )
    assert (settings.accounts["paper"].adopt, settings.accounts["paper"].leverage) == (True, 2)


def test_a_table_in_a_variable_merges(load: Load) -> None:
    settings = load(
        '[sources.s]\nplugin = "x"\nsymbols = { A = "AA" }\n',
        TE_SOURCES__s__symbols='{ "BTCUSDT.P" = "BTCUSDT" }',
    )
    assert settings.sources["s"].symbols == {"A": "AA", "BTCUSDT.P": "BTCUSDT"}


def test_the_programs_own_variables_are_not_settings(load: Load) -> None:
    assert load("[engine]\n", TE_HOME="/x", TE_SETTINGS="/y", HOME="/z") == Settings()


@pytest.mark.parametrize("key", ["dynaconf_merge", "dynaconf_merge_unique", "dynaconf_include"])
def test_the_librarys_magic_keys_are_refused(load: Load, key: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load(f'[accounts.paper]\nplugin = "acme"\n{key} = false\n')
    assert [(p.key, p.line) for p in refused.value.problems] == [(f"accounts.paper.{key}", 3)]


def test_nothing_but_the_given_files_and_variables_is_read(tmp_path: Path) -> None:
    """dynaconf's own variables, a .env file and files next to ours would otherwise slip in."""
    (tmp_path / "settings.toml").write_text('[accounts.a]\nplugin = "x"\nhosts = ["one"]\n')
    (tmp_path / ".secrets.toml").write_text('[accounts.a]\nhosts = ["two"]\n')
    (tmp_path / "settings.local.toml").write_text('[accounts.local]\nplugin = "x"\n')
    (tmp_path / ".env").write_text("TE_ACCOUNTS__dotenv__plugin=x\nDYNACONF_ACCOUNTS__dotenv2__plugin=x\n")
    (tmp_path / "other.toml").write_text('[accounts.other]\nplugin = "x"\n')
    hostile = {
        "DYNACONF_ACCOUNTS__prefix__plugin": "x",
        "TE_ACCOUNTS__process__plugin": "x",
        "SETTINGS_FILE_FOR_DYNACONF": str(tmp_path / "other.toml"),
        "INCLUDES_FOR_DYNACONF": str(tmp_path / "other.toml"),
        "MERGE_ENABLED_FOR_DYNACONF": "false",
        "DOTTED_LOOKUP_FOR_DYNACONF": "true",
        "AUTO_CAST_FOR_DYNACONF": "true",
        "LOAD_DOTENV_FOR_DYNACONF": "true",
        "ENVVAR_PREFIX_FOR_DYNACONF": "TE",
        "PROJECT_ROOT": str(tmp_path),
    }
    code = (
        "import pathlib; from te_core.settings.loading import load_settings\n"
        "s = load_settings(pathlib.Path('settings.toml'), {})\n"
        "print({name: account.options for name, account in s.accounts.items()})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=dict(os.environ) | hostile,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{'a': {'hosts': ['two']}}"


def test_a_readable_secrets_file_is_warned_of_without_content(
    load: Load, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    load(secrets="")
    (tmp_path / ".secrets.toml").chmod(0o640)
    (warning,) = load(secrets="").origin.warnings
    assert "0640" in warning
    assert "chmod 600" in warning
    (tmp_path / ".secrets.toml").chmod(0o600)
    assert load(secrets="").origin.warnings == ()
    assert capfd.readouterr() == ("", "")


KEYS = st.text("abcxyzABC.:_ -", min_size=1, max_size=6)
TREES = st.recursive(
    st.dictionaries(KEYS, st.integers() | st.text("@ax{}[]1 ") | st.lists(st.integers(), max_size=3), max_size=4),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def merged_by_hand(old: object, new: object) -> object:
    if isinstance(old, dict) and isinstance(new, dict):
        both = {key: merged_by_hand(old[key], new[key]) for key in old.keys() & new.keys()}
        return {**old, **new, **both}
    return new


@given(TREES, TREES)
def test_merging_is_the_plain_recursive_rule(first: dict[str, object], second: dict[str, object]) -> None:
    import tomlkit

    texts = Texts(
        file=Path("settings.toml"),
        settings=tomlkit.dumps({"sources": first}),
        secrets=tomlkit.dumps({"sources": second}),
    )
    merged = layers.merge(texts, {}, Settings)
    assert layers.plain(merged.tree["sources"]) == merged_by_hand(first, second)
