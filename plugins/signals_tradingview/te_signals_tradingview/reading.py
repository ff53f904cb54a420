"""From the text of a request to a message, whoever's format it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from te_core.api import SignalRejected
from te_signals_tradingview.adapters import (
    alertatron,
    okx,
    pineconnector,
    placeholders,
    three_commas,
    traderspost,
    wundertrading,
)
from te_signals_tradingview.adapters.translation import ENTER_EXIT, Translation, word
from te_signals_tradingview.message import Message, read_message
from te_signals_tradingview.payload import MalformedBody, Payload, parse

Translate = Callable[[Payload], Translation]

_OBJECTS: dict[str, Translate] = {
    three_commas.NAME: three_commas.translate,
    okx.NAME: okx.translate,
    wundertrading.NAME: wundertrading.translate,
    traderspost.NAME: traderspost.translate,
    placeholders.NAME: placeholders.translate,
}
_MARKS: dict[str, Translate] = {
    mark: adapter.translate
    for adapter in (placeholders, traderspost, okx, three_commas)
    for mark in adapter.MARKS
}
"""Fields that only one product's messages have."""

_TEXTS: dict[str, tuple[Callable[[str], bool], Callable[[str], Translation]]] = {
    wundertrading.NAME: (wundertrading.is_code, wundertrading.read_code),
    alertatron.NAME: (alertatron.is_block, alertatron.read_block),
    pineconnector.NAME: (pineconnector.is_line, pineconnector.read_line),
}


class Reader:
    """Reads the messages of one source. ``product``: whose they are; "auto" tells by their fields."""

    def __init__(self, product: str, *, share: Decimal | None, extra_limit: int) -> None:
        self._product = product
        self._share = share
        self._extra_limit = extra_limit

    def read(self, text: str, received_at: datetime) -> Message:
        """Give the message. Raises ``SignalRejected`` with the sender's own name of the field."""
        payload: Payload | Translation
        if text.lstrip().startswith("{"):
            payload = parse(text)
            translate = self._translator(payload)
            if translate is None:
                return self._plain(payload, received_at)
            return self._translated(translate(payload), received_at)
        for name, (recognises, read) in _TEXTS.items():
            if self._product == name or (self._product == "auto" and recognises(text)):
                return self._translated(read(text), received_at)
        return self._plain(parse(text), received_at)

    def _translator(self, payload: Payload) -> Translate | None:
        if self._product == "auto":
            return None if "direction" in payload else _recognised(payload)
        if self._product in _OBJECTS:
            return _OBJECTS[self._product]
        if self._product == "plain":
            return None
        reason = f"a JSON object is no message for {self._product}, which this source's format is set to"
        raise MalformedBody(reason, field="body", hint='set format = "auto"')

    def _translated(self, translation: Translation, received_at: datetime) -> Message:
        with _in_words_of(translation):
            return read_message(
                translation.fields,
                received_at=received_at,
                extra_limit=self._extra_limit,
                share=self._share,
                closes=translation.closes,
                product=translation.product,
                symbol_field=translation.names.get("symbol", "symbol"),
            )

    def _plain(self, payload: Payload, received_at: datetime) -> Message:
        return read_message(
            payload, received_at=received_at, extra_limit=self._extra_limit, share=self._share
        )


def _recognised(payload: Payload) -> Translate | None:
    for name in payload:
        translate = _MARKS.get(name)
        if translate is not None:
            return translate
    if wundertrading.is_code(payload.get("code")):
        return wundertrading.translate
    action = word(payload, "action")
    if action in traderspost.ACTIONS:
        return traderspost.translate
    return three_commas.translate if action in ENTER_EXIT else None


@contextmanager
def _in_words_of(translation: Translation) -> Iterator[None]:
    try:
        yield
    except SignalRejected as error:
        name = translation.names.get(error.field, error.field)
        raise type(error)(error.reason, field=name, hint=error.hint) from None
