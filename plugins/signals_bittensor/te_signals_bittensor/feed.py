"""Follows the WebSocket feed.

It only adds to REST snapshots: a snapshot is requested after each connect and each gap, because the server replays
nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from te_core.api import SourceContext
from te_signals_bittensor.fetching import without_key
from te_signals_bittensor.json_parsing import loads
from te_signals_bittensor.network import Miner, Network, Position
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.outage_log import OutageLog
from te_signals_bittensor.record_parsing import Malformed, parse_position

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

_HEARTBEAT = 20.0
_STEADY = 60.0
"""Seconds after which a connection counts as recovered; one that closes soon after it opened does not."""

_LARGEST_MESSAGE = 16 << 20
_ORDERS_REMEMBERED = 20_000
"""Ids of orders, to recognise duplicates."""


class FeedBroken(Exception):
    """The connection cannot continue."""


class Feed:
    """One connection after the other. ``wake`` is set whenever there is something to do."""

    def __init__(self, context: SourceContext[BittensorOptions], wake: asyncio.Event) -> None:
        self._context = context
        self._options = context.options
        self._wake = wake
        self._outage = OutageLog(context.outages, "stream")
        self._overlay: dict[tuple[str, str], Position] = {}
        """Positions that are newer than the last snapshot, by hotkey and id."""
        self._orders: OrderedDict[str, None] = OrderedDict()
        self._sequence: int | None = None
        self._failures = 0
        self._wants_snapshot = False
        self._news_at: datetime | None = None
        self._counters: Counter[str] = Counter(
            feed_connects=0, feed_messages=0, feed_duplicates=0, feed_gaps=0, feed_malformed=0
        )

    def status(self) -> Mapping[str, Any]:
        """Return counters since the start."""
        return {**self._counters, **({"feed_trouble": self._outage.reason} if self._outage.kind else {})}

    @property
    def wants_snapshot(self) -> bool:
        """Whether a REST snapshot is needed."""
        return self._wants_snapshot

    def snapshot_started(self) -> None:
        """Clear the request: a snapshot is being fetched. What happens from now on is not in it."""
        self._wants_snapshot = False

    def pop_news_time(self) -> datetime | None:
        """Return the time of the newest unused message, once; None without one."""
        news_at, self._news_at = self._news_at, None
        return news_at

    def merged(self, network: Network) -> Network:
        """Return a network with the feed's newer positions; those that a snapshot has caught up with are dropped."""
        if not self._overlay:
            return network
        changed: dict[str, dict[str, Position]] = {}
        for (hotkey, uuid), position in self._overlay.items():
            changed.setdefault(hotkey, {})[uuid] = position
        miners = []
        for miner in network.miners:
            newer = changed.get(miner.hotkey)
            miners.append(miner if newer is None else self._updated(miner, newer))
        return replace(network, miners=tuple(miners))

    def _updated(self, miner: Miner, newer: dict[str, Position]) -> Miner:
        """Return a miner with newer positions, by id."""
        positions = []
        for served in miner.positions:
            update = newer.pop(served.id, None)
            if update is not None and is_newer(update, served):
                positions.append(update)
            else:
                positions.append(served)
                if update is not None:
                    del self._overlay[miner.hotkey, served.id]
        return miner.with_positions((*positions, *newer.values()))

    # -- the connection

    async def follow(self) -> None:
        """Stay connected for ever. A failed connection is tried again after a growing pause."""
        import aiohttp  # late: listing plugins needs no HTTP client

        while True:
            try:
                await self._connection()
            except (aiohttp.ClientError, OSError, TimeoutError, FeedBroken) as error:
                reason = without_key(f"{type(error).__name__}: {error}", self._options)
                self._outage.failed("silent", reason[:200])
            self._failures += 1
            await asyncio.sleep(min(self._options.backoff.total_seconds(), 2.0 ** min(self._failures, 10)))

    def _recovered(self) -> None:
        """Record that the current connection works."""
        self._failures = 0
        self._outage.succeeded()

    async def _connection(self) -> None:
        import aiohttp

        assert self._options.feed_url is not None
        key = self._options.api_key.get_secret_value() if self._options.api_key else ""
        headers = {"Authorization": f"Bearer {key}"} if self._options.feed_auth == "header" and key else {}
        async with self._context.http().ws_connect(
            self._options.feed_url,
            headers=headers,
            heartbeat=_HEARTBEAT,
            max_msg_size=_LARGEST_MESSAGE,
            timeout=aiohttp.ClientWSTimeout(ws_close=5.0),
        ) as socket:
            self._sequence = None
            if self._options.feed_auth == "message":
                await socket.send_json({"api_key": key, "last_sequence": -1})
                async with asyncio.timeout(self._options.timeout.total_seconds()):
                    self._check_admission(await socket.receive())
            await socket.send_json({"type": "subscribe", "all": True, "sender_timestamp": self._now_ms()})
            self._counters["feed_connects"] += 1
            self._request_snapshot()
            recovery = asyncio.get_running_loop().call_later(_STEADY, self._recovered)
            try:
                await self._read(socket)
            finally:
                recovery.cancel()

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        import aiohttp

        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.handle(message.data)
        raise FeedBroken(f"the server closed the connection ({socket.close_code})")

    def _check_admission(self, message: Any) -> None:
        response = _object(message.data) if isinstance(message.data, str) else {}
        if response.get("status") != "success":
            raise FeedBroken(
                f"the server refused: {response.get('code') or response.get('message') or message.type}"
            )
        self._sequence = _whole(response.get("current_sequence"))

    def _now_ms(self) -> int:
        return int(self._context.clock.now().timestamp() * 1000)

    def _request_snapshot(self) -> None:
        self._wants_snapshot = True
        self._wake.set()

    # -- messages

    def handle(self, text: str) -> None:
        """Process one message; one that cannot be parsed is counted and left out."""
        message = _object(text)
        if message.get("type") == "batch" and isinstance(message.get("messages"), list):
            for part in message["messages"]:
                self._handle_one(part if isinstance(part, dict) else {})
            return
        if message.get("status") == "error":
            raise FeedBroken(f"the server refused: {message.get('code') or message.get('message')}")
        if "data" in message:
            self._handle_one(message)
        elif not message:
            self._counters["feed_malformed"] += 1

    def _handle_one(self, message: Mapping[str, Any]) -> None:
        self._counters["feed_messages"] += 1
        self._check_sequence(_whole(message.get("sequence")))
        data = message.get("data")
        entry = data.get("position") if isinstance(data, dict) else None
        if entry is None:
            return  # a dashboard, or a kind of message that is newer than this code
        try:
            hotkey, order = _identity(entry)
            position = parse_position(entry, self._counters)
        except Malformed:
            self._counters["feed_malformed"] += 1
            return
        if order in self._orders:
            self._counters["feed_duplicates"] += 1
            return
        self._orders[order] = None
        if len(self._orders) > _ORDERS_REMEMBERED:
            self._orders.popitem(last=False)
        former = self._overlay.get((hotkey, position.id))
        if former is None or is_newer(position, former):
            self._overlay[hotkey, position.id] = position
            self._news_at = _time(message.get("timestamp")) or self._context.clock.now()
            self._wake.set()

    def _check_sequence(self, sequence: int | None) -> None:
        if sequence is None:
            return
        if self._sequence is not None and sequence not in (self._sequence + 1, self._sequence):
            self._counters["feed_gaps"] += 1
            self._request_snapshot()
        self._sequence = sequence


def is_newer(one: Position, other: Position) -> bool:
    """Return whether one state of a position is later than another: closing is final, then orders count."""
    if one.closed != other.closed:
        return one.closed
    return (one.orders, one.last_ms) > (other.orders, other.last_ms)


def _identity(entry: Any) -> tuple[str, str]:
    """Return the hotkey and the id of the newest order."""
    if isinstance(entry, dict) and isinstance(entry.get("miner_hotkey"), str):
        orders = entry.get("orders")
        newest = orders[-1] if isinstance(orders, list) and orders else None
        if isinstance(newest, dict) and isinstance(newest.get("order_uuid"), str):
            return entry["miner_hotkey"], newest["order_uuid"]
    raise Malformed("the position names no miner or has no orders")


def _object(text: str) -> dict[str, Any]:
    try:
        value = loads(text.encode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _time(value: Any) -> datetime | None:
    if type(value) is not int or not 0 < value < 1 << 43:
        return None
    return datetime.fromtimestamp(value / 1000, UTC)
