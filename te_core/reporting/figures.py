"""Format numbers and ages for people, on the terminal and the page alike. Pure.

At most six significant digits, thousands separated by a thin space, U+2212 as minus; never "-0", never an exponent.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

MINUS = "\N{MINUS SIGN}"
THIN = "\N{THIN SPACE}"
UNKNOWN = "?"
DIGITS = 6
_UNITS = (("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18))
_LARGEST = Decimal(999_999).scaleb(18)
"""The largest number that is shown; a larger one is shown as this."""
_SMALLEST = Decimal(10) ** -12


def figure(value: Decimal | None, *, places: int | None = None, signed: bool = False) -> str:
    """Return a number in full: ``79 352.4``, ``0.0155``, ``1.23457M``; "?" if it is unknown.

    ``places``: number of decimals, as far as six digits allow; None for as many as there are, without trailing zeros.
    ``signed``: with a plus sign as well.
    """
    if value is None or not value.is_finite():
        return UNKNOWN
    value = min(max(value, -_LARGEST), _LARGEST)
    unit, exponent = "", 0
    rounded = _rounded(value, DIGITS, places)
    if abs(rounded) >= 1_000_000:
        unit, exponent = _unit(value, DIGITS)
        rounded = _rounded(value.scaleb(-exponent), DIGITS, None)
    fixed = None
    if places is not None and not unit:
        fixed = min(places, -int(rounded.as_tuple().exponent)) if rounded else places
    return _sign(rounded, signed=signed) + _digits(abs(rounded), fixed) + unit


def compact(value: Decimal | None, *, signed: bool = False) -> str:
    """Return an amount of money in about four characters: ``0.4``, ``725``, ``1.2k``, ``52k``, ``1.3M``.

    A non-zero amount is never shown as 0.
    """
    if value is None or not value.is_finite():
        return UNKNOWN
    value = min(max(value, -_LARGEST), _LARGEST)
    unit, exponent = _unit(value, 2)
    scaled = value.scaleb(-exponent)
    rounded = _rounded(scaled, 2 if unit and abs(scaled) < 10 else 3, 1 if abs(scaled) < 10 else 0)
    if value and not rounded:
        return f"{_sign(value, signed=signed)}<0.1"
    return _sign(rounded, signed=signed) + _digits(abs(rounded), None) + unit


def percent(share: Decimal | float | None) -> str:
    """Return a share (0 … 1) in whole percent."""
    return UNKNOWN if share is None else f"{figure(Decimal(share) * 100, places=0)}%"


def age(seconds: float | None) -> str:
    """Return an age in two or three characters: ``0s``, ``17s``, ``11m``, ``5h``, ``3d``."""
    if seconds is None:
        return UNKNOWN
    whole = int(max(seconds, 0))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def _unit(value: Decimal, digits: int) -> tuple[str, int]:
    """Return the unit in which a rounded number has at most three digits before the decimal point."""
    size = abs(_rounded(value, max(digits, 3), None))
    return max(
        (unit for unit in _UNITS if size >= Decimal(10) ** unit[1]), key=lambda u: u[1], default=_UNITS[0]
    )


def _rounded(value: Decimal, digits: int, places: int | None) -> Decimal:
    """Round to ``digits`` significant digits, and to ``places`` decimals if that is coarser."""
    if not value or abs(value) < _SMALLEST:
        return Decimal(0)
    last = value.adjusted() - digits + 1
    if places is not None:
        last = max(last, -places)
    return value.quantize(Decimal(1).scaleb(last), ROUND_HALF_EVEN)


def _sign(rounded: Decimal, *, signed: bool) -> str:
    if not rounded:
        return ""
    return MINUS if rounded < 0 else "+" if signed else ""


def _digits(rounded: Decimal, places: int | None) -> str:
    if places is not None and places >= 0:
        return f"{rounded:,.{places}f}".replace(",", THIN)
    text = f"{rounded:,f}"
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    return (whole + (f".{decimals}" if decimals else "")).replace(",", THIN)
