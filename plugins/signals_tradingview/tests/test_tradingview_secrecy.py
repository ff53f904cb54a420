"""No token leaves the source, wherever a sender puts it (I12)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.testing import virtual_clock
from te_signals_tradingview.auth.redaction import hide_in_alert, hide_in_text

TOKEN = "canary-0123456789abcdefghij"
ESCAPED = "".join(f"\\u{ord(char):04X}" for char in TOKEN)
MIXED = "\\u0063" + TOKEN[1:]
ALERT = {"symbol": "ETHUSDT", "direction": "long", "size": "50%"}


def bodies() -> list[str]:
    fields = (*ALERT, "action", "price", "leverage", "signal_seq", "event_id", "timenow", "comment", "token")
    messages: list[dict[str, Any]] = [
        {**ALERT, field: value} for field in fields for value in (TOKEN, f"x{TOKEN}y", [{TOKEN: TOKEN}])
    ]
    messages += [{**ALERT, TOKEN: 1}, {**ALERT, "a": {"b": TOKEN}}, {TOKEN: TOKEN}]
    plain = [json.dumps(message) for message in messages]
    broken = [text[:-1] for text in plain] + [
        f'{{"{TOKEN}": 1, "{TOKEN}": 2}}',
        f'{{"{TOKEN}": NaN}}',
        TOKEN,
        f'"{TOKEN}"',
    ]
    return [body.replace(TOKEN, spelling) for body in plain + broken for spelling in (TOKEN, ESCAPED, MIXED)]


def everything_shown(harness: Any, answers: list[Any], log_lines: list[str]) -> str:
    recorder = harness.recorder
    return repr((answers, recorder.published, recorder.quarantined, harness.source.status(), log_lines))


@pytest.mark.parametrize("where", ["path", "query", "body", "nowhere"])
async def test_no_token_is_ever_shown(
    make_harness: Callable[..., Any], log_lines: list[str], where: str
) -> None:
    harness = make_harness(lockout_after=10_000)
    places: dict[str, dict[str, Any]] = {"path": {"tail": (TOKEN,)}, "query": {"query": {"token": TOKEN}}}
    answers = []
    for body in bodies():
        told = body.replace("{", f'{{"token": "{TOKEN}", ', 1) if where == "body" else body
        answers.append(await harness.post(told.encode(), **places.get(where, {"tail": ()})))
    assert {answer.status for answer in answers} <= {200, 400, 401, 422}
    assert where == "nowhere" or harness.recorder.quarantined
    shown = everything_shown(harness, answers, log_lines).lower()
    for spelling in (TOKEN, ESCAPED, MIXED):
        assert spelling.lower() not in shown
        assert repr(spelling)[1:-1].lower() not in shown


@settings(deadline=None)
@given(before=st.text(max_size=30), after=st.text(max_size=30), cut=st.integers(0, 80), broken=st.booleans())
def test_no_half_of_a_token_is_persisted(
    make_harness: Callable[..., Any], before: str, after: str, cut: int, broken: bool
) -> None:
    body = json.dumps({"symbol": before + TOKEN + after}, ensure_ascii=False)

    async def send() -> str:
        harness = make_harness(quarantine_body_limit=cut)
        await harness.post((body[:-1] if broken else body).encode("utf-8", "replace"))
        return repr(harness.recorder.quarantined)

    assert TOKEN[:12] not in virtual_clock.run(send())


FOREIGN = "somebody-elses-secret"
NAMED = ("secret", "api_key", "apiKey", "API_SECRET", "signalToken", "password", "passphrase", "x-signature")


@pytest.mark.parametrize("name", [*NAMED, "token"])
@pytest.mark.parametrize("broken", ["", '"size": "2/1", ', "oops"])
async def test_secrets_of_other_receivers_are_not_persisted_or_shown(
    make_harness: Callable[..., Any], log_lines: list[str], name: str, broken: str
) -> None:
    harness = make_harness()
    fields = (f'"{name}": "{FOREIGN}"', f'"deep": [{{"{name}" : "a\\"{FOREIGN}"}}]', f'"{name}":"{FOREIGN}')
    for field in fields:
        body = f'{{{broken}"symbol": "ETHUSDT", "direction": "flat", "comment": "kept", {field}}}'
        await harness.post(body.encode(), tail=(TOKEN,))
    assert harness.recorder.published or harness.recorder.quarantined
    shown = everything_shown(harness, [], log_lines)
    assert FOREIGN not in shown
    assert "kept" in shown


async def test_a_secret_number_is_hidden_and_its_neighbours_are_not(
    make_harness: Callable[..., Any],
) -> None:
    harness = make_harness()
    body = (
        '{"symbol": "ETHUSDT", "direction": "flat", "pin_token": 123456, "lot": 5, "note": "no secret: here"}'
    )
    await harness.post(body.encode(), tail=(TOKEN,))
    (signal,) = harness.recorder.published
    assert signal.detail["extra"] == {"pin_token": "***", "lot": "5", "note": "no secret: here"}
    assert signal.detail["raw"] == body.replace("123456", '"***"')


@given(
    st.text(alphabet='{}":,_-abcdeghiklnoprstuvwyENTEXICODE0 ', max_size=80),
    st.sampled_from([*NAMED, "token"]),
)
def test_the_quick_check_passes_only_text_without_secrets(text: str, named: str) -> None:
    for message in (
        f"{{{text}",
        f'{{"{named}": "{FOREIGN}", {text}',
        f'{{"x": "ENTER-LONG_{named}_{FOREIGN}"{text}',
    ):
        assert hide_in_alert(message) == hide_in_text(message)


async def test_the_raw_message_is_persisted_up_to_its_limit(
    make_harness: Callable[..., Any],
) -> None:
    body = f'{{"symbol": "ETHUSDT", "direction": "flat", "token": "{TOKEN}", "comment": "{"x" * 5000}"}}'
    harness = make_harness()
    await harness.post(body.encode())
    (signal,) = harness.recorder.published
    assert signal.detail["raw"].startswith('{"symbol": "ETHUSDT", "direction": "flat", "token": "***"')
    assert len(signal.detail["raw"]) == 2049
    harness = make_harness(raw_limit=0)
    await harness.post(body.encode())
    assert "raw" not in harness.recorder.published[0].detail
