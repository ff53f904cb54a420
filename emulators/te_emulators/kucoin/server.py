"""KuCoin Futures' HTTP side."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal

from te_emulators.core import errors
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.exchange import Exchange, Rules
from te_emulators.core.faults import FaultScript
from te_emulators.core.limits import RateLimits, Standing, Window
from te_emulators.core.modes import MarginMode
from te_emulators.kucoin import market, modes, orders, payments, positions, probes
from te_emulators.kucoin.codes import Code, code_of
from te_emulators.kucoin.instruments import instruments, quote, rows
from te_emulators.kucoin.signature import sign, sign_passphrase
from te_emulators.kucoin.streams import KucoinStream
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.server import WireServer
from te_emulators.wire.stream import Stream

TIME_WINDOW_MS = 5000
FUTURES = {
    "order": 2,
    "cancel": 1,
    "lookup": 5,
    "positions": 2,
    "balance": 5,
    "leverage": 2,
    "settings": 2,
    "other": 10,
    "ledger": 5,
}
PUBLIC = {"instruments": 3, "tickers": 5, "time": 2}
WINDOWS = (
    Window(
        name="futures", scope="key", capacity=2000, seconds=30, kinds=frozenset(FUTURES), weights=FUTURES, fixed=True
    ),
    Window(
        name="management", scope="key", capacity=2000, seconds=30, kinds=frozenset({"account"}),
        weights={"account": 20}, fixed=True,
    ),
    Window(name="public", scope="ip", capacity=2000, seconds=30, kinds=frozenset(PUBLIC), weights=PUBLIC, fixed=True),
)  # fmt: skip
"""The pools of VIP 0 with each request's weight; a pool is full again 30 s after its first request."""
SUCCESS = "200000"


class KucoinServer(WireServer):
    """Paths, signatures, envelope and codes of KuCoin Futures' classic account.

    Unknown behaviour of the exchange can be switched: ``topics_by_symbol``: whether pushes of the topics of
    all orders and of all positions name the symbol; ``announces_open``: whether a market order's first push says
    "open"; ``unknown_order_is_null``: whether a look-up of an order that does not exist answers ``data: null``;
    ``always_ok``: whether refusals come with HTTP 200.
    """

    name = "kucoin"

    def __init__(
        self,
        *,
        faults: FaultScript | None = None,
        latency: float = 0.0,
        clock: ExchangeClock | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        rules = Rules(
            new_order_id=lambda number: str(236_000_000_000_000_000 + number),
            default_leverage=Decimal(3),
            default_margin_mode=MarginMode.ISOLATED,
        )
        exchange = Exchange(instruments(), rules=rules, clock=clock)
        exchange.market.quotes.update((row["symbol"], quote(row)) for row in rows().values())
        super().__init__(exchange, limits=limits or RateLimits(WINDOWS), faults=faults, latency=latency)
        self.topics_by_symbol = False
        self.announces_open = False
        self.unknown_order_is_null = False
        self.always_ok = False
        self.tokens: dict[str, str | None] = {}
        """Of streams, with the key that asked for it."""
        self.announced: set[str] = set()
        """Orders that a stream has reported."""

    def routes(self) -> Sequence[Route]:
        """All HTTP routes."""

        def token(call: Call) -> object:
            return self.token(call.key_name)

        private = Route(method="POST", path="/api/v1/bullet-private", kind="other", handler=token)
        return [
            *market.routes(self),
            *positions.routes(self),
            *modes.routes(self),
            *orders.routes(self),
            *payments.routes(self.exchange),
            *probes.routes(),
            private,
        ]

    def streams(self) -> Mapping[str, type[Stream]]:
        """The stream's address in tokens."""
        return {"/endpoint": KucoinStream}

    def token(self, key_name: str | None) -> dict[str, object]:
        """A token and where to connect with it."""
        token = uuid.uuid4().hex
        self.tokens[token] = key_name
        place = {
            "endpoint": f"{self.ws_url}/endpoint",
            "encrypt": False,
            "protocol": "websocket",
            "pingInterval": 18000,
            "pingTimeout": 10000,
        }
        return {"token": token, "instanceServers": [place]}

    def looked_up(
        self, call: Call, *, order_id: str | None = None, client_id: str | None = None
    ) -> dict[str, object] | None:
        """An order's row; raises OrderNotFound unless that is answered with null."""
        try:
            order = self.exchange.find_order(call.account, order_id=order_id, client_id=client_id)
        except errors.OrderNotFound:
            if self.unknown_order_is_null:
                return None
            raise
        return orders.row(order)

    # --- requests -------------------------------------------------------------------------------------------------

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("KC-API-KEY")

    def authenticate(self, call: Call) -> None:
        """Headers, time, key, passphrase and signature, in this order."""
        names = ("KC-API-KEY", "KC-API-SIGN", "KC-API-TIMESTAMP", "KC-API-PASSPHRASE")
        if not all(call.headers.get(name) for name in names):
            raise errors.MissingCredentials
        timestamp = call.headers["KC-API-TIMESTAMP"]
        if not timestamp.isdigit() or abs(self.exchange.clock.ms() - int(timestamp)) > TIME_WINDOW_MS:
            raise errors.BadTimestamp
        key = self.known_key(call, call.key_name)
        passphrase = key.passphrase or ""
        if call.headers.get("KC-API-KEY-VERSION", "1") != "1":
            passphrase = sign_passphrase(key.secret, passphrase)
        if not hmac.compare_digest(passphrase, call.headers["KC-API-PASSPHRASE"]):
            raise errors.BadPassphrase
        path = f"{call.path}?{call.query}" if call.query else call.path
        expected = sign(key.secret, timestamp=timestamp, method=call.method, path=path, body=call.body)
        if not hmac.compare_digest(expected, call.headers["KC-API-SIGN"]):
            raise errors.BadSignature

    # --- answers --------------------------------------------------------------------------------------------------

    def success(self, call: Call, data: object) -> Reply:
        """The envelope around ``data``."""
        return json_reply({"code": SUCCESS, "data": data})

    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """A code and a text."""
        return self._refusal(code_of(error))

    def rate_limited(self, call: Call, standing: Standing | None) -> Reply:
        """429000 with the pool's state; without it when the exchange itself is overloaded."""
        headers = self.limit_headers(call, [standing] if standing else [])
        return self._refusal(code_of(errors.RateLimited()), headers)

    def maintenance(self, call: Call) -> Reply:
        """Orders and cancels are suspended with a code of their own, everything else is unavailable."""
        if call.kind in {"order", "cancel"}:
            return self._refusal(code_of(errors.Maintenance()))
        return self._refusal(Code("503000", "Service Unavailable", 503))

    def server_error(self, call: Call, status: int) -> Reply:
        """The exchange's own body of a 500; a proxy's text for others."""
        if status == 500:
            return self._refusal(code_of(errors.Busy()))
        return super().server_error(call, status)

    def limit_headers(self, call: Call, standings: list[Standing]) -> Mapping[str, str]:
        """The pool that the request counts in, and in how many milliseconds it is full again."""
        if not standings:
            return {}
        pool = standings[0]
        return {
            "gw-ratelimit-limit": str(pool.window.capacity),
            "gw-ratelimit-remaining": str(pool.remaining),
            "gw-ratelimit-reset": str(int(pool.reset_in * 1000)),
        }

    def _refusal(self, code: Code, headers: Mapping[str, str] | None = None) -> Reply:
        status = 200 if self.always_ok else code.status
        return json_reply({"code": code.code, "msg": code.text}, status=status, headers=headers)
