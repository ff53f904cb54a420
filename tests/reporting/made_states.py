"""Random states like those of ``/api/v1/state``: any figure may be missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

NOW = "2026-03-01T12:00:00+00:00"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "OLDUSDT")
IN_SETTINGS = SYMBOLS[:3]
FRESH_FOR = 75.0
CAUSES = ("the exchange cannot be reached", "maintenance")
STATUSES = (
    "at_target", "working", "deciding", "waiting", "limited", "drift", "blocked", "halted", "observing", "unreadable",
)  # fmt: skip

amounts = st.decimals(min_value=-100_000, max_value=100_000, places=2).map(str)
prices = st.decimals(min_value=Decimal("0.01"), max_value=100_000, places=2).map(str)
ages = st.floats(min_value=0, max_value=300).map(lambda age: round(age, 1))


@st.composite
def targets(draw: st.DrawFn) -> dict[str, Any]:
    status = draw(st.sampled_from(STATUSES))
    phase = "held" if status == "waiting" and draw(st.booleans()) else "resting"
    return {
        "depth": draw(st.sampled_from(["0", "0.25", "-0.5"])),
        "leverage": "3",
        "quantity": draw(st.none() | amounts),
        "revision": 1,
        "confirmed": True,
        "status": status,
        "reason": draw(st.sampled_from(["", "margin is short by 12.5 USDT", "margin is short by 7 USDT"])),
        "phase": phase,
        "phase_age": 90.0,
        "retry_in": 5.0 if phase == "held" else None,
        "retry": "",
        "limited": "limit account_exposure leaves 5" if status == "limited" else "",
        "limited_by": "account_exposure" if status == "limited" else None,
        "halt": "",
        "stops": "",
        "read_age": draw(st.none() | ages),
        "notes": [],
        "since": "2026-03-01T11:58:00+00:00",
        "last_order_at": None,
        "last_confirmed": draw(st.none() | st.fixed_dictionaries({"quantity": amounts, "at": st.just(NOW)})),
    }


@st.composite
def positions(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "size": draw(amounts.filter(lambda size: Decimal(size) != 0)),
        "entry_price": draw(st.none() | prices),
        "unrealised_pnl": draw(st.none() | amounts),
        "liquidation_price": None,
        "leverage": "3",
        "margin_mode": "isolated",
        "read_age": draw(ages),
    }


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, Any]:
    status = draw(st.sampled_from(["running", "running", "unreadable", "failing", "starting", "disabled"]))
    works = status in ("running", "disabled")
    ever = draw(st.booleans()) or status == "running"
    cause = draw(st.sampled_from(CAUSES))
    equity: dict[str, str | None] = {"wallet": None, "total": None, "free": None}
    if ever:
        equity = {"wallet": draw(amounts), "total": draw(amounts), "free": draw(st.none() | amounts)}
    sample = {"at": NOW, "free": None, **{n: draw(amounts) for n in ("wallet", "total")}}
    sample |= {name: draw(st.none() | amounts) for name in ("unrealised", "gross", "net")}
    return {
        "plugin": "some",
        "enabled": status != "disabled",
        "shadow_of": None,
        "observing": "",
        "paper": draw(st.booleans()),
        "currency": draw(st.sampled_from(["USDT", "USDT", "USDC"])),
        "drift": draw(st.sampled_from(["reduce", "heal", "alert"])),
        "status": status,
        "reason": "" if works else cause,
        "unready": "" if works else f"{status}: {cause}",
        "trouble": None
        if works
        else {
            "cause": cause,
            "detail": f"X: {cause} (raw)",
            "since": NOW,
            "retry_at": None,
            "parts": ["equity"],
        },
        "retry_at": None,
        "read_age": draw(ages) if ever else None,
        "fresh_for": FRESH_FOR,
        "read": {
            "positions": {
                "as_of": None,
                "age": draw(ages) if ever else None,
                "unknown": None if works else cause,
            },
            "equity": {"as_of": None, "age": draw(ages) if ever else None, "unknown": None} | equity,
            "prices": {"as_of": None, "age": None, "unknown": None},
        },
        "equity": None,
        "last_seen": draw(st.none() | st.just(sample)),
        "prices": draw(st.dictionaries(st.sampled_from(SYMBOLS), prices)),
        "positions": draw(st.dictionaries(st.sampled_from(SYMBOLS), positions())) if ever else {},
        "targets": draw(st.dictionaries(st.sampled_from(SYMBOLS), targets())),
        "still_open": [],
        "foreign": {},
    }


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    """A state of up to four accounts, one source and four symbols, one of which the settings do not name."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, max_size=4))
    made = {name: draw(accounts()) for name in names}
    unready = [f"account {name}: {one['unready']}" for name, one in made.items() if one["unready"]]
    return {
        "engine": {
            "version": "1",
            "pid": 1,
            "started_at": "2026-03-01T11:00:00+00:00",
            "now": NOW,
            "status": "degraded" if unready else "ready",
            "reasons": unready,
            "troubles": [],
            "resync": 30.0,
        },
        "limits": [],
        "breakers": [],
        "commands": [],
        "sources": {
            "tv": {
                "plugin": "tradingview",
                "enabled": True,
                "status": "running",
                "reason": "",
                "unready": "",
                "last_signal_at": NOW,
                "silent_since": None,
                "signals": {"BTCUSDT": {"depth": "0.5", "received_at": NOW, "expired": draw(st.booleans())}},
                "counters": {},
            }
        },
        "accounts": made,
        "notifiers": {},
        "symbols": {symbol: {"leverage": "3", "weights": {"tv": "0.5"}} for symbol in IN_SETTINGS},
    }
