"""Query parameters of requests for the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from te_core.journal.pages import Wanted
from te_core.reporting.results import CurveWanted, Grouping, ResultsWanted
from te_core.web.validation import first_problem

MOST = 1000
"""Maximum number of entries in one response."""
Name = Annotated[str, Field(min_length=1, max_length=200)]


class BadQuery(ValueError):
    """The query of a request is not valid; the message names the field."""


class Query(BaseModel):
    """The query of every list; a list ignores fields that it does not have. Times are ISO 8601."""

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
    """The query for entries after a number."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = MOST
    after: Annotated[int, Field(ge=0)] = 0
    wait: Annotated[float, Field(ge=0, le=30)] = 8.0
    """Maximum seconds to wait for one."""


_EXPECTED = {
    "by": f"one of {', '.join(Grouping)}",
    "points": "a number from 1 to 2000",
    "limit": f"a number from 1 to {MOST}",
    **dict.fromkeys(("since", "until"), "a time in ISO 8601 with its zone, such as 2026-11-27T00:00:00Z"),
}


def parse_wanted(query: Mapping[str, str]) -> Wanted:
    """Return the part of the history that a request asks for. Raise `BadQuery` if it is not valid."""
    try:
        return Wanted(**dict(Query.model_validate(given(query))))
    except ValidationError as error:
        raise bad(error) from None


def parse_next(query: Mapping[str, str]) -> tuple[Wanted, float]:
    """Return the entries that a request waits for, and the seconds. Raise `BadQuery` if it is not valid."""
    try:
        found = dict(NextQuery.model_validate(given(query)))
    except ValidationError as error:
        raise bad(error) from None
    wait: float = found.pop("wait")
    return Wanted(**found), wait


def given(query: Mapping[str, str]) -> dict[str, str]:
    """Return the non-empty fields of a query; a plus sign in a time arrives as a space."""
    times = {"since", "until"}
    return {key: value.replace(" ", "+") if key in times else value for key, value in query.items() if value}


def bad(error: ValidationError) -> BadQuery:
    """Return the first problem with the name of its field, without the value that was sent."""
    field, problem = first_problem(error)
    return BadQuery(f"{field}: {_EXPECTED.get(field, problem)}")


class ResultQuery(BaseModel):
    """The query for results. Times are extended to full hours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Grouping = Grouping.ACCOUNT
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    account: Name | None = None
    symbol: Name | None = None
    source: Name | None = None


class CurveQuery(BaseModel):
    """The query for the equity over time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: Name | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    points: Annotated[int, Field(ge=1, le=2000)] = 240
    """Maximum number per account."""


def parse_result_query(query: Mapping[str, str]) -> ResultsWanted:
    """Return the results that a request asks for. Raise `BadQuery` if it is not valid."""
    try:
        return ResultsWanted(**dict(ResultQuery.model_validate(given(query))))
    except ValidationError as error:
        raise bad(error) from None


def parse_curve_query(query: Mapping[str, str]) -> CurveWanted:
    """Return the equity over time that a request asks for. Raise `BadQuery` if it is not valid."""
    try:
        return CurveWanted(**dict(CurveQuery.model_validate(given(query))))
    except ValidationError as error:
        raise bad(error) from None
