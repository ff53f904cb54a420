"""A signal's detail is read from the journal's column as Python's own JSON would decode it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from te_core.journal.columns import Json

encode = Json.bind_processor(sqlite.dialect())
decode = Json.result_processor(sqlite.dialect(), None)

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.decimals()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(value=st.dictionaries(st.text(), values, max_size=4))
def test_json_comes_back_as_it_went_in(value: dict[str, Any]) -> None:
    assert decode(encode(value)) == json.loads(json.dumps(value, default=str))


def test_text_that_is_not_unicode_is_stored_as_well() -> None:
    odd = {"half a pair": "\ud800", "\udfff": [1, {"\0": "\0"}]}
    assert decode(encode(odd)) == odd
