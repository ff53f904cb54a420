"""Settings of an account: what is missing, impossible or dangerous is refused with its remedy."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from te_exchange_ccxt.adapter.generic import GenericOptions
from te_exchange_ccxt.budget import Window
from te_exchange_ccxt.options import CcxtOptions

KEYS = {"api_key": "key-in-clear", "secret": "secret-in-clear"}


class Strict(CcxtOptions):
    credentials = ("api_key", "secret", "password")
    tests = ("demo",)
    title = "Acme"
    windows = (
        Window("orders", 10, 1.0),
        Window("reads", 50, 1.0),
        Window("address", 600, 5.0, per_address=True),
    )


def refusal(**options: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Strict.model_validate({**KEYS, "passphrase": "words-in-clear", **options})
    return str(caught.value)


def test_missing_credentials_are_named() -> None:
    text = refusal(secret="", passphrase=" ")
    assert "Acme needs secret and passphrase" in text
    assert ".secrets.toml" in text


def test_no_secret_is_shown() -> None:
    options = Strict.model_validate({**KEYS, "passphrase": "words-in-clear"})
    for text in (repr(options), str(options), options.model_dump_json(), refusal(url="nonsense")):
        assert "in-clear" not in text


@pytest.mark.parametrize("name", ["password", "passphrase"])
def test_password_and_passphrase_mean_the_same(name: str) -> None:
    assert Strict.model_validate({**KEYS, name: "words"}).secret_of("password") == "words"


def test_password_and_passphrase_together_are_refused() -> None:
    assert "set only one of them" in refusal(password="other")


def test_a_test_host_that_does_not_exist_is_refused() -> None:
    assert 'Acme has no testnet host: remove test = "testnet", or use test = "demo"' in refusal(
        test="testnet"
    )
    assert Strict.model_validate({**KEYS, "passphrase": "p", "test": "demo"}).test == "demo"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9001", "http://localhost:9001", "http://[::1]:9001/"])
def test_another_server_on_this_machine_is_allowed(address: str) -> None:
    options = Strict.model_validate({**KEYS, "passphrase": "p", "url": address})
    assert options.url == address.rstrip("/")


@pytest.mark.parametrize("key", ["url", "ws_url"])
@pytest.mark.parametrize("host", ["203.0.113.7:80", "127.0.0.1.example.com", "[2001:db8::1]:80", "0.0.0.0:1"])
def test_another_machine_needs_permission(key: str, host: str) -> None:
    address = ("ws" if key == "ws_url" else "http") + f"://{host}"
    assert "allow_other_hosts = true" in refusal(**{key: address})
    allowed = {**KEYS, "passphrase": "p", key: address, "allow_other_hosts": True}
    assert getattr(Strict.model_validate(allowed), key) == address


@pytest.mark.parametrize(
    "address", ["127.0.0.1:9001", "ftp://127.0.0.1", "http://u:p@127.0.0.1", "http://127.0.0.1?a=b"]
)
def test_what_is_not_an_address_is_refused(address: str) -> None:
    assert "http://127.0.0.1:9001" in refusal(url=address)


def test_unknown_keys_are_refused() -> None:
    assert "leverge" in refusal(leverge=3)


def test_any_exchange_is_named_by_ccxts_id() -> None:
    assert GenericOptions.model_validate({**KEYS, "exchange": "okx"}).exchange == "okx"
    with pytest.raises(ValidationError):
        GenericOptions.model_validate({**KEYS, "exchange": "../okx"})
    with pytest.raises(ValidationError):
        GenericOptions.model_validate(KEYS)


def test_limits_of_the_key_are_what_the_exchange_grants_it() -> None:
    options = Strict.model_validate({**KEYS, "passphrase": "p", "rate_limits": {"orders": 40}})
    assert [window.capacity for window in options.granted(Strict.windows)] == [40, 50, 600]


@pytest.mark.parametrize("name", ["order", "address"])
def test_a_limit_that_a_key_cannot_have_is_refused(name: str) -> None:
    text = refusal(rate_limits={name: 40})
    assert f"Acme has no limit per key named '{name}'" in text
    assert "available: orders (10 in 1 s), reads (50 in 1 s)" in text


@pytest.mark.parametrize("value", [0, -1, 1.5, "many"])
def test_a_limit_is_a_whole_number_above_zero(value: object) -> None:
    assert "rate_limits" in refusal(rate_limits={"orders": value})
