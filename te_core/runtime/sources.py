"""The signal sources of the settings, each with the parts of the engine that it may use."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import ClassVar

from pydantic import BaseModel

from te_core.contracts.source import SourceContext
from te_core.outage import Outages
from te_core.runtime.facilities import Facilities
from te_core.runtime.instances import SourceRunner
from te_core.runtime.reconciler import Instances
from te_core.settings.resolution import Kind, Resolved
from te_core.signals.intake import Intake
from te_core.signals.publisher import Publisher


class Sources(Instances[SourceRunner]):
    """All sources; their signals go to the intake."""

    kind: ClassVar[Kind] = "sources"

    def __init__(
        self, facilities: Facilities, intake: Intake, last_price: Callable[[str], Decimal | None]
    ) -> None:
        super().__init__()
        self._last_price = last_price
        self._facilities = facilities
        self._intake = intake

    def _make(self, name: str, resolved: Resolved) -> SourceRunner:
        del resolved
        log = self._facilities.log.bind(source=name)
        facilities = self._facilities
        outages = Outages(facilities.clock, log, facilities.record, source=name, redact=facilities.redact)
        return SourceRunner(**self._facilities.runner(log, outages))

    def _update(self, runner: SourceRunner, name: str, resolved: Resolved) -> None:
        section = resolved.settings.sources[name]
        runner.configure(enabled=section.enabled, price_factor=section.price_factor)

    def _launch(self, runner: SourceRunner, name: str, options: BaseModel, resolved: Resolved) -> None:
        section = resolved.settings.sources[name]
        publisher = Publisher(
            self._intake,
            source=name,
            symbols=section.symbols.values(),
            clock=self._facilities.clock,
            record=self._facilities.record,
            persist=self._facilities.persist,
            last_price=self._last_price,
            price_factor=lambda: runner.price_factor,
            redact=self._facilities.redact,
        )
        context = SourceContext(
            name=name,
            symbols=section.symbols,
            options=options,
            clock=self._facilities.clock,
            log=self._facilities.log.bind(source=name),
            state_dir=self._facilities.folder("sources", name),
            publish=publisher.publish,
            latest=publisher.latest,
            arrived=publisher.arrived,
            quarantine=publisher.quarantine,
            record=publisher.record,
            http=self._facilities.http,
            outages=runner.outages,
        )
        runner.start(self._facilities.registry.sources[section.plugin], context, publisher)
