"""What an operator changes in the settings while the engine runs, and what the settings allow an account to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ON = {"enabled": True}
SETTINGS: dict[str, Any] = {
    "sources": {"tv": {"plugin": "pushed"}, "sn": {"plugin": "pushed"}},
    "accounts": {
        "one": {"plugin": "fake", "observe": False, "key": "a"},
        "two": {"plugin": "fake", "observe": False, "key": "c", "leverage": 2},
    },
    "symbols": {
        "BTCUSDT": {"leverage": 1, "weights": {"tv": 0.5, "sn": 0.25}},
        "ETHUSDT": {"leverage": 1, "weights": {"tv": 0.25}},
    },
}
EDITS: list[tuple[str, str, list[Any]]] = [
    ("weights", "symbols.BTCUSDT.weights", [{"tv": 0.5, "sn": 0.25}, {"tv": 0.25}, {"sn": 0.75}, {}]),
    ("leverage", "symbols.BTCUSDT.leverage", [1, 2]),
    (
        "symbol",
        "symbols.ETHUSDT",
        [None, SETTINGS["symbols"]["ETHUSDT"], {"leverage": 3, "weights": {"sn": 0.5}}],
    ),
    ("account enabled", "accounts.one.enabled", [True, True, False]),
    ("margin mode", "accounts.one.margin_mode", ["isolated", "cross"]),
    ("observe", "accounts.one.observe", [None, True, False, False]),
    ("plugin of accounts", "plugins.fake", [ON, ON, {"enabled": False}]),
    ("plugin of sources", "plugins.pushed", [ON, ON, {"enabled": False}]),
    ("source enabled", "sources.sn.enabled", [True, False]),
    ("max_age", "sources.tv.max_age", [None, "60s"]),
    ("on_expiry", "sources.tv.on_expiry", ["hold", "flat", "decay"]),
    ("expect_every", "sources.sn.expect_every", [None, "1d"]),
    ("on_expiry", "sources.sn.on_expiry", ["hold", "flat"]),
]
"""Kind of edit, path, and the possible values; None removes it."""
TWO = SETTINGS["accounts"]["two"]
EDITS += [
    ("account", "accounts.two", [None, TWO, {**TWO, "enabled": False}, {**TWO, "observe": None}]),
    ("key exchanged", "accounts.one.key", ["a", "a2", "b"]),
    (
        "two sections on one account",
        "accounts.three",
        [
            None,
            {"plugin": "fake", "observe": False, "key": "a2"},
            {"plugin": "fake", "observe": False, "key": "a"},
        ],
    ),
    ("total_exposure", "limits.total_exposure", [None, None, 3000, 6000, 9000]),
    ("total_exposure", "limits.total_exposure", [None, None, 3000, 6000, 9000]),
] * 2


def permission(settings: Mapping[str, Any], account: str) -> str:
    section = settings["accounts"].get(account)
    if section is None or not settings.get("plugins", {}).get("fake", ON)["enabled"]:
        return "nothing"
    return "everything" if section.get("enabled", True) else "reductions"
