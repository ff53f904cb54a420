"""``config`` cannot direct requests, keys or signatures to another machine unless that is allowed, at any exchange."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from te_core.secrets import secrets_in
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions

SECRET = "in-clear-4711"


def options(**given: Any) -> GenericOptions:
    return GenericOptions.model_validate({"exchange": "okx", **given})


def refused(**given: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        options(**given)
    return str(raised.value)


LEADING: list[dict[str, Any]] = [
    {"urls": {"api": {"rest": "https://example.com"}}},
    {"hostname": "example.com"},
    {"verify": False},
    {"cafile": "/tmp/mine.pem"},
    {"headers": {"Host": "example.com"}},
    {"api": {"private": {"get": {"x": 1}}}},
    {"aiohttp_trust_env": True},
    {"userAgent": "x"},
    {"streaming": {}},
    {"whatever": 1},
    {"options": {"ws": {"options": {"headers": {"Host": "example.com"}}}}},
    {"options": {"hostname": "example.com"}},
    {"options": {"gateway": ["wss://example.com"]}},
]


@pytest.mark.parametrize("config", LEADING, ids=lambda config: next(iter(config)))
def test_what_may_lead_elsewhere_needs_permission(config: dict[str, Any]) -> None:
    text = refused(config=config)
    assert "to another machine" in text
    assert "allow_other_hosts = true" in text
    assert options(config=config, allow_other_hosts=True).config == config


@pytest.mark.parametrize(
    "name",
    [
        "proxy",
        "proxies",
        "proxyUrl",
        "proxy_url_callback",
        "httpProxy",
        "https_proxy",
        "socksProxy",
        "wsSocksProxy",
        "wss_proxy",
        "aiohttp_proxy",
        "socks_proxy_sessions",
    ],
)
def test_a_proxy_is_a_setting_of_its_own(name: str) -> None:
    for config in ({name: "http://127.0.0.1:1"}, {"options": {name: "http://127.0.0.1:1"}}):
        assert 'proxy = "http://…"' in refused(config=config, allow_other_hosts=True)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("apiKey", "api_key"),
        ("secret", "secret"),
        ("password", "passphrase"),
        ("privateKey", "private_key"),
        ("walletAddress", "wallet_address"),
        ("uid", "uid"),
        ("accountId", "account_id"),
    ],
)
def test_a_credential_is_a_setting_of_its_own(name: str, setting: str) -> None:
    text = refused(config={name: SECRET}, allow_other_hosts=True)
    assert f"put {setting} into .secrets.toml" in text


def test_a_credential_among_ccxts_options_is_refused() -> None:
    assert "options.apiKey looks like a credential" in refused(config={"options": {"apiKey": SECRET}})
    assert "lighterPrivateKey" in refused(config={"options": {"a": {"lighterPrivateKey": SECRET}}})


@pytest.mark.parametrize("name", ["session", "verbose", "logger", "asyncio_loop", "number"])
def test_parts_of_the_engine_cannot_be_replaced(name: str) -> None:
    assert "is set by the engine" in refused(config={name: True}, allow_other_hosts=True)


def test_what_is_harmless_is_handed_on() -> None:
    config = {"timeout": 5000, "options": {"defaultSubType": "linear", "recvWindow": 5000, "adjust": True}}
    adapter = GenericAdapter(options(config=config))
    assert adapter.config()["timeout"] == 5000
    assert adapter.config()["options"]["recvWindow"] == 5000


def test_every_credential_reaches_ccxt_and_is_known_as_a_secret() -> None:
    given = {
        "api_key": "1",
        "secret": "2",
        "passphrase": "3",
        "private_key": "4",
        "uid": "5",
        "account_id": "6",
    }
    found = options(**given, wallet_address="7")
    assert GenericAdapter(found).credentials() == {
        "apiKey": "1",
        "secret": "2",
        "password": "3",
        "privateKey": "4",
        "uid": "5",
        "accountId": "6",
        "walletAddress": "7",
    }
    assert set(secrets_in(found)) == set(given.values())
