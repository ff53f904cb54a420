"""Computes a period's results by account, symbol, source or day, from the tallies at its ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple, Self

from te_core.model.money import Tally
from te_core.rules.pnl import COUNTS, SUMS

ZERO = Decimal(0)


class Kind(NamedTuple):
    """The kind of money; only amounts of the same kind are added up."""

    paper: bool
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The tally at the end of a period, and the one from before it."""

    kind: Kind
    """Of the money; paper money is separate from real money, and so is each currency."""
    end: Tally
    start: Tally | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A period's result under one key."""

    key: str
    kind: Kind
    result: Decimal = ZERO
    """``before_fees`` - ``fees``."""
    before_fees: Decimal = ZERO
    fees: Decimal = ZERO
    realised: Decimal | None = ZERO
    """None, like the next three, if only the whole is known."""
    unrealised: Decimal | None = ZERO
    funding: Decimal | None = ZERO
    turnover: Decimal | None = ZERO
    untold: Decimal = ZERO
    """The part of ``result`` that cannot be attributed."""
    fills: int = 0
    unpriced: int = 0
    unknown_fees: int = 0
    others: int = 0

    @property
    def happened(self) -> bool:
        """Whether there is anything to show."""
        return any((self.result, self.before_fees, self.fees, self.fills, self.others, self.realised))

    def __add__(self, other: Self) -> Self:
        """Return the sum with another result, under this one's key."""
        names = ("result", "before_fees", "fees", "untold", *COUNTS)
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        for name in ("realised", "unrealised", "funding", "turnover"):
            mine, others = getattr(self, name), getattr(other, name)
            sums[name] = None if mine is None or others is None else mine + others
        return replace(self, **sums)


TOTAL = "total"
LEAST = Decimal("1E-6")
"""Smaller amounts are rounding errors."""
UNTOLD = "unattributed"
"""The key of changes of an account's value beyond what fills, fees and funding explain."""


def results(spans: Iterable[Span], keys: Iterable[str]) -> list[Result]:
    """Return the result under each key; ``keys`` has one for each span."""
    return _collected(_whole(span, key) for span, key in zip(spans, keys, strict=True))


def by_source(spans: Iterable[Span], only: str | None = None) -> list[Result]:
    """Return each source's result; an empty key means no source. ``only``: restrict to that source."""
    return _collected(found for span in spans for found in _sources(span, only))


def of_source(spans: Iterable[Span], source: str, keys: Iterable[str]) -> list[Result]:
    """Return one source's result under the keys of the spans."""
    return _collected(
        replace(part, key=key)
        for span, key in zip(spans, keys, strict=True)
        for part in _sources(span, source)
    )


def untold(total: Iterable[Result], rows: Sequence[Result]) -> Iterator[Result]:
    """Yield the accounts' results beyond the rows: the part that no symbol or source can be assigned to."""
    for one in total:
        left = one.result - sum((row.result for row in rows if row.kind == one.kind), ZERO)
        if abs(left) >= LEAST:
            yield Result(key=UNTOLD, kind=one.kind, result=left, before_fees=left, untold=left)


def totals(results: Iterable[Result]) -> list[Result]:
    """Return the sums, one per kind of money."""
    return _collected(replace(one, key=TOTAL) for one in results)


def left_out(results: Iterable[Result]) -> list[str]:
    """Return as texts what the sums lack or estimate."""
    total = list(results)
    words = []
    for name, one, several in _MISSING:
        number = sum(getattr(result, name) for result in total)
        if number:
            words.append(f"{number} {one if number == 1 else several}")
    return words


_MISSING = (
    ("unpriced", "fill without a price", "fills without a price"),
    ("unknown_fees", "fill with an unknown fee", "fills with unknown fees"),
    (
        "others",
        "position change by others, valued at the last price before it",
        "position changes by others, valued at the last prices before them",
    ),
)


def _whole(span: Span, key: str) -> Result:
    sums = {
        name: getattr(span.end, name) - (getattr(span.start, name) if span.start else 0)
        for name in (*SUMS, *COUNTS)
    }
    result = span.end.result - (span.start.result if span.start else ZERO)
    gross = sums["realised"] + sums["unrealised"] + sums["funding"]
    return Result(
        key=key,
        kind=span.kind,
        result=result,
        before_fees=result + sums["fees"],
        untold=result - gross + sums["fees"],
        **sums,
    )


def _sources(span: Span, only: str | None) -> Iterator[Result]:
    before = span.start
    for source in dict.fromkeys([*span.end.earned, *span.end.paid]):
        earned, paid = (
            getattr(span.end, name).get(source, ZERO)
            - (getattr(before, name).get(source, ZERO) if before else ZERO)
            for name in ("earned", "paid")
        )
        if (earned or paid) and only in (None, source):
            yield Result(
                key=source,
                kind=span.kind,
                result=earned - paid,
                before_fees=earned,
                fees=paid,
                realised=None,
                unrealised=None,
                funding=None,
                turnover=None,
            )


def _collected(results: Iterable[Result]) -> list[Result]:
    found: dict[tuple[Kind, str], Result] = {}
    for one in results:
        key = (one.kind, one.key)
        found[key] = found[key] + one if key in found else one
    return sorted(found.values(), key=lambda one: (one.kind, one.key == UNTOLD, one.key))
