"""How to reach a listener from this machine."""

from __future__ import annotations

import ipaddress
from pathlib import Path

UNIX = "unix:"


def socket_address(path: Path) -> str:
    """Return the address of a Unix socket."""
    return f"{UNIX}{path}"


def address(host: str, port: int, *, secure: bool = False) -> str:
    """Return an HTTP address; a wildcard host becomes this machine's loopback address."""
    scheme = "https" if secure else "http"
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return f"{scheme}://{host}:{port}"
    if parsed.is_unspecified:
        parsed = ipaddress.ip_address("127.0.0.1" if parsed.version == 4 else "::1")
    return f"{scheme}://{parsed}:{port}" if parsed.version == 4 else f"{scheme}://[{parsed}]:{port}"
