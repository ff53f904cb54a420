"""Every request gets a proper response, and only a valid alert changes anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.testing import virtual_clock

MakeHarness = Callable[..., Any]
TOKEN = "canary-0123456789abcdefghij"

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            *(
                "BTCUSDT.P",
                "ETHUSDT",
                "BTCUSD.P",
                "long",
                "short",
                "flat",
                "buy",
                "sell",
                "Exit @ 1",
                "{{close}}",
                TOKEN,
            ),
            *(
                "14.08/100",
                "1/0",
                "-1/1",
                "nan/1",
                "1e999/1e999",
                "50%",
                "-0",
                "1e-99",
                "9" * 30,
                "1e99",
                "\ud800",
                "\0",
            ),
            *(
                "2026-01-01T00:00:00Z",
                "9999-12-31T23:59:59-14:00",
                "1e17",
                "1767225600000",
                "0001-01-01",
                "∞",
                "\u0661",
            ),
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = (
    "symbol ticker direction action size leverage price order_price signal_seq event_id token time timenow"
)
FIELDS += (
    " market_position prev_market_position prev_market_position_size max_lag sentiment code strategy_info"
)
names = st.sampled_from(FIELDS.split())
messages = st.dictionaries(names | st.text(max_size=8), values, max_size=12)
spelt = messages.map(json.dumps) | messages.map(lambda message: json.dumps(message, ensure_ascii=False))
bodies = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    spelt.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.tuples(spelt, st.integers(0, 200), st.binary(max_size=3)).map(
        lambda cut: cut[0].encode("utf-8", "surrogatepass")[: cut[1]] + cut[2]
    ),
)


@settings(deadline=None, max_examples=150)
@given(sent=st.lists(st.tuples(bodies, st.booleans()), max_size=6))
def test_every_body_is_answered_and_only_200_changes_anything(
    make_harness: MakeHarness, sent: list[tuple[bytes, bool]]
) -> None:
    async def send() -> None:
        harness = make_harness(lockout_after=10_000)
        for body, known in sent:
            before = (list(harness.recorder.published), dict(harness.recorder.current))
            answer = await harness.post(body, tail=(TOKEN,) if known else ())
            assert answer.status in ({200, 400, 422} if known else {200, 400, 401, 422})
            assert answer.status == 200 or before == (harness.recorder.published, harness.recorder.current)
            assert TOKEN not in json.dumps(dict(answer.body), ensure_ascii=False).encode().decode()
        for quarantined in harness.recorder.quarantined:
            assert "\0" not in (quarantined.field + quarantined.reason + quarantined.body).encode().decode()
        for signal in harness.recorder.published:
            assert TOKEN not in json.dumps(signal.detail, ensure_ascii=False).encode().decode()

    virtual_clock.run(send())


digits = st.decimals(0, 1000, places=4, allow_nan=False).map(lambda number: f"{number:f}")


@st.composite
def valid_alerts(draw: st.DrawFn) -> tuple[dict[str, Any], Fraction]:
    """Draw an alert and its depth, computed with fractions."""
    over = draw(st.integers(1, 10**6))
    part = draw(st.integers(0, over))
    direction = draw(st.sampled_from(["long", "short", "flat", "LONG", "Short", "FLAT", None]))
    sign = -1 if direction is None and draw(st.booleans()) else 1
    minus = "-" if sign < 0 or (direction in {"short", "Short"} and draw(st.booleans())) else ""
    share = Fraction(part, over)
    size: Any = f"{minus}{part}/{over}"
    if draw(st.booleans()):
        cents = int(share * 10_000)
        share = Fraction(cents, 10_000)
        plain = Decimal(cents) / 10_000
        size = draw(
            st.sampled_from([f"{minus}{plain}", f"{minus}{plain * 100}%", f" {minus}{plain:f} / 1.0 "])
        )
    depth = {None: sign, "long": 1, "short": -1, "flat": 0}[direction and direction.lower()] * share
    fields = {"symbol": "BINANCE:ETHUSDT.P", "direction": direction, "size": size, "price": draw(digits)}
    if depth == 0 and direction is not None and direction.lower() == "flat":
        fields["size"] = draw(st.sampled_from([size, "Exit @ 3263.55", "", None, "?"]))
    return fields, depth


@settings(deadline=None, max_examples=300)
@given(valid_alerts())
def test_every_valid_alert_has_the_depth_that_was_meant(
    make_harness: MakeHarness, alert: tuple[dict[str, Any], Fraction]
) -> None:
    fields, expected = alert

    async def send() -> Any:
        harness = make_harness()
        answer = await harness.post(fields)
        assert answer.status == 200, answer.body
        return harness.recorder.published[0]

    signal = virtual_clock.run(send())
    assert abs(Fraction(signal.depth) - expected) < Fraction(1, 10**27)
    assert (signal.depth == 0) == (expected == 0)
    assert signal.price == (Decimal(fields["price"]) or None)
