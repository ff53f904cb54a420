"""The suite that every signal source must pass: a source run by the engine's own code, against its sender.

Subclass it; pytest runs every case that the source's messages and the sender's abilities allow::

    class TestOracle(SourceConformance):
        def make_source(self, folder):
            return OracleHarness()

If the sender uses sockets, mark the subclass ``wired_clock``, and serve it on the loop of the case
(`HttpSourceHarness` does).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from te_core.settings.schema import EngineSettings
from te_core.testing.source_harness import SourceHarness
from te_core.testing.source_input_cases import SourceInputCases
from te_core.testing.source_life_cases import SourceLifeCases
from te_core.testing.source_runner_harness import NAME, SourceRunnerHarness
from te_core.testing.source_signal_cases import SourceSignalCases
from te_core.testing.worker_harness import ENGINE


class SourceConformance(SourceSignalCases, SourceInputCases, SourceLifeCases):
    """Cases S01 to S54. Subclasses implement ``make_source``, and may set the fields below."""

    timeout: float = 300
    """Seconds within which a message must be followed and a failure reported, including time limits and pauses."""
    engine: EngineSettings = ENGINE

    def make_source(self, folder: Path) -> SourceHarness:
        """Return a new sender; ``folder`` is empty and belongs to the case."""
        raise NotImplementedError

    @pytest.fixture
    def source(self, tmp_path: Path) -> SourceRunnerHarness:
        """Return one source with its sender, and the engine that runs it."""
        return self.make_harness(tmp_path)

    def make_harness(self, folder: Path, name: str = NAME) -> SourceRunnerHarness:
        """Return the harness of one case. ``name``: of the instance."""
        place = folder / "sender"
        place.mkdir(parents=True)
        sender = self.make_source(place)
        return SourceRunnerHarness(sender, folder, timeout=self.timeout, engine=self.engine, name=name)
