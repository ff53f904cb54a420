"""How to reach a listener from this machine."""

from __future__ import annotations

import ipaddress


def address(host: str, port: int) -> str:
    """Spell an HTTP address; one that means "everywhere" becomes this machine's loopback."""
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if parsed.is_unspecified:
        parsed = ipaddress.ip_address("127.0.0.1" if parsed.version == 4 else "::1")
    return f"http://{parsed}:{port}" if parsed.version == 4 else f"http://[{parsed}]:{port}"
