"""Conformance cases about the signals that a source publishes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from te_core.contracts.webhook import WebhookResponse
from te_core.errors import NotReady
from te_core.testing.source_runner_harness import SourceRunnerHarness

HALF, ZERO = Decimal("0.5"), Decimal(0)
AHEAD = timedelta(minutes=5)
"""By how much the clocks of a sender and the engine may differ."""
WRITING = 2.0
"""Seconds that a signal takes to become durable."""


def _stated(harness: SourceRunnerHarness, seconds: float) -> datetime:
    """Return the present time plus ``seconds``, in whole seconds, as a message states it."""
    if not harness.sender.states_time:
        pytest.skip("the messages state no time")
    return harness.sender.clock.now().replace(microsecond=0) + timedelta(seconds=seconds)


def listening(harness: SourceRunnerHarness) -> None:
    """Skip the case if the source has no webhook."""
    if not harness.listens:
        pytest.skip("the source does not listen")


def refused(response: WebhookResponse) -> bool:
    """Return whether a response says that sending the request again is of no use."""
    return 400 <= response.status < 500


class SourceSignalCases:
    """Cases S01 to S11."""

    async def test_s01_a_message_becomes_a_signal(self, source: SourceRunnerHarness) -> None:
        """A signal has the instance's name, an engine symbol, and the time of arrival by the engine's clock."""
        async with source:
            began = source.sender.clock.now()
            signal = await source.state(source.first, HALF)
            assert type(signal.depth) is Decimal
            assert began <= signal.received_at <= source.sender.clock.now(), (
                f"received_at is {signal.received_at}, not the time of context.clock"
            )
            for signal in source.recorder.published:
                assert signal.source == source.name, f"source is {signal.source!r}, not the instance's name"
                assert signal.symbol in source.sender.symbols.values()

    async def test_s02_depths_are_followed_exactly(self, source: SourceRunnerHarness) -> None:
        """Long, short and flat; a depth goes from text to ``Decimal``, never through a float."""
        async with source:
            for depth in ("1", "-1", "0", "0.1", "-0.137"):
                await source.state(source.first, Decimal(depth))
            await source.state(source.second, HALF)
            assert source.depth(source.first) == Decimal("-0.137")

    async def test_s03_an_unmapped_symbol_is_left_alone(self, source: SourceRunnerHarness) -> None:
        """A symbol is never guessed, and one that is not mapped holds up no other."""
        async with source:
            await source.sender.send(source.sender.unmapped, HALF)
            await source.quiet()
            await source.state(source.second, -HALF)
            found = {signal.symbol for signal in source.recorder.published}
            assert found <= set(source.sender.symbols.values()), f"{found} were published"

    async def test_s04_the_time_is_the_senders(self, source: SourceRunnerHarness) -> None:
        """A signal expires by the time at which it was sent, not by that at which it arrived."""
        async with source:
            sent = _stated(source, -30)
            assert (await source.state(source.first, HALF, sent=sent)).time == sent

    async def test_s05_a_time_in_the_future_does_not_count(self, source: SourceRunnerHarness) -> None:
        """Such a message is refused or counts from its arrival, and does not prevail over later ones."""
        async with source:
            await source.sender.send(source.first, HALF, _stated(source, 3600))
            await source.quiet()
            await source.state(source.first, -HALF, sent=_stated(source, 0))
            for signal in source.recorder.published:
                assert signal.time - signal.received_at <= AHEAD, f"{signal.time} is in the future"

    async def test_s06_a_repeated_message_changes_nothing(self, source: SourceRunnerHarness) -> None:
        """A message that is delivered twice is one signal, also if another one came in between."""
        async with source:
            await source.state(source.first, HALF)
            number = await source.published()
            await source.sender.repeat()
            assert await source.published() == number, "the same message was published again"
            if source.listens:
                first = source.sender.requests[0]
                await source.state(source.first, ZERO)
                await source.sender.post_request(first)
                assert source.depth(source.first) == 0, "a message that was delivered again opened a position"

    async def test_s07_a_late_message_does_not_take_over(self, source: SourceRunnerHarness) -> None:
        """What was sent before the newest signal is published with ``current=False``, or not at all."""
        async with source:
            await source.state(source.first, HALF, sent=_stated(source, -10))
            await source.sender.send(source.first, -HALF, _stated(source, -40))
            await source.quiet()
            assert source.depth(source.first) == HALF

    async def test_s08_an_excessive_depth_is_refused(self, source: SourceRunnerHarness) -> None:
        """A depth beyond -1 … 1 is an error of the sender, not a full position."""
        async with source:
            excessive = source.sender.excessive
            if excessive is None:
                pytest.skip("the messages cannot state a depth beyond -1 … 1")
            await source.state(source.second, HALF)
            before = source.reports()
            await source.sender.send(source.first, excessive)
            if source.listens:
                assert refused(source.sender.responses[-1]), "the sender is not told that it is wrong"
            await source.until(lambda: source.reports() > before, "a report of the excessive depth")
            assert source.depth(source.first) is None, "the depth was cut to what is allowed"
            await source.state(source.first, -HALF)

    async def test_s10_what_was_not_persisted_is_not_lost(self, source: SourceRunnerHarness) -> None:
        """A signal that could not be persisted is published later: the sender is told to repeat it, or asked again."""
        async with source:
            source.recorder.failure = NotReady("the disk is full")
            await source.sender.send(source.first, HALF)
            await source.until(lambda: source.recorder.attempts > 0, "an attempt to publish")
            if source.listens:
                assert source.sender.responses[-1].status >= 500, "the sender believes that it arrived"
            source.recorder.failure = None
            if source.listens:
                await source.sender.repeat()
            await source.until(lambda: source.depth(source.first) == HALF, "the signal after the failure")

    async def test_s11_success_is_answered_once_it_is_durable(self, source: SourceRunnerHarness) -> None:
        """A sender that was answered 2xx does not send again, so the signal must be on disk by then."""
        async with source:
            listening(source)
            source.recorder.durable_after = WRITING
            sending = asyncio.ensure_future(source.sender.send(source.first, HALF))
            await asyncio.sleep(WRITING / 2)
            assert not source.sender.responses, "it was answered before it was durable"
            await sending
            assert 200 <= source.sender.responses[-1].status < 300
