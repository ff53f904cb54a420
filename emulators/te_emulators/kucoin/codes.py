"""Errors as KuCoin's codes and texts, with the HTTP status that they come with."""

from __future__ import annotations

from typing import NamedTuple

from te_emulators.core import errors


class PriceTooHigh(errors.PriceOutOfBand):
    """A buy above the band."""


class PriceTooLow(errors.PriceOutOfBand):
    """A sell below the band."""


class BadLeverage(errors.BadParameter):
    """An order that opens an isolated position has no leverage."""


class NotCancellable(errors.DomainError):
    """The order is finished or unknown."""


class AccountFrozen(errors.DomainError):
    """Only as a fault: ``REJECTED`` with this name."""


class Code(NamedTuple):
    """``text`` empty: the error's own."""

    code: str
    text: str = ""
    status: int = 200


CODES: dict[type[errors.DomainError], Code] = {
    errors.MissingCredentials: Code(
        "400001",
        "Please check the header of your request for "
        "KC-API-KEY, KC-API-SIGN, KC-API-TIMESTAMP, KC-API-PASSPHRASE.",
        401,
    ),
    errors.BadTimestamp: Code("400002", "Invalid KC-API-TIMESTAMP", 400),
    errors.BadKey: Code("400003", "KC-API-KEY not exists", 401),
    errors.ExpiredKey: Code("400003", "KC-API-KEY not exists", 401),
    errors.BadPassphrase: Code("400004", "Invalid KC-API-PASSPHRASE", 401),
    errors.BadSignature: Code("400005", "Invalid KC-API-SIGN", 401),
    errors.IpRefused: Code("400006", "The requested ip address is not in the api whitelist", 403),
    errors.PermissionRefused: Code("400007", "Access denied, require more permission.", 403),
    errors.RateLimited: Code(
        "429000", "Too many requests in a short period of time, please retry later", 429
    ),
    errors.BadParameter: Code("400100", "", 400),
    BadLeverage: Code("100001", "Leverage parameter invalid."),
    errors.UnknownRoute: Code("404000", "Url Not Found", 404),
    errors.UnknownSymbol: Code("100003", "Contract parameter invalid"),
    errors.NotTradable: Code("300002", "Order placement/cancellation suspended, please try again later."),
    errors.BelowMinimum: Code("400100", "The quantity is below the minimum requirement.", 400),
    errors.BelowNotional: Code("400100", "The quantity is below the minimum requirement.", 400),
    errors.WrongStep: Code("400100", "Order size increment invalid.", 400),
    errors.AboveMaximum: Code("300000", "request parameter illegal"),
    PriceTooHigh: Code("300011"),
    PriceTooLow: Code("300012"),
    errors.PriceOutOfBand: Code("300011"),
    errors.DuplicateClientOrderId: Code("300018", "clientOid parameter repeated"),
    errors.BadClientOrderId: Code("400100", "clientOid parameter invalid", 400),
    errors.InsufficientMargin: Code("300003"),
    errors.ReduceOnlyRejected: Code("300009", "Current position size: 0, unable to close the position."),
    errors.PositionModeMismatch: Code(
        "330011",
        "The order's position mode does not match your selected mode. Please switch modes and try again.",
    ),
    errors.MarginModeMismatch: Code(
        "330005",
        "The order's margin mode does not match the selected one. Please switch and try again.",
    ),
    errors.OrderNotFound: Code("100001", "error.getOrder.orderNotExist"),
    NotCancellable: Code("100004", "The order cannot be canceled."),
    errors.OrderFinished: Code("100004", "The order cannot be canceled."),
    errors.LeverageTooHigh: Code("300016"),
    errors.LeverageTooLow: Code("100001", "Leverage parameter invalid."),
    errors.PositionExists: Code("50002", "exist.order.or.position"),
    errors.OrdersExist: Code("50002", "exist.order.or.position"),
    AccountFrozen: Code("411100", "User are frozen", 403),
    errors.Maintenance: Code("300002", "Order placement/cancellation suspended, please try again later."),
    errors.Busy: Code("500000", "Internal Server Error", 500),
}


def code_of(error: errors.DomainError) -> Code:
    """Return the nearest entry, always with a text; 400100 for errors without a code."""
    for kind in type(error).__mro__:
        if kind in CODES:
            found = CODES[kind]
            return found._replace(text=found.text or error.text)
    return Code("400100", error.text, 400)
