"""Who sent a request. A forwarded address counts only when a trusted proxy vouches for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache

from multidict import MultiMapping

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=1024)
def _parse(text: str) -> tuple[Address, str] | None:
    """Read ``1.2.3.4``, ``1.2.3.4:56``, ``2001:db8::1`` or ``[2001:db8::1]:56``; None for anything else.

    Gives the address with its usual spelling.
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


def client_address(proxies: Iterable[str]) -> Callable[[str | None, MultiMapping[str]], str]:
    """Return a function of the peer and the request's headers (``X-Forwarded-For``) that gives the sender's address.

    The right-most forwarded address that is not itself a trusted proxy is the sender: everything to the left
    of it was written by strangers. An unreadable one ends the search at the proxy that reported it.
    """
    networks = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)

    def trusted(address: Address) -> bool:
        return any(address in network for network in networks)

    def sender(peer: str | None, headers: MultiMapping[str]) -> str:
        known = _parse(peer or "")
        if known is None:
            return peer or ""
        lines = headers.getall("X-Forwarded-For", ()) if networks else ()
        hops = [hop for line in lines for hop in line.split(",")]
        while hops and trusted(known[0]):
            previous = _parse(hops.pop())
            if previous is None:
                break
            known = previous
        return known[1]

    return sender
