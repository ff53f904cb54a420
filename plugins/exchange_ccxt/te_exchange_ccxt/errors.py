"""One table for all: what ccxt raised becomes what the engine understands."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from te_core.api import (
    AuthError,
    DuplicateClientOrderId,
    InsufficientMargin,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    TradeEngineError,
)
from te_exchange_ccxt.client import Answer, last_answer
from te_exchange_ccxt.trouble import BY_CLASS, Fate, Trouble
from te_exchange_ccxt.venue import Venue
from te_exchange_ccxt.walls import wall

PAUSE = {Trouble.BANNED: 60.0, Trouble.BOT_PROTECTION: 60.0, Trouble.MAINTENANCE: 30.0}
"""Seconds to wait where the exchange does not say how long."""
LONGEST_PAUSE = 3600.0
"""Seconds that are waited at most, whatever the exchange says: it may be nonsense, and a look an hour harms nobody."""
LENGTH = 300

KINDS: dict[Trouble, type[OrderRejected]] = {
    Trouble.MARGIN: InsufficientMargin,
    Trouble.DUPLICATE: DuplicateClientOrderId,
}


def diagnose(error: BaseException, venue: Venue) -> tuple[Trouble, str]:
    """Tell what is wrong, and give the exchange's own code (empty when it gave none)."""
    answer = last_answer.get() if not isinstance(error, TimeoutError) else None
    on_the_way = _refused_on_the_way(error)
    if on_the_way is not None:
        return on_the_way, ""
    code = _code(str(error), answer, venue.code_keys)
    if answer is not None and (walled := wall(answer.status, answer.headers, answer.text)):
        return walled, code
    found = venue.trouble(code, str(error))
    if found is None and _certainly_unsent(error):
        found = Trouble.UNREACHABLE
    if found is None:
        names = [ancestor.__name__ for ancestor in type(error).__mro__]
        found = next((BY_CLASS[name] for name in names if name in BY_CLASS), Trouble.BUSY)
        if found.fate in (Fate.REFUSED, Fate.STOP) and answer is not None and _is_broken(answer):
            found = Trouble.BUSY  # a failing server or a page of a proxy refuses nothing
    if found is Trouble.BUSY and answer is not None and answer.status == 403:
        found = Trouble.BANNED
    return found, code


def translate(
    error: BaseException, venue: Venue, *, what: str, sending: bool = False
) -> TradeEngineError | None:
    """Turn an error of ccxt into the engine's; None when it means that there is nothing left to do.

    ``sending``: the request was an order, so that a silent exchange leaves its fate unknown.
    """
    trouble, code = diagnose(error, venue)
    said = _said(error)
    remedy = venue.remedy(trouble, code, str(error))
    text = f"{venue.title}: {what}: {remedy}" + (f" ({said})" if said else "")
    match trouble.fate:
        case Fate.DONE:
            return None
        case Fate.STOP:
            return AuthError(text)
        case Fate.SLOWER:
            return RateLimited(text, retry_after=pause(trouble, venue))
        case Fate.LATER:
            return NotReady(text, retry_after=PAUSE.get(trouble))
        case Fate.REFUSED if sending:
            return KINDS.get(trouble, OrderRejected)(text, code=code)
        case Fate.DOUBTFUL if sending:
            return OutcomeUnknown(text)
    return NotReady(text)


def pause(trouble: Trouble, venue: Venue) -> float:
    """Seconds for which everyone shall wait."""
    answer = last_answer.get()
    asked = venue.retry_after(answer.headers) if answer is not None else None
    return min(asked, LONGEST_PAUSE) if asked is not None else PAUSE.get(trouble, venue.rate_pause)


def _is_broken(answer: Answer) -> bool:
    return answer.status >= 500 or not answer.text.lstrip().startswith(("{", "["))


def _refused_on_the_way(error: BaseException) -> Trouble | None:
    """Recognise what never came from the exchange's own server: a proxy's refusal, or a redirect."""
    import aiohttp  # late: settings are checked and asked for without it

    match error.__cause__:
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return Trouble.PROXY
        case aiohttp.ClientResponseError(status=status) if 300 <= status < 400:
            return Trouble.REDIRECTED
    return None


def _certainly_unsent(error: BaseException) -> bool:
    """Tell whether no connection was made, so that nothing can have arrived. (A timeout is an ``OSError`` too.)"""
    import aiohttp

    unconnected = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, socket.gaierror)
    return isinstance(error.__cause__, unconnected)


def _code(text: str, answer: Answer | None, keys: Sequence[str]) -> str:
    """Find the exchange's code: in the message that ccxt made of the answer, else in the answer."""
    for source in (text[text.find("{") :] if "{" in text else "", answer.text if answer else ""):
        try:
            body = json.loads(source)
        except ValueError:
            continue
        if isinstance(body, Mapping) and (code := _first(body, keys)):
            return code
    return ""


def _first(body: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((str(body[key]) for key in keys if body.get(key) not in (None, "")), "")


def _said(error: BaseException) -> str:
    """Return the error's text in one line, without query strings (some exchanges sign there) and not too long."""
    import aiohttp

    words = [word.split("?", 1)[0] if "://" in word else word for word in str(error).split()]
    if isinstance(cause := error.__cause__, aiohttp.ClientResponseError):
        words.append(f"{cause.status}, {cause.message}")
    text = " ".join(words)
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
