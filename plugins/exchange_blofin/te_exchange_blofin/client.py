"""ccxt's class for BloFin, mended: nonces, and refusals that it does not see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from te_core.api import AuthError
from te_exchange_blofin.codes import BROKERS, EXPIRED

if TYPE_CHECKING:
    Base = Any
else:
    Base = object


class Mended(Base):  # type: ignore[misc]  # it is mixed into ccxt's class, which is known at run time only
    """``age``: milliseconds by which orders are dated back, so that they expire the sooner should they get lost."""

    age = 45_000

    def sign(self, path: str, api: Any = "public", method: str = "GET", params: Any = None) -> Any:
        """Sign with a nonce of its own: ccxt's is the time, and two requests in one millisecond share it."""
        signed = super().sign(path, api, method, params or {})
        if (headers := signed["headers"]) is not None:
            ago = self.options.get("timeDifference", 0) + (self.age if path == "trade/order" else 0)
            timestamp, nonce = str(self.milliseconds() - ago), uuid4().hex
            target = signed["url"].removeprefix(self.urls["api"]["rest"])
            text = f"{target}{method}{timestamp}{nonce}{signed['body'] or ''}"
            digest = self.hmac(self.encode(text), self.encode(self.secret), sha256)
            headers |= {"ACCESS-TIMESTAMP": timestamp, "ACCESS-NONCE": nonce}
            headers["ACCESS-SIGN"] = self.string_to_base64(digest)
        return signed

    def handle_errors(self, *answer: Any) -> Any:
        """Raise for what an item says, too: ccxt passes over unknown codes, and over items outside of lists."""
        code, text = refusal(answer[6])
        if code in BROKERS:
            raise AuthError(f"BloFin: {BROKERS[code]} ({text} [{code}])")
        if code == EXPIRED:
            self.age = 0  # if it was an order, perhaps it was dated back too far
        if not code:
            return super().handle_errors(*answer)
        found = {"code": code, "msg": text}
        return super().handle_errors(*answer[:5], json.dumps(found), found, *answer[7:])

    def parse_order_status(self, status: Any) -> Any:
        """Know what a market order ends as that was filled in part."""
        return super().parse_order_status("canceled" if status == "partially_canceled" else status)


@cache
def mended(base: Any) -> Any:
    """Give ccxt's class with these."""
    return type(base.__name__, (Mended, base), {})


def refusal(answer: Any) -> tuple[str, str]:
    """Give code and text of the first refused item, else of the answer, else nothing."""
    data = answer.get("data") if isinstance(answer, Mapping) else None
    for found in (*(data if isinstance(data, list) else [data]), answer):
        code = found.get("code") if isinstance(found, Mapping) else None
        if code not in (None, "", "0", 0):
            return str(code), str(found.get("msg"))
    return "", ""


def content(answer: Any, *kinds: type) -> Any:
    """Give an answer's data. Raises ``ValueError`` when it is something else: ccxt takes nothing for no rows."""
    found = answer.get("data")
    if str(answer.get("code")) != "0" or not isinstance(found, kinds):
        raise ValueError(f"BloFin answered without what was asked for: {str(answer)[:120]}")
    return found
