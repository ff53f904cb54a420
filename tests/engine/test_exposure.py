"""The exposure ledger: its sums are exact whatever happened before, and the cost of a check does not grow."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import FrameType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.accounts.exposure import ExposureLedger
from te_core.model.policy import Limits
from te_core.rules.limits import Exposure, OrderCheck

ACCOUNTS = ("one", "two", "three")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
ZERO = Decimal(0)
NO_LIMITS = Limits()

notionals = st.decimals(min_value=-(10**14), max_value=10**14, places=14) | st.decimals(
    min_value=0, max_value=Decimal("1e-10"), places=26
)
steps = st.tuples(
    st.sampled_from(("observe", "aim", "admit", "refuse", "forget")),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(SYMBOLS),
    notionals,
)


def order(notional_after: Decimal, **changed: Any) -> OrderCheck:
    check = OrderCheck(
        notional=Decimal(1),
        notional_after=notional_after,
        reduce_only=False,
        enabled=True,
        leverage=1,
        price=Decimal(1),
        signal_price=None,
        orders_last_minute=0,
        exposure=Exposure(),
    )
    return replace(check, **changed)


class Naive:
    """The sums by definition: added up from scratch, in whole units of 1e-30."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[str, str], int]] = {"known": {}, "reserved": {}, "aimed": {}}

    def do(self, what: str, account: str, symbol: str, notional: Decimal) -> None:
        key, units = (account, symbol), _units(abs(notional))
        if what == "observe":
            self.tables["known"][key] = units
            self.tables["reserved"].pop(key, None)
        elif what == "aim":
            self.tables["aimed"][key] = units
        elif what == "admit":
            self.tables["reserved"][key] = max(self.tables["reserved"].get(key, 0), units)
        elif what == "forget":
            for table in self.tables.values():
                for each in SYMBOLS:
                    table.pop((account, each), None)

    def held(self, account: str, symbol: str) -> int:
        return max(table.get((account, symbol), 0) for table in self.tables.values())

    def others(self, account: str, symbol: str) -> tuple[int, int]:
        own = self.held(account, symbol)
        in_account = sum(self.held(account, each) for each in SYMBOLS)
        in_total = sum(self.held(each, one) for each in ACCOUNTS for one in SYMBOLS)
        return in_account - own, in_total - own


def _units(value: Decimal) -> int:
    scaled = value.as_tuple()
    assert isinstance(scaled.exponent, int)
    digits = int("".join(map(str, scaled.digits)))
    return digits * int(10 ** (30 + scaled.exponent))


def perform(ledger: ExposureLedger, what: str, account: str, symbol: str, notional: Decimal) -> None:
    match what:
        case "observe":
            ledger.observe(account, symbol, notional)
        case "aim":
            ledger.reserve_goal(account, symbol, notional)
        case "admit":
            assert ledger.admit(account, symbol, order(abs(notional)), NO_LIMITS) is None
        case "refuse":
            assert ledger.admit(account, symbol, order(abs(notional), enabled=False), NO_LIMITS)
        case "forget":
            ledger.forget(account)


@given(st.lists(steps, max_size=40))
@settings(max_examples=300)
def test_exposure_of_others_is_the_exact_sum_after_any_history(
    history: list[tuple[str, str, str, Decimal]],
) -> None:
    ledger, naive = ExposureLedger(lambda: 0.0), Naive()
    for step in history:
        perform(ledger, *step)
        naive.do(*step)
    for account in ACCOUNTS:
        for symbol in SYMBOLS:
            beside = ledger.beside(account, symbol)
            assert _units(ledger.held((account, symbol))) == naive.held(account, symbol)
            shown = _units(beside.account_others), _units(beside.total_others)
            assert shown == naive.others(account, symbol)


def test_nothing_remains_of_positions_closed_next_to_huge_ones() -> None:
    ledger = ExposureLedger(lambda: 0.0)
    for _ in range(100):
        ledger.observe("one", "BTCUSDT", Decimal("0.00000000000000000001"))
        ledger.observe("two", "ETHUSDT", Decimal("98765432109876543210.12345678"))
        ledger.observe("one", "BTCUSDT", ZERO)
        ledger.observe("two", "ETHUSDT", ZERO)
    assert ledger.beside("three", "SOLUSDT") == Exposure()


def test_a_forgotten_account_counts_nowhere_until_the_next_read() -> None:
    ledger = ExposureLedger(lambda: 0.0)
    ledger.observe("one", "BTCUSDT", Decimal(500))
    ledger.reserve_goal("two", "BTCUSDT", Decimal(70))
    ledger.forget("one")
    assert ledger.beside("two", "ETHUSDT") == Exposure(account_others=Decimal(70), total_others=Decimal(70))
    assert ledger.held(("one", "BTCUSDT")) == 0
    ledger.observe("one", "BTCUSDT", Decimal(3))
    assert ledger.beside("two", "BTCUSDT").total_others == 3


def test_a_total_limit_is_exact_to_the_last_digit_over_accounts() -> None:
    ledger = ExposureLedger(lambda: 0.0)
    limits = Limits(total_exposure=Decimal(1000))
    ledger.observe("one", "BTCUSDT", Decimal("999.9999"))
    assert ledger.admit("two", "BTCUSDT", order(Decimal("0.00011")), limits)
    assert ledger.admit("two", "BTCUSDT", order(Decimal("0.0001")), limits) is None


def test_orders_before_a_restart_count_for_their_minute() -> None:
    now = 10.0
    ledger = ExposureLedger(lambda: now)
    limits = Limits(orders_per_minute=3)
    ledger.seed("one", [-20.0, 5.0, -70.0])
    assert ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits) is None
    refused = ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits)
    assert refused == "3 orders in the last minute, limit orders_per_minute = 3"
    assert ledger.admit("two", "BTCUSDT", order(Decimal(1)), limits) is None
    now = 39.9
    assert ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits) == refused
    now = 40.0
    assert ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits) is None


def test_orders_that_are_seeded_again_count_once() -> None:
    now = 10.0
    ledger = ExposureLedger(lambda: now)
    limits = Limits(orders_per_minute=4)
    ledger.seed("one", [5.0])
    assert ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits) is None
    ledger.seed("one", [5.0, 10.0])
    assert [ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits) is None for _ in range(3)] == [
        True,
        True,
        False,
    ]


def test_orders_of_a_forgotten_account_count_when_it_returns() -> None:
    ledger = ExposureLedger(lambda: 0.0)
    limits = Limits(orders_per_minute=1)
    assert ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits) is None
    ledger.forget("one")
    assert ledger.admit("one", "BTCUSDT", order(Decimal(1)), limits)


def calls_made(work: Callable[[], object]) -> int:
    """Count the calls that a function makes, including C functions."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        del frame, argument
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_a_check_costs_the_same_for_10_000_positions_as_for_one() -> None:
    much = Decimal(10**12)
    limits = Limits(
        total_exposure=much, account_exposure=much, direction_share=much, group_share={"all": much}
    )

    def cost(accounts: int, symbols: int) -> int:
        ledger = ExposureLedger(lambda: 0.0)
        ledger.group({"all": map(str, range(symbols))})
        for account in range(accounts):
            for symbol in range(symbols):
                ledger.observe(str(account), str(symbol), Decimal(100))
        return calls_made(lambda: _decide_and_order(ledger, limits))

    assert cost(100, 100) == cost(1, 1)


def _decide_and_order(ledger: ExposureLedger, limits: Limits) -> None:
    ledger.ceiling("0", "0", limits, side=1, equity=Decimal(1000))
    ledger.reserve_goal("0", "0", Decimal(300))
    assert ledger.admit("0", "0", order(Decimal(300), side=1, equity=Decimal(1000)), limits) is None
    ledger.observe("0", "0", Decimal(300))


def test_a_shadow_is_limited_and_not_counted_in_the_total() -> None:
    ledger = ExposureLedger(lambda: 0.0)
    ledger.observe("live", "BTCUSDT", Decimal(500))
    ledger.observe("shadow", "BTCUSDT", Decimal(400))
    ledger.observe("shadow", "ETHUSDT", Decimal(30))
    ledger.observe("other", "BTCUSDT", Decimal(70))
    for _ in range(2):
        ledger.shadow("shadow", "live")
    assert ledger.beside("other", "ETHUSDT").total_others == 570
    assert ledger.beside("live", "BTCUSDT").total_others == 70
    beside = ledger.beside("shadow", "BTCUSDT")
    assert beside == Exposure(account_others=Decimal(30), total_others=Decimal(100))
    ledger.observe("shadow", "ETHUSDT", Decimal(40))
    assert ledger.beside("other", "ETHUSDT").total_others == 570
    ledger.shadow("shadow", None)
    assert ledger.beside("other", "ETHUSDT").total_others == 1010
    ledger.shadow("shadow", "live")
    ledger.forget("shadow")
    assert ledger.beside("live", "BTCUSDT").total_others == 70
