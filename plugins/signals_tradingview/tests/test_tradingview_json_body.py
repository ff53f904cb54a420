"""A body is one strict JSON object, or it is refused with the reason."""

from __future__ import annotations

import pytest

from te_signals_tradingview.formats.body_text import MalformedBody
from te_signals_tradingview.formats.json_body import DEEPEST, parse


def nested(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


def test_numbers_keep_the_digits_that_were_written() -> None:
    assert parse('{"a": 64000.50, "b": 1e3, "c": [12345678901234567890123]}') == {
        "a": "64000.50",
        "b": "1e3",
        "c": ["12345678901234567890123"],
    }


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "body"),
        ("buy BTCUSDT", "body"),
        ('{"a": }', "body"),
        ('{"price": {{close}}}', "body"),
        ('{"a": 1} {"b": 2}', "body"),
        ("[]", "body"),
        ('"text"', "body"),
        ("12", "body"),
        ("null", "body"),
        ("NaN", "body"),
        ('{"a": "line\nbreak"}', "body"),
        ('{"price": NaN}', "price"),
        ('{"price": -Infinity}', "price"),
        ('{"extra": {"volume": [1, Infinity]}}', "extra"),
        ('{"size": "1/2", "size": "1/2"}', "size"),
        ('{"a": 1, "extra": {"b": 1, "b": 2}}', "b"),
        ('{"extra": [{"b": 1, "b": 2}]}', "b"),
        ('{"a": "half \\ud83d"}', "a"),
        ('{"a": [{"b": "null \\u0000"}]}', "b"),
        ('{"null \\u0000": 1}', "null \ufffd"),
        (nested(DEEPEST + 1), "a"),
        (nested(10_000), "body"),
        ("[" * 65_536, "body"),
        ('{"a":' * 13_000, "body"),
    ],
)
def test_a_body_that_cannot_be_persisted_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse(text)
    assert refusal.value.field == field
    assert refusal.value.reason


def test_nesting_is_limited() -> None:
    assert parse(nested(DEEPEST))


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse('{"a": "\\ud83d\\ude80"}') == {"a": "🚀"}


def test_a_literal_escape_is_only_text() -> None:
    assert parse('{"a": "\\\\ud83d"}') == {"a": "\\ud83d"}


def test_an_unfilled_placeholder_is_named() -> None:
    with pytest.raises(MalformedBody, match="placeholder was not filled in"):
        parse('{"price": {{cl0se}}}')
