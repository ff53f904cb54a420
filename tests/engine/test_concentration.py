"""Limits as a share of the equity: one symbol, one direction, a group of symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from te_core.accounts.exposure import ExposureLedger
from te_core.model.policy import Limits
from te_core.rules.limits import Exposure, OrderCheck
from te_core.settings.policies import effective_limits
from te_core.settings.schema import GlobalLimitSettings, LimitSettings
from te_core.testing.fake_account import FakeAccount
from tests.engine.worker_harness import Open

D = Decimal
ACCOUNTS, SYMBOLS = ("one", "two"), ("BTCUSDT", "ETHUSDT", "SOLUSDT")
GROUPS: tuple[Mapping[str, Sequence[str]], ...] = (
    {},
    {"majors": ("BTCUSDT", "ETHUSDT")},
    {"majors": ("BTCUSDT", "ETHUSDT"), "all": SYMBOLS},
)
steps = st.tuples(
    st.sampled_from(("observe", "aim", "admit", "forget", "group")),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(SYMBOLS),
    st.integers(-1000, 1000),
)


class Written:
    """The sums by definition: every table is added up each time."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[str, str], tuple[int, int]]] = {
            "known": {},
            "reserved": {},
            "aimed": {},
        }
        self.groups: Mapping[str, Sequence[str]] = {}

    def do(self, what: str, account: str, symbol: str, notional: int) -> None:
        key, sides = (account, symbol), (max(notional, 0), max(-notional, 0))
        if what == "observe":
            self.tables["known"][key] = sides
            self.tables["reserved"].pop(key, None)
        elif what == "aim":
            self.tables["aimed"][key] = sides
        elif what == "admit":
            long, short = self.tables["reserved"].get(key, (0, 0))
            self.tables["reserved"][key] = (max(long, sides[0]), max(short, sides[1]))
        elif what == "forget":
            for table in self.tables.values():
                for each in SYMBOLS:
                    table.pop((account, each), None)
        else:
            self.groups = GROUPS[notional % len(GROUPS)]

    def sides(self, account: str, symbol: str) -> tuple[int, int]:
        found = [table.get((account, symbol), (0, 0)) for table in self.tables.values()]
        return max(long for long, _ in found), max(short for _, short in found)


def perform(ledger: ExposureLedger, what: str, account: str, symbol: str, notional: int) -> None:
    match what:
        case "observe":
            ledger.observe(account, symbol, D(notional))
        case "aim":
            ledger.reserve_goal(account, symbol, D(notional))
        case "admit":
            check = order(D(abs(notional)), side=(notional > 0) - (notional < 0))
            assert ledger.admit(account, symbol, check, Limits()) is None
        case "forget":
            ledger.forget(account)
        case _:
            ledger.group(GROUPS[notional % len(GROUPS)])


def order(notional_after: Decimal, **changed: Any) -> OrderCheck:
    base: dict[str, Any] = {
        "notional": D(1),
        "notional_after": notional_after,
        "reduce_only": False,
        "enabled": True,
        "leverage": 1,
        "price": D(1),
        "signal_price": None,
        "orders_last_minute": 0,
        "exposure": Exposure(),
    }
    return OrderCheck(**{**base, **changed})


@given(st.lists(steps, max_size=40))
def test_sides_and_groups_are_sums_after_any_history(
    history: list[tuple[str, str, str, int]],
) -> None:
    ledger, written = ExposureLedger(lambda: 0.0), Written()
    for step in history:
        perform(ledger, *step)
        written.do(*step)
    for account in ACCOUNTS:
        for symbol in SYMBOLS:
            others = [other for other in SYMBOLS if other != symbol]
            for index, side in enumerate((1, -1)):
                counted = ledger.beside(account, symbol, side)
                assert counted.side_others == sum(written.sides(account, other)[index] for other in others)
                assert counted.group_others == {
                    name: sum(max(written.sides(account, other)) for other in others if other in members)
                    for name, members in written.groups.items()
                    if symbol in members
                }


async def test_a_symbol_gets_no_more_than_its_share_of_the_equity(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(symbol_share=D("0.3")))
    await harness.want("BTCUSDT", "0.9", wait=10)
    assert account.quantity("BTCUSDT") == D("0.06")
    assert harness.worker.keepers["BTCUSDT"].limited == "limit symbol_share leaves 3000.0 (0.06 of 0.18)"
    assert [event.kind for event in harness.events] == ["limited"]


async def test_a_smaller_equity_closes_nothing(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(symbol_share=D("0.3"), direction_share=D("0.3")))
    await harness.want("BTCUSDT", "0.3", wait=10)
    account.equity_value = D(1000)
    await harness.go(120)
    assert account.quantity("BTCUSDT") == D("0.06")
    await harness.want("ETHUSDT", "-0.3", wait=60)
    assert account.quantity("ETHUSDT") == D("-0.12"), "the other direction has room of its own"


async def test_long_and_short_positions_are_limited_apart(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(direction_share=D("0.5")))
    await harness.want("BTCUSDT", "0.4", wait=10)
    await harness.want("ETHUSDT", "0.4", wait=10)
    await harness.want("SOLUSDT", "-0.4", wait=10)
    held = {symbol: account.quantity(symbol) * account.price[symbol] for symbol in SYMBOLS}
    assert held == {"BTCUSDT": 4000, "ETHUSDT": 1000, "SOLUSDT": -4000}
    # A flip frees one direction and needs the other, which has 1,000 left.
    await harness.want("BTCUSDT", "-0.4", wait=30)
    assert account.quantity("BTCUSDT") * 50000 == -1000
    await harness.want("ETHUSDT", "0.5", wait=30)
    assert account.quantity("ETHUSDT") * 2500 == 5000


async def test_a_group_shares_one_room(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(group_share={"majors": D("0.5")}))
    harness.ledger.group({"majors": ("BTCUSDT", "ETHUSDT")})
    for symbol in SYMBOLS:
        await harness.want(symbol, "0.4", wait=10)
    held = {symbol: account.quantity(symbol) * account.price[symbol] for symbol in SYMBOLS}
    assert held == {"BTCUSDT": 4000, "ETHUSDT": 1000, "SOLUSDT": 4000}
    assert "group_share.majors" in harness.worker.keepers["ETHUSDT"].limited
    harness.ledger.group({})
    await harness.go(60)
    assert account.quantity("ETHUSDT") * 2500 == 4000, "what a limit held back follows once it is gone"


async def test_a_flip_keeps_to_the_share_of_its_new_direction(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(direction_share=D("0.5")))
    await harness.want("BTCUSDT", "0.5", wait=10)
    await harness.want("ETHUSDT", "-0.4", wait=10)
    await harness.want("BTCUSDT", "-0.5", wait=30)
    assert account.quantity("BTCUSDT") * 50000 == -1000
    assert account.quantity("ETHUSDT") * 2500 == -4000


async def test_the_last_check_counts_what_others_ordered_meanwhile(clock: Any) -> None:
    ledger = ExposureLedger(clock.monotonic)
    limits = Limits(direction_share=D("0.5"))
    assert ledger.admit("a", "BTCUSDT", order(D(4000), side=1, equity=D(10000)), limits) is None
    refused = ledger.admit("a", "ETHUSDT", order(D(1001), side=1, equity=D(10000)), limits)
    assert refused == "notional would be 1001: limit direction_share leaves 1000.0"
    assert ledger.admit("a", "ETHUSDT", order(D(1000), side=1, equity=D(10000)), limits) is None
    assert ledger.admit("a", "SOLUSDT", order(D(5000), side=-1, equity=D(10000)), limits) is None
    unknown = ledger.admit("b", "BTCUSDT", order(D(1), side=1), limits)
    assert unknown == "no recent equity to apply limit direction_share"


async def test_what_may_be_held_at_a_start_counts_in_both_directions() -> None:
    ledger = ExposureLedger(lambda: 0.0)
    ledger.observe("a", "BTCUSDT", D(4000), side_known=False)
    assert [ledger.beside("a", "ETHUSDT", side).side_others for side in (1, -1)] == [4000, 4000]
    ledger.observe("a", "BTCUSDT", D(-4000))
    assert [ledger.beside("a", "ETHUSDT", side).side_others for side in (1, -1)] == [0, 4000]
    assert ledger.beside("a", "ETHUSDT").account_others == 4000


def test_the_stricter_share_of_each_group_holds() -> None:
    limits = effective_limits(
        GlobalLimitSettings(group_share={"majors": D(2), "memes": D(1)}, liquidation_distance=D("0.1")),
        LimitSettings(group_share={"majors": D(3), "layer1": D(1)}, liquidation_distance=D("0.2")),
    )
    assert limits.group_share == {"majors": 2, "memes": 1, "layer1": 1}
    assert limits.liquidation_distance == D("0.2"), "of two distances the larger is the stricter"
