"""Where alerts may come from."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

PRESET = "tradingview"

TRADINGVIEW = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
"""https://www.tradingview.com/support/solutions/43000529348 (it says that the list may change)."""

Address = IPv4Address | IPv6Address


def parse_address(client: str) -> Address | None:
    """Read a client's address; an IPv4 address that arrived over IPv6 is taken as what it is."""
    try:
        address = ip_address(client)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class AllowList:
    """Addresses and networks; an empty list holds every address."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Raise ``ValueError`` naming an entry that is neither an address, a network nor the preset."""
        self._networks = tuple(network for entry in entries for network in _networks(entry))
        self._known = lru_cache(maxsize=1024)(self._look_up)

    def holds(self, client: str) -> bool:
        """Tell whether a client's address is on the list."""
        return not self._networks or self._known(client)

    def _look_up(self, client: str) -> bool:
        address = parse_address(client)
        return address is not None and any(address in network for network in self._networks)


def _networks(entry: str) -> list[IPv4Network | IPv6Network]:
    spellings = TRADINGVIEW if entry.strip().lower() == PRESET else (entry.strip(),)
    try:
        return [ip_network(spelling, strict=False) for spelling in spellings]
    except ValueError:
        raise ValueError(f'{entry!r} is no IP address, no network, and not "{PRESET}"') from None
