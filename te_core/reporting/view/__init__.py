"""What the terminal and the page show, derived from the engine's state (``/api/v1/state``), the same for both.

``view(state)`` is pure: no clock, no I/O; "now" is the state's own. It returns a ``View`` of frozen values. Amounts
are ``Decimal`` in an account's currency, ages are seconds, times are aware; unknown values are None and never 0.
``te_core.reporting.figures`` formats them for people.
"""

from te_core.reporting.view.build import view, view_steps
from te_core.reporting.view.narrow import narrowed
from te_core.reporting.view.values import (
    AccountRow,
    Cell,
    EngineLine,
    Item,
    LimitRow,
    Mark,
    NotifierRow,
    Opinion,
    Severity,
    SourceRow,
    SymbolRow,
    Totals,
    View,
)

__all__ = [
    "AccountRow",
    "Cell",
    "EngineLine",
    "Item",
    "LimitRow",
    "Mark",
    "NotifierRow",
    "Opinion",
    "Severity",
    "SourceRow",
    "SymbolRow",
    "Totals",
    "View",
    "narrowed",
    "view",
    "view_steps",
]
