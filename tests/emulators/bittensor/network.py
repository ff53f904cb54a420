"""Makes plausible networks by seed, in the shapes of recorded payloads, and lets their miners act."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

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
        for hotkey, miner in self.miners.items():
            for position in miner["positions"]:
                position["miner_hotkey"] = hotkey

    def payload(self) -> dict[str, Record]:
        """Everything, as ``/miner-positions`` serves it."""
        return self.miners

    def open_positions(self) -> Iterator[tuple[str, Record]]:
        """Every open position with its miner's hotkey."""
        for hotkey, miner in self.miners.items():
            yield from ((hotkey, p) for p in miner["positions"] if not p["is_closed_position"])

    # --- what happens ---------------------------------------------------------------------------------------------

    def tick(self, ms: int = 60_000) -> None:
        """Time passes: the returns of open positions move a little."""
        self.now_ms += ms
        for _, position in self.open_positions():
            factor = 1 + self.random.gauss(0, 0.0005)
            position["current_return"] *= factor
            position["return_at_close"] *= factor

    def open(self, hotkey: str, asset: str, leverage: float) -> Record:
        """A miner opens a position."""
        price = self._price(asset)
        position = self._empty(asset, self.now_ms)
        position["miner_hotkey"] = hotkey
        self._fill(position, leverage, price, self.now_ms)
        self.miners[hotkey]["positions"].append(position)
        return position

    def close(self, hotkey: str, asset: str) -> Record:
        """A miner closes its open position on an asset."""
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
        return round(PAIRS[asset][1] * (1 + self.random.gauss(0, 0.02)), 5)

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
        largest = PAIRS[asset][0][4]
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
            "trade_pair": PAIRS[asset][0],
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
