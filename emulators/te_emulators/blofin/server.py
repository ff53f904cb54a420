"""BloFin's HTTP side."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from te_emulators.blofin import account, codes, copy_trading, market, orders, positions, tpsl
from te_emulators.blofin.instruments import instruments
from te_emulators.blofin.signature import sign
from te_emulators.blofin.streams import PrivateStream, PublicStream
from te_emulators.blofin.unknowns import Unknowns
from te_emulators.contracts import response
from te_emulators.core import errors
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.credentials import ApiKey
from te_emulators.core.exchange import Exchange
from te_emulators.core.faults import FaultScript
from te_emulators.core.limits import RateLimits, Standing, Window
from te_emulators.core.market import Quote
from te_emulators.core.rules import Rules
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.server import WireServer
from te_emulators.wire.stream import Stream

TRADING = frozenset({"order", "cancel", "lookup", "leverage", "settings"})
READS = frozenset({"balance", "positions", "account"})
WINDOWS = (
    Window(name="minute", scope="ip", capacity=500, seconds=60, ban_seconds=300),
    Window(name="five minutes", scope="ip", capacity=1500, seconds=300, ban_seconds=3600),
    Window(name="trading", scope="key", capacity=30, seconds=10, kinds=TRADING),
)
STRICT_WINDOWS = (
    *WINDOWS[:2],
    Window(name="trading", scope="key", capacity=30, seconds=10, kinds=TRADING | READS),
)
"""The limit if balance and positions are "trading-related" too: they are in that chapter of the documentation."""
WINDOW_MS = 60_000
"""How old a request may be, and how long a nonce is stored."""
CLOSE = "/api/v1/trade/close-position"
"""ccxt sends no broker with it, and no problem is known."""
FORBIDDEN = b"<!DOCTYPE html><html><head><title>403 Forbidden</title></head><body>Forbidden</body></html>"
REFUSALS = {"outer": ("1", "All operations failed"), "inner": ("0", ""), "object": ("0", "")}


class BlofinServer(WireServer):
    """Paths, signatures, envelopes and codes of BloFin's open API.

    ``brokers``: the broker that a key is bound to; a key that is missing is of "API transaction" type.
    ``copy_traders``: accounts that are for copy trading, ``uncopied``: contracts that are not offered there.
    ``closing_id``: client order id for the books of what closes a symbol: a client cannot state one there.
    ``refusals``: what the next private request of a kind is refused for.
    """

    name = "blofin"

    def __init__(
        self,
        *,
        faults: FaultScript | None = None,
        latency: float = 0.0,
        clock: ExchangeClock | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        rules = Rules(
            new_order_id=lambda number: str(1_000_000_000_000 + number),
            default_leverage=Decimal(3),
            last_triggers=True,
        )
        exchange = Exchange(instruments(), rules=rules, clock=clock)
        recorded = response("blofin", "tickers BTC")["data"][0]
        last, bid, ask = (Decimal(recorded[name]) for name in ("last", "bidPrice", "askPrice"))
        exchange.market.quotes["BTC-USDT"] = Quote(
            symbol="BTC-USDT", mark=last, index=last, last=last, bid=bid, ask=ask
        )
        super().__init__(exchange, limits=limits or RateLimits(WINDOWS), faults=faults, latency=latency)
        self.unknowns = Unknowns()
        self.brokers: dict[str, str] = {}
        self.copy_traders: set[str] = set()
        self.uncopied: set[str] = set()
        self.closing_id: Callable[[str], str | None] = lambda symbol: None
        self.refusals: dict[str, codes.CodedError] = {}
        self.connected: dict[str, float] = {}
        self._nonces: dict[str, dict[str, int]] = {}

    def routes(self) -> Sequence[Route]:
        """All HTTP routes."""
        return [
            *market.routes(self),
            *account.routes(self),
            *positions.routes(self),
            *orders.routes(self),
            *tpsl.routes(self),
            *copy_trading.routes(self),
        ]

    def streams(self) -> Mapping[str, type[Stream]]:
        """Public and private connections."""
        return {"/ws/public": PublicStream, "/ws/private": PrivateStream}

    # --- who asks -------------------------------------------------------------------------------------------------

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("ACCESS-KEY")

    def authenticate(self, call: Call) -> None:
        """Headers, key, address, passphrase, time, nonce and signature, in this order."""
        names = ("ACCESS-KEY", "ACCESS-SIGN", "ACCESS-TIMESTAMP", "ACCESS-NONCE", "ACCESS-PASSPHRASE")
        for name in names:
            if not call.headers.get(name):
                raise codes.empty(name)
        _, signature, timestamp, nonce, passphrase = (call.headers[name] for name in names)
        key = self.known_key(call, call.key_name)
        path = f"{call.path}?{call.query}" if call.query else call.path
        expected = sign(
            key.secret, path=path, method=call.method, timestamp=timestamp, nonce=nonce, body=call.body
        )
        self.check(key, passphrase, timestamp, nonce, signature, expected)
        if refused := self.refusals.pop(call.kind, None):
            raise refused

    def check(
        self, key: ApiKey, passphrase: str, timestamp: str, nonce: str, signature: str, expected: str
    ) -> None:
        """Check what requests and a stream's login have in common."""
        now = self.exchange.clock.ms()
        if passphrase != key.passphrase:
            raise errors.BadPassphrase
        if not (timestamp.isdigit() and len(timestamp) == 13):
            raise codes.not_milliseconds()
        if abs(now - int(timestamp)) > WINDOW_MS:
            raise errors.BadTimestamp
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise errors.BadSignature
        used = self._nonces.setdefault(key.key, {})
        for old in [old for old, at in used.items() if at < now - WINDOW_MS]:
            del used[old]
        if nonce in used:
            raise errors.RepeatedNonce
        used[nonce] = now

    def check_broker(self, call: Call, body: dict[str, Any]) -> None:
        """Keys of "API transaction" type refuse any broker, the others all but theirs."""
        bound = self.brokers.get(call.key.key) if call.key else None
        given = body.get("brokerId")
        if bound is None:
            nulled = "brokerId" in body and given is None and not self.unknowns.null_broker
            if given or nulled:
                raise codes.broker_refused()
        elif not given and call.path != CLOSE:
            raise codes.broker_missing()
        elif given and given != bound:
            raise codes.broker_unmatched()

    # --- answers --------------------------------------------------------------------------------------------------

    def success(self, call: Call, data: object) -> Reply:
        """The envelope around ``data``; acknowledgements of orders have an empty message."""
        acknowledged = call.path in {
            "/api/v1/trade/order",
            "/api/v1/trade/batch-orders",
            copy_trading.PLACE,
        }
        return _envelope("0", "" if acknowledged else "success", data)

    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """HTTP 200; refusals by the matching engine (codes below 150000) are in the item."""
        code, text = codes.code_of(error)
        form = self.unknowns.rejections
        if form == "plain" or call.kind not in {"order", "cancel"} or not 100_000 < int(code) < 150_000:
            return json_reply({"code": code, "msg": text})
        outer, message = REFUSALS[form]
        item = {"orderId": None, "clientOrderId": None, "msg": text, "code": code}
        return _envelope(outer, message, item if form == "object" else [item])

    def rate_limited(self, call: Call, standing: Standing | None) -> Reply:
        """HTTP 429; a banned address may get the firewall's page."""
        if standing is not None and standing.window.ban_seconds and self.unknowns.ban_page:
            return Reply(body=FORBIDDEN, status=403, content_type="text/html")
        code, text = codes.CODES[errors.RateLimited]
        return json_reply({"code": code, "msg": text}, status=429)

    def maintenance(self, call: Call) -> Reply:
        """Not recorded: the code of an internal error, with a text that says so."""
        code, text = codes.CODES[errors.Maintenance]
        return json_reply({"code": code, "msg": text}, status=503)

    def server_error(self, call: Call, status: int) -> Reply:
        """The form reported by other clients."""
        text = "server error 1236805249"
        body = {"code": 500, "data": {}, "detailMsg": "", "error_code": "500"}
        return json_reply({**body, "error_message": text, "msg": text}, status=status)


def _envelope(code: str, text: str, data: object) -> Reply:
    return json_reply({"code": code, "msg": text, "data": data})
