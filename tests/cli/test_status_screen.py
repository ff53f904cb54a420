"""The output of `te status` fits the terminal, whatever there is to show, and cuts no number."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown
from te_core.cli.columns import Column, Line, cells, cut, fitting, for_terminal, table, text_of
from te_core.cli.output import speaks_ascii
from te_core.cli.status_screen import ALL, HELD, OFF_TARGET, Layout, Screen, screen, short_names
from te_core.cli.watching import Choice, Watch
from te_core.reporting.figures import MINUS
from te_core.reporting.view import View, view
from tests.reporting.made_states import NOW, states

SOME = settings(max_examples=60)
BASES = ["BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "BNB", "AVAX", "LINK", "DOT", "TRX", "ATOM", "UNI", "ETC",
    "FIL", "NEAR", "APT", "ARB", "OP"]  # fmt: skip
ACCOUNTS = ("paper", "bybit-main", "blofin-main", "kucoin-main", "mexc-main")


def target(depth: str, quantity: str, **more: Any) -> dict[str, Any]:
    usual = {"status": "at_target", "reason": "", "phase": "resting", "phase_age": 60.0, "read_age": 17.0}
    return {
        "depth": depth,
        "leverage": "3",
        "quantity": quantity,
        "since": "2026-03-01T11:59:00+00:00",
        "limited": "",
        "limited_by": None,
        "retry": "",
        "stops": "",
        **usual,
        **more,
    }


def account(plugin: str, held: dict[str, str], targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    known = {"as_of": NOW, "age": 17.0, "unknown": None}
    money = {"wallet": "19832.4", "total": "19831.6", "free": "12890.5"}
    return {
        "plugin": plugin, "enabled": True, "shadow_of": None, "observing": "", "drift": "alert",
        "paper": plugin == "paper", "currency": "USDT", "status": "running", "reason": "", "unready": "",
        "trouble": None, "retry_at": None, "read_age": 17.0, "fresh_for": 75.0, "equity": "19832.4",
        "read": {"positions": known, "equity": {**known, **money}, "prices": known},
        "last_seen": None, "prices": {f"{base}USDT": "10" for base in BASES}, "still_open": [], "foreign": {},
        "positions": {symbol: {"size": size, "entry_price": "10.01"} for symbol, size in held.items()},
        "targets": targets, **more,
    }  # fmt: skip


def cannot_be_read(account: dict[str, Any]) -> None:
    why = "the exchange cannot be reached"
    failure = {
        "cause": why,
        "detail": f"MEXC: {why} (GET http://x)",
        "since": "2026-03-01T11:49:00+00:00",
    }
    account |= {
        "status": "unreadable", "unready": f"unreadable: positions: {why}", "reason": why, "read_age": 660.0,
        "trouble": {**failure, "retry_at": None, "parts": ["positions"]},
    }  # fmt: skip
    account["read"]["positions"] = {"as_of": NOW, "age": 660.0, "unknown": why}
    for one in account["targets"].values():
        one |= {"status": "unreadable", "reason": why}


def harness(accounts: Iterable[str] = ACCOUNTS, bases: Iterable[str] = BASES) -> dict[str, Any]:
    """Five accounts and twenty symbols: one account cannot be read, another was changed by hand, a limit is active."""
    symbols = [f"{base}USDT" for base in bases]
    depth = {symbol: ("0.05", "-0.037", "0")[number % 3] for number, symbol in enumerate(symbols)}
    wanted = {symbol: str(Decimal(one) * 3000) for symbol, one in depth.items()}
    held = {symbol: size for symbol, size in wanted.items() if Decimal(size)}
    made = {
        name: account(name.partition("-")[0], dict(held), {s: target(depth[s], wanted[s]) for s in symbols})
        for name in accounts
    }
    if "bybit-main" in made:
        del made["bybit-main"]["positions"][symbols[-2]]
        made["bybit-main"]["targets"][symbols[-2]] |= {"status": "drift", "reason": "position is 0"}
        limited = {
            "status": "limited",
            "limited": "limit account_exposure leaves 5",
            "limited_by": "account_exposure",
        }
        made["bybit-main"]["targets"][symbols[0]] |= limited
    if "mexc-main" in made:
        cannot_be_read(made["mexc-main"])
    unready = [f"account {name}: {one['unready']}" for name, one in made.items() if one["unready"]]
    signals = {
        s: {"depth": depth[s], "received_at": "2026-03-01T11:56:00+00:00", "expired": False} for s in symbols
    }
    source = {
        "plugin": "tradingview", "enabled": True, "status": "running", "reason": "", "unready": "",
        "last_signal_at": "2026-03-01T11:56:00+00:00", "silent_since": None, "signals": signals, "counters": {},
    }  # fmt: skip
    limit = {
        "name": "account_exposure",
        "account": "bybit-main",
        "symbol": "",
        "now": "9000",
        "limit": "10000",
    }
    return {
        "engine": {
            "version": "1", "pid": 18613, "started_at": "2026-03-01T11:36:00+00:00", "now": NOW, "troubles": [],
            "status": "degraded" if unready else "ready", "reasons": unready, "resync": 30.0,
        },
        "limits": [{**limit, "used": 0.9}], "breakers": [], "commands": [], "notifiers": {},
        "sources": {"tradingview": source, "momentum": {**source, "signals": {}, "last_signal_at": None}},
        "accounts": made,
        "symbols": {s: {"leverage": "3", "weights": {"tradingview": "0.1", "momentum": "0.15"}} for s in symbols},
    }  # fmt: skip


def texts(shown: Screen, *, plain: bool = False) -> list[str]:
    """Return the lines, with ASCII minus signs."""
    return [text_of(for_terminal(line, plain=plain)).replace(MINUS, "-") for line in shown.lines]


def drawn(state: dict[str, Any], width: int, height: int | None = None, **how: Any) -> list[str]:
    return texts(screen(view(state), Layout(width=width, height=height, **how)))


# -- whatever there is


@SOME
@given(
    states(), st.integers(min_value=40, max_value=220), st.integers(min_value=20, max_value=60), st.booleans()
)
def test_every_page_fits_the_terminal(state: dict[str, Any], width: int, height: int, wide: bool) -> None:
    seen = view(state)
    first = screen(seen, Layout(width=width, height=height))
    shown = set[str]()
    for number in range(1, first.pages + 1):
        page = screen(seen, Layout(width=width, height=height, page=number))
        assert (page.page, page.pages) == (number, first.pages)
        assert len(page.lines) <= height
        assert max(cells(line) for line in texts(page)) <= width
        assert all(line.isascii() for line in texts(page, plain=True))
        shown |= {line.split()[0].removesuffix("USDT") for line in texts(page) if line.split()}
    if width >= 80 and seen.accounts:
        assert {row.symbol.removesuffix("USDT") for row in seen.symbols} <= shown, "each symbol has its page"
    piped = screen(seen, Layout(width=200, attention=wide))
    assert all(item.title in "\n".join(texts(piped)) for item in seen.attention)


@given(st.text(max_size=30), st.integers(min_value=1, max_value=30))
def test_a_text_that_is_cut_ends_in_an_ellipsis(text: str, width: int) -> None:
    short = cut(text, width)
    assert cells(short) <= width
    assert short == text or short.endswith("…")


# -- five accounts, twenty symbols


def test_eighty_by_twenty_four_holds_what_matters() -> None:
    lines = drawn(harness(), 80, 23)
    assert len(lines) == 23
    assert lines[0].startswith(" 2 critical  engine not ready  pid 18613  up 24m  ")
    assert lines[1] == "equity 79 326 (3 live, 1 old) pnl -9.4 exposure 72k 0.90x ok 58/80"
    assert lines[2] == "paper 19 832 USDT (1 live) pnl -2.7 exposure 18k 0.92x ok 20/20"
    assert lines[4].startswith(
        "!! mexc-main cannot be read for 11m  The exchange cannot be reached. 14 posit"
    )
    assert lines[5].startswith("!! bybit-main ARBUSDT: changed by someone else for 1m  Held 0, target 150. ")
    assert lines[6].startswith("-  account_exposure holds back 1 position  BTCUSDT on bybit-main.")
    assert "mexc-main   !! unreadable 19 832*" in next(line for line in lines if line.startswith("mexc-main"))
    rows = [line.split()[0] for line in lines[16:-1]]
    assert {"BTC", "ARB"} <= set(rows), "what needs a look is there"
    assert rows == [base for base in BASES if base in rows], "in the order of the settings"
    assert next(line for line in lines if line.startswith("ARB")).split() == [
        "ARB", "+0.050", "+1.5k", "#", "·", "+1.5k", "+1.5k", "?", "+1.5k",
    ]  # fmt: skip
    assert lines[-1].startswith("14 more: --all, --page 2  USDT  ^ limited  # changed by others  ? unknown")


def test_a_wide_terminal_has_sentences_sources_and_every_symbol() -> None:
    lines = drawn(harness(), 160, 47)
    assert len(lines) <= 47
    assert "Nothing is sent there; it is retried automatically." in lines[4]
    assert "at target 58/80" in lines[1]
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0].endswith("USDT")] == [
        f"{base}USDT" for base in BASES
    ]
    eth = next(line for line in lines if line.startswith("ETHUSDT"))
    assert "-0.04 x 0.1  4m" in eth
    assert "none x 0.15" in eth
    assert any(line.startswith("account_exposure  bybit-main") and "90%" in line for line in lines)


def test_one_account_with_three_symbols_takes_little() -> None:
    lines = drawn(harness(["paper"], BASES[:3]), 80, 23)
    assert lines[1].startswith("paper 19 832")
    assert lines[3] == "nothing needs attention  3 of 3 at target, account paper read within 17 s"
    assert [line.split()[0] for line in lines if line[:4] in ("BTC ", "ETH ", "SOL ")] == BASES[:3]
    assert len(lines) <= 20


def test_below_eighty_columns_accounts_remain() -> None:
    lines = drawn(harness(), 46, 23)
    assert lines[1] == "equity 79 326 (3 live, 1 old) ok 58/80"
    assert any(line.startswith("bybit-main  running") for line in lines)
    assert not any(line.startswith("BTC") for line in lines)


def test_without_a_height_everything_is_complete() -> None:
    lines = drawn(harness(), 200)
    assert "…" not in "".join(lines)
    assert (
        sum(line.split()[:1] != [] and line.split()[0] in {f"{b}USDT" for b in BASES} for line in lines) == 20
    )
    folded = drawn(harness(), 80, fold=True)
    assert max(map(len, folded)) <= 80
    assert "   Nothing is sent there; it is retried automatically." in folded, "between words"
    whole = "\n".join(drawn(harness(), 80, attention=True))
    assert "MEXC: the exchange cannot be reached (GET http://x)" in whole
    assert "to resolve it: te resume bybit-main" in whole


def test_a_terminal_of_ascii_gets_ascii() -> None:
    lines = texts(screen(view(harness()), Layout(width=80, height=23)), plain=True)
    assert all(line.isascii() for line in lines)
    assert any("+1.5k" in line and "# ." in line for line in lines)


class Stream:
    def __init__(self, encoding: str) -> None:
        self.encoding = encoding


@pytest.mark.parametrize(
    ("env", "encoding", "plain"),
    [
        ({"LANG": "C"}, "utf-8", True), ({"LANG": "en_US.UTF-8"}, "utf-8", False), ({}, "utf-8", False),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, "utf-8", False), ({"LANG": "de_DE"}, "iso8859-1", True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, "utf-8", True),
    ],
)  # fmt: skip
def test_whether_a_terminal_shows_more_than_ascii(env: dict[str, str], encoding: str, plain: bool) -> None:
    assert speaks_ascii(env, Stream(encoding)) is plain  # type: ignore[arg-type]


def test_ten_accounts_take_pages_side_by_side() -> None:
    names = [f"{plugin}-{number}" for plugin in ("bybit", "kucoin") for number in range(5)]
    seen = view(harness(names))
    first = screen(seen, Layout(width=80, height=23))
    heads = [
        next(
            line
            for line in texts(screen(seen, Layout(width=80, height=23, page=n)))
            if line.startswith("symbol")
        )
        for n in range(2, first.pages + 1)
    ]
    assert {name for head in heads for name in head.split()[2:]} == set(names)


def test_what_cannot_be_valued_is_not_nothing() -> None:
    state = harness(["bybit-main"])
    state["accounts"]["bybit-main"]["prices"] = {"ETHUSDT": "10"}
    lines = drawn(state, 80, 40)
    assert "exposure 1.1k 0.06x (12 not valued)" in lines[1]
    assert next(line for line in lines if line.startswith("XRP ")).split()[-1] == "+?"
    assert next(line for line in lines if line.startswith("ADA ")).split()[-1] == "-?"
    state["accounts"]["bybit-main"]["prices"] = {}
    assert "pnl ? exposure ? (13 not valued)" in drawn(state, 80, 40)[1]


def test_names_are_short_if_they_stay_distinct() -> None:
    assert short_names(["paper", "bybit-main", "bybit-alt", "mexc-main"]) == [
        "paper", "bybit-main", "bybit-alt", "mexc",
    ]  # fmt: skip


def test_spare_columns_go_first_and_no_number_is_cut() -> None:
    columns = [
        Column(title="account", cells=[("bybit-main", "")], left=True),
        Column(title="equity", cells=[("123 456 789", "")]),
        Column(title="free", cells=[("1 234", "")], spare=2),
        Column(title="net", cells=[("-17", "")], spare=1),
    ]
    assert [column.title for column in fitting(columns, 30)] == ["account", "equity", "net"]
    assert [column.title for column in fitting(columns, 10)] == ["account", "equity"]
    assert text_of(table(columns, 40)[1]) == "bybit-main 123 456 789 1 234 -17"


# -- filters and keys


def test_rows_that_are_held_or_off_target() -> None:
    seen = view(harness())

    def rows(which: str) -> list[str]:
        lines = texts(screen(seen, Layout(width=160, height=80, rows=which)))
        return [line.split()[0] for line in lines if line[:1].isupper() and "USDT " in line[:12]]

    assert len(rows(ALL)) == 20
    assert rows(HELD) == [f"{base}USDT" for number, base in enumerate(BASES) if number % 3 != 2]
    assert rows(OFF_TARGET) == ["BTCUSDT", "ARBUSDT"], (
        "an account that cannot be read marks its column, no row"
    )


def test_keys_turn_pages_and_choose_rows() -> None:
    choice = Choice()
    assert choice.after("p", 3) == choice
    assert choice.after("n", 3).after("n", 3).after("n", 3).page == 3
    assert choice.after("n", 3).after("h", 3) == Choice(rows=HELD)
    assert choice.after("!", 3).attention
    assert choice.after("!", 3).after("!", 3) == choice
    assert choice.after("x", 3) == choice.after("", 3) == choice


def watch(look: Any) -> Watch:
    return Watch(look, 1.0, utc=True, plain=False)


def test_a_picture_of_watch_fills_the_screen_with_its_keys_below() -> None:
    lines = [text_of(line) for line in watch(harness).lines(80, 24)]
    assert len(lines) == 24
    assert lines[0].startswith(" 2 critical  engine not ready")
    assert lines[-1] == "page 1/3, all  n/p page  a all  h held  t not at target  ! attention  q quit"
    assert "14 more: n " in lines[-2]


def test_without_a_response_the_last_screen_stays_in_grey(tmp_path: Any) -> None:
    answers: list[Any] = [harness()]

    def look() -> Any:
        if not answers:
            raise EngineDown(Paths(tmp_path / "settings.toml", tmp_path))
        return answers.pop()

    watching = watch(look)
    watching._refresh()
    lines: list[Line] = watching.lines(80, 24)
    assert re.match(r" no answer for \ds  last known state:", text_of(lines[0]))
    assert {style for line in lines[1:-1] for _, style in line} == {"dim"}
    assert any(text_of(line).startswith("mexc-main") for line in lines)
    answers.append(harness())
    watching._refresh()
    assert text_of(watching.lines(80, 24)[0]).startswith(" 2 critical")


def test_the_view_of_the_desk_is_what_the_screen_says() -> None:
    """The figures of the screens above, computed from the rows."""
    seen: View = view(copy.deepcopy(harness()))
    real, paper = seen.totals
    assert (real.equity, paper.equity) == (4 * Decimal("19831.6"), Decimal("19831.6"))
    assert (real.at_target, real.targets) == (58, 80)
    mexc = seen.accounts[-1]
    assert mexc.since is not None
    assert seen.engine.now is not None
    assert seen.engine.now - mexc.since == timedelta(minutes=11)
    assert seen.engine.now == datetime.fromisoformat(NOW)
