"""Refusals of an exchange. Every wire layer maps these to its own codes and texts."""

from __future__ import annotations


class DomainError(Exception):
    """A request that the exchange answers with an error; the text is for people."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text or type(self).__name__)
        self.text = text or type(self).__name__


# --- who asks -------------------------------------------------------------------------------------------------


class AuthenticationRefused(DomainError):
    """The request does not authenticate its sender."""


class BadKey(AuthenticationRefused):
    """No such key."""


class ExpiredKey(AuthenticationRefused):
    """The key has expired."""


class BadPassphrase(AuthenticationRefused):
    """The passphrase is wrong."""


class BadSignature(AuthenticationRefused):
    """The signature does not match the bytes received."""


class BadTimestamp(AuthenticationRefused):
    """The request's time is outside the exchange's window."""


class RepeatedNonce(AuthenticationRefused):
    """A nonce was used twice within its window."""


class MissingCredentials(AuthenticationRefused):
    """Headers of the signature are missing."""


class IpRefused(DomainError):
    """The key may not be used from this address."""


class PermissionRefused(DomainError):
    """The key lacks the permission for this request."""


# --- what is asked ---------------------------------------------------------------------------------------------


class BadParameter(DomainError):
    """A parameter is missing or invalid."""


class UnknownRoute(DomainError):
    """No such path or method."""


class UnknownSymbol(DomainError):
    """No such contract."""


class NotTradable(DomainError):
    """The contract exists but accepts no orders now (or not through the API)."""


# --- orders --------------------------------------------------------------------------------------------------


class OrderRefused(DomainError):
    """An order that is not accepted."""


class BelowMinimum(OrderRefused):
    """The size is under the contract's minimum."""


class BelowNotional(OrderRefused):
    """The value is under the contract's minimum."""


class AboveMaximum(OrderRefused):
    """The size is above the contract's maximum for this order type."""


class WrongStep(OrderRefused):
    """The size is not a multiple of the contract's step."""


class PriceOutOfBand(OrderRefused):
    """The limit price is too far from the mark."""


class DuplicateClientOrderId(OrderRefused):
    """The account has used this client order id already."""


class BadClientOrderId(OrderRefused):
    """The client order id is too long or has characters that are not allowed."""


class InsufficientMargin(OrderRefused):
    """The account lacks the margin for this order."""


class ReduceOnlyRejected(OrderRefused):
    """A reduce-only order has no position to reduce."""


class TriggerPassed(OrderRefused):
    """The price is beyond a stop's trigger already."""


class TooManyStops(OrderRefused):
    """No more stop orders are accepted."""


class PositionModeMismatch(OrderRefused):
    """The order's position side does not match the account's position mode."""


class MarginModeMismatch(OrderRefused):
    """The order's margin mode is not that of the contract or of its position."""


class LeverageMismatch(OrderRefused):
    """The order's leverage differs from that of the open position, and the exchange requires them to be equal."""


class OrderNotFound(DomainError):
    """No order has this id."""


class OrderFinished(DomainError):
    """The order is filled or cancelled already."""


# --- settings of the account ----------------------------------------------------------------------------------


class LeverageTooHigh(DomainError):
    """Above the contract's maximum."""


class LeverageTooLow(DomainError):
    """Below the contract's minimum."""


class NotModified(DomainError):
    """The setting has this value already. Wire layers of exchanges that accept this return success."""


class LeverageNotModified(NotModified):
    """The leverage has this value already."""


class MarginModeNotModified(NotModified):
    """The margin mode is set already."""


class PositionModeNotModified(NotModified):
    """The position mode is set already."""


class PositionExists(DomainError):
    """The setting cannot change while a position is open."""


class OrdersExist(DomainError):
    """The setting cannot change while orders are open."""


class PositionNotFound(DomainError):
    """No such position exists."""


# --- the service -----------------------------------------------------------------------------------------------


class Maintenance(DomainError):
    """The exchange is closed for maintenance."""


class Busy(DomainError):
    """The exchange could not handle the request now; its fate is unknown."""


class RateLimited(DomainError):
    """Too many requests."""
