"""A planted fault: one replacement in the source, of a text that occurs exactly once there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One planted fault."""

    name: str
    file: str
    old: str
    new: str
    tests: str = ""
    """What catches it where no simulation can: it says nothing of any single position."""
    quick: bool = False
    """It is caught fast enough to be tried in every ``make test``."""
    also: tuple[tuple[str, str, str], ...] = ()
    """More to replace (file, old, new), where two places guard against the same fault."""

    def plant(self, root: Path) -> None:
        """Change the source under ``root``. Raises ``ValueError`` unless each text occurs exactly once."""
        for file, old, new in ((self.file, self.old, self.new), *self.also):
            path = root / file
            source = path.read_text()
            if (found := source.count(old)) != 1:
                raise ValueError(f"{self.name}: found {found} times in {file}: {old!r}")
            path.write_text(source.replace(old, new))


BELIEF, PLAN, LIMITS = "te_core/rules/belief.py", "te_core/rules/plan.py", "te_core/rules/limits.py"
DECISION, DRIFT, SIZING = "te_core/rules/decision.py", "te_core/rules/drift.py", "te_core/rules/sizing.py"
EXECUTION, OUTCOMES = "te_core/accounts/execution.py", "te_core/accounts/outcomes.py"
READER, LEDGER = "te_core/accounts/reader.py", "te_core/accounts/exposure.py"
RECONCILER, KEEPER = "te_core/accounts/reconciler.py", "te_core/accounts/keeper.py"
ORDERS, GUARD = "te_core/accounts/own_orders.py", "te_core/runtime/guard.py"
"""Files in which several faults are planted."""
