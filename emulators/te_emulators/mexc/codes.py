"""Errors as MEXC's codes and texts."""

from __future__ import annotations

from te_emulators.core import errors


class Refusal(errors.DomainError):
    """An error that only MEXC has, by its code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


CODES: dict[type[errors.DomainError], tuple[int, str]] = {
    errors.MissingCredentials: (401, "Not logged in or login has expired"),
    errors.BadKey: (401, "Not logged in or login has expired"),
    errors.ExpiredKey: (402, "API Key expired, please apply again"),
    errors.BadSignature: (602, "Confirming signature failed!"),
    errors.BadTimestamp: (513, "Invalid request, please try again later"),
    errors.IpRefused: (406, "Accessing IP is not in the whitelist"),
    errors.RateLimited: (510, "Requests are too frequent, please try again later"),
    errors.Busy: (501, "System busy, please try again later"),
    errors.BadParameter: (600, "Parameter error: "),
    errors.UnknownSymbol: (1001, "Contract does not exist!"),
    errors.NotTradable: (1002, "Contract not allow place order!"),
    errors.InsufficientMargin: (2005, "Insufficient balance!"),
    errors.LeverageTooHigh: (2006, "Leverage ratio error!"),
    errors.LeverageTooLow: (2006, "Leverage ratio error!"),
    errors.PriceOutOfBand: (2007, "Order price error!"),
    errors.ReduceOnlyRejected: (2009, "Position is not exists or closed."),
    errors.PositionNotFound: (2009, "Position is not exists or closed."),
    errors.BelowMinimum: (2011, "Order quantity error, please try to modify."),
    errors.BelowNotional: (2011, "Order quantity error, please try to modify."),
    errors.WrongStep: (2015, "Price or quantity accuracy error!"),
    errors.PositionExists: (2019, "There is an active open position"),
    errors.OrdersExist: (2019, "There is an active open position"),
    errors.LeverageMismatch: (
        2021,
        "The single leverage is not consistent with the existing position leverage",
    ),
    errors.PositionModeMismatch: (2022, "Wrong position type"),
    errors.MarginModeMismatch: (2027, "There is only one cross or isolated in the same direction"),
    errors.AboveMaximum: (2028, "The maximum order quantity is exceeded"),
    errors.BadClientOrderId: (2030, "External order ID is too long (Max. 32 bits )"),
    errors.DuplicateClientOrderId: (603, "Repeated requests"),
    errors.OrderNotFound: (2040, "order not exist"),
    errors.OrderFinished: (2041, "order state cannot be cancelled"),
}
HTTP_STATUSES = {401: 401, 402: 401, 406: 403, 429: 429, 510: 429, 500: 500, 501: 503, 602: 401}
ASYNCHRONOUS = {
    "InsufficientMargin": 2,
    "ReduceOnlyRejected": 3,
    "PositionModeMismatch": 9,
    "reduce-only, nothing left to reduce": 10,
    "no liquidity": 21,
}
"""The errorCode of an order that was accepted and ended without being filled, by the core's reason."""


def code_of(error: errors.DomainError) -> tuple[int, str]:
    """Return code and message; 600 for errors without a code at MEXC."""
    if isinstance(error, Refusal):
        return error.code, error.text
    code, text = CODES.get(type(error), CODES[errors.BadParameter])
    return code, text + error.text if text.endswith(": ") else text


def permission_code(kind: str, permission: str) -> tuple[int, str]:
    """The missing right: account or trade, read or write."""
    account = kind in {"balance", "account"}
    write = permission != "read"
    code = 701 + write + 2 * (not account)
    subject = "account" if account else "trading information"
    return code, f"Please enable API Key {subject} {'write' if write else 'read'} access"
