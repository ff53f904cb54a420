"""Assets, positions, leverage and position mode."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from te_emulators.core import errors, settings
from te_emulators.core.account import Account
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.core.position import Position
from te_emulators.mexc.codes import Refusal
from te_emulators.mexc.rows import MODES, NUMBERS, OPEN_TYPES, asset, position_row
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number, text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.mexc.server import MexcServer

ROOT = "/api/v1/private"


class Positions:
    """Handlers of one server."""

    def __init__(self, server: MexcServer) -> None:
        self._server = server
        self._exchange = server.exchange

    def routes(self) -> list[Route]:
        """Routes of the account and its positions."""
        reading = {
            "account/assets": ("balance", self.assets),
            "account/asset/{currency}": ("balance", self.asset),
            "position/open_positions": ("positions", self.open_positions),
            "position/leverage": ("leverage", self.leverage),
            "position/position_mode": ("settings", self.position_mode),
        }
        changing = {
            "position/change_leverage": ("leverage", self.change_leverage),
            "position/change_position_mode": ("settings", self.change_position_mode),
        }
        return [
            *(
                Route(method="GET", path=f"{ROOT}/{path}", kind=kind, handler=handler)
                for path, (kind, handler) in reading.items()
            ),
            *(
                Route(method="POST", path=f"{ROOT}/{path}", kind=kind, handler=handler, permission="trade")
                for path, (kind, handler) in changing.items()
            ),
        ]

    def assets(self, call: Call) -> object:
        """A list by currency."""
        return [asset(self._exchange, call.account)]

    def asset(self, call: Call) -> object:
        """One currency."""
        if call.path_values["currency"] != call.account.coin:
            raise errors.BadParameter("currency")
        return asset(self._exchange, call.account)

    def open_positions(self, call: Call) -> object:
        """Of one contract or all."""
        account = call.account
        held = account.held(call.parameters.get("symbol"))
        return [position_row(p, self._server.episodes.of(account.name, p)) for p in held]

    def leverage(self, call: Call) -> object:
        """The leverage of the long and of the short side."""
        symbol = self._exchange.market.instrument(call.parameters.get("symbol", "")).symbol
        return [self._leverage_row(call.account, symbol, kind) for kind in (1, 2)]

    def _leverage_row(self, account: Account, symbol: str, kind: int) -> dict[str, Any]:
        (side,) = _sides(account, symbol, kind)
        leverage = account.leverage(symbol, side)
        return {
            "positionType": kind,
            "level": 1,
            "imr": round(1 / leverage, 8),
            "mmr": self._exchange.market.instrument(symbol).maintenance_rate,
            "leverage": leverage,
            "openType": NUMBERS[account.margin_mode(symbol)],
        }

    def change_leverage(self, call: Call) -> object:
        """Of an open position by its id, else of a contract by margin mode (and side)."""
        account, body = call.account, call.json
        leverage = number(body.get("leverage"), "leverage")
        if "positionId" in body:
            self._change_held(account, leverage, int(number(body["positionId"], "positionId")))
        else:
            self._change_flat(account, leverage, body)
        return self._server.NOTHING

    def _change_held(self, account: Account, leverage: Decimal, position_id: int) -> None:
        held = next((p for p in account.held() if self._number(account, p) == position_id), None)
        if held is None:
            raise errors.PositionNotFound
        if held.margin_mode is MarginMode.CROSS and not self._server.unknowns.cross_leverage_changes:
            raise Refusal(2026, "Modification of leverage is not supported for cross")
        self._set(account, held.symbol, leverage, held.margin_mode, (held.side,))

    def _change_flat(self, account: Account, leverage: Decimal, body: dict[str, Any]) -> None:
        symbol = self._exchange.market.instrument(text(body, "symbol")).symbol
        mode = OPEN_TYPES.get(int(number(body.get("openType"), "openType")))
        if mode is None:
            raise errors.BadParameter("openType")
        kinds = [int(number(body["positionType"], "positionType"))] if "positionType" in body else [1, 2]
        sides = {side for kind in kinds for side in _sides(account, symbol, kind)}
        if any(position.side in sides for position in account.held(symbol)):
            raise errors.PositionExists
        self._set(account, symbol, leverage, mode, tuple(sorted(sides)))
        account.margin_modes[symbol] = mode

    def _set(
        self,
        account: Account,
        symbol: str,
        leverage: Decimal,
        mode: MarginMode,
        sides: tuple[PositionSide, ...],
    ) -> None:
        try:
            with contextlib.suppress(errors.LeverageNotModified):
                settings.set_leverage(
                    self._exchange, account, symbol, leverage, margin_mode=mode, sides=sides
                )
        except errors.InsufficientMargin:
            raise Refusal(2018, "Exceeding the maximum available margin") from None

    def _number(self, account: Account, position: Position) -> int:
        return self._server.episodes.of(account.name, position).number

    def position_mode(self, call: Call) -> object:
        """1 hedge, 2 one-way; of the whole account."""
        return next(n for n, mode in MODES.items() if mode is call.account.default_position_mode)

    def change_position_mode(self, call: Call) -> object:
        """Refused while anything is open."""
        mode = MODES.get(int(number(call.json.get("positionMode"), "positionMode")))
        if mode is None:
            raise errors.BadParameter("positionMode")
        with contextlib.suppress(errors.PositionModeNotModified):
            settings.set_position_mode(call.account, mode)
        return self._server.NOTHING


def _sides(account: Account, symbol: str, kind: int) -> tuple[PositionSide, ...]:
    """Return the sides that ``positionType`` names: 1 long, 2 short; one-way mode has only one position."""
    if kind not in {1, 2}:
        raise errors.BadParameter("positionType")
    if account.position_mode(symbol) is PositionMode.ONE_WAY:
        return (PositionSide.NET,)
    return (PositionSide.LONG if kind == 1 else PositionSide.SHORT,)
