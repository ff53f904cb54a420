"""Where the engine listens: for webhooks, and for its own commands."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from te_core.settings.section import Section

Port = Annotated[int, Field(ge=0, le=65535)]


class ListenerSettings(Section):
    """Where a listener binds, and its TLS. Files are PEM; names are relative to the folder of ``settings.toml``."""

    host: str = "127.0.0.1"
    """address of the public listener, which accepts webhooks and nothing else"""
    port: Port = 8787
    """its port; 0 lets the operating system choose"""
    trusted_proxies: tuple[str, ...] = ()
    """addresses or networks of your reverse proxy, whose X-Forwarded-For is trusted"""
    certificate: str | None = None
    """PEM file; with it the listener serves TLS itself"""
    key: str | None = None
    """PEM file with the private key, unless the certificate's file contains it"""
    client_certificate: Literal["tradingview"] | None = None
    """require TradingView's client certificate from senders, in addition to the token"""
    client_ca: str | None = None
    """PEM file with the authority that signed it; unset, the system's authorities are used"""

    @model_validator(mode="after")
    def _networks(self) -> Self:
        for proxy in self.trusted_proxies:
            ipaddress.ip_network(proxy, strict=False)
        return self

    @model_validator(mode="after")
    def _certified(self) -> Self:
        for name in ("key", "client_certificate", "client_ca"):
            if getattr(self, name) is not None and self.certificate is None:
                raise ValueError(f"{name} has no effect without certificate: set certificate, or remove it")
        return self


def is_loopback(host: str) -> bool:
    """Return whether a listening address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class PrivateListenerSettings(Section):
    """The listener for the API that ``te status`` and other commands call."""

    host: str = "127.0.0.1"
    """address of the private listener, which serves state, health and the API that te uses"""
    port: Port = 8788
    """its port; 0 lets the operating system choose"""
    token: SecretStr | None = None
    """required by everything but health; the first start creates one. Outside loopback 24 characters or more"""
    socket: str | None = None
    """name of a Unix socket in the state folder, used instead of host and port"""

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if is_loopback(self.host) or self.socket is not None:
            return self
        if self.token is None or len(self.token.get_secret_value()) < 24:
            raise ValueError(
                f"host {self.host} can be reached from outside: set listen.private.token "
                "(24 characters or more) in .secrets.toml, or listen on 127.0.0.1"
            )
        return self


class ListenSettings(Section):
    """The public listener accepts webhooks only; the private one serves the API and health."""

    public: ListenerSettings = ListenerSettings()
    private: PrivateListenerSettings = PrivateListenerSettings()
