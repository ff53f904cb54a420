"""One TradingView source: answers webhooks and publishes what they say."""

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
from te_signals_tradingview import answers, tokens
from te_signals_tradingview.addresses import AllowList
from te_signals_tradingview.credentials import hide_in_message, hide_in_text
from te_signals_tradingview.gaps import Gaps
from te_signals_tradingview.interpretation import interpret, ordering_of
from te_signals_tradingview.lockout import Lockout
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.patience import TOO_LATE, Patience
from te_signals_tradingview.payload import MalformedBody, decode
from te_signals_tradingview.reading import Reader
from te_signals_tradingview.refusals import Refusals
from te_signals_tradingview.symbols import SymbolMap
from te_signals_tradingview.tokens import Tokens

_PATIENCE = 2.5
"""Seconds after which an alert is answered 503 if it is not durable yet: TradingView gives up after 3, and sends again
only what was answered so. What is durable later is in force all the same, and the second one is a duplicate.
"""

_QUIET = 60.0
"""Seconds between two lines about addresses that are locked out: a crowd of them must not fill the log."""

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
    """Every answer is given here: 200 after the signal is durable, 4xx for what is wrong, 503 for "send it again"."""

    def __init__(self, context: SourceContext[TradingViewOptions]) -> None:
        """Raise ``ConfigError`` for a mapping that contradicts itself."""
        options = context.options
        self._context = context
        self._options = options
        self._log = context.log
        self._tokens = Tokens(options.secrets)
        self._allowed = AllowList(options.allow)
        self._lockout = Lockout(
            clock=context.clock, after=options.lockout_after, seconds=options.lockout_for.total_seconds()
        )
        self._symbols = SymbolMap(context.symbols, source=context.name)
        self._refusals = Refusals(
            clock=context.clock,
            record=context.record,
            resolve=self._symbols.resolve,
            latest=context.latest,
        )
        self._gaps = Gaps(context.log, context.record)
        self._reader = Reader(options.format, share=options.share, extra_limit=options.extra_limit)
        self._place = ordering_of(options)
        self._dedupe_for = options.dedupe_window or None
        self._counters = Counter(dict.fromkeys(_COUNTERS, 0))
        self._unkept = 0
        self._quiet_until = 0.0
        self._forbidden_told = False
        self._patience = Patience(_PATIENCE)

    def status(self) -> Mapping[str, Any]:
        """Return how many requests got which answer since the start, how many addresses are locked out now, and
        how many alerts seem to be missing.
        """
        warning = "; ".join(text for text in (self._refusals.warning(), self._gaps.warning()) if text)
        return {
            **self._counters,
            "locked_addresses": self._lockout.locked(),
            "missed_alerts": self._gaps.count,
            **({"warning": warning} if warning else {}),
        }

    async def close(self) -> None:
        """Tell what would otherwise be told later."""
        self._gaps.close()
        self._patience.close()

    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        """Answer what is wrong whatever the body says."""
        if request.method != "POST":
            return self._count("wrong_method", answers.wrong_method())
        presented = tokens.in_address(request)
        right = presented is not None and self._tokens.accept(presented)
        if not self._allowed.holds(request.client):
            return self._forbidden(request.client, right=right)
        return None if right or presented is None else self._stranger(request.client)

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        """Answer one alert. A right token is never refused, whoever else sent wrong ones from the same address."""
        refused = self.screen(request)
        if refused is not None:
            return refused
        if tokens.in_address(request) is None and not self._tokens.accept(_inside(request.body)):
            return self._stranger(request.client)
        self._lockout.succeeded(request.client)
        try:
            return await self._publish(self._signal(request))
        except SignalRejected as error:
            return self._refuse(request, error)

    def _forbidden(self, client: str, *, right: bool) -> WebhookResponse:
        if right and not self._forbidden_told:
            self._forbidden_told = True
            text = (
                f"an alert with the right token came from {client}, which sources.{self._context.name}.allow does not"
                " list: answered 503; where that is your reverse proxy, add it to listen.public.trusted_proxies"
            )
            self._log.warning("{}", text)
            self._context.record("refused", text)
        return self._count("forbidden", answers.forbidden())

    def _stranger(self, client: str) -> WebhookResponse:
        """Count a wrong token; an address that is locked out is not counted again."""
        seconds = self._lockout.remaining(client)
        if seconds > 0:
            return self._count("locked_out", answers.locked_out(seconds))
        if self._lockout.failed(client) and self._context.clock.monotonic() >= self._quiet_until:
            self._quiet_until = self._context.clock.monotonic() + _QUIET
            self._log.warning(
                "{} is locked out for {}: {} bad tokens; further addresses are not named for {:g} s",
                client,
                self._options.lockout_for,
                self._options.lockout_after,
                _QUIET,
            )
        return self._count("unauthorised", answers.unauthorised())

    def _signal(self, request: WebhookRequest) -> Signal:
        text = self._tokens.remove(_text(request.body))
        message = self._reader.read(text, request.received_at)
        limit = self._options.raw_limit
        return interpret(
            message,
            source=self._context.name,
            symbols=self._symbols,
            latest=self._context.latest,
            arrived=self._context.arrived,
            place=self._place,
            delivery_id=blake2b(request.body, digest_size=16).hexdigest(),
            raw=_cut(hide_in_message(text), limit) if limit else "",
        )

    async def _publish(self, signal: Signal) -> WebhookResponse:
        kept: Awaitable[Publication] | None = None
        try:
            kept = self._context.publish(signal, dedupe_for=self._dedupe_for)
            self._patience.watch(kept)
            publication = await kept
        except asyncio.CancelledError as error:
            if error.args != (TOO_LATE,):  # the sender has hung up
                raise
            return self._not_kept(f"persisting takes longer than {_PATIENCE:g} s")
        except (NotReady, JournalError) as error:
            return self._not_kept(self._tokens.remove(str(error)))
        finally:
            self._patience.forget(kept)
        if self._unkept:
            self._log.info("alerts are persisted again, after {} were answered 503", self._unkept)
            self._unkept = 0
        if publication is Publication.ACCEPTED:
            self._refusals.accepted(signal.symbol)
            if "note" in signal.detail:
                self._gaps.watch(signal)
        elif publication is Publication.SUPERSEDED:
            self._gaps.watch(signal)
            self._log.info(
                "an alert on {} belongs before the one in force ({}): kept, not followed",
                signal.symbol,
                signal.rule,
            )
        return self._count(publication.value, answers.taken(signal, publication))

    def _not_kept(self, reason: str) -> WebhookResponse:
        """Have it sent again. Told once: a line for each alert of a full disk makes matters worse."""
        if not self._unkept:
            self._log.warning("cannot persist alerts; answering 503: {}", reason)
        self._unkept += 1
        return self._count("not_kept", answers.not_kept())

    def _refuse(self, request: WebhookRequest, error: SignalRejected) -> WebhookResponse:
        shown = type(error)(
            self._tokens.remove(error.reason),
            field=self._tokens.remove(error.field),
            hint=self._tokens.remove(error.hint),
        )
        body = self._kept(request.body)
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
        return self._count(
            "refused", answers.refused(400 if isinstance(error, MalformedBody) else 422, shown)
        )

    def _kept(self, body: bytes) -> str:
        """Make a body fit to be kept. Secrets go before it is cut, so that no half of one stays."""
        text = self._tokens.remove(body.decode(errors="replace").replace("\0", "\ufffd"))
        return _cut(hide_in_text(text), self._options.quarantine_body_limit)

    def _count(self, name: str, answer: WebhookResponse) -> WebhookResponse:
        self._counters[name] += 1
        return answer


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def _text(body: bytes) -> str:
    """Decode a body. A byte-order mark is fine: editors put one, and RFC 8259 lets it be ignored."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"byte {error.start} is not UTF-8", field="body", hint="save it as UTF-8"
        ) from None


def _inside(body: bytes) -> str:
    """Return the token that stands in a body; an empty one, which is nobody's, where there is none."""
    try:
        text = _text(body)
    except MalformedBody:
        return ""
    try:
        token = decode(text).get(tokens.FIELD)
    except MalformedBody:
        return tokens.in_text(text)
    return token if isinstance(token, str) else ""
