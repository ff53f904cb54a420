"""An emulator of Harbor: market orders in steps of 0.001, one price per symbol, one key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

STEP = Decimal("0.001")
KEY = "K"


@dataclass
class Harbor:
    """What the exchange knows of its only account."""

    prices: dict[str, Decimal]
    wallet: Decimal = Decimal(100_000)
    held: dict[str, Decimal] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By client order id, oldest first."""

    def application(self) -> web.Application:
        """Return the routes."""
        made = web.Application(middlewares=[authenticated])
        made.router.add_get("/v1/account", self.account)
        made.router.add_get("/v1/positions", self.positions)
        made.router.add_get("/v1/prices", self.listed)
        made.router.add_post("/v1/orders", self.place)
        made.router.add_get("/v1/orders/{id}", self.find)
        return made

    async def account(self, request: web.Request) -> web.Response:
        return web.json_response({"uid": "1", "wallet": str(self.wallet)})

    async def positions(self, request: web.Request) -> web.Response:
        return web.json_response({symbol: str(size) for symbol, size in self.held.items() if size})

    async def listed(self, request: web.Request) -> web.Response:
        return web.json_response({symbol: str(price) for symbol, price in self.prices.items()})

    async def find(self, request: web.Request) -> web.Response:
        order = self.orders.get(request.match_info["id"])
        return web.json_response(order, status=200 if order else 404)

    async def place(self, request: web.Request) -> web.Response:
        order = await request.json()
        size, held = Decimal(order["size"]), self.held.get(order["symbol"], Decimal(0))
        if order["id"] in self.orders:
            return web.json_response({"error": "duplicate"}, status=409)
        if size % STEP or not size:
            return web.json_response({"error": f"size is not a multiple of {STEP}"}, status=422)
        if order["reduceOnly"]:
            if held * size >= 0:
                return web.json_response({"error": "there is nothing to reduce"}, status=422)
            size = max(size, -held) if held > 0 else min(size, -held)
        self.held[order["symbol"]] = held + size
        price = self.prices[order["symbol"]]
        self.orders[order["id"]] = {**order, "filled": str(size), "price": str(price)}
        return web.json_response(self.orders[order["id"]])


@web.middleware
async def authenticated(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.headers.get("X-Key") != KEY:
        return web.json_response({"error": "wrong key"}, status=401)
    return await handler(request)
