"""Settings of a Bybit account, and the request limits that they may change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from te_exchange_ccxt.api import CcxtOptions, Window

WINDOWS = (
    Window("address", 600, 5.0, per_address=True),
    Window("orders", 10, 1.0),
    Window("leverage", 10, 1.0),
    Window("reads", 50, 1.0),
)
"""Request limits."""


class BybitOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "bybit"``."""

    title: ClassVar[str] = "Bybit"
    windows: ClassVar[Sequence[Window]] = WINDOWS
    tests: ClassVar[tuple[str, ...]] = ("testnet", "demo")
