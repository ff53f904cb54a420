"""Requests that clients make before they trade contracts: account mode, coins, spot margin symbols."""

from __future__ import annotations

from te_emulators.wire.call import Call, Route


def routes() -> list[Route]:
    """Just enough for a classic account without spot margin."""

    def account_mode(call: Call) -> object:
        return {"selfAccountMode": "CLASSIC", "subAccountMode": []}

    def high_frequency(call: Call) -> object:
        return True

    def coins(call: Call) -> object:
        coin = {"currency": "USDT", "name": "USDT", "fullName": "Tether", "precision": 8, "chains": []}
        return [coin]

    def margin_symbols(call: Call) -> object:
        return {"timestamp": 1729187708077, "items": []}

    def isolated_symbols(call: Call) -> object:
        return []

    found = [
        ("/api/ua/v1/account/mode", account_mode, True),
        ("/api/v1/hf/accounts/opened", high_frequency, True),
        ("/api/v3/currencies", coins, False),
        ("/api/v3/margin/symbols", margin_symbols, True),
        ("/api/v1/isolated/symbols", isolated_symbols, True),
    ]
    return [
        Route(method="GET", path=path, kind="account", handler=handler, private=private)
        for path, handler, private in found
    ]
