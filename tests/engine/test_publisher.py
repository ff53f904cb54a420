"""A plugin cannot publish for another, nor for itself once it was stopped; what it passes is checked and bounded."""

from __future__ import annotations

import asyncio
import decimal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import Known, NotReady, Publication, QuarantinedInput, Signal, SignalRejected
from te_core.model.position import Equity
from te_core.testing.fake_account import FakeAccount
from te_core.texts import LARGEST_DETAIL, LONGEST_TEXT, bounded_values
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import queries_of

D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAPPED = changed(BASE, "sources.tv.symbols", {"BTCUSDT.P": "BTCUSDT"})


def signal(**fields: Any) -> Signal:
    values: dict[str, Any] = {
        "source": "tv",
        "symbol": "BTCUSDT",
        "depth": D(1),
        "time": NOW,
        "received_at": NOW,
    }
    return Signal(**{**values, **fields})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("depth", 1, "1 is a int, expected a Decimal"),
        ("depth", 0.5, "0.5 is a float, expected a Decimal"),
        ("depth", None, "it is None, expected a Decimal"),
        ("depth", "1", "'1' is a str, expected a Decimal"),
        ("depth", True, "True is a bool, expected a Decimal"),
        ("depth", D("NaN"), "NaN is outside"),
        ("depth", D("sNaN"), "sNaN is outside"),
        ("depth", D("Infinity"), "Infinity is outside"),
        ("depth", D("1.01"), "1.01 is outside"),
        ("leverage", 3, "3 is a int, expected a Decimal or None"),
        ("leverage", D(0), "0 is not above zero"),
        ("price", 2.5, "2.5 is a float, expected a Decimal or None"),
        ("price", D("-1"), "-1 is not above zero"),
        ("time", "now", "'now' is a str, expected a datetime"),
        ("time", datetime(2026, 1, 1), "the time has no time zone"),  # noqa: DTZ001 - that is what is refused
        ("time", datetime.max.replace(tzinfo=UTC), "year 9999 is out of range"),
        ("received_at", None, "it is None, expected a datetime"),
        ("symbol", None, "it is None, expected a str"),
        ("source", 7, "7 is a int, expected a str"),
        ("sequence", 5, "5 is a int, expected a str or None"),
        ("delivery_id", b"x", "it is a bytes, expected a str or None"),
        ("current", 1, "1 is a int, expected a bool"),
        ("detail", [1], "it is a list, expected a Mapping"),
    ],
)
def test_a_field_of_a_wrong_kind_is_refused_by_name(field: str, value: object, reason: str) -> None:
    with pytest.raises(SignalRejected, match=r"^" + field) as refused:
        signal(**{field: value})
    assert refused.value.field == field
    assert reason in str(refused.value)


def tampered(field: str, value: object) -> Signal:
    made = signal()
    object.__setattr__(made, field, value)
    return made


class Subclass(Signal):
    """A signal whose fields a plugin computes when they are read."""


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (lambda: signal(source="sn"), "source"),
        (lambda: signal(symbol="ETHUSDT"), "symbol"),
        (lambda: signal(symbol="BTCUSDT.P"), "symbol"),
        (lambda: tampered("depth", 1.0), "depth"),
        (lambda: tampered("depth", D(7)), "depth"),
        (lambda: tampered("source", "sn"), "source"),
        (lambda: signal(delivery_id="x" * 1000), "delivery_id"),
        (
            lambda: Subclass(source="tv", symbol="BTCUSDT", depth=D(1), time=NOW, received_at=NOW),
            "signal",
        ),
        (dict, "signal"),
    ],
)
async def test_a_source_publishes_for_itself_and_its_own_symbols(
    tmp_path: Path, trader: Trader, made: Callable[[], Any], field: str
) -> None:
    async with running(tmp_path, trader, MAPPED) as run:
        with pytest.raises(SignalRejected) as refused:
            await trader.sources["tv"].publish(made())
        assert refused.value.field == field
        await asyncio.sleep(2)
        assert run.engine.netting.intake.by_source("sn") == {}
        assert run.engine.netting.intake.by_source("tv") == {}
        assert trader.held() == 0
        assert await trader.say("tv", "1") is Publication.ACCEPTED


async def test_a_window_of_a_wrong_kind_is_refused(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        with pytest.raises(SignalRejected, match="dedupe_for"):
            await trader.say("tv", "1", dedupe_for=30)


@pytest.mark.parametrize(
    "edit", [("sources.tv.enabled", False), ("sources.tv", None), ("sources.tv.key", "new")]
)
async def test_a_stopped_instance_is_not_listened_to_any_more(
    tmp_path: Path, trader: Trader, edit: tuple[str, Any]
) -> None:
    settings = changed(changed(BASE, "symbols.BTCUSDT.weights", {"sn": 1}), "symbols.ETHUSDT", None)
    async with running(tmp_path, trader, settings) as run:
        old = trader.sources["tv"]
        await run.apply(changed(settings, *edit))
        now = trader.clock.now()
        with pytest.raises(NotReady, match="tv was stopped"):
            await old.publish(signal(time=now, received_at=now))
        with pytest.raises(NotReady):
            old.record("note", "still here")
        with pytest.raises(NotReady):
            old.quarantine(
                QuarantinedInput(source="tv", received_at=now, field="size", reason="odd", body="{}")
            )
        assert run.engine.netting.intake.by_source("tv") == {}


async def test_it_is_ignored_from_the_moment_it_is_stopped(tmp_path: Path, trader: Trader) -> None:
    """Even while it is slow to stop."""
    said: list[str] = []

    async def last_words(name: str) -> None:
        if name == "tv":
            try:
                await trader.say("tv", "1")
            except NotReady as error:
                said.append(str(error))

    async with running(tmp_path, trader) as run:
        trader.closing = last_words
        await run.apply(changed(BASE, "sources.tv.enabled", False))
        assert len(said) == 1
        trader.closing = None


async def test_refused_input_and_events_are_bounded_and_bear_its_name(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        context, now = trader.sources["tv"], trader.clock.now()
        context.quarantine(
            QuarantinedInput(source="sn", received_at=now, field="f", reason="r" * 9999, body="b" * 999_999)
        )
        context.record("odd", "t" * 99_999)
        with pytest.raises(SignalRejected, match="kind"):
            context.record("not one word", "text")
        with pytest.raises(SignalRejected, match="text"):
            context.record("odd", None)  # type: ignore[arg-type]
        await asyncio.sleep(1)
        [kept] = run.journal.quarantine(10)
        assert kept.source == "tv"
        assert (len(kept.reason), len(kept.body)) == (LONGEST_TEXT, 64 * 1024)
        [event] = [event for event in run.journal.events(10) if event.kind == "odd"]
        assert event.source == "tv"
        assert len(event.text) == LONGEST_TEXT


async def test_the_detail_of_a_signal_is_bounded_and_immutable(tmp_path: Path, trader: Trader) -> None:
    deep: dict[str, Any] = {}
    deep["again"] = deep
    detail: dict[str, Any] = {
        "note": "n" * 99_999,
        "deep": deep,
        "many": ["x" * 4000] * 1000,
        "odd": object(),
    }
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1", detail=detail)
        detail["note"] = "changed afterwards"
        kept = run.engine.netting.intake.in_force("BTCUSDT")["tv"].detail
        assert kept["note"].endswith("(99999 characters)")
        assert len(repr(kept)) < 2 * LARGEST_DETAIL


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=50,
)


@given(JSON, st.integers(min_value=1, max_value=2000))
def test_copies_of_values_are_bounded(value: Any, size: int) -> None:
    found = bounded_values(value, size)
    assert len(repr(found)) <= 8 * size + 600


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=20) | st.integers(0, 9) | st.none(), max_size=9)
)
def test_a_copy_of_what_is_small_is_equal(value: dict[str, Any]) -> None:
    assert bounded_values(value) == value


class Hostile(FakeAccount):
    """An exchange whose plugin changes its caller's decimal context."""

    def _spoil(self) -> None:
        decimal.getcontext().prec = 1
        decimal.getcontext().traps[decimal.Inexact] = True

    async def equity(self) -> Known[Equity]:
        self._spoil()
        return await super().equity()

    async def prices(self, symbols: Any) -> Any:
        self._spoil()
        return await super().prices(symbols)


async def test_arithmetic_that_plugins_change_is_theirs_alone(tmp_path: Path, trader: Trader) -> None:
    trader.accounts["one"] = Hostile(trader.clock, equity="12345.67", BTCUSDT="51234.5", ETHUSDT="2500")
    context_before = decimal.getcontext().copy()

    async def hostile_source() -> None:
        decimal.setcontext(decimal.Context(prec=1, traps=[decimal.Inexact]))
        decimal.getcontext().prec = 1
        await trader.say("tv", "0.7777")

    async with running(tmp_path, trader) as run:
        await asyncio.create_task(hostile_source())
        await trader.say("sn", "0.3333")
        await asyncio.sleep(60)
        found = queries_of(run.engine).explain("BTCUSDT")["accounts"]["one"]
        depth = D("0.7777") * D("0.5") + D("0.3333") * D("0.25")
        assert D(found["depth"]) == depth
        unrounded = D("12345.67") * depth / D("51234.5")
        assert abs(D(found["sizing"]["unrounded"]) - unrounded) < D("1e-20")
        assert trader.held() == unrounded.quantize(D("0.001"), rounding=decimal.ROUND_DOWN)
    after = decimal.getcontext()
    assert (after.prec, after.traps) == (context_before.prec, context_before.traps)


async def test_a_source_that_changes_arithmetic_changes_only_its_own(tmp_path: Path, trader: Trader) -> None:
    made = trader.source

    def factory(context: Any) -> Any:
        decimal.getcontext().prec = 2
        return made(context)

    trader.source = factory  # type: ignore[method-assign]
    async with running(tmp_path, trader):
        assert decimal.getcontext().prec == 28
        assert await trader.say("tv", "0.7777") is Publication.ACCEPTED
        await asyncio.sleep(2)
        assert trader.held() == D("0.077")


async def test_the_guard_passes_a_message_delivered_twice_on_once(tmp_path: Path, trader: Trader) -> None:
    window = timedelta(seconds=30)
    async with running(tmp_path, trader):
        await trader.say("tv", "1", delivery_id="a", dedupe_for=window)
        assert await trader.say("tv", "1", delivery_id="a", dedupe_for=window) is Publication.DUPLICATE
