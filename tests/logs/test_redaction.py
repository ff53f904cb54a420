"""A secret that the redactor knows never comes out of it, however it is written."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from te_core.secrets import Redactor, secrets_in

TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
SECRET = st.text(st.characters(blacklist_categories=["Cs"]), min_size=6, max_size=40)
SPELLINGS = [
    str,
    lambda secret: repr(secret)[1:-1],
    json.dumps,
    lambda secret: json.dumps(json.dumps(secret)),
    lambda secret: json.dumps(secret, ensure_ascii=False),
    lambda secret: quote(secret, safe=""),
    quote,
    quote_plus,
    lambda secret: urlencode({"token": secret}),
]


@given(st.lists(SECRET, min_size=1, max_size=4), TEXT, TEXT, st.sampled_from(SPELLINGS), st.data())
def test_no_secret_survives_whatever_surrounds_it(
    secrets: list[str], before: str, after: str, spell: object, data: st.DataObject
) -> None:
    secret = data.draw(st.sampled_from(secrets))
    assert callable(spell)
    redacted = Redactor(secrets).redact(before + spell(secret) + after)
    assert all(known not in redacted for known in secrets)


@given(SECRET, TEXT, TEXT, st.booleans())
def test_no_secret_survives_in_base64(secret: str, before: str, after: str, urlsafe: bool) -> None:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    plain = (before + secret + after).encode()
    redacted = Redactor([secret]).redact(encode(plain).decode())
    assert "***" in redacted
    kept = len(redacted.replace("***", "").rstrip("="))
    others = len(plain) - len(secret.encode())
    assert kept * 6 <= others * 8 + 4 * 6  # of the secret itself, a bit in the character at either end


@given(SECRET, st.text("abc*", max_size=8), st.lists(st.integers(0, 40), max_size=6))
def test_overlapping_secrets_leave_no_end_behind(secret: str, more: str, cuts: list[int]) -> None:
    secrets = [secret, *(secret[cut:] + more for cut in cuts)]
    known = [one for one in secrets if len(one) >= 6]
    redacted = Redactor(secrets).redact(secret + more + secret)
    assert all(one not in redacted for one in known)


def test_overlapping_secrets_become_one_mask() -> None:
    assert Redactor(["abcdefgh", "efghijkl"]).redact("<abcdefghijkl>") == "<***>"


def test_a_secret_that_a_mask_would_complete_is_masked_too() -> None:
    assert Redactor(["secret", "ab***cd"]).redact("absecretcd") == "***"


@given(TEXT)
def test_texts_without_a_secret_stay_as_they_are(text: str) -> None:
    secret = "never-in-a-text-\ud7ff"
    assert Redactor([secret]).redact(text) == text


@pytest.mark.parametrize("short", ["", "1", "true", "12345"])
def test_short_values_do_not_blot_out_ordinary_words(short: str) -> None:
    line = "1 order of 12345 is true"
    assert Redactor([short]).redact(line) == line


def test_a_basic_authorization_header_is_masked() -> None:
    header = base64.b64encode(b"trader:correct horse").decode()
    assert "***" in (redacted := Redactor(["correct horse"]).redact(f"Authorization: Basic {header}"))
    assert "correct" not in str(base64.b64decode(redacted.split("Basic ")[1].split("***")[0] + "=="))


def test_an_old_secret_stays_known() -> None:
    redactor = Redactor(["old-token"])
    redactor.add(["new-token"])
    assert redactor.redact("old-token new-token") == "*** ***"


class Keys(BaseModel):
    key: SecretStr
    raw: SecretBytes = SecretBytes(b"raw-bytes")
    more: dict[str, list[SecretStr]] = {}
    name: str = "not-a-secret"


@dataclass(frozen=True)
class Holder:
    options: dict[str, BaseModel]
    secrets: tuple[SecretStr, ...]


def test_secrets_are_found_in_models_dataclasses_and_containers() -> None:
    keys = Keys(key=SecretStr("the-key"), more={"x": [SecretStr("nested")]})
    holder = Holder(options={"a": keys}, secrets=(SecretStr("loose"),))
    assert sorted(secrets_in(holder)) == ["loose", "nested", "raw-bytes", "the-key"]
    redactor = Redactor()
    redactor.learn(holder)
    assert redactor.redact("the-key not-a-secret") == "*** not-a-secret"
