"""Events for streams: snapshots in chronological order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from te_emulators.core.account import Account
from te_emulators.core.market import Quote
from te_emulators.core.order import Execution, Order
from te_emulators.core.position import Position


class Topic(StrEnum):
    """Kinds of events; stream faults may name one."""

    ORDER = "order"
    EXECUTION = "execution"
    POSITION = "position"
    WALLET = "wallet"
    TICKER = "ticker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Exactly one of the parts is set besides ``account`` (an execution comes with its order).

    Orders and positions are copies; a wallet event asks the account itself. ``sequence`` grows by one with
    every event of the exchange.
    """

    topic: Topic
    sequence: int
    at_ms: int
    account: Account | None = None
    order: Order | None = None
    execution: Execution | None = None
    position: Position | None = None
    quote: Quote | None = None


Listener = Callable[[Event], None]
