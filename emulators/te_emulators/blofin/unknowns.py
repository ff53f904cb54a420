"""Unrecorded behaviour of BloFin: each switch selects one of the forms that a client must handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True)
class Unknowns:
    """Tests may switch while the emulator runs. The defaults are what documents or clients of others suggest."""

    rejections: Literal["outer", "inner", "object", "plain"] = "outer"
    """The position of a refused order's code: in a list under an outer "1" or "0", in an object under "0", or as the
    outer code itself."""
    missing_order: Literal["null", "empty", "refused"] = "null"
    """order-detail of an unknown order: ``data`` null, an empty object, or 102067."""
    null_broker: bool = True
    """Keys without a broker accept ``"brokerId": null``."""
    leverage_unchanged: str | None = None
    """Code that refuses to set the current leverage again; None accepts it."""
    position_side_required: bool = False
    """Orders must have "positionSide", as documented; a recorded one did not."""
    margin_mode_must_match: bool = False
    """An order's margin mode must be the account's."""
    cancel_as_list: bool = False
    """The response to a cancellation is a list; an object is documented."""
    ban_page: bool = False
    """A banned address gets HTTP 403 with a page instead of HTTP 429 with JSON."""
    children_named: bool = True
    """The order that a TP/SL order becomes names it, as documented: ``algoClientOrderId`` and ``algoId``."""
    children_shown: bool = True
    """That order is shown at once."""
    copy_broker: Literal["any", "present", "absent"] = "present"
    """Whether a copy-trading order needs the field "brokerId", even if empty, or must not have it."""
    copy_client_ids: bool = False
    """Rows of copy-trading orders have the client order id that was sent; documented ones have none."""
    closes_in_parts: bool = False
    """Closing by contract creates several orders, as in the documented response."""
    snapshots: frozenset[str] = frozenset({"positions"})
    """Private channels that push their state once they are subscribed."""
    push_seconds: float | None = None
    """Positions and account are also pushed at this interval."""
    closed_pushed: bool = True
    """A closed position is pushed with size 0; otherwise it is missing from the push."""
