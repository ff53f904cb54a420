"""The suite for notifiers fails those that are wrong in the ways that plugins are, each by its own case."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from te_core.testing import virtual_clock
from te_core.testing.notifier_conformance import NotifierConformance, NotifierRunnerHarness
from tests.conformance import mistaken_notifiers as m

MISTAKES: list[tuple[str, type[m.Bell], str]] = [
    ("n01_an_event_becomes_a_message", m.ShowsTheHeadlineOnly, "n02 n03 n04 n05 n06 n07 n08 n10 n11 n12"),
    ("n01_an_event_becomes_a_message", m.KeepsMessagesForLater, "n02 n03 n04 n05 n06 n07 n08 n10 n11 n12"),
    ("n02_messages_arrive_in_order", m.SendsTwice, "n03"),
    ("n03_any_text_arrives", m.CutsNothing, ""),
    ("n03_any_text_arrives", m.FillsInWhatLooksLikeAField, ""),
    ("n04_an_unreachable_receiver_is_tried_again", m.LosesWhatCannotBeSent, ""),
    ("n04_an_unreachable_receiver_is_tried_again", m.LetsTheClientsErrorsPass, "n09"),
    ("n05_an_unanswered_message_is_given_up", m.HasNoTimeLimit, ""),
    ("n06_a_refused_key_is_not_an_outage", m.TriesABadKeyAgain, ""),
    ("n07_a_refused_message_holds_up_no_other", m.TriesABadMessageAgain, ""),
    ("n08_the_receivers_wait_is_passed_on", m.IgnoresTheWait, ""),
    ("n09_secrets_stay_secret", m.QuotesTheReceiver, ""),
    ("n09_secrets_stay_secret", m.NamesItsCause, ""),
    ("n10_a_cancelled_call_ends", m.MistakesItsCancellation, ""),
    ("n11_what_is_closed_leaves_nothing_running", m.LeavesATask, ""),
    ("n12_nothing_blocks_the_event_loop", m.SleepsOnTheLoop, ""),
]
"""A case, a mistake that it is there for, and the cases next to it that cannot be passed with that mistake."""

CASES = [
    name
    for name, _ in inspect.getmembers(NotifierConformance, inspect.iscoroutinefunction)
    if name.startswith("test_n")
]


def failing(kind: type[m.Bell], folder: Path) -> dict[str, str]:
    """Return the cases that this notifier fails, and how."""
    failed = {}
    for case in CASES:
        harness = NotifierRunnerHarness(m.Receiver(kind), folder)
        try:
            virtual_clock.run(getattr(NotifierConformance(), case)(harness))
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - however it fails
            failed[case.removeprefix("test_")] = f"{type(error).__name__}: {error}"[:300]
    return failed


def test_without_a_mistake_every_case_passes(tmp_path: Path) -> None:
    assert failing(m.Bell, tmp_path) == {}


def test_every_case_has_a_mistake() -> None:
    assert list(dict.fromkeys(f"test_{case}" for case, _, _ in MISTAKES)) == sorted(CASES)


@pytest.mark.parametrize(
    ("case", "mistake", "also"), MISTAKES, ids=lambda part: getattr(part, "__name__", None)
)
def test_a_mistake_fails_its_case_alone(case: str, mistake: type[m.Bell], also: str, tmp_path: Path) -> None:
    found = failing(mistake, tmp_path)
    assert {name[:3] for name in found} == {case[:3], *also.split()}, found
