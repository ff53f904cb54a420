"""Pointing ccxt at an emulator."""

from __future__ import annotations

import importlib
from typing import Any

from te_emulators.wire.server import WireServer


def ccxt(*, pro: bool = False) -> Any:
    """The library, imported when it is first needed."""
    return importlib.import_module("ccxt.pro" if pro else "ccxt.async_support")


def redirect(addresses: dict[str, Any], server: WireServer) -> None:
    """Replace scheme and host of every address in ccxt's ``urls['api']``, in place."""
    for name, value in addresses.items():
        if isinstance(value, dict):
            redirect(value, server)
        elif isinstance(value, str):
            scheme, _, rest = value.partition("://")
            _, slash, path = rest.partition("/")
            base = server.ws_url if scheme.startswith("ws") else server.url
            addresses[name] = base + slash + path


def credentials(key: str = "K", secret: str = "S", password: str = "P") -> dict[str, str]:
    """Return ccxt's names of the credentials."""
    return {"apiKey": key, "secret": secret, "password": password}
