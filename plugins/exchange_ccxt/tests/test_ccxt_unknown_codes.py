"""A code that no table contains: the HTTP status of the response decides an order's outcome."""

from __future__ import annotations

import pytest

from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.client.error_classification import classify_error
from te_exchange_ccxt.errors import ErrorKind
from te_exchange_ccxt.lazy_ccxt import BaseError
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.responses import Response, last_response


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, ErrorKind.REJECTED), (400, ErrorKind.REJECTED), (500, ErrorKind.BUSY), (503, ErrorKind.BUSY)],
)
def test_an_unknown_code_refuses_unless_the_server_failed(status: int, kind: ErrorKind) -> None:
    kinds = {kind.__name__: kind for kind in BaseError().__subclasses__()}
    body = '{"code":"777777","msg":"something new"}'
    adapter = ExchangeAdapter(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))
    last_response.set(Response(status, {}, body))
    assert classify_error(kinds["ExchangeError"](f"adapter {body}"), adapter) == (kind, "777777")
