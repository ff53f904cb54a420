"""From the text of a request to an ``Alert``, whichever product's format it is in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from te_core.api import SignalRejected
from te_signals_tradingview.formats.adapters import (
    alertatron,
    okx,
    pineconnector,
    placeholders,
    three_commas,
    traderspost,
    wundertrading,
)
from te_signals_tradingview.formats.adapters.translation import ENTER_EXIT, Translation, word
from te_signals_tradingview.formats.alert import Alert, read_alert
from te_signals_tradingview.formats.body_text import MalformedBody
from te_signals_tradingview.formats.json_body import JsonObject, parse

Translate = Callable[[JsonObject], Translation]

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
"""Fields that only one product's alerts have."""

_TEXTS: dict[str, tuple[Callable[[str], bool], Callable[[str], Translation]]] = {
    wundertrading.NAME: (wundertrading.is_code, wundertrading.parse_code),
    alertatron.NAME: (alertatron.is_block, alertatron.parse_block),
    pineconnector.NAME: (pineconnector.is_line, pineconnector.parse_line),
}


class AlertReader:
    """Reads the alerts of one source.

    ``product`` is the product whose format they are in; "auto" recognises it by their fields.
    """

    def __init__(self, product: str, *, share: Decimal | None, extra_limit: int) -> None:
        self._product = product
        self._share = share
        self._extra_limit = extra_limit

    def read(self, text: str, received_at: datetime) -> Alert:
        """Return the alert. Raises ``SignalRejected`` with the sender's own name of the wrong field."""
        translation = self._translation(text)
        try:
            return read_alert(
                translation.fields,
                received_at=received_at,
                extra_limit=self._extra_limit,
                share=self._share,
                closes=translation.closes,
                product=translation.product,
                symbol_field=translation.names.get("symbol", "symbol"),
            )
        except SignalRejected as error:
            name = translation.names.get(error.field, error.field)
            raise type(error)(error.reason, field=name, hint=error.hint) from None

    def _translation(self, text: str) -> Translation:
        """Return the alert in our own fields."""
        if not text.lstrip().startswith("{"):
            for name, (recognises, translate_text) in _TEXTS.items():
                if self._product == name or (self._product == "auto" and recognises(text)):
                    return translate_text(text)
            return Translation(fields=parse(text))
        fields = parse(text)
        translate = self._translator(fields)
        return Translation(fields=fields) if translate is None else translate(fields)

    def _translator(self, fields: JsonObject) -> Translate | None:
        """Return the adapter for a JSON alert; None for our own format."""
        if self._product == "auto":
            return None if "direction" in fields else _recognised(fields)
        if self._product in _OBJECTS:
            return _OBJECTS[self._product]
        if self._product == "plain":
            return None
        reason = f"a JSON object is not an alert for {self._product}, which this source's format is set to"
        raise MalformedBody(reason, field="body", hint='set format = "auto"')


def _recognised(fields: JsonObject) -> Translate | None:
    for name in fields:
        translate = _MARKS.get(name)
        if translate is not None:
            return translate
    if wundertrading.is_code(fields.get("code")):
        return wundertrading.translate
    action = word(fields, "action")
    if action in traderspost.ACTIONS:
        return traderspost.translate
    return three_commas.translate if action in ENTER_EXIT else None
