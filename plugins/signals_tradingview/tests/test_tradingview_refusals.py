"""Alerts that cannot be parsed: the response to their sender, and who else is notified."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from te_core.api import SignalRejected

MakeHarness = Callable[..., Any]
CASES = Path(os.environ.get("TE_CASES", Path(__file__).parents[4] / "shared" / "cases"))
ENTRY = {"symbol": "BTCUSDT.P", "direction": "long", "size": "50/100", "price": "65000"}
BROKEN_EXIT = b'{"symbol":"BTCUSDT.P","direction":"flat","price":"65100",}'


async def test_a_byte_order_mark_is_accepted(make_harness: MakeHarness) -> None:
    harness = make_harness()
    body = b'\xef\xbb\xbf{"symbol":"ETHUSDT","direction":"flat","token":"%b"}' % harness.token.encode()
    assert (await harness.post(body)).status == 200
    assert (await harness.post(body + b" ", tail=())).status == 200


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"symbol":"ETHUSDT","size":"1/100",}', "a comma too many"),
        (b'{"symbol":"ETHUSDT","tags":["a", ]}', "a comma too many"),
        (b'{"symbol":"ETHUSDT","comment":"TP1\nhit"}', "a line break inside a text"),
        (b'{"symbol":"ETHUSDT","direction":"long" "size":"1/100"}', "a comma is missing"),
        ("{“symbol”:“ETHUSDT”,“direction”:“long”}".encode(), "curly quotes"),
        ('{"symbol":“ETHUSDT”}'.encode(), "curly quotes"),
        (b"symbol=ETHUSDT&direction=long&size=10%2F100", "this is a form"),
        (b"payload=%7B%22symbol%22%3A%22ETHUSDT%22%7D", "this is a form"),
        (b"{'symbol': 'ETHUSDT', 'direction': 'long'}", "a Python dict"),
        (b'{"symbol": "ETHUSDT", "price": None}', "a Python dict"),
        (b"ETHUSDT Crossing 3,000.00", "this is plain text"),
        (b"", "the message is empty"),
        (b'{"symbol":"ETHUSDT","price":}', "placeholders that may be empty"),
        (b'{"symbol":"ETHUSDT","comment":"the "big" one"}', "a double quote inside a text"),
        (b'{"symbol":"ETHUSDT","comment":"the', "ends too early"),
        (b'{"symbol":"ETHUSDT","price":{{close}}}', "a placeholder was not filled in"),
    ],
)
async def test_invalid_json_gets_a_hint_that_fits(make_harness: MakeHarness, body: bytes, hint: str) -> None:
    harness = make_harness()
    answer = await harness.post(body)
    assert answer.status == 400
    assert hint in answer.body["error"]["hint"]
    assert len(harness.recorder.quarantined) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("01-bom.json", ""),
        ("02-trailing-comma.json", "a comma too many"),
        ("03-newline-in-comment.json", "a line break"),
        ("04-smart-quotes.json", "curly quotes"),
        ("05-missing-comma.json", "a comma is missing"),
    ],
)
async def test_common_mistakes_get_a_hint(make_harness: MakeHarness, name: str, hint: str) -> None:
    file = CASES / "alerts" / name
    if not file.exists():
        pytest.skip(f"needs {file}")
    answer = await make_harness().post(file.read_bytes())
    assert answer.status == (400 if hint else 200)
    assert hint in answer.body.get("error", {}).get("hint", "")


async def test_a_token_in_invalid_json_still_counts(make_harness: MakeHarness) -> None:
    """Otherwise the sender would get 401, and find nothing in the quarantine."""
    harness = make_harness()
    body = b'{"token": "%b", "symbol": "ETHUSDT",}' % harness.token.encode()
    assert (await harness.post(body, tail=())).status == 400
    assert harness.token not in harness.recorder.quarantined[0].body
    assert (await harness.post(body.replace(b"canary", b"wrong!"), tail=())).status == 401


async def test_a_refused_alert_is_recorded_once(make_harness: MakeHarness) -> None:
    harness = make_harness()
    for number in range(5):
        await harness.post({**ENTRY, "size": f"{number}x"})
    (event,) = harness.recorder.events
    assert (event.kind, event.symbol) == ("refused", "BTCUSDT")
    assert event.text in harness.source.status()["warning"]
    await harness.post({**ENTRY, "symbol": "DOGEUSDT"})
    await harness.post({**ENTRY, "direction": "up"})
    assert len(harness.recorder.events) == 3


async def test_after_an_accepted_alert_refusals_are_recorded_again(make_harness: MakeHarness) -> None:
    harness = make_harness()
    for number in range(2):
        await harness.post({**ENTRY, "size": "x"})
        assert "warning" in harness.source.status()
        assert (await harness.post({**ENTRY, "n": number})).status == 200
        assert "warning" not in harness.source.status()
    assert len(harness.recorder.events) == 2


async def test_what_the_engine_refuses_is_quarantined_too(make_harness: MakeHarness) -> None:
    """For example an implausible price: only the engine knows the last one."""
    harness = make_harness()
    harness.recorder.failure = SignalRejected("1e12 is not plausible", field="price", hint="raise it")
    answer = await harness.post(ENTRY)
    assert (answer.status, answer.body["error"]["field"]) == (422, "price")
    assert harness.recorder.quarantined[0].reason == "1e12 is not plausible"


async def test_a_refused_exit_says_that_the_position_stays_open(
    make_harness: MakeHarness, log_lines: list[str]
) -> None:
    harness = make_harness()
    await harness.post(BROKEN_EXIT)
    assert "stays open" not in harness.recorder.events[-1].text  # nothing is held
    assert (await harness.post(ENTRY)).status == 200
    for body in (
        BROKEN_EXIT,
        b'{"symbol":"BTCUSDT.P","direction":"flat","price":"65100","comment":"TP1\nhit"}',
        b'{"ticker":"BTCUSDT.P","action":"exit_long"',
    ):
        await harness.post(body)
        assert 'the position on "BTCUSDT" stays open' in harness.recorder.events[-1].text
        assert "stays open" in harness.source.status()["warning"]
        assert "stays open" in log_lines[-1]
    await harness.post(b"close it all!")
    assert "a position may stay open" in harness.recorder.events[-1].text


async def test_refusals_do_not_flood_and_leave_room_for_exits(make_harness: MakeHarness) -> None:
    harness = make_harness()
    await harness.post(ENTRY)
    for number in range(300):
        await harness.post({**ENTRY, "symbol": f"X{number}USDT"})
    assert len(harness.recorder.events) == 20
    await harness.post(BROKEN_EXIT)
    assert "stays open" in harness.recorder.events[-1].text
    await asyncio.sleep(600)
    await harness.post({**ENTRY, "symbol": "OTHERUSDT"})
    assert len(harness.recorder.events) == 22
