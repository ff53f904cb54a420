"""The client addresses that alerts may come from."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

PRESET = "tradingview"

TRADINGVIEW = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
"""https://www.tradingview.com/support/solutions/43000529348 (it says that the list may change)."""

Address = IPv4Address | IPv6Address


def parse_address(client: str) -> Address | None:
    """Parse a client's address; an IPv4-mapped IPv6 address becomes the IPv4 address. None for anything else."""
    try:
        address = ip_address(client)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class AllowList:
    """Addresses and networks; an empty list allows every address."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Raise ``ValueError`` naming an entry that is neither an address, a network nor the preset."""
        self._networks = tuple(network for entry in entries for network in _networks(entry))
        self._cached = lru_cache(maxsize=1024)(self._is_listed)

    def allows(self, client: str) -> bool:
        """Return whether a client's address may send."""
        return not self._networks or self._cached(client)

    def _is_listed(self, client: str) -> bool:
        address = parse_address(client)
        return address is not None and any(address in network for network in self._networks)


def _networks(entry: str) -> list[IPv4Network | IPv6Network]:
    spellings = TRADINGVIEW if entry.strip().lower() == PRESET else (entry.strip(),)
    try:
        return [ip_network(spelling, strict=False) for spelling in spellings]
    except ValueError:
        raise ValueError(f'{entry!r} is neither an IP address, a network nor "{PRESET}"') from None
