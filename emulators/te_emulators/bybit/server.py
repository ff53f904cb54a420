"""Bybit's HTTP side."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping, Sequence

from te_emulators.bybit import ledger, market, orders, positions
from te_emulators.bybit.codes import code_of
from te_emulators.bybit.instruments import instruments
from te_emulators.bybit.signature import sign
from te_emulators.bybit.streams import PrivateStream, PublicStream, TradeStream
from te_emulators.core import errors
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.exchange import Exchange
from te_emulators.core.faults import FaultScript
from te_emulators.core.limits import RateLimits, Standing, Window
from te_emulators.core.rules import Rules
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.server import WireServer
from te_emulators.wire.stream import Stream

NAMESPACE = uuid.UUID("0b1e5c1c-93a4-4f2b-9b0c-000000000000")
WINDOWS = (
    Window(name="order", scope="key", capacity=10, seconds=1, kinds=frozenset({"order"})),
    Window(name="cancel", scope="key", capacity=10, seconds=1, kinds=frozenset({"cancel"})),
    Window(name="leverage", scope="key", capacity=10, seconds=1, kinds=frozenset({"leverage"})),
    Window(name="settings", scope="key", capacity=10, seconds=1, kinds=frozenset({"settings"})),
    Window(name="positions", scope="key", capacity=50, seconds=1, kinds=frozenset({"positions"})),
    Window(name="balance", scope="key", capacity=50, seconds=1, kinds=frozenset({"balance"})),
    Window(name="lookup", scope="key", capacity=50, seconds=1, kinds=frozenset({"lookup"})),
    Window(name="ip", scope="ip", capacity=600, seconds=5),
)
FORBIDDEN = b"<html><head><title>403 Forbidden</title></head><body>access too frequent</body></html>"


def new_order_id(number: int) -> str:
    """Order ids are UUIDs."""
    return str(uuid.uuid5(NAMESPACE, str(number)))


class BybitServer(WireServer):
    """Paths, signatures, envelope and codes of Bybit v5."""

    name = "bybit"

    def __init__(
        self,
        *,
        faults: FaultScript | None = None,
        latency: float = 0.0,
        clock: ExchangeClock | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        exchange = Exchange(
            instruments(), rules=Rules(new_order_id=new_order_id, splits_reducing=True), clock=clock
        )
        super().__init__(exchange, limits=limits or RateLimits(WINDOWS), faults=faults, latency=latency)

    def routes(self) -> Sequence[Route]:
        """All HTTP routes."""
        return [*market.routes(self), *positions.routes(self), *orders.routes(self), *ledger.routes(self)]

    def streams(self) -> Mapping[str, type[Stream]]:
        """All WebSocket connections."""
        return {
            "/v5/public/linear": PublicStream,
            "/v5/private": PrivateStream,
            "/v5/trade": TradeStream,
        }

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("X-BAPI-API-KEY")

    def authenticate(self, call: Call) -> None:
        """Key, address, time window and signature, in this order."""
        key = self.known_key(call, call.key_name)
        timestamp = call.headers.get("X-BAPI-TIMESTAMP", "")
        window = call.headers.get("X-BAPI-RECV-WINDOW", "")
        self.check_time(timestamp, window or "5000")
        payload = call.body if call.method == "POST" else call.query.encode()
        expected = sign(key.secret, key=key.key, timestamp=timestamp, window=window, payload=payload)
        if not hmac.compare_digest(expected, call.headers.get("X-BAPI-SIGN", "")):
            raise errors.BadSignature

    def check_time(self, timestamp: str, window: str) -> None:
        """server - window <= timestamp < server + 1000 ms."""
        server = self.exchange.clock.ms()
        if not (timestamp.isdigit() and window.isdigit()):
            raise errors.BadParameter("params error: X-BAPI-TIMESTAMP or X-BAPI-RECV-WINDOW is invalid")
        if not server - int(window) <= int(timestamp) < server + 1000:
            raise errors.BadTimestamp(
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{timestamp}],server_timestamp[{server}],recv_window[{window}]"
            )

    def success(self, call: Call, data: object) -> Reply:
        """The envelope around ``data``."""
        return self._envelope(0, "OK", data)

    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """HTTP 200 and a retCode, but 404 for unknown paths."""
        if isinstance(error, errors.UnknownRoute):
            return Reply(body=b"404 page not found", status=404, content_type="text/plain")
        code, text = code_of(error)
        return self._envelope(code, text, {})

    def rate_limited(self, call: Call, standing: Standing | None) -> Reply:
        """10006 per key; HTTP 403 with a page per address."""
        if standing is not None and standing.window.scope == "ip":
            return Reply(body=FORBIDDEN, status=403, content_type="text/html")
        code, text = code_of(errors.RateLimited())
        reply = self._envelope(code, text, {})
        headers = self.limit_headers(call, [standing] if standing else [])
        return Reply(body=reply.body, headers=headers)

    def maintenance(self, call: Call) -> Reply:
        """A retCode as for any other failure of the service."""
        code, text = code_of(errors.Maintenance())
        return self._envelope(code, text, {})

    def limit_headers(self, call: Call, standings: list[Standing]) -> Mapping[str, str]:
        """The key's window of this path."""
        for standing in standings:
            if standing.window.scope == "key":
                reset = self.exchange.clock.ms() + int(standing.reset_in * 1000)
                return {
                    "X-Bapi-Limit": str(standing.window.capacity),
                    "X-Bapi-Limit-Status": str(standing.remaining),
                    "X-Bapi-Limit-Reset-Timestamp": str(reset),
                }
        return {}

    def _envelope(self, code: int, text: str, result: object) -> Reply:
        return json_reply(
            {
                "retCode": code,
                "retMsg": text,
                "result": result,
                "retExtInfo": {},
                "time": self.exchange.clock.ms(),
            }
        )
