"""One TradingView source: receives webhooks and publishes their signals.

An alert takes one straight way: ``auth`` admits the request, ``formats`` turns its body into an ``Alert``, ``symbols``
maps its symbol, ``ordering`` decides whether it takes over, and ``signal_builder`` makes the signal that is published.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from hashlib import blake2b
from typing import Any

from te_core.api import (
    JournalError,
    NotReady,
    Publication,
    QuarantinedInput,
    Signal,
    SignalRejected,
    SignalSource,
    SourceContext,
    WebhookRequest,
    WebhookResponse,
)
from te_signals_tradingview import responses
from te_signals_tradingview.auth.gate import Gate
from te_signals_tradingview.auth.redaction import hide_in_alert, hide_in_text
from te_signals_tradingview.auth.tokens import Tokens
from te_signals_tradingview.deadlines import TOO_LATE, Deadlines
from te_signals_tradingview.formats.body_text import MalformedBody, decode_text
from te_signals_tradingview.formats.json_body import token_in
from te_signals_tradingview.formats.reader import AlertReader
from te_signals_tradingview.gaps import Gaps
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.ordering.selection import ordering_rule
from te_signals_tradingview.refusals import Refusals
from te_signals_tradingview.signal_builder import build_signal
from te_signals_tradingview.symbols import SymbolMap

_DEADLINE = 2.5
"""Seconds until an alert that is not durable yet is answered 503.

TradingView gives up after 3 s, and sends again only after a 5xx. An alert that becomes durable after the 503 takes
effect all the same, and its resend is a duplicate.
"""

_COUNTERS = (
    "accepted",
    "duplicate",
    "superseded",
    "refused",
    "not_kept",
    "unauthorised",
    "locked_out",
    "forbidden",
    "wrong_method",
)


class TradingViewSource(SignalSource):
    """Responds 200 once the signal is durable, 4xx if the request is wrong, and 503 if it should be sent again."""

    def __init__(self, context: SourceContext[TradingViewOptions]) -> None:
        """Raise ``ConfigError`` for a mapping that contradicts itself."""
        options = context.options
        self._context = context
        self._options = options
        self._log = context.log
        self._tokens = Tokens(options.secrets)
        self._gate = Gate(context, self._tokens)
        self._reader = AlertReader(options.format, share=options.share, extra_limit=options.extra_limit)
        self._symbols = SymbolMap(context.symbols, source=context.name)
        self._order_alert = ordering_rule(options)
        self._dedupe_for = options.dedupe_window or None
        self._deadlines = Deadlines(_DEADLINE)
        self._refusals = Refusals(
            clock=context.clock,
            record=context.record,
            resolve=self._symbols.resolve,
            latest=context.latest,
        )
        self._gaps = Gaps(context.log, context.record)
        self._counters = Counter(dict.fromkeys(_COUNTERS, 0))
        self._unpersisted = 0

    def status(self) -> Mapping[str, Any]:
        """Return counters of responses since the start, locked-out addresses, and alerts that seem to be missing."""
        warning = "; ".join(text for text in (self._refusals.warning(), self._gaps.warning()) if text)
        return {
            **self._counters,
            "locked_addresses": self._gate.locked_addresses(),
            "missed_alerts": self._gaps.count,
            **({"warning": warning} if warning else {}),
        }

    async def close(self) -> None:
        """Report open gaps now and stop the timers."""
        self._gaps.close()
        self._deadlines.close()

    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        """Respond to a request that is wrong whatever its body says; None if the body has to be read."""
        if request.method != "POST":
            return self._count("wrong_method", responses.wrong_method())
        denial = self._gate.screen(request)
        return None if denial is None else self._count(*denial)

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        """Respond to one alert."""
        if request.method != "POST":
            return self._count("wrong_method", responses.wrong_method())
        denial = self._gate.admit(request, token_in)
        if denial is not None:
            return self._count(*denial)
        try:
            return await self._publish(self._signal(request))
        except SignalRejected as error:
            return self._refuse(request, error)

    def _signal(self, request: WebhookRequest) -> Signal:
        """Return the signal of a request. Raises ``SignalRejected``."""
        text = self._tokens.remove(decode_text(request.body))
        alert = self._reader.read(text, request.received_at)
        symbol = self._symbols.resolve(alert.symbol, field=alert.symbol_field)
        latest = self._context.latest(symbol)
        decision = self._order_alert(
            alert, symbol=symbol, latest=latest, arrived=self._context.arrived(symbol)
        )
        limit = self._options.raw_limit
        return build_signal(
            alert,
            decision,
            source=self._context.name,
            symbol=symbol,
            latest=latest,
            delivery_id=blake2b(request.body, digest_size=16).hexdigest(),
            raw=_shortened(hide_in_alert(text), limit) if limit else "",
        )

    async def _publish(self, signal: Signal) -> WebhookResponse:
        write: Awaitable[Publication] | None = None
        try:
            write = self._context.publish(signal, dedupe_for=self._dedupe_for)
            self._deadlines.add(write)
            publication = await write
        except asyncio.CancelledError as error:
            if error.args != (TOO_LATE,):  # the sender has hung up
                raise
            return self._not_persisted(f"persisting takes longer than {_DEADLINE:g} s")
        except (NotReady, JournalError) as error:
            return self._not_persisted(self._tokens.remove(str(error)))
        finally:
            self._deadlines.discard(write)
        if self._unpersisted:
            self._log.info("alerts are persisted again, after {} were answered 503", self._unpersisted)
            self._unpersisted = 0
        self._report(signal, publication)
        return self._count(publication.value, responses.published(signal, publication))

    def _report(self, signal: Signal, publication: Publication) -> None:
        """Report what a durable signal means for earlier refusals and gaps."""
        if publication is Publication.ACCEPTED:
            self._refusals.accepted(signal.symbol)
            if "note" in signal.detail:
                self._gaps.watch(signal)
        elif publication is Publication.SUPERSEDED:
            self._gaps.watch(signal)
            self._log.info(
                "an alert on {} belongs before the current one ({}): persisted, not followed",
                signal.symbol,
                signal.rule,
            )

    def _not_persisted(self, reason: str) -> WebhookResponse:
        """Respond 503 so that the alert is sent again. Logged once: a full disk must not fill with log lines."""
        if not self._unpersisted:
            self._log.warning("cannot persist alerts; answering 503: {}", reason)
        self._unpersisted += 1
        return self._count("not_kept", responses.not_persisted())

    def _refuse(self, request: WebhookRequest, error: SignalRejected) -> WebhookResponse:
        """Quarantine a body that cannot become a signal, and respond 4xx with the field and the reason."""
        shown = type(error)(
            self._tokens.remove(error.reason),
            field=self._tokens.remove(error.field),
            hint=self._tokens.remove(error.hint),
        )
        body = self._quarantined_text(request.body)
        leaves_open = self._refusals.refused(body, shown)
        self._log.warning("alert refused: {}{}", shown, leaves_open)
        self._context.quarantine(
            QuarantinedInput(
                source=self._context.name,
                received_at=request.received_at,
                field=shown.field,
                reason=shown.reason,
                body=body,
            )
        )
        status = 400 if isinstance(error, MalformedBody) else 422
        return self._count("refused", responses.refused(status, shown))

    def _quarantined_text(self, body: bytes) -> str:
        """Return a body fit to be persisted. Secrets are removed before it is cut, so that no half of one remains."""
        text = self._tokens.remove(body.decode(errors="replace").replace("\0", "\ufffd"))
        return _shortened(hide_in_text(text), self._options.quarantine_body_limit)

    def _count(self, name: str, response: WebhookResponse) -> WebhookResponse:
        self._counters[name] += 1
        return response


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
