"""One Bittensor source: fetches, judges, ranks, and publishes what changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from xxhash import xxh3_128

from te_core.api import JournalError, NotReady, Signal, SignalRejected, SignalSource, SourceContext
from te_signals_bittensor.evaluation import AS_SERVED, Evaluation, Terms, acted, evaluate
from te_signals_bittensor.feed import Feed
from te_signals_bittensor.fetching import Fetcher, FetchFailed, Page
from te_signals_bittensor.guard import Accepted, Guard
from te_signals_bittensor.network import Network
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.report import clamped_text, report_of
from te_signals_bittensor.routes import Facts, Routes
from te_signals_bittensor.schedule import Schedule
from te_signals_bittensor.strategy import find_strategy
from te_signals_bittensor.trouble import Trouble
from te_signals_bittensor.unpacking import UnusablePayload
from te_signals_bittensor.wording import Moment, depth_of, signal_of

SMALLEST = Decimal("0.000001")
"""Depths closer than this are the same, whoever moved them."""

REFRESHED = "refreshed"
MINERS_ACTED = "miners acted"
LIMITS_CHANGED = "limits or accounts changed"

Offload = Callable[..., Awaitable[Any]]


class Fetching(Protocol):
    """Where payloads come from; ``Fetcher`` is the real one."""

    async def fetch(self) -> Page | None:
        """Give the page, or None where it did not change. Raises ``FetchFailed``."""
        ...

    def keep(self, page: Page) -> None:
        """Remember a page as used."""
        ...


class BittensorSource(SignalSource):
    """What goes wrong is said once and leaves the last signals in force, as long as ``on_expiry`` lets them."""

    def __init__(
        self,
        context: SourceContext[BittensorOptions],
        *,
        fetcher: Fetching | None = None,
        facts: Facts | None = None,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        """Raise ``ConfigError`` for a strategy that does not exist. ``offload`` runs calculations off the loop."""
        options = context.options
        self._context = context
        self._options = options
        self._strategy = find_strategy(options.strategy)
        self._fetcher = fetcher or Fetcher(options, context.http)
        self._facts = facts or Routes(options, context.http, context.clock, offload)
        self._as_served = bool(getattr(self._strategy, "as_served", False))
        self._offload = offload
        self._guard = Guard(tolerance=float(options.guard_tolerance), release=options.guard_release)
        self._trouble = Trouble(context.outages, "upstream")
        self._unkept = Trouble(context.outages, "journal")
        self._reader = PayloadReader()
        self._wake = asyncio.Event()
        self._feed = Feed(context, self._wake) if options.feed_url else None
        self._network: Network | None = None
        self._evaluation: Evaluation | None = None
        self._accepted: Accepted | None = None
        self._moment: Moment | None = None
        self._acted: dict[str, str] = {}
        """Why a symbol is worth a signal, whatever its depth: held since its last signal, for ``_cause``."""
        self._unlimited: frozenset[str] = frozenset()
        """Assets with positions that are beyond the only limit that is known of them."""
        self._failures = 0
        self._counters: Counter[str] = Counter(
            fetched=0, unchanged=0, failed=0, unusable=0, rejected=0, empty=0, positions_parsed=0, published=0
        )

    def status(self) -> Mapping[str, Any]:
        """Return counters since the start, what upstream's last payload held, and what is wrong now."""
        shown: dict[str, Any] = {**self._counters}
        if self._evaluation is not None:
            shown["miners"] = self._evaluation.miners
            shown["ranked"] = len(self._evaluation.ranked)
            shown.update({f"left_out_{kind}": n for kind, n in self._evaluation.left_out.items()})
            shown.update({f"excluded_{reason}": n for reason, n in self._evaluation.excluded.items()})
            shown["clamped"] = len(self._evaluation.clamped)
        if not self._as_served:
            shown.update(self._facts.status())
        if self._trouble.kind:
            shown["warning"] = self._trouble.text
        if self._feed is not None:
            shown.update(self._feed.status())
        return shown

    def report(self) -> Mapping[str, Any]:
        """Return the ranking at length, and what is wrong now."""
        wrong = {"trouble": self._trouble.text} if self._trouble.kind else {}
        if self._evaluation is None or self._moment is None:
            return wrong
        return {**report_of(self._evaluation, self._moment, self._options.strategy), **wrong}

    async def run(self) -> None:
        """Fetch for ever; the feed, where there is one, asks for a fetch or brings news between two."""
        self._remember()
        feed = asyncio.create_task(self._feed.follow()) if self._feed is not None else None
        clock = self._context.clock
        schedule = Schedule(clock.monotonic(), interval=self._options.interval.total_seconds())
        try:
            while True:
                if feed is not None and feed.done():
                    feed.result()
                if clock.monotonic() >= schedule.next(asked=self._asked):
                    await self._fetch(schedule)
                else:
                    await self._follow_feed()
                await self._pause(schedule.next(asked=self._asked) - clock.monotonic())
        finally:
            if feed is not None:
                feed.cancel()
                await asyncio.gather(feed, return_exceptions=True)

    @property
    def _asked(self) -> bool:
        return self._feed is not None and self._feed.asks

    async def _fetch(self, schedule: Schedule) -> None:
        began, asked = self._context.clock.monotonic(), self._asked
        if self._feed is not None:
            self._feed.answered()
        pause = await self.cycle()
        schedule.fetched(began, pause, asked=asked, failed=self._failures > 0)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def cycle(self) -> float:
        """Fetch once and use what came; give the seconds to wait before the next time."""
        if not self._as_served and await self._facts.refresh(self._idle()) and self._network is not None:
            await self._evaluate(LIMITS_CHANGED)
        try:
            page = await self._fetcher.fetch()
        except FetchFailed as error:
            self._counters["failed"] += 1
            self._trouble.met("silent", str(error))
            return self._back_off(error.retry_after)
        self._failures = 0
        if page is None:
            self._counters["unchanged"] += 1
            await self._say()
        else:
            self._counters["fetched"] += 1
            await self._take(page)
        return self._options.interval.total_seconds()

    def _back_off(self, retry_after: float | None) -> float:
        self._failures += 1
        base = self._options.interval.total_seconds()
        longest = max(base, self._options.backoff.total_seconds())
        return max(min(longest, base * 2.0 ** min(self._failures - 1, 16)), retry_after or 0.0)

    # -- one payload

    async def _take(self, page: Page) -> None:
        fingerprint = await self._offload(_fingerprint, page.body)
        if self._moment is not None and fingerprint == self._moment.payload and self._network is not None:
            self._counters["unchanged"] += 1
            self._fetcher.keep(page)
            await self._say()
            return
        try:
            network = await self._offload(self._reader.read, *page.body)
        except UnusablePayload as error:
            self._counters["unusable"] += 1
            self._trouble.met("unusable", str(error))
            return
        self._counters["positions_parsed"] += self._reader.parsed
        now = self._context.clock.now()
        reason = "it has no miners" if not network.miners else None
        reason = reason or self._guard.refusal(len(network.miners), self._accepted, now)
        if reason is not None:
            kind = "rejected" if network.miners else "empty"
            self._counters[kind] += 1
            self._trouble.met(kind, reason)
            return
        self._fetcher.keep(page)
        self._accepted = Accepted(miners=len(network.miners), at=now)
        self._moment = self._dated(page, fingerprint, now)
        self._network = network if self._feed is None else self._feed.merged(network)
        await self._evaluate()

    def _dated(self, page: Page, fingerprint: str, now: datetime) -> Moment:
        """Date a payload by upstream's clock; one that says the same as before is as old as it was."""
        said_at = page.modified
        if said_at is None and self._moment is not None and self._moment.payload == fingerprint:
            said_at = self._moment.said_at
        said_at = min(said_at or page.date or now, now)
        if self._moment is not None:
            said_at = max(said_at, min(self._moment.said_at, now))
        return Moment(said_at=said_at, received_at=now, payload=fingerprint)

    async def _follow_feed(self) -> None:
        """Use what the feed brought since the last snapshot."""
        if self._feed is None or self._network is None or self._moment is None:
            return
        said_at = self._feed.take_news()
        if said_at is None:
            return
        now = self._context.clock.now()
        self._network = self._feed.merged(self._network)
        self._moment = Moment(
            said_at=max(self._moment.said_at, min(said_at, now)),
            received_at=now,
            payload=self._moment.payload,
        )
        await self._evaluate()

    def _idle(self) -> list[str]:
        """Return the miners that count and hold nothing: among them are those that were eliminated."""
        found = self._evaluation
        if found is None:
            return []
        hotkeys = (entry.miner.hotkey for entry in found.ranked)
        return [hotkey for hotkey in hotkeys if not any(hotkey in held for held in found.book.values())]

    def _terms(self) -> Terms:
        if self._as_served:
            return AS_SERVED
        return Terms(
            limits=self._facts.limits,
            eliminated=self._facts.eliminated,
            per_entity=self._options.per_entity,
        )

    async def _evaluate(self, cause: str = MINERS_ACTED) -> None:
        now = self._context.clock.now()
        found, moved = await self._offload(self._meaning, self._evaluation, now)
        self._evaluation = found
        self._acted.update(dict.fromkeys(moved, cause))
        self._report_clamped(found)
        await self._say()

    def _report_clamped(self, found: Evaluation) -> None:
        """Record once that positions are beyond the only limit that is known of their pair."""
        if found.clamped and self._facts.awaited(self._context.symbols):
            return
        unlimited = frozenset(entry.asset for entry in found.clamped if not entry.known)
        if unlimited - self._unlimited:
            self._context.record("clamped", clamped_text(found.clamped))
        self._unlimited = unlimited

    def _meaning(self, before: Evaluation | None, now: datetime) -> tuple[Evaluation, list[str]]:
        assert self._network is not None
        found = evaluate(
            self._network,
            self._strategy,
            assets=self._context.symbols,
            parameters=self._options.scoring,
            now=now,
            terms=self._terms(),
        )
        return found, [symbol for symbol in found.opinions if before is None or acted(before, found, symbol)]

    # -- what is said

    async def _say(self) -> None:
        """Publish what is worth a signal by the newest evaluation."""
        evaluation = self._evaluation
        if evaluation is None:
            return
        awaited = "" if self._as_served else self._facts.awaited(self._context.symbols)
        if awaited:
            self._trouble.met("limits unknown", awaited)
            return
        if not evaluation.ranked:
            self._counters["empty"] += 1
            self._trouble.met(*self._nobody(evaluation))
            return
        self._trouble.over()
        for symbol, opinion in evaluation.opinions.items():
            cause = self._cause(symbol, depth_of(opinion))
            if cause is not None:
                await self._publish(self._signal(symbol, evaluation, cause))

    def _nobody(self, evaluation: Evaluation) -> tuple[str, str]:
        """Return why no miner counts."""
        if evaluation.traded_instead:
            mapped = ", ".join(self._context.symbols) or "nothing"
            return "nothing mapped", (
                f"none of {evaluation.miners} miners trades what is mapped ({mapped}); they trade "
                f"{evaluation.traded_instead}: map those ids in [sources.{self._context.name}.symbols]"
            )
        excluded = "".join(f", {count} excluded ({why})" for why, count in evaluation.excluded.items())
        return "empty", f"none of {evaluation.miners} miners qualifies{excluded}"

    def _signal(self, symbol: str, evaluation: Evaluation, cause: str) -> Signal:
        assert self._moment is not None
        signal = signal_of(
            symbol,
            evaluation,
            self._moment,
            source=self._context.name,
            strategy=self._options.strategy,
            cause=cause,
            contributors=self._options.contributors,
        )
        last = self._context.latest(symbol)
        if cause != REFRESHED or last is None:
            return signal
        # Saying it again must not let ranks through that hysteresis held back.
        return replace(signal, depth=last.depth, detail={**signal.detail, "held_back": str(signal.depth)})

    async def _publish(self, signal: Signal) -> None:
        try:
            await self._context.publish(signal)
        except (NotReady, JournalError, SignalRejected) as error:
            self._unkept.met("failing", str(error))  # it is said again
            return
        self._unkept.over()
        self._counters["published"] += 1
        self._acted.pop(signal.symbol, None)

    def _cause(self, symbol: str, depth: Decimal) -> str | None:
        """Say why a symbol is worth a signal; None where it is not."""
        assert self._moment is not None
        last = self._context.latest(symbol)
        if last is None:
            return "first signal"
        moved = abs(depth - last.depth)
        if moved >= SMALLEST and symbol in self._acted:
            return self._acted[symbol]
        if (depth == 0) != (last.depth == 0) or depth * last.depth < 0:
            return "side changed"
        if moved > self._options.hysteresis:
            return "ranks moved"
        if self._moment.said_at - last.time >= self._options.refresh:
            return REFRESHED
        return None

    def _remember(self) -> None:
        """Take from the journal what was believed before the start."""
        signals = [
            signal for symbol in self._context.symbols.values() if (signal := self._context.latest(symbol))
        ]
        newest = max(signals, key=lambda signal: signal.received_at, default=None)
        if newest is None or self._accepted is not None:
            return
        miners, payload = newest.detail.get("miners"), newest.detail.get("payload")
        if isinstance(miners, int) and isinstance(payload, str):
            self._accepted = Accepted(miners=miners, at=newest.received_at)
            self._moment = Moment(said_at=newest.time, received_at=newest.received_at, payload=payload)


def _fingerprint(body: Sequence[bytes]) -> str:
    digest = xxh3_128()
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()
