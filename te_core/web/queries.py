"""What a question about the history looks like on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from te_core.journal.pages import Wanted
from te_core.reporting.results import Grouping, ResultsWanted

MOST = 1000
"""Most entries in one answer."""
Name = Annotated[str, Field(min_length=1, max_length=200)]


class BadQuery(ValueError):
    """The query of a request does not hold; the text names the field."""


class Query(BaseModel):
    """The query of every list; what a list has no such field of is not heeded there. Times are ISO 8601."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST)] = 20
    before: Annotated[int, Field(ge=0)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    account: Name | None = None
    symbol: Name | None = None
    source: Name | None = None
    kind: Name | None = None


class NextQuery(Query):
    """What is asked for that comes after a number; ``wait``: for how many seconds at most."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = MOST
    after: Annotated[int, Field(ge=0)] = 0
    wait: Annotated[float, Field(ge=0, le=30)] = 8.0


_EXPECTED = {
    "by": f"one of {', '.join(Grouping)}",
    "points": "a number from 1 to 2000",
    "limit": f"a number from 1 to {MOST}",
    **dict.fromkeys(("since", "until"), "a time in ISO 8601 with its zone, such as 2026-11-27T00:00:00Z"),
}


def parse_wanted(query: Mapping[str, str]) -> Wanted:
    """Return which part of the history a request asks for. Raises ``BadQuery``."""
    try:
        return Wanted(**dict(Query.model_validate(given(query))))
    except ValidationError as error:
        raise bad(error) from None


def parse_next(query: Mapping[str, str]) -> tuple[Wanted, float]:
    """Return which entries a request waits for, and for how long. Raises ``BadQuery``."""
    try:
        found = dict(NextQuery.model_validate(given(query)))
    except ValidationError as error:
        raise bad(error) from None
    wait: float = found.pop("wait")
    return Wanted(**found), wait


def given(query: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a query that were filled in; a plus sign in a time arrives as a space."""
    times = {"since", "until"}
    return {key: value.replace(" ", "+") if key in times else value for key, value in query.items() if value}


def bad(error: ValidationError) -> BadQuery:
    """Return the first problem by the name of its field, without what was sent."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return BadQuery(f"{field}: {_EXPECTED.get(field, first['msg'])}")


class ResultQuery(BaseModel):
    """Which results are asked for. Times count by the hour that they are in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Grouping = Grouping.ACCOUNT
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    account: Name | None = None
    symbol: Name | None = None
    source: Name | None = None


class CurveQuery(BaseModel):
    """Which values of accounts over time are asked for; ``points``: at most so many of each account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: Name | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    points: Annotated[int, Field(ge=1, le=2000)] = 240


def parse_result_query(query: Mapping[str, str]) -> ResultsWanted:
    """Return which results a request asks for. Raises ``BadQuery``."""
    try:
        return ResultsWanted(**dict(ResultQuery.model_validate(given(query))))
    except ValidationError as error:
        raise bad(error) from None


def parse_curve_query(query: Mapping[str, str]) -> CurveQuery:
    """Return which values a request asks for. Raises ``BadQuery``."""
    try:
        return CurveQuery.model_validate(given(query))
    except ValidationError as error:
        raise bad(error) from None
