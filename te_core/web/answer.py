"""How both listeners answer: always a JSON object, never a version, never cached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from te_core.web.encoding import encode

_HEADERS = CIMultiDict(
    {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Server": "trade-engine",
    }
)


def answer(status: int, body: Mapping[str, Any], *, retry_after: float | None = None) -> web.Response:
    """Build a JSON answer. ``retry_after`` in seconds."""
    response = web.Response(status=status, body=encode(body).encode("utf-8", "replace"), headers=_HEADERS)
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


def refuse(status: int, reason: str, *, retry_after: float | None = None) -> web.Response:
    """Build an error answer."""
    return answer(status, {"error": {"reason": reason}}, retry_after=retry_after)
