"""Invalid alerts. Each is invalid beyond doubt: accepting one is a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from fuzz.odd_values import OddValues, spelt
from harness.alerts import alert
from harness.engine_process import SYMBOLS

TEXT_FIELDS = ("symbol", "direction", "action", "size", "leverage", "price", "signal_seq", "event_id")
NUMBERS = ("leverage", "price")
_LIMIT = 64 * 1024


def _words(text: str) -> list[str]:
    return text.split()


NOT_A_NUMBER = [
    *_words(
        "NaN nan Infinity -Infinity inf \u221e 1e400 -1e400 1e99 -1e99 1e 0x10 1_000 1,5 --1 +-1 . e5 1.2.3"
    ),
    *_words(
        "\uff11\uff12 \u0661\u0662 1\u200b \u00bd five 1/2 -1 -0.5 1e13 10000000000000 0b1 1L $5 null [] {}"
    ),
    *("1e1000000000", "9" * 150, "5 5", "true"),
]
BAD_SIZES = [
    *_words(
        "10/0 0/0 1/0.0 -1/0 10/-5 1/-0 / 1/ /5 1/2/3 101/100 5/4 101% -101% 1.0001 -1.0001 2 100 1e9 NaN"
    ),
    *_words(
        "nan/1 1/nan Infinity inf% 1/inf 1e400 % %% 50%% half 0x1 \uff11\uff14/100 \u0661/\u0662 14,08/100"
    ),
    *("1e99/1e98", "+/-1", "9" * 120, "50 percent"),
]
STRANGE_SYMBOLS = [
    *_words(
        "BTCUSD BTCUSD.P XBTUSDTM BTC1! ES1! 1000BTCUSDT 1MBTCUSDT BTC-USDT-SWAP BTCUSDT.PS BYBIT_DL:BTCUSDT"
    ),
    *_words(
        "NYMEX_DLY:BTCUSDT.P BTCUSDTPERP BTCUSDT.P.P ETH/USDT DOGEUSDT BTC USDT BTCUSDT/ * % .. ../BTCUSDT"
    ),
    *("BTC USDT", "BTCUSDT\u200b", ":", ".P", "\u0412\u0422CUSDT", "\uff22\uff34\uff23USDT"),
]
BROKEN = [
    word.encode()
    for word in (
        *_words(
            """{ } " [ {}} {{} {"symbol"} {"symbol":} {"a":1,} {'symbol':'BTCUSDT'} {symbol:BTCUSDT} {"a":01}"""
        ),
        *_words(
            """{"a":1"b":2} {"a":.5} {"a":+1} {"a":1.} {"a":tru} {"a":"\\x41"} {"a":"\\u12"} {}// /**/{} BTCUSDT"""
        ),
        *_words("""<xml/> buy {"a":NaN []] symbol=BTCUSDT&direction=long null,null \0 \ufeff{}"""),
        *(" ", "\r\n", '{"a":"\n"}', '{"a":"\t"}', "BTCUSDT long", "null null"),
    )
]
NOT_UTF8 = [bytes.fromhex(code) for code in _words("80 ff feff c0af eda080 f5808080 e282 c3")]

Maker = Callable[[Random, OddValues], bytes]


def _message(random: Random, **fields: Any) -> dict[str, Any]:
    """Return an alert that would be accepted as it is, unless ``fields`` are wrong."""
    made = alert(random.choice(SYMBOLS), size=f"{random.randint(1, 99)}/100", event_id=str(random.random()))
    return made | fields


def _without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


def _dumped(message: dict[str, Any], random: Random) -> bytes:
    """Spell a message, its fields in any order."""
    items = list(message.items())
    random.shuffle(items)
    return spelt(dict(items), random)


def truncated(random: Random, _odd: OddValues) -> bytes:
    """Return an alert that is cut off: an object ends with its last character only."""
    body = _dumped(_message(random), random)
    return body[: random.randrange(len(body))]


def broken(random: Random, _odd: OddValues) -> bytes:
    """Return text that is not JSON, alone or around a good alert."""
    piece = random.choice(BROKEN)
    good = _dumped(_message(random), random)
    return random.choice((piece, good + piece.strip() + b"}", b"{" + piece + good))


def no_object(random: Random, odd: OddValues) -> bytes:
    """Return JSON that is not an object."""
    value = random.choice(odd.values)
    return spelt([value] if isinstance(value, dict) else value, random)


def any_json(random: Random, odd: OddValues) -> bytes:
    """Return an object of arbitrary values, without a known symbol."""
    fields = {random.choice((*TEXT_FIELDS, "ticker", "x")): random.choice(odd.values) for _ in range(5)}
    fields["symbol"] = random.choice(odd.containers)
    return spelt(fields, random)


def noise(random: Random, odd: OddValues) -> bytes:
    """Return random bytes."""
    return random.choice(odd.binaries)


def deep(random: Random, _odd: OddValues) -> bytes:
    """Return a body nested deeper than is stored, up to as deep as fits; closed or not."""
    depth = random.choice((9, 10, 50, 990, 1000, 5000, 10_000, 15_000))
    start, end = random.choice((("[", "]"), ('{"a":', "}")))
    inner = start * depth + "1" + end * random.choice((depth, depth - 1, 0))
    field = random.choice((*TEXT_FIELDS, "x"))
    message = json.dumps(_without(_message(random), field))
    return f'{message[:-1]}, "{field}": {inner}}}'.encode()


def odd_number(random: Random, _odd: OddValues) -> bytes:
    """Return an alert with something that is not a number, or out of range; as text or as a bare word."""
    field, number = random.choice(NUMBERS), random.choice(NOT_A_NUMBER)
    if random.random() < 0.5:
        return _dumped(_message(random, **{field: number}), random)
    field = random.choice((*NUMBERS, "x"))
    word = random.choice(("NaN", "Infinity", "-Infinity", "1e", "0x10", "1_000", "--1", "\u0663"))
    return _bare(_without(_message(random), field), field, word)


def _bare(message: dict[str, Any], field: str, word: str) -> bytes:
    return f'{json.dumps(message)[:-1]}, "{field}": {word}}}'.encode()


def bad_size(random: Random, _odd: OddValues) -> bytes:
    """Return an alert with a size that is not a share."""
    return _dumped(_message(random, size=random.choice(BAD_SIZES)), random)


def wrong_type(random: Random, odd: OddValues) -> bytes:
    """Return an alert with a field of another type."""
    value: Any = random.choice((True, False, [], {}, random.choice(odd.containers)))
    return _dumped(_message(random, **{random.choice(TEXT_FIELDS): value}), random)


def odd_word(random: Random, odd: OddValues) -> bytes:
    """Return an alert with a word that a field does not know; blank would mean absent."""
    field = random.choice(("symbol", "direction", "action", "size"))
    return _dumped(_message(random, **{field: "¤" + random.choice(odd.texts)}), random)


def strange_symbol(random: Random, _odd: OddValues) -> bytes:
    """Return an alert on a symbol that resembles a mapped one."""
    return _dumped(_message(random, symbol=random.choice(STRANGE_SYMBOLS)), random)


def not_utf8(random: Random, _odd: OddValues) -> bytes:
    """Return an alert with bytes that are not UTF-8."""
    body = json.dumps(_message(random)).encode()
    offset = random.randrange(len(body) + 1)
    return body[:offset] + random.choice(NOT_UTF8) + body[offset:]


def unstorable(random: Random, _odd: OddValues) -> bytes:
    """Return an alert with NUL or half a surrogate pair, escaped, in a name or in a value."""
    bad = random.choice(("\0", "\ud800", "\udfff", "\udc00\ud800"))
    fields = random.choice(
        ({"comment": f"a{bad}"}, {f"{bad}a": "1"}, {"x": [{"y": bad}]}, {"event_id": bad + "1"})
    )
    return json.dumps(_message(random, **fields)).encode()


def twice(random: Random, _odd: OddValues) -> bytes:
    """Return an object with one name twice, with the same value or another one."""
    message = _message(random)
    field = random.choice(list(message))
    again = random.choice((json.dumps(message[field]), '"long"', "0", "null"))
    if random.random() < 0.2:
        return f'{json.dumps(message)[:-1]}, "x": {{"y": 1, "y": {again}}}}}'.encode()
    return _bare(message, field, again)


def contradiction(random: Random, _odd: OddValues) -> bytes:
    """Return an alert whose fields contradict each other, or lack a needed one."""
    share = random.randint(1, 99)
    message = _message(random)
    wrong = (
        message | {"direction": "long", "size": f"-{share}/100"},
        message | {"direction": "long", "size": f"-{share}%"},
        message | {"direction": random.choice(("long", "short")), "size": "Exit @ 3263.55"},
        _without(message, "direction") | {"action": "sell", "size": f"{share}/100"},
        _without(message, "size"),
        _without(message, "direction", "size"),
        _without(message, "symbol"),
    )
    return _dumped(random.choice(wrong), random)


def unfilled(random: Random, _odd: OddValues) -> bytes:
    """Return an alert with a placeholder that TradingView did not fill."""
    field = random.choice(TEXT_FIELDS)
    return _dumped(
        _message(random, **{field: "{{strategy.order." + random.choice(("cl0se", "size", "")) + "}}"}), random
    )


def too_long(random: Random, _odd: OddValues) -> bytes:
    """Return an alert with a field that is too long."""
    return _dumped(
        _message(random, **{random.choice(TEXT_FIELDS): "A" * random.choice((201, 1000, 60_000))}), random
    )


def future(random: Random, _odd: OddValues) -> bytes:
    """Return an alert that is dated in the far future."""
    field = random.choice(("timenow", "timestamp", "time", "order_time"))
    timestamp = random.choice(
        ("2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999999999", "99999999999999")
    )
    return _dumped(_message(random, **{field: timestamp}), random)


def mutated(random: Random, _odd: OddValues) -> bytes:
    """Return an alert on an unmapped symbol with random damage."""
    body = bytearray(_dumped(_message(random, symbol="QQQQQQQQ"), random))
    for _ in range(random.randint(1, 8)):
        offset = random.randrange(len(body))
        match random.randrange(3):
            case 0:
                body[offset] = random.randrange(256)
            case 1:
                del body[offset : offset + random.randint(1, 5)]
            case _:
                body[offset:offset] = random.randbytes(random.randint(1, 5))
        body = body or bytearray(b"{")
    return bytes(body)


def large(random: Random, _odd: OddValues) -> bytes:
    """Return a body around the size limit; one that fits is wrong in another way."""
    length = _LIMIT + random.choice((-1, 0, 1, 2, 1000, 70_000))
    body = json.dumps(_message(random, symbol="QQQQQQQQ", comment="")).encode()
    return body.replace(b'"comment": ""', b'"comment": "%b"' % (b"x" * (length - len(body))))


MAKERS: dict[Maker, int] = {
    truncated: 5,
    broken: 8,
    no_object: 5,
    any_json: 8,
    noise: 4,
    deep: 2,
    odd_number: 8,
    bad_size: 8,
    wrong_type: 8,
    odd_word: 6,
    strange_symbol: 5,
    not_utf8: 5,
    unstorable: 5,
    twice: 5,
    contradiction: 6,
    unfilled: 2,
    too_long: 1,
    future: 2,
    mutated: 6,
    large: 1,
}
"""Relative frequency of each."""


def odd_body(random: Random, odd: OddValues) -> tuple[str, bytes]:
    """Return a body that must be refused, and its kind."""
    (maker,) = random.choices(list(MAKERS), list(MAKERS.values()))
    return maker.__name__, maker(random, odd)
