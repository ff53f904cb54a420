"""What single exchanges need beyond ccxt's unified calls, for the generic adapter.

Sources: ccxt's code (the version in ``requirements/run.txt``) and the exchanges' public documentation. An exchange
that is missing here uses the default.
"""

from __future__ import annotations

import string
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from te_core.api import HEX_IDS, ClientOrderIdForm
from te_exchange_ccxt.errors import ErrorKind
from te_exchange_ccxt.parsing import dig

LETTERS_AND_DIGITS = ClientOrderIdForm()
LOWER_CASE = ClientOrderIdForm(length=25, alphabet=string.digits + string.ascii_lowercase)
INTEGER = ClientOrderIdForm(length=16, alphabet=string.digits, prefix="7")
"""Below 2**53: the exchange accepts 63 bits, but ccxt converts ids to float. ccxt's own orders have 18 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Differences of one exchange from ccxt's unified calls."""

    ids: ClientOrderIdForm = LETTERS_AND_DIGITS
    prefix: str = ""
    """Prefix of client order ids in requests."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """ccxt's ``options``: only linear perpetuals are listed; other differences from ccxt's defaults."""
    read_params: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the reads of balance and positions; ``{settle}`` is the settle coin."""
    leverage_params: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of ``setLeverage``."""
    mode_in_leverage: bool = True
    """``setLeverage`` accepts the margin mode; exchanges that refuse unknown parameters must not get it."""
    mode_call: bool = True
    """``setMarginMode`` sets only the margin mode of a symbol."""
    leverage_by_mode_call: bool = False
    """``setMarginMode`` sets both, so it also sets the leverage."""
    mode_in_order: bool = False
    """Orders state the margin mode; without it ccxt sends "cross"."""
    cross_leverage: str = ""
    """Field of a cross-margin position that holds its leverage, where ``leverage`` is 0."""
    one_way_only: bool = False
    """The exchange has no hedge mode."""
    hedge_field: tuple[str, str] = ("", "")
    """Field of a position that shows hedge mode, and the prefix of its value then."""
    is_hedged: Callable[[Any, str], Awaitable[bool]] | None = None
    """Reads the position mode (client, ccxt symbol), where ``fetchPositionMode`` cannot."""
    follows_with_uid: bool = False
    """ccxt follows positions, orders and balance only if it knows the user's id (setting ``uid``)."""
    error_codes: Mapping[str, ErrorKind] = field(default_factory=dict)
    """The exchange's own codes, where ccxt's exception class is not enough."""
    refusal: str = ""
    """Why accounts there are refused; empty if they are not."""


async def _gate_hedged(client: Any, symbol: str) -> bool:
    """Read the mode from the futures account, which ccxt ignores."""
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
    # Version 3 of the positions route lacks the leverage, and by default ccxt lists spot and inverse contracts.
    options={
        "fetchMarkets": {"types": ["linear"]},
        "defaultSubType": "linear",
        "fetchPositionsRisk": {"useV2": True},
    },
    mode_in_leverage=False,  # rejected there with -1104: not all sent parameters were read
    error_codes={
        "-1021": ErrorKind.CLOCK,
        "-1022": ErrorKind.SIGNATURE,
        "-2014": ErrorKind.CREDENTIALS,
        "-2015": ErrorKind.CREDENTIALS,
        "-4061": ErrorKind.HEDGE_MODE,
        "-4028": ErrorKind.LEVERAGE,
        "-2022": ErrorKind.REDUCE_ONLY,
        "-4116": ErrorKind.DUPLICATE,
    },
)
GATE = Profile(
    prefix="t-",  # ccxt adds it to requests and leaves it in responses
    options={"fetchMarkets": {"types": ["swap"]}},
    mode_call=False,  # leverage 0 means cross margin there
    cross_leverage="cross_leverage_limit",
    hedge_field=("mode", "dual"),
    is_hedged=_gate_hedged,
    follows_with_uid=True,
    error_codes={
        "REQUEST_EXPIRED": ErrorKind.CLOCK,
        "INVALID_SIGNATURE": ErrorKind.SIGNATURE,
        "IP_FORBIDDEN": ErrorKind.ADDRESS,
        "POSITION_EMPTY": ErrorKind.REDUCE_ONLY,
    },
)
OKX = Profile(
    options={"fetchMarkets": {"types": ["swap"]}},
    mode_call=False,  # every order states it; leverage is set per mode
    mode_in_order=True,
    error_codes={
        "50102": ErrorKind.CLOCK,
        "50105": ErrorKind.PASSPHRASE,
        "50110": ErrorKind.ADDRESS,
        "50113": ErrorKind.SIGNATURE,
        "51010": ErrorKind.ACCOUNT_TYPE,  # the account is in spot mode
        "51169": ErrorKind.REDUCE_ONLY,
    },
)
BITGET = Profile(
    options={"fetchMarkets": {"types": ["swap"]}},
    read_params={"productType": "{settle}-FUTURES"},
    mode_in_leverage=False,
    mode_in_order=True,
    is_hedged=_bitget_hedged,
    error_codes={
        "40004": ErrorKind.CLOCK,
        "40008": ErrorKind.CLOCK,
        "40009": ErrorKind.SIGNATURE,
        "40012": ErrorKind.PASSPHRASE,
        "40018": ErrorKind.ADDRESS,
        "40774": ErrorKind.HEDGE_MODE,
        "22002": ErrorKind.REDUCE_ONLY,
    },
)

PROFILES: Mapping[str, Profile] = {
    "binance": BINANCE,
    "binanceusdm": BINANCE,
    "bingx": Profile(
        ids=LOWER_CASE,  # ids are returned in lower case
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
        refusal="leverage belongs to the whole account there, and ccxt cannot read position sizes: "
        "accounts there cannot be kept at targets"
    ),
    "xt": Profile(
        refusal="accounts there are in hedge mode only (every order names a long or a short position): "
        "the engine keeps one position per symbol"
    ),
}


def profile_of(exchange: str) -> Profile:
    """Return the profile of an exchange by its ccxt id."""
    return PROFILES.get(exchange, Profile())
