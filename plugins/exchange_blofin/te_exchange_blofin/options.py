"""Settings of a BloFin account, and the request limits that they may change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from te_exchange_ccxt.api import CcxtOptions, Window

WINDOWS = (
    Window("minute", 500, 60.0, per_address=True),
    Window("five minutes", 1500, 300.0, per_address=True),
    Window("trading", 30, 10.0),
    Window("connections", 1, 1.0, per_address=True),
)
"""Request limits."""


class BlofinOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "blofin"``."""

    credentials: ClassVar[tuple[str, ...]] = ("api_key", "secret", "password")
    tests: ClassVar[tuple[str, ...]] = ("demo",)
    title: ClassVar[str] = "BloFin"
    windows: ClassVar[Sequence[Window]] = WINDOWS

    account_type: Literal["futures", "copy_trading"] = Field(
        default="futures",
        description="Which account of the user is traded: futures, or the lead trader's copy-trading account.",
    )
    broker_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,16}$")] | None = Field(
        default=None,
        description="Broker id in every order; empty sends none, left out the kind of key decides.",
    )
    """Without it keys of type "API transaction" send none, which they must not, and keys for third-party applications
    send that of "CCXT"."""
