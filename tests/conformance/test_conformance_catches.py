"""The conformance suite fails accounts that are wrong in the ways that exchange plugins are, each by its own case.

Every mistake meets every case. What fails next to its own case is named here: a mistake in something that other
cases need on their way cannot leave those alone.
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
from tests.conformance import mistaken as m

LATER = "e16 e17 e21 e22 e26 e27 e28 e31"
CLOSING = "e07 e09 e10 e17 e18 e19_precision e21 e26 e50"
MISTAKES: list[tuple[str, type[Any], str]] = [
    ("e01_flat_to_long", m.ForgetsWhatItHoldsWhenIdle, LATER),  # whoever looks again after a while
    ("e02_long_to_larger", m.TakesAnOrderForATarget, "e06 e09 e23 e27 e31"),  # whoever adds to a position
    ("e03_reduce", m.ClosesShortsInsteadOfReducingThem, ""),
    ("e04_close", m.KeepsWhatIsGone, CLOSING),  # whoever sees a position end
    ("e05_flip", m.KeepsTheFirstSide, "e17 e19_precision e21 e22"),  # whoever sees a position change its side
    ("e06_leverage_change", m.NeverLowersTheLeverage, "e28"),
    ("e07_margin_mode_change", m.KeepsItsMarginMode, ""),
    ("e08_below_minimum", m.HidesMinimums, "e19_rules"),  # the exchange still has them
    ("e09_chunks", m.OverstatesTheLargestOrder, ""),
    ("e10_reduce_only_refused", m.OpensWhatCannotBeReduced, "e19_rules"),  # one of them is this refusal
    ("e11_insufficient_margin", m.StopsForWantOfMargin, ""),
    ("e12_rate_limit", m.TakesALimitForARefusal, ""),
    ("e13_bad_key", m.TriesABadKeyAgain, ""),
    ("e14_accepted_then_timed_out", m.TakesSilenceForARefusal, ""),
    ("e15_duplicate_client_order_id", m.ExecutesDuplicates, ""),
    ("e15_duplicate_client_order_id", m.FindsAnything, ""),
    ("e16_restart_with_an_open_intent executed", m.KnowsItsOwnOrdersOnly, ""),
    ("e16_restart_with_an_open_intent never sent", m.WaitsForWhatWasNeverSent, ""),
    ("e17_manual_change", m.CountsItsOwnOrders, "e10 e18 e21"),  # whoever lets others change a position
    ("e18_liquidation", m.NeverLoses, "e50"),
    ("e19_precision_and_contract_size", m.CountsInContracts, ""),
    ("e19_precision_and_contract_size", m.UnderstatesTheStepOfContracts, ""),
    ("e19_rules_of_size_are_the_exchanges_own", m.CutsOffWhatIsNoMultiple, ""),
    ("e20_hedge_mode_at_the_start", m.DoesNotLookForHedgeMode, ""),
    ("e20_hedge_mode_while_it_runs", m.TriesHedgeModeAgain, ""),
    ("e21_positions_of_others_are_left_alone", m.ClosesEverything, ""),
    ("e22_a_halted_symbol_holds_up_no_other", m.StopsAtAHaltedSymbol, ""),
    ("e23_partly_filled", m.SaysFilledForFilledInPart, ""),
    ("e24_a_symbol_without_a_price_waits", m.TakesOneForAMissingPrice, ""),
    ("e25_leverage_refused", m.OrdersWithoutItsLeverage, ""),
    ("e26_unknown_equity_is_not_none", m.TakesUnknownEquityForNone, ""),
    ("e27_unknown_positions_are_not_flat", m.TakesUnknownPositionsForNone, ""),
    ("e28_leverage_changed_by_hand", m.ShowsTheLeverageThatItSet, ""),
    ("e29_every_read_asks", m.RepeatsItsReads, "e28"),  # whoever reads at once after a change by hand
    ("e30_what_is_up_is_pushed", m.PushesWithoutUp, ""),
    ("e30_what_is_up_is_pushed", m.PushesNothing, ""),
    ("e31_changes_are_dated", m.DatesItsOwnRequests, ""),
    ("e32_the_account_stays_the_same", m.NumbersItsConnections, ""),
    ("e33_stops_rest_for_what_is_held", m.LeavesOldStops, ""),
    ("e33_stops_rest_for_what_is_held", m.RestsEveryStopForHalf, "e34 e35 e36 e37 e38 e39 e40 e42"),
    ("e34_what_a_stop_closed_stays_closed", m.OpensWhenAStopFires, "e35 e36 e42"),
    ("e34_what_a_stop_closed_stays_closed", m.ForgetsStopsThatFired, "e33 e35 e36 e37 e40 e42"),
    ("e35_triggered_while_the_engine_is_down", m.SaysCancelledForFired, "e42"),
    ("e36_a_stop_and_a_new_target_at_the_same_time", m.OpensWhenAStopFires, "e34 e35 e42"),
    ("e37_a_stop_that_filled_in_part", m.SaysFilledForStopsInPart, ""),
    ("e38_a_stop_that_is_refused", m.TakesARefusedStopForPlaced, ""),
    ("e39_stops_are_found_again", m.KnowsItsOwnStopsOnly, "e35 e42"),
    ("e40_a_stop_that_somebody_cancelled", m.ListsWhatItPlaced, ""),
    ("e41_the_engine_watches", m.NamesTheFirstPrice, "e36 e38 e42"),
    ("e42_a_trailing_stop_follows", m.PlacesStopsOnce, ""),
    ("e50_what_an_order_cost", m.TellsThePriceThatWasAskedFor, ""),
    ("e50_what_an_order_cost", m.ReceivesItsFees, ""),
    ("e51_what_came_without_an_order", m.ReceivesWhatItPays, ""),
    ("e51_what_came_without_an_order", m.NumbersItsPaymentsAnew, ""),
    ("e60_a_diagnosis_changes_nothing", m.DiagnosesByTrading, ""),
    ("e60_a_diagnosis_changes_nothing", m.FindsFaultWithoutARemedy, ""),
    ("e61_reads_are_dated_before_the_answer", m.DatesReadsWhenTheyArrive, ""),
    ("e62_no_read_is_dated_in_the_future", m.DatesPricesByAnotherClock, ""),
    ("e63_a_cancelled_request_ends", m.OutlivesItsCancellation, ""),
    ("e64_what_is_closed_leaves_nothing_running", m.LeavesATaskBehind, ""),
    ("e65_request_budgets_are_shares", m.CountsBudgetsInRequests, ""),
]
"""A case, a mistake that it is there for, and the cases next to it that cannot be passed with that mistake."""


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every case: its name here, its method, and its arguments next to the desk."""
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
"""The first case of each part; what is before the first is about trading, too."""
UNFOLLOWED = {"e30_what_is_up_is_pushed"}
"""Cases that an account without a stream has nothing to show in."""


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty journal: making it again is most of what a case costs here."""
    file = tmp_path_factory.mktemp("blank") / "journal.sqlite3"
    Journal.open(file, clock=SystemClock(), new_id=lambda: "conformance", inline=True).close()
    return file


def part_of(name: str) -> str:
    """Which cases a case is one of. Stops and connections build on trading: they meet their own mistakes only."""
    return next((part for first, part in reversed(PARTS.items()) if name[:3] >= first), "trading")


def failing(account: type[Any], folder: Path, blank: Path, *, part: str = "") -> dict[str, str]:
    """The cases that this account fails, and how. ``part``: only those of it; empty: all."""
    failed = {}
    followed = account.watch not in (ExchangeAccount.watch, FaultyAccount.watch)
    met = {name: case for name, case in CASES.items() if followed or name not in UNFOLLOWED}
    met = {name: case for name, case in met.items() if part in ("", part_of(name))}
    for number, (name, (method, arguments)) in enumerate(met.items()):
        scratch = folder / str(number)
        scratch.mkdir()
        shutil.copy(blank, scratch / blank.name)
        exchange = m.Mistaken(account, scratch / "venue")
        harness = WorkerHarness(scratch, exchange, FOLLOWED if followed else HEDGING, timeout=15)
        try:
            virtual_clock.run(getattr(ExchangeConformance(), method)(harness, **arguments))
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - however it fails
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


@pytest.mark.parametrize("account", [PaperAccount, m.PushesWhatHappens])
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
