"""A key that is refused intermittently: the refusal is reported, and the next request shows whether it persists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from te_core.api import AuthError
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from te_emulators.wire.call import json_reply
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock

REFUSALS: dict[str, dict[str, Any]] = {
    "bybit": {"retCode": 10003, "retMsg": "API key is invalid.", "result": {}, "retExtInfo": {}, "time": 0},
    "blofin": {"code": "152409", "msg": "Signature verification failed"},
    "kucoin": {"code": "400003", "msg": "KC-API-KEY not exists"},
    "mexc": {"success": False, "code": 402, "message": "Api key info invalid"},
}
NOT_THIS_SYMBOL = {"retCode": 10029, "retMsg": "The requested symbol is invalid.", "result": {}, "time": 0}


@pytest.mark.parametrize("exchange", sorted(PLUGINS))
async def test_a_sporadic_key_refusal_ends_with_the_next_response(
    exchange: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(exchange) as server, connected(spec_of(exchange), server, tmp_path) as account:
        await account.instruments(["BTCUSDT"])
        monkeypatch.setattr(server, "rendered", lambda *_: json_reply(REFUSALS[exchange]))
        for ask in (account.positions, account.equity, lambda: account.place_order(order("0.01"))):
            with pytest.raises(AuthError):
                await ask()
        monkeypatch.undo()
        await account.positions()
        await account.place_order(order("0.01", number=2))


async def test_a_symbol_the_key_may_not_trade_is_refused_by_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("bybit") as server, connected(spec_of("bybit"), server, tmp_path) as account:
        await account.instruments(["BTCUSDT", "ETHUSDT"])
        rendered = server.rendered

        def refusing(call: Any, *rest: Any) -> Any:
            if call.kind == "order" and b"BTCUSDT" in call.body:
                return json_reply(NOT_THIS_SYMBOL)
            return rendered(call, *rest)

        monkeypatch.setattr(server, "rendered", refusing)
        with pytest.raises(AuthError):
            await account.place_order(order("0.01"))
        await account.place_order(order("0.1", "ETHUSDT", number=2))
        assert (await account.positions()).value["ETHUSDT"].quantity
