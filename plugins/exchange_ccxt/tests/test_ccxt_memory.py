"""When pushed state may be taken for the present one, and when it must be read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from te_core.api import Equity, Position
from te_exchange_ccxt.memory import REREAD, SETTLED, SILENCE, UNPUSHED, UNREAD, Feed, Memory

D = Decimal


def position(quantity: str, symbol: str = "BTCUSDT") -> Position:
    return Position(symbol=symbol, quantity=D(quantity))


def equity(value: str = "100") -> Equity:
    return Equity(wallet=D(value), total=D(value))


@pytest.fixture
def memory() -> Memory:
    """Everything is followed since 0, heard at 10, and read at 10."""
    kinds = {"positions": True, "orders": True, "balance": True, "tickers": False}
    found = Memory(poll=3, feeds={kind: Feed(private=private, up=0) for kind, private in kinds.items()})
    found.heard = {True: 10, False: 10}
    found.positions_read({"BTCUSDT": position("1")}, sent=10, now=10)
    found.equity_read(equity(), sent=10)
    return found


def test_followed_and_read_it_is_the_present_state(memory: Memory) -> None:
    assert memory.positions_live(11)
    assert memory.equity_live(11)


def test_nothing_is_live_before_the_first_read(memory: Memory) -> None:
    fresh = Memory(poll=3, feeds=memory.feeds, heard=memory.heard)
    assert not fresh.positions_live(11)
    assert not fresh.equity_live(11)
    assert fresh.wants_read(11)


def test_a_silent_stream_is_not_followed(memory: Memory) -> None:
    assert memory.positions_live(10 + SILENCE)
    late = 10.1 + SILENCE
    assert not memory.positions_live(late)
    assert not memory.equity_live(late)
    assert not memory.wants_read(late), "what cannot be kept up is read when it is needed"


def test_a_broken_connection_needs_a_newer_read(memory: Memory) -> None:
    memory.lost(private=True, now=11)
    assert not memory.positions_live(11)
    for feed in memory.feeds.values():
        feed.up = 12
    memory.heard[True] = 12
    assert not memory.positions_live(12), "what happened in between was never pushed"
    assert memory.wants_read(12)
    memory.positions_read({}, sent=12.5, now=12.6)
    assert memory.positions_live(13)


def test_a_read_from_before_the_reconnection_does_not_count(memory: Memory) -> None:
    memory.lost(private=True, now=11)
    memory.feeds["positions"].up = 12
    memory.heard[True] = 12
    memory.positions_read({}, sent=11.9, now=12.5)
    assert not memory.positions_live(13)


def test_pushes_lie_over_the_read(memory: Memory) -> None:
    assert memory.positions_pushed([position("2")], now=11)
    assert memory.positions["BTCUSDT"].quantity == 2
    assert memory.positions_live(11)
    assert not memory.positions_pushed([position("2")], now=12), "nothing changed"


def test_a_read_that_was_overtaken_by_a_push_does_not_undo_it(memory: Memory) -> None:
    memory.positions_pushed([position("2")], now=11)
    memory.positions_read({"BTCUSDT": position("1")}, sent=10.9, now=11.1)
    assert memory.positions["BTCUSDT"].quantity == 2


def test_an_order_of_ours_makes_it_unknown_until_a_later_read(memory: Memory) -> None:
    memory.ordering("7e1", "BTCUSDT", now=11)
    assert not memory.positions_live(11)
    memory.positions_read({"BTCUSDT": position("2")}, sent=11.1, now=11.2)
    assert not memory.positions_live(11.2), "the order is not over"
    memory.answered("7e1", "BTCUSDT", now=11.3, final=False)
    assert not memory.order_pushed("7e1", "BTCUSDT", now=11.4), "it is ours"
    assert not memory.positions_live(11.4), "nothing was read since it was over"
    assert not memory.equity_live(11.4)
    assert memory.wants_read(11.4)
    memory.positions_read({"BTCUSDT": position("2")}, sent=11.5, now=11.6)
    memory.equity_read(equity(), sent=11.5)
    assert memory.positions_live(11.6)
    assert memory.equity_live(11.6)


def test_a_push_alone_never_shows_that_an_order_was_executed(memory: Memory) -> None:
    memory.ordering("7e1", "BTCUSDT", now=11)
    memory.answered("7e1", "BTCUSDT", now=11.1, final=False)
    memory.positions_pushed([position("2")], now=11.2)
    memory.order_pushed("7e1", "BTCUSDT", now=11.2)
    assert not memory.positions_live(11.3)


def test_without_order_pushes_an_order_is_over_after_a_while(memory: Memory) -> None:
    memory.ordering("7e1", "BTCUSDT", now=11)
    memory.answered("7e1", "BTCUSDT", now=11, final=False)
    memory.positions_read({}, sent=12, now=12)
    memory.heard[True] = 21
    assert not memory.positions_live(11 + SETTLED)
    assert memory.positions_live(11.1 + SETTLED)


def test_a_look_up_counts_as_an_answer(memory: Memory) -> None:
    memory.ordering("7e1", "BTCUSDT", now=11)
    memory.answered("7e1", "BTCUSDT", now=12, final=True)
    memory.positions_read({}, sent=11.5, now=12.5)
    assert not memory.positions_live(13), "the engine asks for a read that is newer than the look-up"
    memory.positions_read({}, sent=13, now=13)
    assert memory.positions_live(13)


def test_an_equity_that_no_push_renewed_is_read_again_by_itself(memory: Memory) -> None:
    """Else the second of two signals would wait for it."""
    memory.ordering("7e1", "BTCUSDT", now=11)
    memory.answered("7e1", "BTCUSDT", now=11.1, final=True)
    memory.positions_read({"BTCUSDT": position("2")}, sent=11.2, now=11.3)
    assert memory.wants_read(11.3) == {"equity"}
    memory.equity_read(equity(), sent=11.4)
    assert not memory.wants_read(11.5)
    del memory.feeds["balance"]
    memory.answered("7e1", "BTCUSDT", now=12, final=True)
    assert memory.wants_read(12) == {"positions"}, "where it is not followed each signal reads it anyway"


def test_changes_by_others_are_told_and_our_own_are_not(memory: Memory) -> None:
    assert memory.positions_pushed([position("3", "ETHUSDT")], now=11)
    assert memory.order_pushed("by-hand", "ETHUSDT", now=11)
    memory.ordering("7e1", "BTCUSDT", now=12)
    assert not memory.positions_pushed([position("5")], now=12.5)
    assert memory.positions_pushed([position("4", "ETHUSDT")], now=12.5)


def test_an_order_by_others_makes_the_positions_unknown(memory: Memory) -> None:
    memory.order_pushed("by-hand", "BTCUSDT", now=11)
    assert not memory.positions_live(11)
    assert memory.wants_read(11)


def test_where_positions_are_not_pushed_they_are_polled_and_orders_spoil_them(memory: Memory) -> None:
    del memory.feeds["positions"]
    assert memory.positions_live(11)
    assert not memory.wants_read(11)
    assert memory.wants_read(13.1)
    assert not memory.positions_live(16.1), "older than two polls"
    memory.positions_read({}, sent=13.1, now=13.2)
    memory.order_pushed("by-hand", "BTCUSDT", now=14)
    assert not memory.positions_live(14)


def test_without_any_private_stream_nothing_is_answered_from_memory(memory: Memory) -> None:
    memory.feeds.clear()
    assert not memory.positions_live(10)
    assert not memory.equity_live(10)
    assert not memory.wants_read(100)


def test_a_baseline_grows_old_and_is_read_again(memory: Memory) -> None:
    memory.heard[True] = 10 + REREAD
    assert memory.positions_live(10 + REREAD), "pushes would have told"
    assert memory.wants_read(10 + REREAD)


def test_pushed_positions_do_not_count_when_reads_have_failed_for_long(memory: Memory) -> None:
    """What a stream missed shows in a read only, and there was none."""
    memory.heard[True] = 11 + UNREAD
    assert memory.positions_live(10 + UNREAD)
    memory.positions_pushed([position("2")], now=10 + UNREAD)
    assert not memory.positions_live(10.1 + UNREAD)
    assert "positions" in memory.wants_read(10.1 + UNREAD)
    memory.positions_read({"BTCUSDT": position("2")}, sent=11 + UNREAD, now=11 + UNREAD)
    assert memory.positions_live(11 + UNREAD)


def test_a_read_that_a_push_overtook_is_one_that_succeeded(memory: Memory) -> None:
    """An exchange that pushes all the time is not read all the time."""
    later = 5 + UNREAD
    memory.heard[True] = 11 + UNREAD
    memory.positions_pushed([position("1")], now=later)
    assert not memory.positions_read({"BTCUSDT": position("7")}, sent=later - 1, now=later + 1)
    assert memory.positions["BTCUSDT"].quantity == 1, "the push may be newer"
    assert not memory.wants_read(later + 1) - {"equity"}
    assert memory.positions_live(11 + UNREAD)


def test_what_is_in_doubt_is_read_before_it_counts_again(memory: Memory) -> None:
    memory.doubt(now=11)
    assert not memory.positions_live(11)
    memory.positions_read({}, sent=11.1, now=11.2)
    assert memory.positions_live(11.2)


def test_a_push_about_our_own_order_that_comes_late_is_not_the_present_state(memory: Memory) -> None:
    """A stream that lags still tells of the order's parts when the whole was read."""
    memory.ordering("7e1", "BTCUSDT", now=11)
    memory.answered("7e1", "BTCUSDT", now=11.1, final=True)
    memory.positions_read({"BTCUSDT": position("3")}, sent=11.2, now=11.3)
    memory.positions_pushed([position("3")], now=11.4)
    assert memory.positions_live(11.4), "it agrees with what was read"
    memory.positions_pushed([position("2")], now=11.5)
    assert not memory.positions_live(11.5)
    assert "positions" in memory.wants_read(11.5)
    memory.positions_read({"BTCUSDT": position("3")}, sent=11.6, now=11.7)
    assert memory.positions["BTCUSDT"].quantity == 3
    assert memory.positions_live(11.7)


def test_an_equity_from_before_a_gap_does_not_count(memory: Memory) -> None:
    memory.lost(private=True, now=11)
    for feed in memory.feeds.values():
        feed.up = 14
    memory.heard[True] = 14
    assert not memory.equity_live(14), "what happened in between was never pushed"
    assert memory.wants_read(14) == {"positions", "equity"}
    memory.equity_read(equity(), sent=14.1)
    assert memory.equity_live(14.2)


def test_an_equity_grows_old(memory: Memory) -> None:
    memory.heard[True] = 10 + UNPUSHED
    assert memory.equity_live(10 + UNPUSHED)
    assert not memory.equity_live(10.1 + UNPUSHED)


def test_a_change_that_was_never_pushed_is_noticed(memory: Memory) -> None:
    assert memory.positions_read({"BTCUSDT": position("7")}, sent=12, now=12.1)
    assert memory.positions["BTCUSDT"].quantity == 7
    assert not memory.positions_read({"BTCUSDT": position("7")}, sent=13, now=13.1)


def test_flat_rows_are_no_difference(memory: Memory) -> None:
    rows = {"BTCUSDT": position("1"), "ETHUSDT": position("0", "ETHUSDT")}
    assert not memory.positions_read(rows, sent=12, now=12.1)


def test_a_distrusted_stream_is_polled(memory: Memory) -> None:
    memory.distrusted_until = 100
    memory.positions_read({"BTCUSDT": position("1")}, sent=12, now=12)
    assert memory.positions_live(13)
    assert memory.wants_read(15)


def test_prices_need_every_symbol(memory: Memory) -> None:
    memory.prices = {"BTCUSDT": D(1)}
    assert memory.prices_live(["BTCUSDT"], 11)
    assert not memory.prices_live(["BTCUSDT", "ETHUSDT"], 11)
    memory.lost(private=False, now=11)
    memory.feeds["tickers"].up = 12
    memory.heard[False] = 12
    assert not memory.prices_live(["BTCUSDT"], 12), "prices from before the gap are forgotten"
    assert memory.positions_live(12), "the other connection lives"
