"""Settings and alerts of the demonstration `te demo`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SOURCE = "tradingview"
ACCOUNT_PLUGIN = "paper"

SETTINGS = f"""\
[listen.public]
port = 0
[listen.private]
port = 0
[logs]
level = "ERROR"
[sources.{SOURCE}]
plugin = "{SOURCE}"
symbols = {{ "BTCUSDT.P" = "BTCUSDT", "ETHUSDT.P" = "ETHUSDT", "SOLUSDT.P" = "SOLUSDT" }}
[accounts.small]
plugin = "{ACCOUNT_PLUGIN}"
balance = 2000
[accounts.large]
plugin = "{ACCOUNT_PLUGIN}"
balance = 50000
[symbols.BTCUSDT]
leverage = 3
weights = {{ {SOURCE} = 0.3 }}
[symbols.ETHUSDT]
leverage = 2
weights = {{ {SOURCE} = 0.3 }}
[symbols.SOLUSDT]
leverage = 2
weights = {{ {SOURCE} = 0.2 }}
[limits]
leverage = 5
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of the demonstration."""

    at: float
    """When it is sent, as a share of the demonstration, 0 … 1."""
    symbol: str
    direction: str
    price: str
    why: str
    """What it demonstrates."""
    size: str = ""
    event_id: str

    def message(self) -> Mapping[str, str]:
        """Return the message that TradingView would send."""
        told = {"symbol": self.symbol, "direction": self.direction, "size": self.size, "price": self.price}
        return {**{key: value for key, value in told.items() if value}, "event_id": self.event_id}

    def __str__(self) -> str:
        """Return the alert as a headline."""
        size = f" {self.size}" if self.size else ""
        return f"{self.symbol} {self.direction}{size} at {self.price}"


def _alert(at: float, alert: str, why: str, event_id: str) -> Alert:
    symbol, direction, *size, price = alert.split()
    return Alert(
        at=at, symbol=symbol, direction=direction, size="".join(size), price=price, why=why, event_id=event_id
    )


TAPE: Sequence[Alert] = (
    _alert(0.00, "BTCUSDT.P long 50/100 65000", "half of what the source may steer", "1"),
    _alert(0.10, "ETHUSDT.P short 100/100 2500", "full depth, in the other direction", "2"),
    _alert(0.20, "SOLUSDT.P long 40/100 150", "a third symbol in addition", "3"),
    _alert(0.30, "BTCUSDT.P long 100/100 65800", "adds to the position", "4"),
    _alert(0.40, "BTCUSDT.P long 100/100 65800", "delivered a second time: nothing is ordered twice", "4"),
    _alert(0.50, "ETHUSDT.P flat 2410", "takes the profit", "5"),
    _alert(0.60, "BTCUSDT.P short 50/100 64900", "reverses: closes first, then opens", "6"),
    _alert(0.70, "DOGEUSDT.P long 50/100 0.2", "an unmapped symbol: refused, never guessed", "7"),
    _alert(0.80, "SOLUSDT.P flat 156", "closes", "8"),
    _alert(0.90, "BTCUSDT.P flat 64200", "closes the last position", "9"),
)
