"""MEXC's HTTP side."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from te_emulators.core import errors
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.exchange import Exchange
from te_emulators.core.faults import FaultScript
from te_emulators.core.limits import RateLimits, Standing, Window
from te_emulators.core.rules import Rules
from te_emulators.mexc import market, payments
from te_emulators.mexc.codes import HTTP_STATUSES, Refusal, code_of, permission_code
from te_emulators.mexc.episodes import Episodes
from te_emulators.mexc.instruments import LISTED_ONLY, instruments
from te_emulators.mexc.orders import Orders
from te_emulators.mexc.positions import Positions
from te_emulators.mexc.signature import sign, sorted_query
from te_emulators.mexc.stream import MexcStream
from te_emulators.mexc.unknowns import Unknowns
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.server import WireServer
from te_emulators.wire.stream import Stream

PRIVATE = (
    "order",
    "cancel",
    "lookup",
    "positions",
    "balance",
    "leverage",
    "settings",
    "fundings",
    "transfers",
)
WINDOWS = (
    *(Window(name=kind, scope="key", capacity=20, seconds=2, kinds=frozenset({kind})) for kind in PRIVATE),
    *(
        Window(name=kind, scope="ip", capacity=20, seconds=2, kinds=frozenset({kind}))
        for kind in ("tickers", "time")
    ),
    Window(name="instruments", scope="ip", capacity=1, seconds=5, kinds=frozenset({"instruments"})),
)
"""The documented limits of each endpoint: 20 in 2 s, and one list of contracts in 5 s."""
TOLERANCE = 10
LONGEST_TOLERANCE = 60


def new_order_id(number: int) -> str:
    """Order ids are numbers of 18 digits."""
    return str(739113577000000000 + number)


class MexcServer(WireServer):
    """Paths, signatures, envelope and codes of MEXC contract v1."""

    name = "mexc"
    NOTHING = object()
    """The data of responses without content."""

    def __init__(
        self,
        *,
        faults: FaultScript | None = None,
        latency: float = 0.0,
        clock: ExchangeClock | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        rules = Rules(new_order_id=new_order_id, unique_client_ids=False)
        exchange = Exchange(instruments(), rules=rules, clock=clock)
        super().__init__(exchange, limits=limits or RateLimits(WINDOWS), faults=faults, latency=latency)
        self.unknowns = Unknowns()
        self.forbidden: set[str] = set()
        """Accounts that may not trade."""
        self.refusals: dict[str, tuple[int, str]] = {}
        """Code and text of the response to the next request of a kind."""
        self.listed_only = LISTED_ONLY
        self.episodes = Episodes()
        exchange.listeners.append(self.episodes.on_event)

    def routes(self) -> Sequence[Route]:
        """All HTTP routes."""
        return [*market.routes(self), *Positions(self).routes(), *payments.routes(), *Orders(self).routes()]

    def streams(self) -> Mapping[str, type[Stream]]:
        """The one address of all channels."""
        return {"/edge": MexcStream}

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("ApiKey")

    def authenticate(self, call: Call) -> None:
        """Key, address, time and signature, in this order."""
        if call.kind in self.refusals:
            raise Refusal(*self.refusals.pop(call.kind))
        key = self.known_key(call, call.key_name)
        timestamp = call.headers.get("Request-Time", "")
        self.check_time(timestamp, call.headers.get("Recv-Window", ""))
        payload = call.body if call.method == "POST" else sorted_query(call.query)
        expected = sign(key.secret, key=key.key, timestamp=timestamp, payload=payload)
        if not hmac.compare_digest(expected, call.headers.get("Signature", "")):
            raise errors.BadSignature

    def check_time(self, timestamp: str, window: str) -> None:
        """10 s to either side, or as many seconds as Recv-Window says, at most 60."""
        tolerance = min(int(window), LONGEST_TOLERANCE) if window.isdigit() else TOLERANCE
        if not timestamp.isdigit() or abs(int(timestamp) - self.exchange.clock.ms()) > 1000 * tolerance:
            raise errors.BadTimestamp

    def success(self, call: Call, data: object) -> Reply:
        """The envelope around ``data``."""
        if data is self.NOTHING:
            return json_reply({"success": True, "code": 0})
        return json_reply({"success": True, "code": 0, "data": data})

    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """HTTP 200 with a code, but 404 for unknown paths."""
        if isinstance(error, errors.UnknownRoute):
            return json_reply({"success": False, "code": 404, "message": "Not Found"}, status=404)
        if isinstance(error, errors.PermissionRefused):
            return self._refusal(*permission_code(call.kind, self._permission(call)))
        return self._refusal(*code_of(error))

    def _permission(self, call: Call) -> str:
        return "read" if call.method == "GET" else "trade"

    def rate_limited(self, call: Call, standing: Standing | None) -> Reply:
        """510 from the exchange itself, 429 from its front end."""
        if standing is None:
            return self._refusal(429, "Too Many Requests")
        return self._refusal(*code_of(errors.RateLimited()))

    def maintenance(self, call: Call) -> Reply:
        """The code of internal errors; the text distinguishes them."""
        return json_reply(
            {
                "success": False,
                "code": 500,
                "message": "Under maintenance, please try again later",
                "announcement": "https://www.mexc.com/support/articles/17827791510263",
            }
        )

    def server_error(self, call: Call, status: int) -> Reply:
        """The code of internal errors."""
        return json_reply({"success": False, "code": 500, "message": "System internal error!"}, status=status)

    def _refusal(self, code: int, text: str) -> Reply:
        status = HTTP_STATUSES.get(code, 200) if self.unknowns.http_status_follows_code else 200
        return json_reply({"success": False, "code": code, "message": text}, status=status)
