"""Errors as BloFin's codes and texts (its documents' error table; all but 429 come with HTTP 200)."""

from __future__ import annotations

from te_emulators.core import errors

CHECK_KEY_PAGE = "Please go to the API Management page and check if it exists and is in an active state."
COMBINATION = "combination of numbers, letters, or underscores, and the maximum length of characters is 32."
CODES: dict[type[errors.DomainError], tuple[str, str]] = {
    errors.UnknownRoute: ("404", "not found"),
    errors.RateLimited: ("429", "Too Many Requests"),
    errors.MissingCredentials: ("152001", ""),
    errors.BadParameter: ("152002", ""),
    errors.BadClientOrderId: (
        "152009",
        f"clientOrderId must be a {COMBINATION}",
    ),
    errors.UnknownSymbol: ("152014", "Instrument ID does not exist"),
    errors.NotTradable: ("152014", "Instrument ID does not exist"),
    errors.BadKey: (
        "152401",
        f"Access key does not exist, {CHECK_KEY_PAGE}",
    ),
    errors.ExpiredKey: (
        "152402",
        f"Access key has expired, {CHECK_KEY_PAGE}",
    ),
    errors.PermissionRefused: (
        "152404",
        "This operation is not supported, Please check the requestPath or API key permissions.",
    ),
    errors.BadTimestamp: (
        "152405",
        "Timestamp in header or signature has expired, need to be within 60s",
    ),
    errors.IpRefused: ("152406", "Your IP is not included in your API key's IP whitelist"),
    errors.RepeatedNonce: ("152407", "Repeated nonce, Reusing within 60 seconds is not allowed."),
    errors.BadPassphrase: ("152408", "Passphrase error"),
    errors.BadSignature: ("152409", "Signature verification failed"),
    errors.DuplicateClientOrderId: ("102002", "Duplicate customized order ID"),
    errors.PositionNotFound: ("102005", "Position had been closed"),
    errors.ReduceOnlyRejected: (
        "102022",
        "Failed to place order. You don't have any positions of this contract. Turn off Reduce-only to continue.",
    ),
    errors.AboveMaximum: ("102015", "Market order exceeds maximum order size limit"),
    errors.BelowMinimum: ("152002", "Parameter size error."),
    errors.WrongStep: ("152002", "Parameter size error."),
    errors.PriceOutOfBand: ("102064", "Buy price is not within the price limit"),
    errors.OrderNotFound: (
        "102067",
        "Order modification failed as the order has been filled, triggered, canceled or does not exist.",
    ),
    errors.OrderFinished: (
        "102068",
        "Cancel failed as the order has been filled, triggered, canceled or does not exist.",
    ),
    errors.PositionModeMismatch: ("102089", "Position mode mismatch"),
    errors.MarginModeMismatch: ("152002", "Parameter marginMode error."),
    errors.InsufficientMargin: ("103003", "Order failed. Insufficient USDT margin in account"),
    errors.LeverageTooHigh: ("152002", "Parameter leverage error."),
    errors.LeverageTooLow: ("152002", "Parameter leverage error."),
    errors.PositionExists: ("110019", "Setting failed. Cancel any open orders, and close positions first."),
    errors.OrdersExist: ("110019", "Setting failed. Cancel any open orders, and close positions first."),
    errors.Busy: ("103013", "Internal error; unable to process your request. Please try again."),
    errors.Maintenance: ("500", "System maintenance"),
}


class CodedError(errors.DomainError):
    """An error that only BloFin has."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def broker_refused() -> CodedError:
    """The key is one of "API transaction" type."""
    return CodedError("152011", "Transaction API Key does not support brokerId")


def broker_missing() -> CodedError:
    """The key was created for a broker."""
    return CodedError("152012", "BrokerId is required")


def broker_unmatched() -> CodedError:
    """The key was created for another broker."""
    return CodedError("152013", "Unmatched brokerId, please check your API key's bound broker")


def empty(parameter: str) -> CodedError:
    """A parameter is missing."""
    return CodedError("152001", f"Parameter {parameter} cannot be empty.")


def either(one: str, other: str) -> CodedError:
    """Both of two parameters are missing."""
    return CodedError("152003", f"Either parameter {one} or {other} is required.")


def wrong(parameter: str) -> CodedError:
    """A parameter is invalid."""
    return CodedError("152002", f"Parameter {parameter} error.")


def not_milliseconds() -> CodedError:
    """The timestamp is invalid."""
    return CodedError(
        "152410",
        "The value of ACCESS-TIMESTAMP needs to be a millisecond timestamp, e.g: 1704038400000.",
    )


def trigger_passed(kind: str, *, rising: bool) -> CodedError:
    """The last price has passed the trigger of a stop or take-profit."""
    code = {("tp", True): "102037", ("sl", False): "102038", ("tp", False): "102039", ("sl", True): "102040"}
    side = "higher" if rising else "lower"
    return CodedError(
        code[kind, rising], f"{kind.upper()} trigger price should be {side} than the latest trading price"
    )


def limit_too_large() -> CodedError:
    """A limit order above the maximum."""
    return CodedError("102014", "Limit order exceeds maximum order size limit")


def cross_orders_open() -> CodedError:
    """The leverage of cross margin cannot change now."""
    return CodedError(
        "110006", "You have pending cross orders. Please cancel them before adjusting your leverage."
    )


def code_of(error: errors.DomainError) -> tuple[str, str]:
    """Return code and text; 152002 for errors without a code at BloFin."""
    if isinstance(error, CodedError):
        return error.code, error.text
    for kind in type(error).__mro__:
        if issubclass(kind, errors.DomainError) and kind in CODES:
            code, text = CODES[kind]
            return code, text or error.text
    return "152002", error.text
