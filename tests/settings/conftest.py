"""A folder with settings files, and plugins that are available without being installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from te_core.contracts.exchange import ExchangeSpec
from te_core.contracts.source import SignalSourceSpec
from te_core.plugins.registry import Registry
from te_core.settings.loading import load_settings
from te_core.settings.schema import Settings

SETTINGS = """\
[sources.oracle]
plugin = "oracle"
symbols = { "BTCUSDT.P" = "BTCUSDT", "BYBIT:BTCUSDT.P" = "BTCUSDT" }

[accounts.paper]
plugin = "acme"
balance = 10000

[symbols.BTCUSDT]
leverage = 3
weights = { oracle = 0.25 }
"""


class Endpoint(BaseModel):
    url: str
    password: SecretStr = SecretStr("")


class OracleOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: SecretStr
    window: int = 30


class AcmeOptions(BaseModel):
    """Ignores keys that it does not know, as pydantic models do unless told otherwise."""

    balance: int = 0
    api_key: SecretStr | None = None
    endpoint: Endpoint | None = None
    hosts: list[str] = Field(default_factory=list)

    @field_validator("hosts")
    @classmethod
    def _named(cls, value: list[str]) -> list[str]:
        if "boom" in value:
            raise KeyError("a defect of the plugin")
        return value


class KeyedOptions(BaseModel):
    api_key: SecretStr
    api_secret: SecretStr
    region: str = "eu"


def unused(_: Any) -> Any:
    raise AssertionError("settings never make an instance")


def oracle() -> SignalSourceSpec[Any]:
    return SignalSourceSpec(
        name="oracle", settings=OracleOptions, factory=unused, generated_secrets=("token",)
    )


def acme() -> ExchangeSpec[Any]:
    return ExchangeSpec(name="acme", settings=AcmeOptions, factory=unused)


def keyed() -> ExchangeSpec[Any]:
    return ExchangeSpec(name="keyed", settings=KeyedOptions, factory=unused)


@pytest.fixture
def registry() -> Registry:
    return Registry.of(oracle(), acme(), keyed())


class Folder:
    """Settings files, written from their content."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "settings.toml"
        self.secrets = path / ".secrets.toml"

    def write(self, settings: str = SETTINGS, secrets: str | None = None) -> Folder:
        self.file.write_text(settings)
        if secrets is not None:
            self.secrets.touch(mode=0o600)
            self.secrets.write_text(secrets)
        return self

    def load(self, **env: str) -> Settings:
        return load_settings(self.file, env)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def load(folder: Folder) -> Callable[..., Settings]:
    """Write both files, then load them with those variables."""

    def write_and_load(settings: str = SETTINGS, secrets: str | None = None, **env: str) -> Settings:
        return folder.write(settings, secrets).load(**env)

    return write_and_load
