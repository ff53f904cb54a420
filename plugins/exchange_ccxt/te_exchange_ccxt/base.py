"""What the plugins of single exchanges import from here, in one place."""

from te_exchange_ccxt.account import CcxtAccount, account_factory
from te_exchange_ccxt.budget import Spending, Window
from te_exchange_ccxt.client import together
from te_exchange_ccxt.errors import diagnose
from te_exchange_ccxt.library import Base, BaseError
from te_exchange_ccxt.looks import key_findings, told
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.trouble import Fate, Trouble
from te_exchange_ccxt.venue import Venue
from te_exchange_ccxt.wire import ZERO, Row, dig, first, number

__all__ = [
    "ZERO",
    "Base",
    "BaseError",
    "CcxtAccount",
    "CcxtOptions",
    "Fate",
    "Row",
    "Spending",
    "Trouble",
    "Venue",
    "Window",
    "account_factory",
    "diagnose",
    "dig",
    "first",
    "key_findings",
    "number",
    "together",
    "told",
]
