"""The public API of te-exchange-ccxt: everything that the plugin of a single exchange imports.

Names that are not listed here may change in any release.
"""

from te_exchange_ccxt.account import CcxtAccount, account_factory
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.budget import RequestCost, Window
from te_exchange_ccxt.client.error_classification import classify_error
from te_exchange_ccxt.diagnostics import finding, key_findings
from te_exchange_ccxt.errors import ErrorAction, ErrorKind, code_table
from te_exchange_ccxt.lazy_ccxt import BaseError, MixinBase
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.parsing import ZERO, Row, dig, first, moment, number, total
from te_exchange_ccxt.responses import gather_pair
from te_exchange_ccxt.spec import exchange_spec, offer

__all__ = [
    "ZERO",
    "BaseError",
    "CcxtAccount",
    "CcxtOptions",
    "ErrorAction",
    "ErrorKind",
    "ExchangeAdapter",
    "MixinBase",
    "RequestCost",
    "Row",
    "Window",
    "account_factory",
    "classify_error",
    "code_table",
    "dig",
    "exchange_spec",
    "finding",
    "first",
    "gather_pair",
    "key_findings",
    "moment",
    "number",
    "offer",
    "total",
]
