"""A close and a reopening that arrive together, in either order: the result is what the strategy holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.testing import virtual_clock
from te_core.testing.fakes import SourceRecorder

MakeHarness = Callable[..., Any]
Fields = dict[str, Any]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BEFORE_MIDNIGHT = datetime(2026, 3, 2, 23, 59, 59, 999_000, tzinfo=UTC)

LONG: Fields = {"direction": "long", "size": "30/100"}
SHORT: Fields = {"direction": "short", "size": "50/100"}
MORE: Fields = {"direction": "long", "size": "80/100"}
FLAT: Fields = {"direction": "flat"}


def stated(position: str, size: str, previous: str, previous_size: str, **more: Any) -> Fields:
    """Return an alert with the strategy's position before and after its order."""
    return {
        "direction": position,
        "size": f"{10 * float(size):g}/100" if position != "flat" else "",
        "market_position_size": size,
        "prev_market_position": previous,
        "prev_market_position_size": previous_size,
        **more,
    }


def as_restored(recorder: SourceRecorder) -> SourceRecorder:
    """Return what the journal restores: signals whose details went through JSON."""
    again = SourceRecorder(clock=recorder.clock)
    for name in ("current", "arrived"):
        signals = getattr(recorder, name)
        getattr(again, name).update(
            {key: replace(s, detail=json.loads(json.dumps(s.detail))) for key, s in signals.items()}
        )
    latest, last = again.current.get("ETHUSDT"), again.arrived.get("ETHUSDT")
    if latest is not None and last is not None and last.current:
        again.arrived["ETHUSDT"] = latest  # the journal restores one object for one signal
    again._deliveries = recorder._deliveries
    return again


class Tape:
    """Sends alerts at given seconds, perhaps with a restart before one of them."""

    def __init__(self, make_harness: MakeHarness, *, start: datetime = NOON, **options: Any) -> None:
        self._make, self._options = make_harness, options
        self._harness = make_harness(recorder=SourceRecorder(), **options)
        self._start = start
        self._number = 0

    async def send(self, at: float, fields: Fields, *, restart: bool = False) -> str:
        """Send one alert; return the rule that ordered it."""
        if restart:
            self._harness = self._make(recorder=as_restored(self._harness.recorder), **self._options)
        self._number += 1
        message = {"symbol": "ETHUSDT", "n": self._number, **fields}
        answer = await self._harness.post(message, received_at=self._start + timedelta(seconds=at))
        assert answer.status == 200, answer.body
        return str(self._harness.recorder.published[-1].rule)

    @property
    def depth(self) -> Decimal:
        depth: Decimal = self._harness.recorder.depths()["ETHUSDT"]
        return depth


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("start", [NOON, BEFORE_MIDNIGHT])
@pytest.mark.parametrize("reopened", [SHORT, MORE])
@pytest.mark.parametrize("order", ["close first", "reopening first"])
async def test_a_reversal_ends_on_the_new_side_in_either_order(
    make_harness: MakeHarness, restart: bool, start: datetime, reopened: Fields, order: str
) -> None:
    tape = Tape(make_harness, start=start)
    await tape.send(-3600, SHORT if reopened is MORE else LONG)
    pair = (FLAT, reopened) if order == "close first" else (reopened, FLAT)
    await tape.send(0, pair[0])
    assert await tape.send(0.007, pair[1], restart=restart) == "close_then_open"
    assert tape.depth == (Decimal("0.8") if reopened is MORE else Decimal("-0.5"))


async def test_the_first_of_the_two_acts_at_once(make_harness: MakeHarness) -> None:
    tape = Tape(make_harness)
    await tape.send(-3600, LONG)
    await tape.send(0, SHORT)
    assert tape.depth == Decimal("-0.5")


@pytest.mark.parametrize("seconds", [0.01, 3.0, 5.0])
async def test_an_addition_and_then_a_flat_are_an_exit(make_harness: MakeHarness, seconds: float) -> None:
    tape = Tape(make_harness)
    await tape.send(-3600, LONG)
    await tape.send(0, MORE)
    assert await tape.send(seconds, FLAT) == "exit"
    assert tape.depth == 0


async def test_a_second_close_is_the_exit_of_what_was_reopened(make_harness: MakeHarness) -> None:
    for restart in (False, True):
        tape = Tape(make_harness)
        await tape.send(-3600, LONG)
        await tape.send(0, SHORT)
        await tape.send(0.01, FLAT)
        assert tape.depth == Decimal("-0.5")
        await tape.send(0.5, FLAT, restart=restart)
        assert tape.depth == 0


@pytest.mark.parametrize(("seconds", "depth"), [(0.4, "0"), (1.0, "0"), (1.001, "0.8"), (4.0, "0.8")])
async def test_from_flat_a_pair_arrives_within_a_second(
    make_harness: MakeHarness, seconds: float, depth: str
) -> None:
    tape = Tape(make_harness)
    await tape.send(-3600, FLAT)
    await tape.send(0, FLAT)
    await tape.send(seconds, MORE)
    assert tape.depth == Decimal(depth)


async def test_the_windows_are_settings(make_harness: MakeHarness) -> None:
    for window, depth in (("10s", "-0.5"), ("8s", "0")):
        tape = Tape(make_harness, window=window)
        await tape.send(-3600, LONG)
        await tape.send(0, SHORT)
        await tape.send(9, FLAT)
        assert tape.depth == Decimal(depth)
    tape = Tape(make_harness, window_from_flat="4s")
    await tape.send(-3600, FLAT)
    await tape.send(0, FLAT)
    await tape.send(4, MORE)
    assert tape.depth == 0


async def test_alerts_of_one_second_are_a_pair_despite_a_resend(
    make_harness: MakeHarness,
) -> None:
    fired = {"timenow": "2026-03-02T12:00:00Z"}
    for late, depth in ((16.0, "-0.5"), (31.0, "0")):
        tape = Tape(make_harness)
        await tape.send(-3600, LONG)
        await tape.send(0.5, {**SHORT, **fired})
        await tape.send(late, {**FLAT, **fired})
        assert tape.depth == Decimal(depth)


# -- evidence in the alerts, the most trustworthy first


async def test_the_time_of_firing_decides_before_the_state(make_harness: MakeHarness) -> None:
    tape = Tape(make_harness)
    await tape.send(-3600, LONG)
    await tape.send(2, {**SHORT, "timenow": "2026-03-02T12:00:01Z"})
    assert await tape.send(3, {**FLAT, "timenow": "2026-03-02T12:00:02Z"}) == "time"
    assert tape.depth == 0
    assert await tape.send(60, {**MORE, "timenow": "2026-03-02T12:00:00Z"}) == "time"
    assert tape.depth == 0, "an alert that is older is not followed, however late it comes"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"time": "2026-03-02T12:00:00Z"}, {"time": "2026-03-02T11:00:00Z"}),
        ({"timenow": "2026-03-02T12:00:00Z"}, {"timestamp": "2026-03-02T11:00:00Z"}),
        ({"timenow": "2026-03-02T12:00:00Z"}, {}),
        ({}, {"timenow": "2026-03-02T11:00:00Z"}),
        ({"timenow": "2026-03-02T12:00:00Z"}, {"timenow": "soon"}),
    ],
)
async def test_times_that_cannot_be_compared_decide_nothing(
    make_harness: MakeHarness, one: Fields, two: Fields
) -> None:
    tape = Tape(make_harness)
    await tape.send(0, {**LONG, **one})
    assert await tape.send(60, {**SHORT, **two}) == "arrival"


async def test_the_previous_position_decides_before_the_time(make_harness: MakeHarness) -> None:
    early, late = {"timenow": "2026-03-02T12:00:00Z"}, {"timenow": "2026-03-02T12:00:01Z"}
    tape = Tape(make_harness)
    await tape.send(0.1, stated("short", "2", "flat", "0", **early))
    assert await tape.send(0.2, stated("flat", "0", "long", "2", **late)) == "previous_position"
    assert tape.depth == Decimal("-0.2")
    assert await tape.send(9, stated("flat", "0", "short", "2.0", **early)) == "previous_position"
    assert tape.depth == 0


async def test_a_sequence_decides_before_the_previous_position(make_harness: MakeHarness) -> None:
    tape = Tape(make_harness)
    await tape.send(0.1, stated("short", "2", "flat", "0", signal_seq=9))
    assert await tape.send(0.2, stated("flat", "0", "long", "2", signal_seq="10")) == "sequence"
    assert tape.depth == 0


async def test_only_numeric_event_ids_of_a_pair_compare(make_harness: MakeHarness) -> None:
    for ids, rule in ((("10", "9"), "event_id"), (("b10", "b9"), "exit"), (("7f", "9"), "exit")):
        tape = Tape(make_harness)
        await tape.send(-3600, LONG)
        await tape.send(0, {**MORE, "event_id": ids[0]})
        assert await tape.send(0.1, {**FLAT, "event_id": ids[1]}) == rule
        assert tape.depth == (Decimal("0.8") if rule == "event_id" else 0)


async def test_sizes_order_additions(make_harness: MakeHarness) -> None:
    tape = Tape(make_harness)
    await tape.send(0, stated("long", "1", "flat", "0"))
    await tape.send(9, stated("long", "3.0", "long", "2"))
    assert await tape.send(9.1, stated("long", "2.00", "long", "1")) == "previous_position"
    assert tape.depth == Decimal("0.3")


async def test_sizes_that_differ_by_dust_are_one_size(make_harness: MakeHarness) -> None:
    tape = Tape(make_harness)
    await tape.send(0, stated("long", "0.30000000000000004", "long", "0.2"))
    assert await tape.send(60, stated("flat", "0", "long", "0.3")) == "previous_position"


async def test_a_close_and_its_reopening_are_ordered_by_what_was_held(make_harness: MakeHarness) -> None:
    """Long to flat and flat to long fit together in both orders."""
    close, reopen = stated("flat", "0", "long", "1"), stated("long", "1", "flat", "0")
    for before, pair, depth in ((reopen, (reopen, close), "0.1"), (close, (close, reopen), "0")):
        tape = Tape(make_harness)
        await tape.send(-3600, before)
        await tape.send(0, pair[0])
        await tape.send(0.1, pair[1])
        assert tape.depth == Decimal(depth)


async def test_an_old_previous_position_does_not_order_an_alert_before(make_harness: MakeHarness) -> None:
    tape = Tape(make_harness)
    await tape.send(0, stated("short", "1", "flat", "0"))
    await tape.send(600, stated("flat", "0", "long", "1"))  # the reversal between them was missed
    assert tape.depth == 0


async def test_a_reopened_position_can_be_closed_again(make_harness: MakeHarness) -> None:
    close, reopen = stated("flat", "0", "short", "1"), stated("short", "1", "flat", "0")
    tape = Tape(make_harness)
    await tape.send(-3600, reopen)
    await tape.send(0, reopen)
    await tape.send(0.1, close)
    assert tape.depth == Decimal("-0.1")
    await tape.send(2, close)
    assert tape.depth == 0


steps = st.lists(
    st.tuples(
        st.sampled_from([("long", 1), ("long", 2), ("short", 1), ("short", 3), ("flat", 0)]),
        st.sampled_from([0.01, 0.6, 3.0, 20.0, 60.0]),
        st.booleans(),
    ),
    max_size=10,
)


@settings(deadline=None, max_examples=300)
@given(steps=steps, restart=st.booleans())
def test_swapped_neighbours_end_where_the_strategy_is(
    make_harness: MakeHarness, steps: list[Any], restart: bool
) -> None:
    """A strategy whose alerts state its position before and after; any two neighbours may overtake each other."""

    async def play() -> None:
        held: tuple[str, int] = ("flat", 0)
        alerts: list[tuple[float, Fields, bool]] = [(0.0, stated("flat", "0", "flat", "0"), False)]
        for position, pause, overtaken in steps:
            if position != held:
                said = stated(position[0], str(position[1]), held[0], f"{held[1]}.0")
                alerts.append((alerts[-1][0] + pause, said, overtaken))
                held = position
        tape = Tape(make_harness)
        number = 1
        await tape.send(-3600, alerts[0][1])
        while number < len(alerts):
            pair = alerts[number : number + 2]
            if len(pair) == 2 and pair[0][2] and pair[1][0] - pair[0][0] < 25:
                pair = [(pair[1][0], pair[1][1], False), (pair[1][0] + 0.005, pair[0][1], False)]
            else:
                pair = pair[:1]
            for at, said, _ in pair:
                await tape.send(at, said, restart=restart)
            number += len(pair)
        sign = {"long": 1, "short": -1, "flat": 0}[held[0]]
        assert tape.depth == sign * held[1] * Decimal("0.1")

    virtual_clock.run(play())


turns = st.lists(
    st.tuples(
        st.sampled_from(["turn round", "leave", "enter"]), st.booleans(), st.sampled_from([0.0, 0.007, 4.9])
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(turns=turns, restart=st.booleans())
def test_alerts_with_nothing_but_a_position_end_right_too(
    make_harness: MakeHarness, turns: list[Any], restart: bool
) -> None:
    """A strategy that reverses by two alerts in either order, exits, and enters; its reversals are 6 s apart."""

    async def play() -> None:
        tape, at, held = Tape(make_harness), 0.0, LONG
        await tape.send(-3600, held)
        for what, swapped, apart in turns:
            at += 6 + apart
            if what == "leave" or held is FLAT:
                held = FLAT if what == "leave" else LONG
                await tape.send(at, held, restart=restart)
            elif what == "turn round":
                held = SHORT if held is LONG else LONG
                pair = (held, FLAT) if swapped else (FLAT, held)
                await tape.send(at, pair[0])
                await tape.send(at + apart, pair[1], restart=restart)
                at += apart
            assert tape.depth == {id(LONG): Decimal("0.3"), id(SHORT): Decimal("-0.5"), id(FLAT): 0}[id(held)]

    virtual_clock.run(play())


# -- redeliveries

said = st.sampled_from([LONG, SHORT, MORE, FLAT, FLAT])
more = st.sampled_from(
    [
        {},
        {"signal_seq": 3},
        {"signal_seq": 7},
        {"timenow": "2026-03-02T12:00:00Z"},
        {"timenow": "2026-03-02T12:00:01Z"},
        {"prev_market_position": "long"},
        {"prev_market_position": "flat"},
    ]
)


@settings(deadline=None, max_examples=200)
@given(data=st.data(), ordering=st.sampled_from(["trust", "parity"]), restart=st.booleans())
def test_redeliveries_in_any_interleaving_change_nothing(
    make_harness: MakeHarness, data: st.DataObject, ordering: str, restart: bool
) -> None:
    alerts = data.draw(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 2.0, 4.9]), said, more), max_size=6))
    # Between two alerts any of the earlier ones may be sent again, at most 30 s after it arrived.
    again = [data.draw(st.lists(st.integers(0, number), max_size=3)) for number in range(len(alerts))]

    async def result(*, with_redeliveries: bool) -> Decimal:
        recorder = SourceRecorder()
        options = {"ordering": ordering, "dedupe_window": "30s"}
        harness = make_harness(recorder=recorder, **options)
        at, bodies = NOON, []
        for number, (pause, fields, extra) in enumerate(alerts):
            at += timedelta(seconds=pause)
            bodies.append(json.dumps({"symbol": "ETHUSDT", "n": number, **fields, **extra}).encode())
            await harness.post(bodies[-1], received_at=at)
            for earlier in again[number] if with_redeliveries else []:
                answer = await harness.post(bodies[earlier], received_at=at + timedelta(milliseconds=1))
                assert answer.body["status"] == "duplicate"
            if restart and with_redeliveries:
                recorder = as_restored(recorder)
                harness = make_harness(recorder=recorder, **options)
        return recorder.depths().get("ETHUSDT", Decimal(0))

    plain = virtual_clock.run(result(with_redeliveries=False))
    assert virtual_clock.run(result(with_redeliveries=True)) == plain
