"""The result of reading the outside world: a value with its time, or the reason why there is none (I13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Generic[T_co]):
    """A value that was true at ``as_of`` or later.

    ``as_of`` is when the request was sent (not when the response arrived), or the exchange's own time of the
    state.
    """

    value: T_co
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """There is no value; ``reason`` states why. Unknown is never treated as zero."""

    reason: str
    retry_after: float | None = None


Reading = Known[T_co] | Unknown
