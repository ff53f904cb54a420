"""The conformance suite fails accounts with the typical faults of exchange plugins, each in its own case.

Every fault is tried with every case. Other cases that a fault fails are listed here: a fault in something that they
rely on affects them, too.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from te_core.clock import SystemClock
from te_core.contracts.exchange import ExchangeAccount
from te_core.journal.journal import Journal
from te_core.testing import virtual_clock
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.faults import FaultyAccount
from te_core.testing.worker_harness import WorkerHarness
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.plugin import CAPABILITIES
from tests.conformance import mistaken_connections as connections
from tests.conformance import mistaken_money as money
from tests.conformance import mistaken_orders as orders
from tests.conformance import mistaken_reads as reads
from tests.conformance import mistaken_stops as stops
from tests.conformance.mistaken import Mistaken

LATER = "e16 e17 e21 e22 e26 e27 e28 e31"
CLOSING = "e07 e09 e10 e17 e18 e19_precision e21 e26 e50"
MISTAKES: list[tuple[str, type[Any], str]] = [
    ("e01_flat_to_long", reads.ForgetsWhatItHoldsWhenIdle, LATER),  # whoever looks again after a while
    ("e02_long_to_larger", orders.TakesAnOrderForATarget, "e06 e09 e23 e27 e31"),  # whoever adds to one
    ("e03_reduce", orders.ClosesShortsInsteadOfReducingThem, ""),
    ("e04_close", reads.KeepsWhatIsGone, CLOSING),  # whoever sees a position end
    ("e05_flip", reads.KeepsTheFirstSide, "e17 e19_precision e21 e22"),  # whoever sees one change its side
    ("e06_leverage_change", orders.NeverLowersTheLeverage, "e28"),
    ("e07_margin_mode_change", orders.KeepsItsMarginMode, ""),
    ("e08_below_minimum", reads.HidesMinimums, "e19_rules"),  # the exchange still has them
    ("e09_chunks", reads.OverstatesTheLargestOrder, ""),
    ("e10_reduce_only_refused", orders.OpensWhatCannotBeReduced, "e19_rules"),  # one of them is this refusal
    ("e11_insufficient_margin", connections.StopsForWantOfMargin, ""),
    ("e12_rate_limit", connections.TakesALimitForARefusal, ""),
    ("e13_bad_key", connections.TriesABadKeyAgain, ""),
    ("e14_accepted_then_timed_out", connections.TakesSilenceForARefusal, ""),
    ("e15_duplicate_client_order_id", orders.ExecutesDuplicates, ""),
    ("e15_duplicate_client_order_id", orders.FindsAnything, ""),
    ("e16_restart_with_an_open_intent executed", orders.KnowsItsOwnOrdersOnly, ""),
    ("e16_restart_with_an_open_intent never sent", orders.WaitsForWhatWasNeverSent, ""),
    ("e17_manual_change", reads.CountsItsOwnOrders, "e10 e18 e21"),  # whoever lets others change a position
    ("e18_liquidation", reads.NeverLoses, "e50"),
    ("e19_precision_and_contract_size", reads.CountsInContracts, ""),
    ("e19_precision_and_contract_size", reads.UnderstatesTheStepOfContracts, ""),
    ("e19_rules_of_size_are_the_exchanges_own", orders.CutsOffWhatIsNoMultiple, ""),
    ("e20_hedge_mode_at_the_start", connections.DoesNotLookForHedgeMode, ""),
    ("e20_hedge_mode_while_it_runs", connections.TriesHedgeModeAgain, ""),
    ("e21_positions_of_others_are_left_alone", orders.ClosesEverything, ""),
    ("e22_a_halted_symbol_holds_up_no_other", connections.StopsAtAHaltedSymbol, ""),
    ("e23_partly_filled", orders.SaysFilledForFilledInPart, ""),
    ("e24_a_symbol_without_a_price_waits", reads.TakesOneForAMissingPrice, ""),
    ("e25_leverage_refused", orders.OrdersWithoutItsLeverage, ""),
    ("e26_unknown_equity_is_not_none", reads.TakesUnknownEquityForNone, ""),
    ("e27_unknown_positions_are_not_flat", reads.TakesUnknownPositionsForNone, ""),
    ("e28_leverage_changed_by_hand", orders.ShowsTheLeverageThatItSet, ""),
    ("e29_every_read_asks", reads.RepeatsItsReads, "e28"),  # whoever reads at once after a change by hand
    ("e30_what_is_up_is_pushed", reads.PushesWithoutUp, ""),
    ("e30_what_is_up_is_pushed", reads.PushesNothing, ""),
    ("e31_changes_are_dated", orders.DatesItsOwnRequests, ""),
    ("e32_the_account_stays_the_same", connections.NumbersItsConnections, ""),
    ("e33_stops_rest_for_what_is_held", stops.LeavesOldStops, ""),
    ("e33_stops_rest_for_what_is_held", stops.RestsEveryStopForHalf, "e34 e35 e36 e37 e38 e39 e40 e42"),
    ("e34_what_a_stop_closed_stays_closed", stops.OpensWhenAStopFires, "e35 e36 e42"),
    ("e34_what_a_stop_closed_stays_closed", stops.ForgetsStopsThatFired, "e33 e35 e36 e37 e40 e42"),
    ("e35_triggered_while_the_engine_is_down", stops.SaysCancelledForFired, "e42"),
    ("e36_a_stop_and_a_new_target_at_the_same_time", stops.OpensWhenAStopFires, "e34 e35 e42"),
    ("e37_a_stop_that_filled_in_part", stops.SaysFilledForStopsInPart, ""),
    ("e38_a_stop_that_is_refused", stops.TakesARefusedStopForPlaced, ""),
    ("e39_stops_are_found_again", stops.KnowsItsOwnStopsOnly, "e35 e42"),
    ("e40_a_stop_that_somebody_cancelled", stops.ListsWhatItPlaced, ""),
    ("e41_the_engine_watches", stops.NamesTheFirstPrice, "e36 e38 e42"),
    ("e42_a_trailing_stop_follows", stops.PlacesStopsOnce, ""),
    ("e50_what_an_order_cost", money.TellsThePriceThatWasAskedFor, ""),
    ("e50_what_an_order_cost", money.ReceivesItsFees, ""),
    ("e51_what_came_without_an_order", money.ReceivesWhatItPays, ""),
    ("e51_what_came_without_an_order", money.NumbersItsPaymentsAnew, ""),
    ("e60_a_diagnosis_changes_nothing", connections.DiagnosesByTrading, ""),
    ("e60_a_diagnosis_changes_nothing", connections.FindsFaultWithoutARemedy, ""),
    ("e61_reads_are_dated_before_the_answer", reads.DatesReadsWhenTheyArrive, ""),
    ("e62_no_read_is_dated_in_the_future", reads.DatesPricesByAnotherClock, ""),
    ("e63_a_cancelled_request_ends", connections.OutlivesItsCancellation, ""),
    ("e64_what_is_closed_leaves_nothing_running", connections.LeavesATaskBehind, ""),
    ("e65_request_budgets_are_shares", connections.CountsBudgetsInRequests, ""),
]
"""A case, a fault that it must catch, and the other cases that fail with that fault."""


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every case: its name here, its method, and its arguments besides the harness."""
    for method, _ in inspect.getmembers(ExchangeConformance, inspect.iscoroutinefunction):
        name = method.removeprefix("test_")
        if name.startswith("e16"):
            yield f"{name} executed", method, {"executed": True}
            yield f"{name} never sent", method, {"executed": False}
        else:
            yield name, method, {}


CASES = {name: (method, arguments) for name, method, arguments in cases()}
HEDGING = replace(CAPABILITIES, hedge_mode=True)
FOLLOWED = replace(HEDGING, private_stream=True)
PARTS = {"e33": "stops", "e50": "trading", "e60": "connections"}
"""The first case of each part; cases before the first belong to trading."""
UNFOLLOWED = {"e30_what_is_up_is_pushed"}
"""Cases that do not apply to an account without a stream."""


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty journal: creating it is most of the cost of a case here."""
    file = tmp_path_factory.mktemp("blank") / "journal.sqlite3"
    Journal.open(file, clock=SystemClock(), new_id=lambda: "conformance", inline=True).close()
    return file


def part_of(name: str) -> str:
    """The part that a case belongs to. Stops and connections build on trading: they are tried with their own faults
    only."""
    return next((part for first, part in reversed(PARTS.items()) if name[:3] >= first), "trading")


def failing(account: type[Any], folder: Path, blank: Path, *, part: str = "") -> dict[str, str]:
    """Return the cases that this account fails, and how. ``part``: restrict to it; empty for all."""
    failed = {}
    followed = account.watch not in (ExchangeAccount.watch, FaultyAccount.watch)
    met = {name: case for name, case in CASES.items() if followed or name not in UNFOLLOWED}
    met = {name: case for name, case in met.items() if part in ("", part_of(name))}
    for number, (name, (method, arguments)) in enumerate(met.items()):
        scratch = folder / str(number)
        scratch.mkdir()
        shutil.copy(blank, scratch / blank.name)
        exchange = Mistaken(account, scratch / "venue")
        harness = WorkerHarness(scratch, exchange, FOLLOWED if followed else HEDGING, timeout=15)
        try:
            virtual_clock.run(getattr(ExchangeConformance(), method)(harness, **arguments))
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - however it fails
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


@pytest.mark.parametrize("account", [PaperAccount, reads.PushesWhatHappens])
def test_without_a_mistake_every_case_passes(account: type[Any], tmp_path: Path, blank: Path) -> None:
    assert failing(account, tmp_path, blank) == {}


def test_every_case_has_a_mistake() -> None:
    assert dict.fromkeys(case for case, _, _ in MISTAKES).keys() == CASES.keys()


@pytest.mark.parametrize(
    ("case", "mistake", "also"), MISTAKES, ids=lambda part: getattr(part, "__name__", None)
)
def test_a_mistake_fails_its_case_alone(
    case: str, mistake: type[Any], also: str, tmp_path: Path, blank: Path
) -> None:
    found = failing(mistake, tmp_path, blank, part=part_of(case))
    others = {name for name in CASES if any(name.startswith(start) for start in also.split())}
    assert found.keys() == {case} | (found.keys() & others), found
    assert {name.partition(" ")[0] for name in others} <= {name.partition(" ")[0] for name in found}, (
        "too many named"
    )
