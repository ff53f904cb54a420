"""Find what the fields of a settings model mean: their descriptions or attribute docstrings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


def meaning_of(model: type[BaseModel], field: str) -> str:
    """Return the description of a field, else its attribute docstring; empty if there is neither.

    pydantic can collect these docstrings itself, but does so slowly and on every import of a model.
    """
    described = model.model_fields[field].description
    found = (_texts(cls.__module__).get((cls.__qualname__, field)) for cls in model.__mro__)
    return described or next((text for text in found if text), "")


@cache
def _texts(module: str) -> dict[tuple[str, str], str]:
    """Return the attribute docstrings of the classes of a module; empty if its source is not available."""
    import sys

    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, SyntaxError):
        return {}
    return {
        (made.name, field): text
        for made in tree.body
        if isinstance(made, ast.ClassDef)
        for field, text in _under_fields(made.body)
    }


def _under_fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for above, below in pairwise(body):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield above.target.id, " ".join(text.split())
