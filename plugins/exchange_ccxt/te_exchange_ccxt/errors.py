"""Kinds of errors, and what the engine and the operator do about each.

An adapter's table maps the exchange's codes to these kinds; ccxt's exception classes are the fallback.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class ErrorAction(Enum):
    """What the engine does after an error."""

    STOP = "stop"
    """Stop the account until the operator has fixed it: ``AuthError``."""
    RETRY = "retry"
    """Nothing was executed; try again: ``NotReady``."""
    BACK_OFF = "back_off"
    """Nothing was executed; pause all requests of the exchange: ``RateLimited``."""
    REJECT = "reject"
    """The order is rejected for good: ``OrderRejected``. For a read: ``NotReady``."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """The order may have been executed: ``OutcomeUnknown``. For a read: ``NotReady``."""
    SUCCESS = "success"
    """The wanted state is already in place: a success."""


class ErrorKind(Enum):
    """A kind of error: the engine's action, and the remedy that the operator reads."""

    CREDENTIALS = ErrorAction.STOP, "the key is wrong, expired or deleted: check api_key of this account"
    SIGNATURE = ErrorAction.STOP, "the signature does not match the key: check secret of this account"
    PASSPHRASE = ErrorAction.STOP, "the passphrase does not match the key: check passphrase of this account"
    ADDRESS = (
        ErrorAction.STOP,
        "this machine's address is not on the key's IP list: add it at the exchange, or remove the list",
    )
    PERMISSION = (
        ErrorAction.STOP,
        "the key may not do this: give it the permission to trade contracts at the exchange",
    )
    FROZEN = ErrorAction.STOP, "the exchange has restricted this account: ask its support"
    REGION = (
        ErrorAction.STOP,
        "the exchange does not serve this machine's country: run the engine where the exchange serves",
    )
    ACCOUNT_TYPE = ErrorAction.STOP, "this kind of account is not supported: see the plugin's README"
    HEDGE_MODE = (
        ErrorAction.STOP,
        "the account is in hedge mode: close its positions and switch it to one-way mode",
    )

    CLOCK = (
        ErrorAction.RETRY,
        "this machine's clock is wrong: synchronise it with NTP (timedatectl set-ntp true)",
    )
    MAINTENANCE = ErrorAction.RETRY, "the exchange is under maintenance: trading resumes by itself afterwards"
    BOT_PROTECTION = (
        ErrorAction.RETRY,
        "bot protection refuses this machine (neither a limit nor the key): use another address, proxy, or ask support",
    )
    UNREACHABLE = ErrorAction.RETRY, "the exchange cannot be reached"
    PROXY = ErrorAction.RETRY, "the proxy cannot be reached or refuses: check proxy of this account"
    RATE = ErrorAction.BACK_OFF, "the exchange's request limit is used up"
    BANNED = ErrorAction.BACK_OFF, "the exchange has banned this address for too many requests"
    REDIRECTED = (
        ErrorAction.UNKNOWN_OUTCOME,
        "answered with a redirect, which is never followed: check url, proxy and this machine's network",
    )
    BUSY = ErrorAction.UNKNOWN_OUTCOME, "the exchange is busy, or its response is malformed"
    TIMEOUT = ErrorAction.UNKNOWN_OUTCOME, "the exchange did not answer in time"

    MARGIN = ErrorAction.REJECT, "the free margin does not cover it"
    DUPLICATE = ErrorAction.REJECT, "an order with this client order id exists"
    SIZE = ErrorAction.REJECT, "the size breaks a rule of the exchange (minimum, maximum or precision)"
    REDUCE_ONLY = ErrorAction.REJECT, "there is nothing to reduce"
    LEVERAGE = ErrorAction.REJECT, "the exchange refuses this leverage"
    HEDGED_SYMBOL = (
        ErrorAction.REJECT,
        "this symbol is in hedge mode: close its positions and switch it to one-way mode at the exchange",
    )
    MODE_BLOCKED = ErrorAction.REJECT, "the mode cannot change while orders or positions are open"
    SYMBOL = ErrorAction.REJECT, "the exchange does not trade this symbol"
    REJECTED = ErrorAction.REJECT, "the exchange refused it"
    NOT_FOUND = ErrorAction.REJECT, "the exchange does not know this order"
    UNCHANGED = ErrorAction.SUCCESS, "it is already set"

    @property
    def action(self) -> ErrorAction:
        """What the engine does."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What the operator can do, in one line."""
        return self.value[1]


def match_text(table: Mapping[tuple[str, str], T], code: str, text: str) -> T | None:
    """Return the first entry for a code (empty: any code) and a part, in lower case, of the response's text."""
    said = text.lower()
    return next(
        (found for (known, part), found in table.items() if known in ("", code) and part in said), None
    )


KIND_BY_CLASS: dict[str, ErrorKind] = {
    "AccountNotEnabled": ErrorKind.ACCOUNT_TYPE,
    "AccountSuspended": ErrorKind.FROZEN,
    "RestrictedLocation": ErrorKind.REGION,
    "PermissionDenied": ErrorKind.PERMISSION,
    "AuthenticationError": ErrorKind.CREDENTIALS,
    "MarginModeAlreadySet": ErrorKind.UNCHANGED,
    "NoChange": ErrorKind.UNCHANGED,
    "MarketClosed": ErrorKind.SYMBOL,
    "BadSymbol": ErrorKind.SYMBOL,
    "InsufficientFunds": ErrorKind.MARGIN,
    "DuplicateOrderId": ErrorKind.DUPLICATE,
    "OrderNotFound": ErrorKind.NOT_FOUND,
    "ContractUnavailable": ErrorKind.SYMBOL,
    "OnMaintenance": ErrorKind.MAINTENANCE,
    "InvalidNonce": ErrorKind.CLOCK,
    "ChecksumError": ErrorKind.BUSY,
    "DDoSProtection": ErrorKind.BANNED,
    "RateLimitExceeded": ErrorKind.RATE,
    "RequestTimeout": ErrorKind.TIMEOUT,
    "BadResponse": ErrorKind.BUSY,
    "ExchangeNotAvailable": ErrorKind.BUSY,
    "NetworkError": ErrorKind.BUSY,
    "OperationFailed": ErrorKind.BUSY,
    "ExchangeClosedByUser": ErrorKind.UNREACHABLE,
    "ExchangeError": ErrorKind.REJECTED,
}
"""ccxt's exception classes by name, so that ccxt need not be imported; the nearest ancestor counts."""


def code_table(codes: Mapping[ErrorKind, str]) -> dict[str, ErrorKind]:
    """Return the kind of each code; ``codes`` lists the codes of a kind as one text, separated by spaces."""
    return {code: kind for kind, listed in codes.items() for code in listed.split()}
