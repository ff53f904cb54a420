"""What can be wrong with a request, and what the engine and the operator should do about it.

A venue's table maps its own codes to these; ccxt's exception classes are the fallback.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Fate(Enum):
    """What a refusal means."""

    STOP = "stop"
    """Until somebody puts it right: ``AuthError``."""
    LATER = "later"
    """Nothing was executed, try again: ``NotReady``."""
    SLOWER = "slower"
    """Nothing was executed, everyone backs off: ``RateLimited``."""
    REFUSED = "refused"
    """The order is refused for good: ``OrderRejected``. For a read: ``NotReady``."""
    DOUBTFUL = "doubtful"
    """An order may have been executed: ``OutcomeUnknown``. For a read: ``NotReady``."""
    DONE = "done"
    """It is already as wished: a success."""


class Trouble(Enum):
    """A kind of refusal: its fate and the remedy that the operator is told."""

    CREDENTIALS = Fate.STOP, "the key is wrong, expired or deleted: check api_key of this account"
    SIGNATURE = Fate.STOP, "the signature does not fit the key: check secret of this account"
    PASSPHRASE = Fate.STOP, "the passphrase does not fit the key: check passphrase of this account"
    ADDRESS = (
        Fate.STOP,
        "this machine's address is not on the key's IP list: add it at the exchange, or remove the list",
    )
    PERMISSION = (
        Fate.STOP,
        "the key may not do this: give it the permission to trade contracts at the exchange",
    )
    FROZEN = Fate.STOP, "the exchange has restricted this account: ask its support"
    REGION = (
        Fate.STOP,
        "the exchange does not serve this machine's country: run the engine where the exchange serves",
    )
    ACCOUNT_TYPE = Fate.STOP, "this kind of account is not supported: see the plugin's README"
    HEDGE_MODE = Fate.STOP, "the account is in hedge mode: close its positions and switch it to one-way mode"

    CLOCK = Fate.LATER, "this machine's clock is wrong: keep it right with NTP (timedatectl set-ntp true)"
    MAINTENANCE = Fate.LATER, "the exchange is under maintenance: it goes on by itself afterwards"
    BOT_PROTECTION = (
        Fate.LATER,
        "bot protection refuses this machine (neither a limit nor the key): use another address, proxy, or ask support",
    )
    UNREACHABLE = Fate.LATER, "the exchange cannot be reached"
    PROXY = Fate.LATER, "the proxy cannot be reached or refuses: check proxy of this account"
    RATE = Fate.SLOWER, "the exchange's request limit is used up"
    BANNED = Fate.SLOWER, "the exchange has banned this address for too many requests"
    REDIRECTED = (
        Fate.DOUBTFUL,
        "answered with a redirect, which is never followed: check url, proxy and this machine's network",
    )
    BUSY = Fate.DOUBTFUL, "the exchange is busy or answered nonsense"
    TIMEOUT = Fate.DOUBTFUL, "the exchange did not answer in time"

    MARGIN = Fate.REFUSED, "the free margin does not cover it"
    DUPLICATE = Fate.REFUSED, "an order with this client order id exists"
    SIZE = Fate.REFUSED, "the size breaks a rule of the exchange (minimum, maximum or precision)"
    REDUCE_ONLY = Fate.REFUSED, "there is nothing to reduce"
    LEVERAGE = Fate.REFUSED, "the exchange refuses this leverage"
    HEDGED_SYMBOL = (
        Fate.REFUSED,
        "this symbol is in hedge mode: close its positions and switch it to one-way mode at the exchange",
    )
    MODE_BLOCKED = Fate.REFUSED, "the mode cannot change while orders or positions are open"
    SYMBOL = Fate.REFUSED, "the exchange does not trade this symbol"
    REJECTED = Fate.REFUSED, "the exchange refused it"
    NOT_FOUND = Fate.REFUSED, "the exchange does not know this order"
    UNCHANGED = Fate.DONE, "it is already set"

    @property
    def fate(self) -> Fate:
        """What it means for the request."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What to do about it, in one line."""
        return self.value[1]


def by_text(table: Mapping[tuple[str, str], T], code: str, text: str) -> T | None:
    """Give the first entry for a code (empty: for any) and a part, in lower case, of what the exchange said."""
    said = text.lower()
    return next(
        (found for (known, part), found in table.items() if known in ("", code) and part in said), None
    )


BY_CLASS: dict[str, Trouble] = {
    "AccountNotEnabled": Trouble.ACCOUNT_TYPE,
    "AccountSuspended": Trouble.FROZEN,
    "RestrictedLocation": Trouble.REGION,
    "PermissionDenied": Trouble.PERMISSION,
    "AuthenticationError": Trouble.CREDENTIALS,
    "MarginModeAlreadySet": Trouble.UNCHANGED,
    "NoChange": Trouble.UNCHANGED,
    "MarketClosed": Trouble.SYMBOL,
    "BadSymbol": Trouble.SYMBOL,
    "InsufficientFunds": Trouble.MARGIN,
    "DuplicateOrderId": Trouble.DUPLICATE,
    "OrderNotFound": Trouble.NOT_FOUND,
    "ContractUnavailable": Trouble.SYMBOL,
    "OnMaintenance": Trouble.MAINTENANCE,
    "InvalidNonce": Trouble.CLOCK,
    "ChecksumError": Trouble.BUSY,
    "DDoSProtection": Trouble.BANNED,
    "RateLimitExceeded": Trouble.RATE,
    "RequestTimeout": Trouble.TIMEOUT,
    "BadResponse": Trouble.BUSY,
    "ExchangeNotAvailable": Trouble.BUSY,
    "NetworkError": Trouble.BUSY,
    "OperationFailed": Trouble.BUSY,
    "ExchangeClosedByUser": Trouble.UNREACHABLE,
    "ExchangeError": Trouble.REJECTED,
}
"""ccxt's exception classes, by name so that nothing has to be imported; the nearest ancestor counts."""
