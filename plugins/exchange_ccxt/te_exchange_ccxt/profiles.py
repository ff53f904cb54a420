"""What single exchanges need beyond ccxt's unified calls, for the plugin of any exchange.

Taken from ccxt's own code (the version in ``requirements/run.txt``) and the exchanges' public documents. An exchange
that is missing here gets the default.
"""

from __future__ import annotations

import string
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from te_core.api import HEX_IDS, ClientOrderIdForm
from te_exchange_ccxt.trouble import Trouble
from te_exchange_ccxt.wire import dig

LETTERS_AND_DIGITS = ClientOrderIdForm()
LOWER_CASE = ClientOrderIdForm(length=25, alphabet=string.digits + string.ascii_lowercase)
INTEGER = ClientOrderIdForm(length=16, alphabet=string.digits, prefix="7")
"""Below 2**53: the exchange accepts 63 bits, but ccxt makes a float of them. Its own orders have 18 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One exchange through ccxt's unified calls."""

    ids: ClientOrderIdForm = LETTERS_AND_DIGITS
    prefix: str = ""
    """What stands before ids on the wire."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """ccxt's ``options``: only linear perpetuals are listed, and what else differs from ccxt's default."""
    read_params: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the reads of balance and positions; ``{settle}`` is the settle coin."""
    leverage_params: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of ``setLeverage``."""
    mode_in_leverage: bool = True
    """``setLeverage`` accepts the margin mode. Exchanges that refuse unknown parameters must not get it."""
    mode_call: bool = True
    """``setMarginMode`` sets the margin mode of a symbol by itself."""
    leverage_by_mode_call: bool = False
    """``setMarginMode`` sets both, so it is what sets the leverage."""
    mode_in_order: bool = False
    """Orders state the margin mode; without it ccxt sends "cross"."""
    cross_leverage: str = ""
    """Field of a position that has the leverage of one in cross margin, where ``leverage`` is 0 then."""
    one_way_only: bool = False
    """There is no hedge mode."""
    hedge_field: tuple[str, str] = ("", "")
    """Field of a position that shows hedge mode, and how its value begins then."""
    is_hedged: Callable[[Any, str], Awaitable[bool]] | None = None
    """Reads the position mode (client, a symbol of ccxt), where ``fetchPositionMode`` cannot."""
    follows_with_uid: bool = False
    """ccxt follows positions, orders and balance only where it knows the user's id (setting ``uid``)."""
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    """The exchange's own codes, where ccxt's exception class does not tell what to do."""
    refusal: str = ""
    """Why accounts there are refused; empty if they are not."""


async def _gate_hedged(client: Any, symbol: str) -> bool:
    """Read it from the futures account, in which ccxt has no interest."""
    del symbol
    (account,) = (await client.fetch_balance())["info"]
    return str(account.get("in_dual_mode")).lower() == "true"


async def _bitget_hedged(client: Any, symbol: str) -> bool:
    found = await client.fetch_leverage(symbol)
    return bool(dig(found, "info", "posMode") == "hedge_mode")


async def _htx_hedged(client: Any, symbol: str) -> bool:
    del symbol
    return "dual_side" in str(await client.contractPrivateGetV5PositionMode())


BINANCE = Profile(
    # The third version of the route of positions has no leverage, and ccxt's default lists spot and inverse contracts.
    options={
        "fetchMarkets": {"types": ["linear"]},
        "defaultSubType": "linear",
        "fetchPositionsRisk": {"useV2": True},
    },
    mode_in_leverage=False,  # refused there: -1104, not all sent parameters were read
    troubles={
        "-1021": Trouble.CLOCK,
        "-1022": Trouble.SIGNATURE,
        "-2014": Trouble.CREDENTIALS,
        "-2015": Trouble.CREDENTIALS,
        "-4061": Trouble.HEDGE_MODE,
        "-4028": Trouble.LEVERAGE,
        "-2022": Trouble.REDUCE_ONLY,
        "-4116": Trouble.DUPLICATE,
    },
)
GATE = Profile(
    prefix="t-",  # ccxt adds it, and leaves it there when it reads
    options={"fetchMarkets": {"types": ["swap"]}},
    mode_call=False,  # leverage 0 is cross margin there
    cross_leverage="cross_leverage_limit",
    hedge_field=("mode", "dual"),
    is_hedged=_gate_hedged,
    follows_with_uid=True,
    troubles={
        "REQUEST_EXPIRED": Trouble.CLOCK,
        "INVALID_SIGNATURE": Trouble.SIGNATURE,
        "IP_FORBIDDEN": Trouble.ADDRESS,
        "POSITION_EMPTY": Trouble.REDUCE_ONLY,
    },
)
OKX = Profile(
    options={"fetchMarkets": {"types": ["swap"]}},
    mode_call=False,  # every order states it; leverage is set per mode
    mode_in_order=True,
    troubles={
        "50102": Trouble.CLOCK,
        "50105": Trouble.PASSPHRASE,
        "50110": Trouble.ADDRESS,
        "50113": Trouble.SIGNATURE,
        "51010": Trouble.ACCOUNT_TYPE,  # the account is in spot mode
        "51169": Trouble.REDUCE_ONLY,
    },
)
BITGET = Profile(
    options={"fetchMarkets": {"types": ["swap"]}},
    read_params={"productType": "{settle}-FUTURES"},
    mode_in_leverage=False,
    mode_in_order=True,
    is_hedged=_bitget_hedged,
    troubles={
        "40004": Trouble.CLOCK,
        "40008": Trouble.CLOCK,
        "40009": Trouble.SIGNATURE,
        "40012": Trouble.PASSPHRASE,
        "40018": Trouble.ADDRESS,
        "40774": Trouble.HEDGE_MODE,
        "22002": Trouble.REDUCE_ONLY,
    },
)

PROFILES: Mapping[str, Profile] = {
    "binance": BINANCE,
    "binanceusdm": BINANCE,
    "bingx": Profile(
        ids=LOWER_CASE,  # ids come back in lower case
        leverage_params={"side": "BOTH"},
        mode_in_leverage=False,
    ),
    "bitget": BITGET,
    "gate": GATE,
    "gateeu": GATE,
    "htx": Profile(
        ids=INTEGER,
        mode_call=False,
        mode_in_order=True,
        hedge_field=("position_mode", "dual_side"),
        is_hedged=_htx_hedged,
    ),
    "hyperliquid": Profile(ids=HEX_IDS, prefix="0x", mode_call=False, one_way_only=True),
    "myokx": OKX,
    "okx": OKX,
    "okxus": OKX,
    "phemex": Profile(leverage_by_mode_call=True, mode_call=False),
    "whitebit": Profile(
        refusal="leverage belongs to the whole account there, and ccxt reads no position's size: "
        "it cannot be kept at targets"
    ),
    "xt": Profile(
        refusal="accounts there are in hedge mode only (every order names a long or a short position): "
        "the engine keeps one position a symbol"
    ),
}


def profile_of(exchange: str) -> Profile:
    """Return what an exchange needs, by ccxt's id of it."""
    return PROFILES.get(exchange, Profile())
