"""Settings of an account at an exchange that is reached through ccxt."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr, field_validator, model_validator

from te_core.api import MissingSecrets
from te_exchange_ccxt.budget import Window

Test = Literal["testnet", "demo"]


class CcxtOptions(BaseModel):
    """Plugin settings of ``[accounts.<name>]``, next to the core's own keys. Exchanges subclass it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    credentials: ClassVar[tuple[str, ...]] = ("api_key", "secret")
    """Required keys; ``password`` is what exchanges call passphrase."""
    tests: ClassVar[tuple[str, ...]] = ()
    """Test hosts that the exchange has."""
    title: ClassVar[str] = "this exchange"
    """Name of the exchange in messages."""
    windows: ClassVar[Sequence[Window]] = ()
    """The exchange's ordinary limits: ``rate_limits`` may replace those per key, never those per address."""

    api_key: SecretStr | None = Field(default=None, description="The key's public part.")
    secret: SecretStr | None = Field(default=None, description="The key's secret part.")
    password: SecretStr | None = Field(
        default=None, alias="passphrase", description="The key's passphrase, where the exchange has one."
    )
    test: Test | None = Field(default=None, description="Trade at this test host instead of the real one.")
    url: str | None = Field(
        default=None, description="Another server for requests, instead of the exchange's."
    )
    ws_url: str | None = Field(default=None, description="Another server for the streams.")
    """Like ``url``, it must be on this machine unless ``allow_other_hosts`` is set.

    The server receives signed requests.
    """
    allow_other_hosts: bool = Field(
        default=False,
        description="Let url and ws_url lead to another machine, which gets all that is signed.",
    )
    proxy: SecretStr | None = Field(
        default=None,
        description="HTTP proxy for this account's requests and streams: http://user:password@host:port.",
    )
    settle: Annotated[str, Field(pattern=r"^[A-Z]{3,6}$")] = Field(
        default="USDT", description="The coin that profits are paid in."
    )
    streams: bool = Field(
        default=True, description="Follow the account over WebSocket, which saves the reads before an order."
    )
    rate_limits: Mapping[str, PositiveInt] = Field(
        default_factory=dict,
        description="Requests that the exchange grants this key instead of the ordinary limits, by the limit's name.",
    )
    """By window name, in requests (or units) per that window's period."""

    @model_validator(mode="before")
    @classmethod
    def _passphrase(cls, values: object) -> object:
        """Accept ``password`` as another name of ``passphrase``."""
        if isinstance(values, dict) and "password" in values:
            if "passphrase" in values:
                raise ValueError("password and passphrase mean the same: set only one of them")
            values = {("passphrase" if key == "password" else key): value for key, value in values.items()}
        return values

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        return _address(value, ("http", "https"))

    @field_validator("ws_url")
    @classmethod
    def _ws(cls, value: str | None) -> str | None:
        return _address(value, ("ws", "wss"))

    @field_validator("proxy")
    @classmethod
    def _proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_proxy(value.get_secret_value()):
            raise ValueError(
                "an HTTP proxy such as http://user:password@127.0.0.1:3128 is needed (no SOCKS, no path)"
            )
        return value

    @field_validator("rate_limits")
    @classmethod
    def _known_limits(cls, value: Mapping[str, int]) -> Mapping[str, int]:
        own = {window.name: window for window in cls.windows if not window.per_address}
        for name in value:
            if name not in own:
                known = ", ".join(f"{w.name} ({w.capacity} in {w.period:g} s)" for w in own.values())
                raise ValueError(
                    f"{cls.title} has no limit per key named {name!r}; available: {known or 'none'}"
                )
        return value

    def granted(self, windows: Sequence[Window]) -> Sequence[Window]:
        """Return the limits of this account's key: ``windows`` with the capacities that ``rate_limits`` sets."""
        return [w._replace(capacity=self.rate_limits.get(w.name, w.capacity)) for w in windows]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        missing = [name for name in self.credentials if not self.secret_of(name)]
        if missing:
            names = ["passphrase" if name == "password" else name for name in missing]
            raise MissingSecrets(
                f"{self.title} needs {' and '.join(names)}: put them into .secrets.toml under this account, "
                "or into TE_ACCOUNTS__<NAME>__<KEY> environment variables",
                names=names,
            )
        if self.test is not None and self.test not in self.tests:
            offered = " or ".join(f'test = "{name}"' for name in self.tests)
            raise ValueError(
                f'{self.title} has no {self.test} host: remove test = "{self.test}"'
                + (f", or use {offered}" if offered else "; it can only be traded for real")
            )
        for key, address in (("url", self.url), ("ws_url", self.ws_url)):
            if address and not self.allow_other_hosts and not _is_loopback(address):
                raise ValueError(
                    f"{key} leads to another machine, which would receive everything that this account signs: "
                    "use an address on 127.0.0.1, or set allow_other_hosts = true if you trust it"
                )
        return self

    @property
    def proxy_identity(self) -> str:
        """The proxy without its password, to distinguish proxies; empty without a proxy."""
        parts = urlsplit(self.secret_of("proxy"))
        return f"{parts.username or ''}@{parts.hostname}:{parts.port}" if parts.hostname else ""

    def secret_of(self, name: str) -> str:
        """Return a credential in clear text, empty if it is not set."""
        value = getattr(self, name)
        return value.get_secret_value().strip() if isinstance(value, SecretStr) else str(value or "")


def _address(value: str | None, schemes: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"an address such as {schemes[0]}://127.0.0.1:9001 is needed")
    return value.rstrip("/")


def _is_proxy(value: str) -> bool:
    try:
        parts = urlsplit(value)
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or not an address
        return False
    return usable and parts.path in ("", "/") and not parts.query and not parts.fragment


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
