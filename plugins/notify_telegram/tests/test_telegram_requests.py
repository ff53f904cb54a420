"""A message is carried out exactly as written, or refused: never more widely."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from te_core.api import Action, Command
from te_notify_telegram.confirmations import MOST, Confirmations, Pending
from te_notify_telegram.options import TelegramOptions
from te_notify_telegram.requests import Unclear, Written, command_of, read, span_of
from te_notify_telegram.words import MOST as MOST_LINES
from te_notify_telegram.words import plan_text, positions_text

ACCOUNT: dict[str, Any] = {"positions": {"ETHUSDT": {}}, "targets": {}, "foreign": {}}
STATE: dict[str, Any] = {
    "accounts": {"main": ACCOUNT, "second": ACCOUNT},
    "sources": {"tv": {}, "miners": {}},
    "symbols": {"BTCUSDT": {}},
}
TOKEN = "123456789:AAE-a-token-for-tests-0000000000"


def command(text: str) -> Command:
    written = read(text)
    assert written is not None
    return command_of(written, STATE, "ada (1)")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("/status", Written(name="status")),
        (" /Why btcusdt ", Written(name="why", words=("btcusdt",))),
        (
            "/halt@my_bot main: two  words\nthree",
            Written(name="halt", bot="my_bot", words=("main",), reason="two words three"),
        ),
        ("/resume: it is Monday", Written(name="resume", reason="it is Monday")),
    ],
)
def test_commands_are_read(text: str, written: Written) -> None:
    assert read(text) == written


@pytest.mark.parametrize("text", ["halt", "please /halt", "/", "/halt-all", "//halt", ""])
def test_other_text_is_not_a_command(text: str) -> None:
    assert read(text) is None


def test_names_of_the_engine_are_found_among_the_words() -> None:
    assert command("/halt") == Command(action=Action.HALT, by="ada (1)")
    found = command("/flatten main btcusdt: enough")
    assert (found.accounts, found.symbol, found.reason) == (("main",), "BTCUSDT", "enough")
    assert command("/halt ethusdt").symbol == "ETHUSDT", "held, though no settings name it"
    assert command("/resume tv second").sources == ("tv",)
    paused = command("/pause tv close: holiday")
    assert (paused.sources, paused.close, paused.reason) == (("tv",), True, "holiday")
    assert not command("/pause miners").close


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/halt mian", "no account, source or symbol is named MIAN; did you mean main?"),
        ("/flatten because I say so", "no account, source or symbol is named BECAUSE"),
        ("/halt btcusdt ethusdt", "one symbol at a time"),
        ("/halt tv", "tv is a source: use /pause tv"),
        ("/pause", "/pause SOURCE, one of: tv, miners"),
        ("/pause main", "/pause SOURCE"),
        ("/pause tv btcusdt", "/pause SOURCE"),
        ("/halt close", "named CLOSE"),
    ],
)
def test_a_word_that_is_not_a_name_is_refused_and_never_dropped(text: str, why: str) -> None:
    with pytest.raises(Unclear, match=why.replace("?", r"\?")):
        command(text)


def test_times_are_read() -> None:
    assert span_of(()) == timedelta(days=1)
    assert span_of(("7D",)) == timedelta(days=7)
    assert span_of(("12h",)) == timedelta(hours=12)
    for words in (("soon",), ("0d",), ("7d", "8d"), ("99999d",)):
        with pytest.raises(Unclear):
            span_of(words)


def test_a_button_works_once_in_time_and_for_who_asked() -> None:
    numbers = iter(range(999))
    waiting = Confirmations(lambda: f"token-{next(numbers)}")
    halt = Command(action=Action.HALT, by="ada")
    pending = Pending(command=halt, chat=-1, user=7, ends=60.0)
    token = waiting.add(pending)
    assert waiting.redeem(token, chat=-1, user=8, now=1) == "only the user who requested it can confirm it"
    assert waiting.redeem(token, chat=-2, user=7, now=1) == "only the user who requested it can confirm it"
    assert waiting.redeem(token, chat=-1, user=7, now=1) is pending
    assert waiting.redeem(token, chat=-1, user=7, now=1) == "this button no longer works"
    token = waiting.add(pending)
    assert waiting.redeem(token, chat=-1, user=7, now=60) == "too late: request it again"
    assert waiting.redeem(token, chat=-1, user=7, now=0) == "this button no longer works"
    first = waiting.add(pending)
    for _ in range(MOST):
        waiting.add(pending)
    assert waiting.redeem(first, chat=-1, user=7, now=0) == "this button no longer works"


def test_long_lists_are_cut_and_nothing_acts_on_a_phone() -> None:
    many = {f"S{n:03}USDT": {"size": "1", "entry_price": None} for n in range(200)}
    state = {"accounts": {"main\u202e": {"positions": many, "targets": {}}}}
    lines = positions_text(state, ()).splitlines()
    assert len(lines) == MOST_LINES + 2
    assert lines[-1] == f"… and {200 - MOST_LINES - 1} more lines"
    assert lines[0] == "main\\u202e S000USDT long 1, not ours"
    steps = [{"kind": "order", "side": "sell", "quantity": "1", "reduce_only": True}]
    accounts = {
        "main": {"symbols": {symbol: {"steps": steps} for symbol in many}},
        "second": {"error": "down"},
    }
    preview = {"breakers": [], "lifted": [], "accounts": accounts}
    plan = plan_text(Command(action=Action.FLATTEN, by="ada"), preview, timedelta(seconds=60)).splitlines()
    assert plan[0] == "flatten everything?"
    assert plan[-2].startswith("… and "), "what is left out is said"
    assert plan[-1] == "confirm within 60 s"


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "secret"},
        {"chats": []},
        {"users": {"ada": "control"}},
        {"users": {"1": "owner"}},
        {"api": "https://api.telegram.org/bot"},
        {"confirm_within": "1h"},
    ],
)
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    TelegramOptions.model_validate({"token": TOKEN, "chats": [1], "users": {"1": "control"}})
    with pytest.raises(ValidationError) as raised:
        TelegramOptions.model_validate({"token": TOKEN, "chats": [1], **wrong})
    assert TOKEN not in str(raised.value)
