"""One Bittensor source: fetches, checks, ranks, and publishes what changed."""

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
from te_signals_bittensor.outage_log import OutageLog
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.report import clamped_text, report_of
from te_signals_bittensor.routes import Facts, Routes
from te_signals_bittensor.schedule import Schedule
from te_signals_bittensor.signal_builder import PayloadStamp, build_signal, depth_of
from te_signals_bittensor.strategy_registry import find_strategy
from te_signals_bittensor.unpacking import UnusablePayload

SAME_DEPTH = Decimal("0.000001")
"""Depths that differ by less are the same, whatever moved them."""

REFRESHED = "refreshed"
MINERS_ACTED = "miners acted"
LIMITS_CHANGED = "limits or accounts changed"

Offload = Callable[..., Awaitable[Any]]


class Fetching(Protocol):
    """Where payloads come from; ``Fetcher`` is the real implementation."""

    async def fetch(self) -> Page | None:
        """Return the page; None if it is unchanged. Raises ``FetchFailed``."""
        ...

    def mark_used(self, page: Page) -> None:
        """Do not request this page again."""
        ...


class BittensorSource(SignalSource):
    """Publishes the depths that result from the ranked miners' positions.

    A failure is logged once and leaves the last signals active until they expire (``max_age``, ``on_expiry``).
    """

    def __init__(
        self,
        context: SourceContext[BittensorOptions],
        *,
        fetcher: Fetching | None = None,
        facts: Facts | None = None,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        """Raise ``ConfigError`` for a strategy that does not exist. ``offload`` runs work off the event loop."""
        options = context.options
        self._context = context
        self._options = options
        self._strategy = find_strategy(options.strategy)
        self._fetcher = fetcher or Fetcher(options, context.http)
        self._facts = facts or Routes(options, context.http, context.clock, offload)
        self._as_served = bool(getattr(self._strategy, "as_served", False))
        self._offload = offload
        self._guard = Guard(tolerance=float(options.guard_tolerance), release=options.guard_release)
        self._upstream = OutageLog(context.outages, "upstream")
        self._journal = OutageLog(context.outages, "journal")
        self._reader = PayloadReader()
        self._wake = asyncio.Event()
        self._feed = Feed(context, self._wake) if options.feed_url else None
        self._network: Network | None = None
        self._evaluation: Evaluation | None = None
        self._accepted: Accepted | None = None
        self._stamp: PayloadStamp | None = None
        self._acted: dict[str, str] = {}
        """Causes by symbol that arose since its last signal, for ``_cause``."""
        self._unlimited: frozenset[str] = frozenset()
        """Assets with positions that exceed the only limit known for them."""
        self._failures = 0
        self._counters: Counter[str] = Counter(
            fetched=0, unchanged=0, failed=0, unusable=0, rejected=0, empty=0, positions_parsed=0, published=0
        )

    def status(self) -> Mapping[str, Any]:
        """Return counters since the start, what upstream's last payload contained, and what is wrong now."""
        shown: dict[str, Any] = {**self._counters}
        if self._evaluation is not None:
            shown["miners"] = self._evaluation.miners
            shown["ranked"] = len(self._evaluation.ranked)
            shown.update({f"left_out_{kind}": n for kind, n in self._evaluation.left_out.items()})
            shown.update({f"excluded_{reason}": n for reason, n in self._evaluation.excluded.items()})
            shown["clamped"] = len(self._evaluation.clamped)
        if not self._as_served:
            shown.update(self._facts.status())
        if self._upstream.kind:
            shown["warning"] = self._upstream.text
        if self._feed is not None:
            shown.update(self._feed.status())
        return shown

    def report(self) -> Mapping[str, Any]:
        """Return the ranking in detail, and what is wrong now."""
        problem = {"trouble": self._upstream.text} if self._upstream.kind else {}
        if self._evaluation is None or self._stamp is None:
            return problem
        return {**report_of(self._evaluation, self._stamp, self._options.strategy), **problem}

    async def run(self) -> None:
        """Fetch for ever. With a feed, it may request a fetch, and its positions are used between two fetches."""
        self._restore()
        feed = self._start_feed()
        clock = self._context.clock
        schedule = Schedule(clock.monotonic(), interval=self._options.interval.total_seconds())
        try:
            while True:
                if feed is not None and feed.done():
                    feed.result()
                if clock.monotonic() >= schedule.next(requested=self._snapshot_wanted):
                    await self._fetch(schedule)
                else:
                    await self._follow_feed()
                await self._pause(schedule.next(requested=self._snapshot_wanted) - clock.monotonic())
        finally:
            if feed is not None:
                feed.cancel()
                await asyncio.gather(feed, return_exceptions=True)

    def _start_feed(self) -> asyncio.Task[None] | None:
        """Follow the feed; if it ever fails, ``run`` is woken and raises its error."""
        if self._feed is None:
            return None
        feed = asyncio.create_task(self._feed.follow())
        feed.add_done_callback(lambda _: self._wake.set())
        return feed

    @property
    def _snapshot_wanted(self) -> bool:
        return self._feed is not None and self._feed.wants_snapshot

    async def _fetch(self, schedule: Schedule) -> None:
        began, requested = self._context.clock.monotonic(), self._snapshot_wanted
        if self._feed is not None:
            self._feed.snapshot_started()
        pause = await self.cycle()
        schedule.fetched(began, pause, requested=requested, failed=self._failures > 0)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def cycle(self) -> float:
        """Fetch once and use what was received; return the seconds to wait before the next fetch."""
        if not self._as_served and await self._facts.refresh(self._idle()) and self._network is not None:
            await self._evaluate(LIMITS_CHANGED)
        try:
            page = await self._fetcher.fetch()
        except FetchFailed as error:
            self._counters["failed"] += 1
            self._upstream.failed("silent", str(error))
            return self._back_off(error.retry_after)
        self._failures = 0
        if page is None:
            self._counters["unchanged"] += 1
            await self._publish_due()
        else:
            self._counters["fetched"] += 1
            await self._use(page)
        return self._options.interval.total_seconds()

    def _back_off(self, retry_after: float | None) -> float:
        self._failures += 1
        base = self._options.interval.total_seconds()
        longest = max(base, self._options.backoff.total_seconds())
        return max(min(longest, base * 2.0 ** min(self._failures - 1, 16)), retry_after or 0.0)

    # -- one payload

    async def _use(self, page: Page) -> None:
        fingerprint = await self._offload(_fingerprint, page.body)
        if self._stamp is not None and fingerprint == self._stamp.payload and self._network is not None:
            self._counters["unchanged"] += 1
            self._fetcher.mark_used(page)
            await self._publish_due()
            return
        try:
            network = await self._offload(self._reader.read, *page.body)
        except UnusablePayload as error:
            self._counters["unusable"] += 1
            self._upstream.failed("unusable", str(error))
            return
        self._counters["positions_parsed"] += self._reader.parsed
        now = self._context.clock.now()
        reason = "it has no miners" if not network.miners else None
        reason = reason or self._guard.refusal(len(network.miners), self._accepted, now)
        if reason is not None:
            kind = "rejected" if network.miners else "empty"
            self._counters[kind] += 1
            self._upstream.failed(kind, reason)
            return
        self._fetcher.mark_used(page)
        self._accepted = Accepted(miners=len(network.miners), at=now)
        self._stamp = self._stamp_of(page, fingerprint, now)
        self._network = network if self._feed is None else self._feed.merged(network)
        await self._evaluate()

    def _stamp_of(self, page: Page, fingerprint: str, now: datetime) -> PayloadStamp:
        """Date a payload by upstream's clock; one with the same content as before stays as old as it was."""
        stated_at = page.modified
        if stated_at is None and self._stamp is not None and self._stamp.payload == fingerprint:
            stated_at = self._stamp.stated_at
        stated_at = min(stated_at or page.date or now, now)
        if self._stamp is not None:
            stated_at = max(stated_at, min(self._stamp.stated_at, now))
        return PayloadStamp(stated_at=stated_at, received_at=now, payload=fingerprint)

    async def _follow_feed(self) -> None:
        """Use the positions that the feed has sent since the last evaluation."""
        if self._feed is None or self._network is None or self._stamp is None:
            return
        stated_at = self._feed.pop_news_time()
        if stated_at is None:
            return
        now = self._context.clock.now()
        self._network = self._feed.merged(self._network)
        self._stamp = PayloadStamp(
            stated_at=max(self._stamp.stated_at, min(stated_at, now)),
            received_at=now,
            payload=self._stamp.payload,
        )
        await self._evaluate()

    def _idle(self) -> list[str]:
        """Return the miners that count but hold nothing: eliminated ones are among them."""
        found = self._evaluation
        if found is None:
            return []
        hotkeys = (entry.miner.hotkey for entry in found.ranked)
        return [hotkey for hotkey in hotkeys if not any(hotkey in held for held in found.holdings.values())]

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
        found, moved = await self._offload(self._evaluated, self._evaluation, now)
        self._evaluation = found
        self._acted.update(dict.fromkeys(moved, cause))
        self._report_clamped(found)
        await self._publish_due()

    def _report_clamped(self, found: Evaluation) -> None:
        """Record an event, once, for positions that exceed the only limit known for their pair."""
        if found.clamped and self._facts.awaited(self._context.symbols):
            return
        unlimited = frozenset(entry.asset for entry in found.clamped if not entry.of_account)
        if unlimited - self._unlimited:
            self._context.record("clamped", clamped_text(found.clamped))
        self._unlimited = unlimited

    def _evaluated(self, before: Evaluation | None, now: datetime) -> tuple[Evaluation, list[str]]:
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

    # -- signals

    async def _publish_due(self) -> None:
        """Publish a signal for every symbol that needs one by the newest evaluation."""
        evaluation = self._evaluation
        if evaluation is None:
            return
        awaited = "" if self._as_served else self._facts.awaited(self._context.symbols)
        if awaited:
            self._upstream.failed("limits unknown", awaited)
            return
        if not evaluation.ranked:
            self._counters["empty"] += 1
            self._upstream.failed(*self._why_nobody_counts(evaluation))
            return
        self._upstream.succeeded()
        for symbol, opinion in evaluation.opinions.items():
            cause = self._cause(symbol, depth_of(opinion))
            if cause is not None:
                await self._publish(self._signal(symbol, evaluation, cause))

    def _why_nobody_counts(self, evaluation: Evaluation) -> tuple[str, str]:
        """Return kind and reason of an outage in which no miner counts."""
        if evaluation.traded_instead:
            mapped = ", ".join(self._context.symbols) or "nothing"
            return "nothing mapped", (
                f"none of {evaluation.miners} miners trades a mapped id ({mapped}); they trade "
                f"{evaluation.traded_instead}: map those ids in [sources.{self._context.name}.symbols]"
            )
        excluded = "".join(f", {count} excluded ({why})" for why, count in evaluation.excluded.items())
        return "empty", f"none of {evaluation.miners} miners qualifies{excluded}"

    def _signal(self, symbol: str, evaluation: Evaluation, cause: str) -> Signal:
        assert self._stamp is not None
        signal = build_signal(
            symbol,
            evaluation,
            self._stamp,
            source=self._context.name,
            strategy=self._options.strategy,
            cause=cause,
            contributors=self._options.contributors,
        )
        last = self._context.latest(symbol)
        if cause != REFRESHED or last is None:
            return signal
        # A refresh must not let through a move that hysteresis held back.
        return replace(signal, depth=last.depth, detail={**signal.detail, "held_back": str(signal.depth)})

    async def _publish(self, signal: Signal) -> None:
        try:
            await self._context.publish(signal)
        except (NotReady, JournalError, SignalRejected) as error:
            self._journal.failed("failing", str(error))  # it is published again at the next fetch
            return
        self._journal.succeeded()
        self._counters["published"] += 1
        self._acted.pop(signal.symbol, None)

    def _cause(self, symbol: str, depth: Decimal) -> str | None:
        """Return why a symbol needs a signal; None if it does not."""
        assert self._stamp is not None
        last = self._context.latest(symbol)
        if last is None:
            return "first signal"
        moved = abs(depth - last.depth)
        if moved >= SAME_DEPTH and symbol in self._acted:
            return self._acted[symbol]
        if (depth == 0) != (last.depth == 0) or depth * last.depth < 0:
            return "side changed"
        if moved > self._options.hysteresis:
            return "ranks moved"
        if self._stamp.stated_at - last.time >= self._options.refresh:
            return REFRESHED
        return None

    def _restore(self) -> None:
        """Restore from the journal what was accepted before the start."""
        signals = [
            signal for symbol in self._context.symbols.values() if (signal := self._context.latest(symbol))
        ]
        newest = max(signals, key=lambda signal: signal.received_at, default=None)
        if newest is None or self._accepted is not None:
            return
        miners, payload = newest.detail.get("miners"), newest.detail.get("payload")
        if isinstance(miners, int) and isinstance(payload, str):
            self._accepted = Accepted(miners=miners, at=newest.received_at)
            self._stamp = PayloadStamp(stated_at=newest.time, received_at=newest.received_at, payload=payload)


def _fingerprint(body: Sequence[bytes]) -> str:
    digest = xxh3_128()
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()
