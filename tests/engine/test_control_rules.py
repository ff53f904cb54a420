"""Which of the operator's commands count, as pure rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from te_core.model.control import Action, Command, Control, ControlState, Topic
from te_core.model.signal import Signal
from te_core.model.target import Blend, Term
from te_core.rules.blend import Opinion, blend
from te_core.rules.controls import Controls, commanded, controls_of, lifted_by, standing
from te_core.rules.opinions import share_of, with_pauses

D = Decimal
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCOPES = {"one": ("one", "#one"), "two": ("two",)}


def command(action: Action, *accounts: str, **more: object) -> Command:
    return Command(action=action, by="alice", accounts=accounts, **more)  # type: ignore[arg-type]


def after(*commands: Command) -> Controls:
    controls = Controls()
    for minute, one in enumerate(commands):
        controls = controls.adding(controls_of(one, NOW + timedelta(minutes=minute), SCOPES))
    return controls


def halted(
    controls: Controls, account: str = "one", symbol: str = "BTCUSDT", said: Blend | None = None
) -> bool:
    later = NOW + timedelta(hours=1)
    return bool(standing(controls, SCOPES[account], symbol, said, later).halt)


def said(*minutes: int, depth: str = "0.5") -> Blend:
    terms = tuple(
        Term(
            source=f"s{index}",
            weight=D("0.5"),
            depth=D(depth),
            time=NOW,
            heard_at=NOW + timedelta(minutes=minute),
        )
        for index, minute in enumerate(minutes)
    )
    total = sum((term.weight * term.depth for term in terms), D(0))
    return Blend(symbol="BTCUSDT", depth=total, leverage=2, terms=terms)


HALT, RESUME = command(Action.HALT), command(Action.RESUME)


def test_a_halt_of_everything_covers_accounts_added_later() -> None:
    assert standing(after(HALT), ("new",), "BTCUSDT", None, NOW).halt.startswith(
        "halted by alice at 2026-03-01"
    )


def test_one_account_is_resumed_out_of_a_halt_of_everything() -> None:
    controls = after(HALT, command(Action.RESUME, "one"))
    assert not halted(controls)
    assert halted(controls, "two")
    assert [row.scope for row in controls.active()] == [""]
    assert halted(after(HALT, command(Action.RESUME, "one"), HALT)), "the later one counts"


def test_one_symbol_is_resumed_out_of_a_halt_of_its_account() -> None:
    controls = after(command(Action.HALT, "one"), command(Action.RESUME, "one", symbol="BTCUSDT"))
    assert not halted(controls)
    assert halted(controls, symbol="ETHUSDT")


def test_a_wider_resume_lifts_what_is_narrower() -> None:
    controls = after(command(Action.HALT, "one", symbol="BTCUSDT"), command(Action.HALT, "two"), RESUME)
    assert not halted(controls)
    assert not halted(controls, "two")
    assert not list(controls.active())


def test_a_halt_follows_the_account_not_the_section_name() -> None:
    controls = after(command(Action.HALT, "one"))
    assert standing(controls, ("renamed", "#one"), "BTCUSDT", None, NOW).halt
    assert standing(controls, ("one", "#one~2"), "BTCUSDT", None, NOW).halt


def test_from_the_next_signal_on_only_later_signals_count() -> None:
    controls = after(HALT, command(Action.RESUME, from_next_signal=True))
    assert halted(controls, said=said(0, 0))
    assert halted(controls, said=None)
    newer = said(0, 5)
    held = standing(controls, SCOPES["one"], "BTCUSDT", newer, NOW)
    left = commanded("BTCUSDT", newer, held)
    assert not held.halt
    assert left is not None
    assert [(part.depth, bool(part.note)) for part in left.terms] == [(D(0), True), (D("0.5"), False)]
    assert left.depth == D("0.25")


def test_a_depth_by_hand_ends_in_time_or_with_the_next_signal() -> None:
    by_hand = command(Action.TARGET, "one", symbol="BTCUSDT", depth=D("-0.3"))
    old, new = said(-1), said(1)
    for controls, spoken, now, counts in [
        (after(by_hand), old, NOW + timedelta(days=9), True),
        (after(by_hand), new, NOW, False),
        (after(replace(by_hand, lasts=timedelta(hours=1))), new, NOW + timedelta(minutes=59), True),
        (after(replace(by_hand, lasts=timedelta(hours=1))), new, NOW + timedelta(minutes=60), False),
    ]:
        held = standing(controls, SCOPES["one"], "BTCUSDT", spoken, now)
        left = commanded("BTCUSDT", spoken, held)
        assert left is not None
        assert (left.depth == D("-0.3")) is counts
        assert standing(controls, SCOPES["two"], "BTCUSDT", spoken, now).by_hand is None


actions = st.builds(
    command,
    st.sampled_from([Action.HALT, Action.FLATTEN, Action.RESUME]),
    *[st.sampled_from(["one", "two"])] * 1,
    symbol=st.sampled_from(["", "BTCUSDT", "ETHUSDT"]),
) | st.builds(
    command,
    st.sampled_from([Action.HALT, Action.FLATTEN, Action.RESUME]),
    symbol=st.sampled_from(["", "BTCUSDT"]),
)


@given(st.lists(actions, max_size=8))
def test_the_newest_command_that_covers_a_symbol_applies(commands: list[Command]) -> None:
    controls = after(*commands)
    for account, scopes in SCOPES.items():
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
            last = None
            for one in commands:
                if one.accounts in ((), (account,)) and one.symbol in ("", symbol):
                    last = one.action
            assert halted(controls, account, symbol) is (last in (Action.HALT, Action.FLATTEN))
            assert standing(controls, scopes, symbol, None, NOW).flat is (last is Action.FLATTEN)


@given(st.lists(actions, max_size=8))
def test_restored_from_their_rows_they_are_equal(commands: list[Command]) -> None:
    controls = after(*commands)
    rows: list[Control] = [row for _, row in sorted(controls.by_key.values(), key=lambda entry: entry[0])]
    again = Controls.of(rows)
    for account, scopes in SCOPES.items():
        for symbol in ("BTCUSDT", "ETHUSDT"):
            assert standing(again, scopes, symbol, None, NOW) == standing(
                controls, scopes, symbol, None, NOW
            ), account
    assert [row.state for row in again.active()] == [row.state for row in controls.active()]
    assert all(row.state is not ControlState.OVER and row.topic is Topic.HALT for row in again.active())


def lifted(controls: Controls, *accounts: str, **more: object) -> list[tuple[str, str]]:
    resume = command(Action.RESUME, *accounts, **more)
    return [(row.scope, row.symbol) for row in lifted_by(resume, controls, SCOPES)]


def test_a_resume_lists_what_it_lifts() -> None:
    controls = after(HALT, command(Action.RESUME, "one"), command(Action.HALT, "one", symbol="BTCUSDT"))
    assert lifted(controls, "one") == [("#one", "BTCUSDT")], "the halt of everything is lifted there already"
    assert lifted(controls, "one", symbol="ETHUSDT") == []
    assert lifted(controls, "two") == [("", "")]
    assert lifted(controls, sources=("tv",)) == []
    assert len(lifted(controls)) == 3


def test_a_resume_of_a_symbol_ends_only_its_depth_by_hand() -> None:
    controls = after(
        command(Action.TARGET, "one", symbol="BTCUSDT", depth=D(1)),
        command(Action.TARGET, "one", symbol="ETHUSDT", depth=D(1)),
        command(Action.TARGET, "two", symbol="BTCUSDT", depth=D(1)),
    )
    assert lifted(controls, "one", symbol="BTCUSDT") == [("#one", "BTCUSDT")]
    assert lifted(controls, "one") == [("#one", "BTCUSDT"), ("#one", "ETHUSDT")]
    assert len(lifted(controls)) == 3


@given(st.lists(actions, max_size=8), actions)
def test_a_resume_frees_what_it_names_from_wider_commands_too(commands: list[Command], last: Command) -> None:
    controls = after(*commands)
    resume = replace(last, action=Action.RESUME)
    names = resume.accounts or tuple(SCOPES)
    symbols = [resume.symbol] if resume.symbol else ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    was = any(halted(controls, name, symbol) for name in names for symbol in symbols)
    assert bool(list(lifted_by(resume, controls, SCOPES))) >= was
    now = controls.adding(controls_of(resume, NOW, SCOPES))
    assert not any(halted(now, name, symbol) for name in names for symbol in symbols)


depths = st.decimals(-1, 1, places=4)


@given(depths, depths, depths, st.booleans())
def test_a_paused_source_counts_by_its_last_signal_if_at_all(
    before: Decimal, after_it: Decimal, other: Decimal, close: bool
) -> None:
    def opinion(source: str, depth: Decimal) -> Opinion:
        return Opinion(signal=Signal(source=source, symbol="BTCUSDT", depth=depth, time=NOW, received_at=NOW))

    def netted(paused: Decimal, pauses: dict[str, Control]) -> Blend:
        opinions = {"tv": opinion("tv", paused), "sn": opinion("sn", other)}
        weights = {"tv": D("0.5"), "sn": D("0.5")}
        found = with_pauses("BTCUSDT", opinions, pauses)
        return blend("BTCUSDT", weights=weights, leverage=1, opinions=found, now=NOW)

    held = {} if close else {"BTCUSDT": share_of(opinion("tv", before), NOW)}
    state = ControlState.CLOSE if close else ControlState.HOLD
    pause = Control(topic=Topic.PAUSE, scope="tv", symbol="", state=state, at=NOW, by="alice", held=held)
    expected = netted(D(0) if close else before, {})
    found = netted(after_it, {"tv": pause})
    assert found.depth == expected.depth
    assert [term.heard_at for term in found.terms] == [None, NOW], "it does not count as speaking"
