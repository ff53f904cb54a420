"""What an exchange reported, with the times that determine how much it proves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Origin(StrEnum):
    """How an observation was made."""

    READ = "read"
    PUSHED = "pushed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Generic[T_co]):
    """A position, equity or price as an exchange reported it.

    Times are monotonic seconds. What a read shows was true at ``asked_at`` or later; a push counts from its
    arrival. ``number`` orders events of one account that happen at the same instant: it is assigned when the read is
    requested, or when the push arrives.
    """

    value: T_co
    asked_at: float
    arrived_at: float
    number: int
    origin: Origin = Origin.READ

    @property
    def pushed(self) -> bool:
        """Whether it was pushed rather than read."""
        return self.origin is Origin.PUSHED
