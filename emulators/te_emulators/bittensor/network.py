"""Generates plausible networks from a seed, in the shape of recorded payloads, and makes their miners trade."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from te_emulators.bittensor import tiers

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
DAY_MS = 86_400_000
PAIRS: dict[str, tuple[list[Any], float]] = {
    "BTCUSD": (["BTCUSD", "BTC/USD", 0.003, 0.01, 0.5], 64_000.0),
    "ETHUSD": (["ETHUSD", "ETH/USD", 0.003, 0.01, 0.5], 3_200.0),
    "SOLUSD": (["SOLUSD", "SOL/USD", 0.003, 0.01, 0.5], 150.0),
    "BTCUSDC": (["BTCUSDC", "BTC/USDC", 0.003, 0.01, 1.0], 64_000.0),
    "EURUSD": (["EURUSD", "EUR/USD", 7e-05, 0.1, 5], 1.08),
}
"""``trade_pair`` as served, and a price to trade around."""

MORE_PAIRS: dict[str, tuple[list[Any], float]] = {
    "ETHUSDC": (["ETHUSDC", "ETH/USDC", 0.003, 0.01, 1.0], 3_200.0),
    "ADAUSDC": (["ADAUSDC", "ADA/USDC", 0.003, 0.01, 1.0], 0.6),
    "GOLDUSDC": (["GOLDUSDC", "GOLD/USDC", 0.003, 0.01, 2.0], 4_100.0),
    "NVDA": (["NVDA", "NVDA/USD", 0.0005, 0.01, 1.0], 180.0),
}
"""Pairs of 2026 that only a ``TieredNetwork`` trades on its own."""

ALL_PAIRS = PAIRS | MORE_PAIRS

Record = dict[str, Any]


class MadeNetwork:
    """``miners`` hotkeys with about ``orders`` orders each, ending at ``now_ms``. Equal seeds make equal networks."""

    def __init__(
        self, *, miners: int, seed: int, now_ms: int, orders: int = 120, pairs: tuple[str, ...] = tuple(PAIRS)
    ) -> None:
        self.random = random.Random(seed)
        self.now_ms = now_ms
        self.pairs = pairs
        made = [(self._hotkey(), self._miner(orders)) for _ in range(miners)]
        made.sort(key=lambda entry: entry[1]["thirty_day_returns"], reverse=True)
        self.miners: dict[str, Record] = dict(made)
        self.accounts: dict[str, Record] = {}
        self.eliminations: list[Record] = []
        for hotkey, miner in self.miners.items():
            for position in miner["positions"]:
                position["miner_hotkey"] = hotkey

    def payload(self) -> dict[str, Record]:
        """Return everything, as ``/miner-positions`` serves it."""
        return self.miners

    def open_positions(self) -> Iterator[tuple[str, Record]]:
        """Yield every open position with its miner's hotkey."""
        for hotkey, miner in self.miners.items():
            yield from ((hotkey, p) for p in miner["positions"] if not p["is_closed_position"])

    # --- what is served besides positions -----------------------------------------------------------------------------

    def trade_pairs(self, *, tiered: bool = True) -> Record:
        """``GET /trade-pairs``."""
        entries = [tiers.trade_pair(pair, served, tiers=tiered) for pair, (served, _) in ALL_PAIRS.items()]
        allowed = [entry for entry in entries if entry["trade_pair_id"] not in tiers.BLOCKED]
        disabled = [entry for entry in entries if entry["trade_pair_id"] in tiers.BLOCKED]
        return {
            "allowed": allowed,
            "disabled": disabled,
            "total_allowed": len(allowed),
            "total_disabled": len(disabled),
            "timestamp": self.now_ms,
        }

    def account(self, hotkey: str) -> Record:
        """The account of a miner: by default one of its own with 100,000 USD."""
        return self.accounts.get(hotkey) or tiers.account(hotkey)

    def collateral(self) -> Record:
        """``GET /collateral/?most_recent=true``: for each miner its newest record, then its account."""
        return {
            "status": "success",
            "data": {hotkey: self._records(hotkey) for hotkey in self.miners},
            "miner_count": len(self.miners),
            "timestamp": self.now_ms,
        }

    def _records(self, hotkey: str) -> list[Record]:
        found = self.account(hotkey)
        newest = {"account_size": found["account_size"], "account_size_theta": 20.0, "update_time_ms": 1}
        return [newest, found]

    def eliminate(self, hotkey: str, reason: str = "FAILED_FUNDED_PERIOD_EOD_DRAWDOWN") -> None:
        """Eliminate a miner, as upstream does: its positions are closed, and stay in the payload for days."""
        for position in self.miners[hotkey]["positions"]:
            if not position["is_closed_position"]:
                self._flatten(position, self._price(position["trade_pair"][0]), self.now_ms)
                position["orders"][-1]["src"] = 3
        self.eliminations.append(
            {
                "hotkey": hotkey,
                "dd": 0.081,
                "reason": reason,
                "elimination_initiated_time_ms": self.now_ms,
                "bucket_at_elimination": self.account(hotkey)["miner_bucket"],
                "positions_closed": True,
            }
        )

    def bucket(self, hotkey: str) -> str:
        """Set the stage of a miner."""
        out = any(row["hotkey"] == hotkey for row in self.eliminations)
        return "ELIMINATED" if out else str(self.account(hotkey)["miner_bucket"])

    # --- what happens ---------------------------------------------------------------------------------------------

    def tick(self, ms: int = 60_000) -> None:
        """Advance the time: the returns of open positions change a little."""
        self.now_ms += ms
        for _, position in self.open_positions():
            factor = 1 + self.random.gauss(0, 0.0005)
            position["current_return"] *= factor
            position["return_at_close"] *= factor

    def open(self, hotkey: str, asset: str, leverage: float) -> Record:
        """Open a position of a miner."""
        price = self._price(asset)
        position = self._empty(asset, self.now_ms)
        position["miner_hotkey"] = hotkey
        self._fill(position, leverage, price, self.now_ms)
        self.miners[hotkey]["positions"].append(position)
        return position

    def close(self, hotkey: str, asset: str) -> Record:
        """Close a miner's open position on an asset."""
        found = (
            p
            for p in self.miners[hotkey]["positions"]
            if not p["is_closed_position"] and p["trade_pair"][0] == asset
        )
        position: Record = next(found)
        self._flatten(position, self._price(asset), self.now_ms)
        return position

    # --- making -----------------------------------------------------------------------------------------------------

    def _hotkey(self) -> str:
        return "5" + "".join(self.random.choices(ALPHABET, k=47))

    def _uuid(self) -> str:
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _price(self, asset: str) -> float:
        return round(ALL_PAIRS[asset][1] * (1 + self.random.gauss(0, 0.02)), 5)

    def _miner(self, orders: int) -> Record:
        skill = self.random.gauss(0.002, 0.004)
        moment = self.now_ms - int(self.random.uniform(20, 110) * DAY_MS)
        count = max(1, int(orders / 9 * self.random.uniform(0.6, 1.4)))
        pause = (self.now_ms - moment) / (count + 1)
        positions = []
        for _ in range(count):
            position = self._position(moment, pause, skill, orders / count)
            positions.append(position)
            moment += int(pause * self.random.uniform(0.8, 1.2))
            if moment > self.now_ms - pause * 2:
                break
        held = self.random.sample(self.pairs, self.random.choice((0, 1, 1, 2)))
        positions += [self._held(asset, moment, skill) for asset in held]
        returns = [p["return_at_close"] for p in positions if p["is_closed_position"]]
        product = 1.0
        for value in returns:
            product *= value
        return {
            "all_time_returns": product,
            "n_positions": len(returns),
            "percentage_profitable": sum(value > 1 for value in returns) / len(returns) if returns else 0.0,
            "positions": positions,
            "thirty_day_returns": product,
            "tier": 100,
        }

    def _position(self, start: int, pause: float, skill: float, orders: float) -> Record:
        asset = self.random.choice(self.pairs)
        position = self._empty(asset, start)
        side = self.random.choice((-1, 1))
        price = self._price(asset)
        count = max(1, int(self.random.expovariate(1 / max(1.0, orders - 1))))
        lasts = pause * self.random.uniform(0.3, 0.7)
        for index in range(count):
            size = round(self.random.uniform(0.01, 0.05), 5)
            moment = start + int(lasts * index / (count + 1))
            change = (
                -size
                if index and self.random.random() < 0.2 and size < abs(position["net_leverage"])
                else size
            )
            self._fill(position, side * change, round(price * (1 + self.random.gauss(0, 0.004)), 5), moment)
        value = 1 + self.random.gauss(skill, 0.006)
        position["current_return"] = position["return_at_close"] = max(0.5, value)
        self._flatten(position, price, start + int(lasts))
        return position

    def _held(self, asset: str, moment: int, skill: float) -> Record:
        position = self._empty(asset, moment)
        largest = ALL_PAIRS[asset][0][4]
        side = self.random.choice((-1, 1))
        for index in range(self.random.randint(1, 4)):
            size = round(self.random.uniform(0.02, 0.24) * largest, 5)
            self._fill(position, side * size, self._price(asset), moment + index * 60_000)
        position["current_return"] = position["return_at_close"] = 1 + self.random.gauss(skill, 0.005)
        return position

    def _empty(self, asset: str, moment: int) -> Record:
        return {
            "average_entry_price": 0.0,
            "close_ms": 0,
            "current_return": 1.0,
            "is_closed_position": False,
            "miner_hotkey": "",
            "net_leverage": 0.0,
            "open_ms": moment,
            "orders": [],
            "position_type": "LONG",
            "position_uuid": self._uuid(),
            "return_at_close": 1.0,
            "trade_pair": ALL_PAIRS[asset][0],
        }

    def _fill(self, position: Record, leverage: float, price: float, moment: int) -> None:
        net = position["net_leverage"]
        if net * leverage >= 0:
            cost = position["average_entry_price"]
            position["average_entry_price"] = (net * cost + leverage * price) / (net + leverage)
        position["net_leverage"] = net + leverage
        position["position_type"] = "LONG" if position["net_leverage"] > 0 else "SHORT"
        position["orders"].append(self._order("LONG" if leverage > 0 else "SHORT", leverage, price, moment))

    def _flatten(self, position: Record, price: float, moment: int) -> None:
        position["orders"].append(self._order("FLAT", -position["net_leverage"], price, moment))
        position.update(close_ms=moment, is_closed_position=True, net_leverage=0.0, position_type="FLAT")

    def _order(self, kind: str, leverage: float, price: float, moment: int) -> Record:
        return {
            "ask": 0.0,
            "bid": 0.0,
            "leverage": leverage,
            "order_type": kind,
            "order_uuid": self._uuid(),
            "price": price,
            "price_sources": [],
            "processed_ms": moment,
            "slippage": 0.0,
            "src": 0,
        }


KINDS: tuple[Record, ...] = (
    {"size": 100_000.0, "bucket": "MAINCOMP"},
    {"size": 500_000.0, "bucket": "MAINCOMP"},
    {"size": 1_500_000.0, "bucket": "MAINCOMP"},
    {"size": 50_000.0, "bucket": "SUBACCOUNT_FUNDED", "tier": 1},
    {"size": 100_000.0, "bucket": "SUBACCOUNT_FUNDED", "tier": 2},
    {"size": 100_000.0, "bucket": "SUBACCOUNT_CHALLENGE", "tier": 3},
    {"size": 100_000.0, "bucket": "SUBACCOUNT_FUNDED"},
    {"size": 25_000.0, "bucket": "SUBACCOUNT_CHALLENGE", "hl_address": "0x" + "a" * 40},
    {"size": 500_000.0, "bucket": "PRO_FUNDED"},
)
"""Yield accounts of every kind that has its own limits."""


class TieredNetwork(MadeNetwork):
    """A network of 2026: accounts of every kind, among them ``entities`` of ``subaccounts`` each.

    An account holds between a fifth and all of its limit. ``used``: that share, signed, by hotkey and id of the pair.
    """

    CRYPTO = ("BTCUSDC", "ETHUSDC", "ADAUSDC")

    def __init__(
        self,
        *,
        miners: int,
        seed: int,
        now_ms: int,
        orders: int = 120,
        entities: int = 3,
        subaccounts: int = 8,
    ) -> None:
        super().__init__(
            miners=miners, seed=seed, now_ms=now_ms, orders=orders, pairs=(*self.CRYPTO, "GOLDUSDC", "NVDA")
        )
        self.used: dict[tuple[str, str], float] = {}
        names = [self._hotkey() for _ in range(entities)]
        synthetic = [f"{name}_{number}" for name in names for number in range(subaccounts)]
        made, self.miners = self.miners, {}
        for place, (hotkey, record) in enumerate(made.items()):
            name = synthetic[place // 2] if place % 2 and place // 2 < len(synthetic) else hotkey
            self.miners[name] = record
            self._open_account(name, record)

    def _open_account(self, hotkey: str, record: Record) -> None:
        """Open a miner's account, and resize its positions to a share of what that account may hold."""
        subaccount = "_" in hotkey
        kind = self.random.choice(
            [kind for kind in KINDS if kind["bucket"].startswith(("SUB", "PRO")) == subaccount]
        )
        found = self.accounts[hotkey] = tiers.account(hotkey, **kind)
        for position in record["positions"]:
            position["miner_hotkey"] = hotkey
            position["account_size"] = found["account_size"]
            position["is_hl"] = bool(found["hl_address"])
            if not position["is_closed_position"]:
                self._resize(position, found, subaccount=subaccount)

    def _resize(self, position: Record, found: Record, *, subaccount: bool) -> None:
        asset = position["trade_pair"][0]
        used = self.random.choice((0.2, 0.4, 0.6, 0.8, 1.0))
        net = used * tiers.limit_of(found, asset, subaccount=subaccount)
        factor = net / abs(position["net_leverage"])
        self.used[position["miner_hotkey"], asset] = used if position["net_leverage"] > 0 else -used
        position["net_leverage"] *= factor
        for order in position["orders"]:
            order["leverage"] *= factor
            order["value"] = order["leverage"] * found["account_size"]
            order["quantity"] = order["value"] / order["price"]
            order["quote_usd_rate"] = 1.0
