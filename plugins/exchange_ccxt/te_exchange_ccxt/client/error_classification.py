"""Classify what ccxt raised, and translate it to the engine's errors."""

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
from te_exchange_ccxt.access_blocks import classify_block
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.errors import KIND_BY_CLASS, ErrorAction, ErrorKind
from te_exchange_ccxt.responses import Response, last_response

PAUSE = {ErrorKind.BANNED: 60.0, ErrorKind.BOT_PROTECTION: 60.0, ErrorKind.MAINTENANCE: 30.0}
"""Seconds to wait if the exchange does not state a time."""
MAX_PAUSE = 3600.0
"""Longest wait in seconds, whatever the exchange asks for.

Its figure may be wrong, and one request an hour is harmless.
"""
LENGTH = 300
"""Characters of an error's text that are shown."""

KINDS: dict[ErrorKind, type[OrderRejected]] = {
    ErrorKind.MARGIN: InsufficientMargin,
    ErrorKind.DUPLICATE: DuplicateClientOrderId,
}


def classify_error(error: BaseException, adapter: ExchangeAdapter) -> tuple[ErrorKind, str]:
    """Return the kind of an error, and the exchange's code (empty if it returned none)."""
    answer = last_response.get() if not isinstance(error, TimeoutError) else None
    intercepted = _intercepted(error)
    if intercepted is not None:
        return intercepted, ""
    code = _code(str(error), answer, adapter.code_keys)
    if answer is not None and (block := classify_block(answer.status, answer.headers, answer.text)):
        return block, code
    found = adapter.classify(code, str(error))
    if found is None and _certainly_unsent(error):
        found = ErrorKind.UNREACHABLE
    if found is None:
        names = [ancestor.__name__ for ancestor in type(error).__mro__]
        found = next((KIND_BY_CLASS[name] for name in names if name in KIND_BY_CLASS), ErrorKind.BUSY)
        if (
            found.action in (ErrorAction.REJECT, ErrorAction.STOP)
            and answer is not None
            and _is_broken(answer)
        ):
            found = ErrorKind.BUSY  # a failing server or a proxy's page rejects nothing
    if found is ErrorKind.BUSY and answer is not None and answer.status == 403:
        found = ErrorKind.BANNED
    return found, code


def translate_error(
    error: BaseException, adapter: ExchangeAdapter, *, what: str, sending: bool = False
) -> TradeEngineError | None:
    """Translate a ccxt error to the engine's; None if the wanted state is already in place.

    ``sending``: the request was an order, whose outcome is unknown if the exchange did not respond.
    """
    kind, code = classify_error(error, adapter)
    text_of_error = _one_line(error)
    remedy = adapter.remedy(kind, code, str(error))
    text = f"{adapter.title}: {what}: {remedy}" + (f" ({text_of_error})" if text_of_error else "")
    match kind.action:
        case ErrorAction.SUCCESS:
            return None
        case ErrorAction.STOP:
            return AuthError(text)
        case ErrorAction.BACK_OFF:
            return RateLimited(text, retry_after=pause_seconds(kind, adapter))
        case ErrorAction.RETRY:
            return NotReady(text, retry_after=PAUSE.get(kind))
        case ErrorAction.REJECT if sending:
            return KINDS.get(kind, OrderRejected)(text, code=code)
        case ErrorAction.UNKNOWN_OUTCOME if sending:
            return OutcomeUnknown(text)
    return NotReady(text)


def pause_seconds(kind: ErrorKind, adapter: ExchangeAdapter) -> float:
    """Return the seconds for which all requests pause."""
    answer = last_response.get()
    stated = adapter.retry_after(answer.headers) if answer is not None else None
    return min(stated, MAX_PAUSE) if stated is not None else PAUSE.get(kind, adapter.rate_pause)


def _is_broken(answer: Response) -> bool:
    return answer.status >= 500 or not answer.text.lstrip().startswith(("{", "["))


def _intercepted(error: BaseException) -> ErrorKind | None:
    """Recognise responses that are not from the exchange's server: a proxy's refusal, or a redirect."""
    import aiohttp  # late: settings are validated without it

    match error.__cause__:
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return ErrorKind.PROXY
        case aiohttp.ClientResponseError(status=status) if 300 <= status < 400:
            return ErrorKind.REDIRECTED
    return None


def _certainly_unsent(error: BaseException) -> bool:
    """Return whether no connection was made, so that nothing can have arrived. (A timeout is an ``OSError``, too.)"""
    import aiohttp

    unconnected = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, socket.gaierror)
    return isinstance(error.__cause__, unconnected)


def _code(text: str, answer: Response | None, keys: Sequence[str]) -> str:
    """Return the exchange's code, from the message that ccxt made of the response, else from the response."""
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


def _one_line(error: BaseException) -> str:
    """Return the error's text in one line of limited length, without query strings: some exchanges sign there."""
    import aiohttp

    words = [word.split("?", 1)[0] if "://" in word else word for word in str(error).split()]
    if isinstance(cause := error.__cause__, aiohttp.ClientResponseError):
        words.append(f"{cause.status}, {cause.message}")
    text = " ".join(words)
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
