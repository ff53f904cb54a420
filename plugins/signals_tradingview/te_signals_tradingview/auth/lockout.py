"""Addresses that keep presenting bad tokens are locked out for a while. A right token is never counted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from te_core.api import Clock
from te_signals_tradingview.auth.addresses import TRADINGVIEW, parse_address

_CAPACITY = 10_000
_SHARED = frozenset(ip_address(address) for address in TRADINGVIEW)


@dataclass(slots=True)
class _Record:
    failures: int
    until: float


class Lockout:
    """Counts bad tokens per address (per /64 for IPv6). Failures expire ``seconds`` after the last one.

    TradingView's own addresses are exempt, because everyone's alerts come from them. The table is bounded to the 10,000
    addresses that failed most recently.
    """

    def __init__(self, *, clock: Clock, after: int, seconds: float) -> None:
        self._clock = clock
        self._after = after
        self._seconds = seconds
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def remaining(self, client: str) -> float:
        """Return the seconds for which an address stays locked out; 0 when it is not locked out."""
        record = self._records.get(_key(client)) if self._records else None
        if record is None or record.failures < self._after:
            return 0.0
        return max(0.0, record.until - self._clock.monotonic())

    def failed(self, client: str) -> bool:
        """Count a bad token; return whether this one locked the address out."""
        key = _key(client)
        if not key:
            return False
        now = self._clock.monotonic()
        record = self._records.pop(key, None)
        failures = record.failures + 1 if record is not None and record.until > now else 1
        self._records[key] = _Record(failures, now + self._seconds)
        if len(self._records) > _CAPACITY:
            self._records.popitem(last=False)
        return failures == self._after

    def succeeded(self, client: str) -> None:
        """Clear an address's failures."""
        if self._records:
            self._records.pop(_key(client), None)

    def locked(self) -> int:
        """Return how many addresses are locked out now."""
        now = self._clock.monotonic()
        return sum(record.failures >= self._after and record.until > now for record in self._records.values())


def _key(client: str) -> str:
    address = parse_address(client)
    if address in _SHARED:
        return ""
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, 64), strict=False).network_address)
    return str(address) if address is not None else client[:64] or "unknown"
