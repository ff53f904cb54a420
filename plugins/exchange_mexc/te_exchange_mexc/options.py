"""Settings of a MEXC account, and the request limits that they may change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from te_exchange_ccxt.api import CcxtOptions, Window

PATHS = (
    *("order/create", "order/external/{symbol}/{external_oid}", "account/assets", "position/open_positions"),
    *("position/change_leverage", "position/position_mode", "ticker", "ping"),
    *("position/funding_records", "account/transfer_record"),
)
"""Endpoints in use; each has a limit of its own."""
WINDOWS = (
    Window("detail", 1, 5.0, per_address=True),
    *(Window(path, 20, 2.0, per_address="/" not in path) for path in PATHS),
)
"""Request limits."""


class MexcOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "mexc"``."""

    title: ClassVar[str] = "MEXC"
    windows: ClassVar[Sequence[Window]] = WINDOWS

    market_order_type: Literal[5, 6] = Field(
        default=5,
        description="Code of a market order: 5 by MEXC's documentation, 6 as other clients send it.",
    )
    """MEXC documents 5 as "market" and 6, which other clients send, as "convert to the current price"."""
