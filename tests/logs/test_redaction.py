"""The redactor never lets a known secret through, however it is written."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from time import process_time
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from te_core.secrets import Redactor, identifying, ordering, secrets_in

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


@pytest.mark.parametrize("short", ["", "1", "true", "12345", "é"])
def test_short_secrets_do_not_blot_out_ordinary_words(short: str) -> None:
    line = "11 orders of 123456 are truer, a1 b1c née"
    assert Redactor([short]).redact(line) == line


SHORT = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=5)
EDGES = st.sampled_from(["", " ", ",", ":", "'", '"', "=", "&", "[", "\n", "_", "-", "/", "\\"])


@given(SHORT, EDGES, EDGES, st.sampled_from(SPELLINGS))
def test_a_short_secret_does_not_survive_as_a_word_of_its_own(
    short: str, before: str, after: str, spell: object
) -> None:
    assert callable(spell)
    written = f"{before}{spell(short)}{after}"
    redacted = Redactor([short]).redact(written)
    assert spell(short) not in redacted or spell(short) in "***"


def test_values_of_our_own_do_not_count_as_short_secrets() -> None:
    redactor = Redactor(["1234", "a-long-secret"])
    assert redactor.redact_long("1234 a-long-secret") == "1234 ***"
    assert redactor.redact("1234 a-long-secret") == "*** ***"


@pytest.mark.parametrize(
    ("address", "quoted"),
    [
        (
            "https://hooks.example/services/T0A1B2/B3C4/xyzzyXYZZY",
            "POST /services/T0A1B2/B3C4/xyzzyXYZZY 404",
        ),
        ("https://hooks.example/services/T0A1B2/B3C4/xyzzyXYZZY", "no such hook: xyzzyXYZZY"),
        ("https://ntfy.example/my-own-topic", "topic my-own-topic is reserved"),
        ("https://relay.example/send?chat=1&code=s3cr3t%2Fcode", "?chat=1&code=s3cr3t%2Fcode"),
        ("https://relay.example/send?chat=1&code=s3cr3t%2Fcode", "code s3cr3t/code is not valid"),
        ("https://trader:hunter22@relay.example/", "hunter22 was refused"),
        ("https://api.example/bot123456:AAE-xyz/sendMessage", "bot123456:AAE-xyz"),
    ],
)
def test_only_the_secret_parts_of_an_address_are_masked(address: str, quoted: str) -> None:
    redacted = Redactor([address]).redact(quoted)
    assert "***" in redacted
    for part in ("xyzzyXYZZY", "my-own-topic", "s3cr3t", "hunter22", "AAE-xyz"):
        assert part not in redacted


def test_the_rest_of_an_address_stays_readable() -> None:
    redactor = Redactor(["https://hooks.example/services/T0A1B2/xyzzyXYZZY"])
    assert redactor.redact("hooks.example: services cannot be reached") == (
        "hooks.example: services cannot be reached"
    )


class Account(BaseModel):
    api_key: SecretStr
    secret: SecretStr
    password: SecretStr


def test_digests_that_an_exchange_may_echo_are_masked() -> None:
    """https://www.kucoin.com/docs-new/authentication: KC-API-PASSPHRASE is HMAC-SHA256(secret, passphrase)."""
    account = Account(api_key=SecretStr("the-key"), secret=SecretStr("the-secret"), password=SecretStr("7x3"))
    redactor = Redactor()
    redactor.learn({"main": account})
    digest = hmac.digest(b"the-secret", b"7x3", "sha256")
    for written in (
        base64.b64encode(digest).decode(),
        quote(base64.b64encode(digest)),
        digest.hex(),
        digest.hex().upper(),
        hashlib.sha256(b"the-key").hexdigest(),
        hmac.new(b"the-secret", b"the-key", "sha512").hexdigest(),
    ):
        assert redactor.redact(f"Invalid passphrase <{written.removesuffix('%3D').rstrip('=')}>") == (
            "Invalid passphrase <***>"
        )


@pytest.mark.parametrize(
    "written",
    [
        "KC-API-SIGN: %s",
        "{'KC-API-PASSPHRASE': '%s', 'x': 1}",
        '{"ACCESS-SIGN":"%s"}',
        '{"body": "{\\"listenKey\\": \\"%s\\"}"}',
        "GET /v5/position?api_key=1&sign=%s HTTP/1.1",
        "Authorization: Bearer %s",
        "ApiKey: %s",
        "TOKEN: %s",
        "X-BAPI-SIGN=%s",
        "signature='%s'",
        "token: nothing, Request-Signature: %s",
    ],
)
def test_a_value_behind_the_name_of_a_credential_is_masked(written: str) -> None:
    assert "q7Z+/a==" not in (redacted := Redactor().redact(written % "q7Z+/a=="))
    assert "***" in redacted


@pytest.mark.parametrize(
    "text",
    [
        "unknown key: did you mean leverage?",
        "accounts.main.api_key is missing",
        "the sign of the depth is wrong",
        "401: wrong token; te source url prints it",
        "sources.tradingview: lacks token: set it below [sources.tradingview] in .secrets.toml",
    ],
)
def test_prose_about_credentials_stays_as_it_is(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize("piece", ["a-", "key", "key_", "x-key: ", "'", "sign=", "token"])
def test_redaction_takes_time_in_proportion_to_the_text(piece: str) -> None:
    """The sender of an alert chooses the text. Measured in steps of the pattern, not in seconds: by its longest run."""
    text = piece * (60_000 // len(piece))
    began = process_time()
    Redactor(["a-secret-of-mine"]).redact(text)
    assert process_time() - began < 2


def test_what_is_compared_later_still_differs() -> None:
    redact = Redactor(["a-secret"]).redact
    first, second = identifying("order 1 a-secret", redact), identifying("order 2 a-secret", redact)
    assert first != second
    assert "a-secret" not in first + second
    assert identifying("order 1", redact) == "order 1"


def test_a_short_number_orders_as_before() -> None:
    redact = Redactor(["1234", "12345678"]).redact
    assert ordering("1234", redact) == "1234"
    assert ordering("12345678", redact) == "***"
    assert ordering("run 1234", redact) == "run ***"


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
