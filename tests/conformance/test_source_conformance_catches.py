"""The suite for sources fails those that are wrong in the ways that plugins are, each by its own case.

Every mistake meets every case. What fails next to its own case is named here.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from te_core.testing import virtual_clock
from te_core.testing.source_conformance import SourceConformance
from te_core.testing.source_harness import SourceHarness
from tests.conformance import mistaken_source_lives as lives
from tests.conformance import mistaken_sources as m

MISTAKES: list[tuple[str, type[Any], str]] = [
    ("s01_a_message_becomes_a_signal", m.ReadsTheSystemsClock, ""),
    ("s01_a_message_becomes_a_signal", m.NamesThePlugin, "s34"),
    ("s02_depths_are_followed_exactly", m.GoesThroughFloats, ""),
    ("s03_an_unmapped_symbol_is_left_alone", m.GuessesSymbols, ""),
    ("s03_an_unmapped_symbol_is_left_alone", m.FailsAtUnmappedSymbols, ""),
    ("s04_the_time_is_the_senders", m.DatesByArrival, ""),
    ("s05_a_time_in_the_future_does_not_count", m.BelievesAnyTime, ""),
    ("s06_a_repeated_message_changes_nothing", m.PublishesEveryRead, "s05 s33"),
    ("s06_a_repeated_message_changes_nothing", m.RecognisesNoRepeats, "s33"),
    ("s07_a_late_message_does_not_take_over", m.FollowsWhatArrivesLast, ""),
    ("s07_a_late_message_does_not_take_over", m.FollowsLateMessages, ""),
    ("s08_an_excessive_depth_is_refused", m.CutsExcessiveDepths, ""),
    ("s08_an_excessive_depth_is_refused", m.LeavesExcessiveDepthsToTheEngine, ""),
    ("s10_what_was_not_persisted_is_not_lost", m.ForgetsWhatWasNotPersisted, ""),
    ("s10_what_was_not_persisted_is_not_lost", m.ThanksForWhatItLost, ""),
    ("s11_success_is_answered_once_it_is_durable", m.AnswersBeforeItIsDurable, "s10 s53"),
    ("s20_garbage_changes_nothing", m.TakesGarbageForNothing, "s08"),
    ("s20_garbage_changes_nothing", m.TakesGarbageForFlat, ""),
    ("s20_garbage_changes_nothing", m.ThanksForGarbage, ""),
    ("s20_garbage_changes_nothing", m.BreaksAtGarbage, "s21"),
    ("s21_secrets_stay_secret", m.QuotesTheSender, ""),
    ("s21_secrets_stay_secret", m.LogsItsAddress, ""),
    ("s21_secrets_stay_secret", m.ShowsItsKey, ""),
    ("s30_its_state_is_shown_at_any_time", lives.KnowsItsStateOnlyOnceItRuns, ""),
    ("s30_its_state_is_shown_at_any_time", lives.ReportsWhatIsNotJson, ""),
    ("s31_a_cancelled_run_ends", lives.MistakesItsCancellation, ""),
    ("s32_what_is_closed_leaves_nothing_running", lives.LeavesATask, ""),
    ("s32_what_is_closed_leaves_nothing_running", lives.LeavesAThread, ""),
    ("s33_a_restart_continues_with_the_newest_signal", lives.KnowsOnlyItsOwnSignals, ""),
    ("s34_instances_are_independent", lives.SharesItsMemory, ""),
    ("s35_nothing_blocks_the_event_loop", lives.SleepsOnTheLoop, ""),
    ("s35_nothing_blocks_the_event_loop", lives.ConnectsOnTheLoop, ""),
    ("s40_an_outage_is_not_an_opinion", lives.TakesAnOutageForFlat, ""),
    ("s40_an_outage_is_not_an_opinion", lives.IsSilentAboutOutages, ""),
    ("s40_an_outage_is_not_an_opinion", lives.NeverRecovers, "s21"),
    ("s40_an_outage_is_not_an_opinion", lives.NeverSaysThatItIsWell, ""),
    ("s40_an_outage_is_not_an_opinion", lives.LetsTheClientsErrorsPass, "s21 s30 s41"),
    ("s41_an_unanswered_request_is_given_up", lives.HasNoTimeLimit, "s21"),
    ("s42_a_refused_key_is_reported", lives.IsSilentAboutARefusedKey, ""),
    ("s50_a_wrong_token_is_refused", lives.ChecksNoToken, ""),
    ("s50_a_wrong_token_is_refused", lives.LocksEverybodyOut, ""),
    ("s51_other_methods_are_refused", lives.AcceptsAnyMethod, ""),
    ("s52_screening_applies_the_same_checks", lives.ScreensMessagesAway, ""),
    ("s52_screening_applies_the_same_checks", lives.ChecksOnlyWhatIsScreened, "s51"),
    ("s53_a_sender_may_hang_up", lives.GoesOnWithoutItsSender, ""),
    ("s54_the_example_is_accepted", lives.ExplainsAnotherFormat, ""),
]
"""A case, a mistake that it is there for, and the cases next to it that cannot be passed with that mistake."""

CASES = [name for name, _ in inspect.getmembers(SourceConformance, inspect.iscoroutinefunction)]
CASES = [name for name in CASES if name.startswith("test_s")]
TWO = "test_s34_instances_are_independent"


def failing(kind: type[Any], folder: Path) -> dict[str, str]:
    """Return the cases that this source fails, and how."""

    class Suite(SourceConformance):
        def make_source(self, folder: Path) -> SourceHarness:
            made: SourceHarness = kind.sender(kind)
            return made

    failed = {}
    for case in CASES:
        suite = Suite()
        harness = suite.make_harness(folder / case)
        more = {"tmp_path": folder / case} if case == TWO else {}
        try:
            virtual_clock.run(getattr(suite, case)(harness, **more))
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - however it fails
            failed[case.removeprefix("test_")] = f"{type(error).__name__}: {error}"
        m.LEFT.set()
        m.LEFT.clear()
    return failed


@pytest.mark.parametrize("kind", [m.Fetching, m.Listening])
def test_without_a_mistake_every_case_passes(kind: type[Any], tmp_path: Path) -> None:
    assert failing(kind, tmp_path) == {}


def test_every_case_has_a_mistake() -> None:
    assert list(dict.fromkeys(f"test_{case}" for case, _, _ in MISTAKES)) == sorted(CASES)


@pytest.mark.parametrize(
    ("case", "mistake", "also"), MISTAKES, ids=lambda part: getattr(part, "__name__", None)
)
def test_a_mistake_fails_its_case_alone(case: str, mistake: type[Any], also: str, tmp_path: Path) -> None:
    found = failing(mistake, tmp_path)
    assert {name[:3] for name in found} == {case[:3], *also.split()}, found
