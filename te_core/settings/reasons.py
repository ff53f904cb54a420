"""Why a value of the settings is refused, in the words of their file: pydantic speaks of the types of Python."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic_core import ErrorDetails

_TABLES = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type"})
_LISTS = frozenset({"list_type", "tuple_type", "set_type", "frozen_set_type"})
_KINDS: Mapping[str, str] = {
    "bool": "must be true or false",
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a number",
    "finite": "must be a number",
    "string": "must be a text in quotes",
    "time_delta": "must be a number of seconds or a text such as '30s', '5m', '12h', '7d'",
}
"""By the start of pydantic's name for the error."""
_WRONG_KIND = re.compile(rf"({'|'.join(_KINDS)})_(type|parsing|from_float|number)")
_OPENING = re.compile(
    r"(Value error, |Assertion failed, )|(Input|Value|String|Decimal input|URL|List|Tuple) should "
)


def reason_of(error: ErrorDetails, *, table: str) -> str:
    """Return why a value is refused; it may contain the value. ``table``: how a table is called and written there."""
    kind, given = error["type"], error.get("input")
    if kind in _TABLES:
        return f"must be {table}"
    if kind in _LISTS:
        return "must be a list" + (f', such as ["{given}"]' if isinstance(given, str) else "")
    if found := _WRONG_KIND.fullmatch(kind):
        return _KINDS[found[1]]
    return _OPENING.sub(lambda found: "" if found[1] else "must ", error["msg"], count=1)
