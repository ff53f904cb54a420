"""The sender of a request. A forwarded address is used only if a trusted proxy reports it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache

from multidict import MultiMapping

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=1024)
def _parse(text: str) -> tuple[Address, str] | None:
    """Parse ``1.2.3.4``, ``1.2.3.4:56``, ``2001:db8::1`` or ``[2001:db8::1]:56``; return None for anything else.

    The result is the address and its canonical spelling.
    """
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    address = mapped or parsed
    return address, str(address)


class Senders:
    """Finds the sender of a request. ``on_untrusted`` is called with the peer if it forwards without being trusted."""

    def __init__(
        self, proxies: Iterable[str], on_untrusted: Callable[[str], None] = lambda _peer: None
    ) -> None:
        self._networks = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
        self._on_untrusted = on_untrusted

    def trusted(self, peer: str) -> bool:
        """Return whether a peer is a trusted proxy."""
        parsed = _parse(peer) if self._networks else None
        return parsed is not None and self._holds(parsed[0])

    def __call__(self, peer: str | None, headers: MultiMapping[str]) -> str:
        """Return the address of the sender.

        The right-most address in ``X-Forwarded-For`` that is not a trusted proxy itself is the sender: everything to
        the left of it is untrusted. An invalid one ends the search at the proxy that reported it.
        """
        known = _parse(peer or "")
        if known is None:
            return peer or ""
        if "X-Forwarded-For" not in headers:
            return known[1]
        if not self._holds(known[0]):
            self._on_untrusted(known[1])
            return known[1]
        hops = [hop for line in headers.getall("X-Forwarded-For") for hop in line.split(",")]
        while hops and self._holds(known[0]):
            previous = _parse(hops.pop())
            if previous is None:
                break
            known = previous
        return known[1]

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)
