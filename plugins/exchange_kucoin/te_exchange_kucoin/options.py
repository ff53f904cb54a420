"""Settings of a KuCoin Futures account, and the request limits that they may change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from te_exchange_ccxt.api import CcxtOptions, Window

WINDOWS = (
    Window("futures", 2000, 30.0),  # at the lowest VIP level
    Window("public", 2000, 30.0, per_address=True),
)
"""Request limits."""


class KucoinOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "kucoin"``."""

    title: ClassVar[str] = "KuCoin Futures"
    windows: ClassVar[Sequence[Window]] = WINDOWS
    credentials: ClassVar[tuple[str, ...]] = ("api_key", "secret", "password")
