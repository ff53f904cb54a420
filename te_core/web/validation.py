"""The first problem that validation found with a request, without the value that was sent."""

from __future__ import annotations

from pydantic import ValidationError

from te_core.settings.reasons import reason_of


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Return the name of the field, empty for the request as a whole, and what is wrong with it."""
    first = error.errors(include_input=False, include_url=False)[0]
    return ".".join(map(str, first["loc"])), reason_of(first, table="a JSON object")
