"""Conformance cases about an instance of a source: its state, and how it ends and starts again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from te_core.testing.blocking_calls import blocking_calls
from te_core.testing.endings import cancelled, left, running
from te_core.testing.source_harness import SourceAbility, SourceHarness
from te_core.testing.source_runner_harness import SourceRunnerHarness
from te_core.testing.source_signal_cases import HALF, ZERO

RESTARTS = 3


class SourceLifeCases:
    """Cases S30 to S35."""

    def make_source(self, folder: Path) -> SourceHarness:
        raise NotImplementedError

    def make_harness(self, folder: Path, name: str) -> SourceRunnerHarness:
        raise NotImplementedError

    async def test_s30_its_state_is_shown_at_any_time(self, source: SourceRunnerHarness) -> None:
        """``status()`` and ``report()`` return JSON values before the first connection, and while nothing works."""
        async with source:
            unused = source.connect()
            source.check_state("before run()", unused)
            await unused.close()
            await source.state(source.first, HALF)
            source.check_state("while it runs")
            for ability in sorted(source.sender.abilities) if source.fetches else ():
                await source.sender.fail(ability, b"no message at all")
                await source.quiet()
                source.check_state(f"while the sender fails ({ability})")
                await source.restored()

    async def test_s31_a_cancelled_run_ends(self, source: SourceRunnerHarness) -> None:
        """``run()`` ends soon after it was cancelled, by the cancellation, also while a request is unanswered."""
        async with source:
            if not source.fetches:
                pytest.skip("the source does not fetch")
            await source.state(source.first, HALF)
            await source.stop()
            hangs = SourceAbility.HANG in source.sender.abilities
            for hanging in (False, True) if hangs else (False,):
                if hanging:
                    await source.sender.fail(SourceAbility.HANG)
                instance = source.connect()
                run = asyncio.ensure_future(instance.run())
                await asyncio.sleep(1)
                ended = await cancelled(run)
                await instance.close()
                assert ended, "run() continues, or ends in another way, although it was cancelled"
            await source.sender.restore()

    async def test_s32_what_is_closed_leaves_nothing_running(self, source: SourceRunnerHarness) -> None:
        """A closed instance leaves no task and no thread behind: that would add up over months of restarts."""
        async with source:
            await source.state(source.first, HALF)
            await source.stop()
            await source.quiet()
            allowed = running()
            for _ in range(RESTARTS):
                await source.restart()
                await asyncio.sleep(1)
                await source.stop()
            found = await left(len(allowed), within=source.timeout)
            assert len(found) <= len(allowed), f"after close(): {found}, before: {allowed}"
            await source.restart()
            await source.state(source.first, -HALF)

    async def test_s33_a_restart_continues_with_the_newest_signal(self, source: SourceRunnerHarness) -> None:
        """What was followed before a restart is not a new signal after it; what is new is followed."""
        async with source:
            await source.state(source.first, HALF)
            number = await source.published()
            await source.restart()
            if source.listens:
                await source.sender.repeat()
            assert await source.published() == number, "a signal was published again after a restart"
            await source.state(source.first, ZERO)

    async def test_s34_instances_are_independent(self, source: SourceRunnerHarness, tmp_path: Path) -> None:
        """Two instances of a plugin share nothing: each publishes its own messages under its own name."""
        other = self.make_harness(tmp_path / "other", "another")
        async with source, other:
            await source.state(source.first, HALF)
            await other.state(other.first, HALF)
            await other.state(other.first, -HALF)
            await other.quiet()
            for harness, depth in ((source, HALF), (other, -HALF)):
                assert harness.depth(harness.first) == depth, f"{harness.name} follows the other's messages"
                assert {signal.source for signal in harness.recorder.published} == {harness.name}

    async def test_s35_nothing_blocks_the_event_loop(self, source: SourceRunnerHarness) -> None:
        """All instances share one loop: what sleeps or connects on it without ``await`` holds up every account."""
        async with source:
            with blocking_calls() as found:
                await source.state(source.first, HALF)
                source.runner.counters()
                source.runner.report()
                await source.restart()
                await source.state(source.first, -HALF)
            assert not found, f"the event loop was blocked: {found}"
