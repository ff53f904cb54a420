"""An account without keys does not affect the others, and reports what it waits for."""

from __future__ import annotations

import pytest

from te_core.plugins.registry import Registry
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings

NEEDED = {
    "bybit": ["api_key", "secret"],
    "blofin": ["api_key", "secret", "passphrase"],
    "kucoin": ["api_key", "secret", "passphrase"],
    "mexc": ["api_key", "secret"],
}


@pytest.mark.real_clock
@pytest.mark.parametrize("exchange", NEEDED)
async def test_every_exchange_names_the_keys_that_an_account_lacks(exchange: str) -> None:
    registry = Registry()
    await registry.ensure([exchange, "paper"])
    for given in range(len(NEEDED[exchange])):
        keys = dict.fromkeys(NEEDED[exchange][:given], "K")
        accounts = {"main": {"plugin": exchange, **keys}, "paper": {"plugin": "paper"}}
        resolved = resolve(Settings.model_validate({"accounts": accounts}), registry)
        assert set(resolved.account_options) == {"paper"}
        assert resolved.unavailable == {
            "accounts.main": f"lacks {', '.join(NEEDED[exchange][given:])}: "
            "set it below [accounts.main] in .secrets.toml"
        }
