"""The files of an installation of the earlier program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

WEIGHTS: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSDT",
        "leverage": 3,
        "sources": [{"source": "tradingview", "weight": 0.3}],
    },
    {
        "symbol": "ETHUSDT",
        "leverage": 5,
        "sources": [{"source": "tradingview", "weight": 0.1}, {"source": "bittensor", "weight": 0.15}],
    },
]
MAPPINGS = {
    "tradingview": {"BTCUSDT.P": "BTCUSDT", "ETHUSDT": "ETHUSDT"},
    "bittensor": {"ETHUSD": "ETHUSDT", "BTCUSD": "BTCUSDT"},
}
MINERS = {
    "min_trades": 12,
    "max_drawdown_threshold": -0.4,
    "min_profitable_rate": 0.6,
    "min_total_return": 0.0,
    "drawdown_exponent": 6,
    "sharpe_exponent": 2,
    "profitable_rate_exponent": 5,
    "position_count_divisor": 5,
    "min_trades_per_asset": 0,
    "max_trade_age_days": 14,
    "leverage_limit_crypto": 0.5,
}


def key(name: str, *, phrase: bool = False, **more: Any) -> dict[str, Any]:
    """Return an account's keys, which a search can find."""
    made = {"api_key": f"key-of-{name}-000", "api_secret": f"secret-of-{name}-000", **more}
    return made | ({"api_passphrase": f"phrase-of-{name}-000"} if phrase else {})


CREDENTIALS: dict[str, Any] = {
    "bittensor_sn8": {"api_key": "key-of-miners-000", "endpoint": "https://validator.example/miners"},
    "bybit": key("bybit", leverage_override=0, min_order_notional_usd=5.0),
    "blofin": key("blofin", phrase=True, leverage_override=2, copy_trading=True, min_order_notional_usd=0.0),
    "kucoin": key("kucoin", phrase=True, leverage_override=0),
    "mexc": key("mexc", leverage_override=0),
    "bingx": key("bingx", leverage_override=0),
    "ccxt": {
        "ccxt_list": [
            {
                "exchange_name": "hyperliquid",
                "account_name": "Sirius",
                "api_key": "0x1111111111111111111111111111111111111111",
                "api_secret": "secret-of-hyperliquid-000",
                "api_passphrase": "0x2222222222222222222222222222222222222222",
                "leverage_override": 0,
                "enabled": True,
                "copy_trading": False,
                "min_order_notional_usd": 10.0,
            },
            {
                **key("okx", phrase=True),
                "exchange_name": "okx",
                "leverage_override": 0,
                "enabled": False,
                "copy_trading": False,
            },
            {**key("second"), "exchange_name": "bybit", "account_name": "second", "enabled": False},
        ]
    },
}
SECRETS = tuple(
    f"secret-of-{name}-000" for name in ("bybit", "blofin", "kucoin", "mexc", "hyperliquid", "okx")
)


def line(at: datetime, symbol: str, direction: str, size: str, **more: str) -> str:
    """Return a line of a log as the earlier program's endpoint wrote it."""
    alert = {
        "symbol": symbol, "direction": direction, "action": "buy", "size": size, "leverage": "", "priority": "",
        "takeprofit": "0.0", "trailstop": "0.0", "price": "0.0", "signal_seq": "", "event_id": "", **more,
    }  # fmt: skip
    text = json.dumps(alert, separators=(",", ":")).replace("/", "\\/")
    return f"{at:%Y-%m-%d %H:%M:%S.%f} {text}\n"


def install(folder: Path, now: datetime, **files: Any) -> Path:
    """Write an installation whose last alerts came within the last hours before ``now`` (UTC)."""
    content: Mapping[str, Any] = {
        "signal_weight_config": WEIGHTS,
        "asset_mapping_config": MAPPINGS,
        "bittensor_processor_config": MINERS,
        "credentials": CREDENTIALS,
        "account_asset_depths": {
            "ByBit": {"BTCUSDT": 0.15, "ETHUSDT": 0},
            "BloFin": {"BTCUSDT": 0.15, "ETHUSDT": 0.03},
            "hyperliquid::Sirius": {"BTCUSDT": 0.15},
        },
        **files,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in content.items():
        (folder / f"{name}.json").write_text(json.dumps(value, indent=4))
    alerts = folder / "raw_signals" / "tradingview"
    alerts.mkdir(parents=True)
    opinions = folder / "raw_signals" / "bittensor"
    opinions.mkdir(parents=True)
    today = [
        line(now - timedelta(hours=3), "BTCUSDT.P", "short", "80/100"),
        line(now - timedelta(hours=2), "BTCUSDT.P", "long", "50/100", price="60000"),
        line(now - timedelta(hours=1), "ETHUSDT", "flat", "Exit"),
        line(now - timedelta(hours=1), "DOGEUSDT", "long", "50/100"),
    ]
    (alerts / f"trade_requests_{now:%Y-%m-%d}.log").write_text("".join(today))
    stored = {"ETHUSDT": {"depth": 0.0, "price": 2500.0, "timestamp": int(now.timestamp() * 1000) - 60_000}}
    (opinions / f"bittensor_signal_{now:%Y-%m-%d}.json").write_text(json.dumps(stored, indent=4))
    return folder
