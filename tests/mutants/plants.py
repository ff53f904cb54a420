"""Every fault that is planted."""

from __future__ import annotations

from tests.mutants.engine_plants import BREAKERS, CLOCKS, CONTROL, ENGINE, MONEY, PAGE, REVIEWS, TELLING
from tests.mutants.trading_plants import ACCOUNTS, BELIEFS, RULES

MUTANTS = (
    *BELIEFS,
    *RULES,
    *ACCOUNTS,
    *ENGINE,
    *BREAKERS,
    *CLOCKS,
    *CONTROL,
    *MONEY,
    *TELLING,
    *PAGE,
    *REVIEWS,
)
