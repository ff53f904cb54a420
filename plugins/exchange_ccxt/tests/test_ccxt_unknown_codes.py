"""A code that no table knows: what the server answered it with decides what becomes of an order."""

from __future__ import annotations

import pytest

from te_exchange_ccxt.client import Answer, last_answer
from te_exchange_ccxt.errors import diagnose
from te_exchange_ccxt.library import BaseError
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.trouble import Trouble
from te_exchange_ccxt.venue import Venue


@pytest.mark.parametrize(
    ("status", "trouble"),
    [(200, Trouble.REJECTED), (400, Trouble.REJECTED), (500, Trouble.BUSY), (503, Trouble.BUSY)],
)
def test_an_unknown_code_refuses_unless_the_server_failed(status: int, trouble: Trouble) -> None:
    kinds = {kind.__name__: kind for kind in BaseError().__subclasses__()}
    body = '{"code":"777777","msg":"something new"}'
    venue = Venue(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))
    last_answer.set(Answer(status, {}, body))
    assert diagnose(kinds["ExchangeError"](f"venue {body}"), venue) == (trouble, "777777")
