"""Errors as Bybit's codes and texts."""

from __future__ import annotations

from te_emulators.core import errors

CODES: dict[type[errors.DomainError], tuple[int, str]] = {
    errors.MissingCredentials: (10001, "empty value: apiKey"),
    errors.BadKey: (10003, "API key is invalid."),
    errors.ExpiredKey: (33004, "Your api key has expired."),
    errors.BadSignature: (10004, "Error sign, please check your signature generation algorithm."),
    errors.BadTimestamp: (10002, ""),
    errors.PermissionRefused: (10005, "Permission denied, please check your API key permissions."),
    errors.IpRefused: (10010, "Unmatched IP, please check your API key's bound IP addresses."),
    errors.RateLimited: (10006, "Too many visits. Exceeded the API Rate Limit."),
    errors.Busy: (10016, "Server error."),
    errors.Maintenance: (10016, "Service is under maintenance, please try again later."),
    errors.BadParameter: (10001, ""),
    errors.UnknownSymbol: (10001, "params error: symbol invalid"),
    errors.NotTradable: (110074, "This contract is not live"),
    errors.BelowMinimum: (10001, "The number of contracts exceeds minimum limit allowed"),
    errors.WrongStep: (10001, "Qty invalid"),
    errors.AboveMaximum: (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    errors.BelowNotional: (110094, "Order does not meet minimum order value 5USDT"),
    errors.DuplicateClientOrderId: (110072, "OrderLinkedID is duplicate"),
    errors.BadClientOrderId: (10001, "params error: orderLinkId is too long or has invalid characters"),
    errors.PriceOutOfBand: (110003, "Order price exceeds the allowable range."),
    errors.InsufficientMargin: (110007, "ab not enough for new order"),
    errors.ReduceOnlyRejected: (110017, "orderQty will be truncated to zero"),
    errors.TriggerPassed: (110092, ""),
    errors.TooManyStops: (110009, "The number of stop orders exceeds maximum limit allowed"),
    errors.PositionModeMismatch: (10001, "position idx not match position mode"),
    errors.OrderNotFound: (110001, "order not exists or too late to cancel"),
    errors.OrderFinished: (110001, "order not exists or too late to cancel"),
    errors.LeverageTooHigh: (110013, "cannot set leverage due to risk limit"),
    errors.LeverageTooLow: (10001, "buy leverage invalid"),
    errors.LeverageNotModified: (110043, "leverage not modified"),
    errors.MarginModeNotModified: (110026, "Cross/isolated margin mode is not modified"),
    errors.PositionModeNotModified: (110025, "Position mode is not modified"),
    errors.PositionExists: (110024, "You have an existing position, so the position mode cannot be switched"),
    errors.OrdersExist: (110028, "You have existing open orders, so the position mode cannot be switched"),
}


def code_of(error: errors.DomainError) -> tuple[int, str]:
    """Return retCode and retMsg; the error's own text if Bybit includes details, 10001 for errors without a code."""
    for kind in type(error).__mro__:
        if issubclass(kind, errors.DomainError) and kind in CODES:
            code, text = CODES[kind]
            return code, text or error.text
    return 10001, error.text
