"""Decides whether a request may send alerts: by its address, by its token, and by the address's earlier bad tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from te_core.api import SourceContext, WebhookRequest, WebhookResponse
from te_signals_tradingview import responses
from te_signals_tradingview.auth import tokens
from te_signals_tradingview.auth.addresses import AllowList
from te_signals_tradingview.auth.lockout import Lockout
from te_signals_tradingview.auth.tokens import Tokens
from te_signals_tradingview.options import TradingViewOptions

_LOG_INTERVAL = 60.0
"""Seconds between two log lines about locked-out addresses: many of them must not fill the log."""


class Denial(NamedTuple):
    """A request that is turned away."""

    counter: str
    """The status counter it belongs to: ``forbidden``, ``unauthorised`` or ``locked_out``."""
    response: WebhookResponse


class Gate:
    """Admits requests with a right token from an allowed address.

    A right token is never refused because of wrong ones that others sent from the same address.
    """

    def __init__(self, context: SourceContext[TradingViewOptions], accepted: Tokens) -> None:
        options = context.options
        self._context = context
        self._options = options
        self._tokens = accepted
        self._allowed = AllowList(options.allow)
        self._lockout = Lockout(
            clock=context.clock, after=options.lockout_after, seconds=options.lockout_for.total_seconds()
        )
        self._next_log_at = 0.0
        self._forbidden_reported = False

    def locked_addresses(self) -> int:
        """Return how many addresses are locked out now."""
        return self._lockout.locked()

    def screen(self, request: WebhookRequest) -> Denial | None:
        """Check the head of a request: its address, and its token if the URL has one."""
        presented = tokens.in_address(request)
        right = presented is not None and self._tokens.accept(presented)
        if not self._allowed.allows(request.client):
            return self._forbidden(request.client, right=right)
        return None if right or presented is None else self._bad_token(request.client)

    def admit(self, request: WebhookRequest, token_in_body: Callable[[bytes], str]) -> Denial | None:
        """Check a whole request. ``token_in_body`` is called only if the URL has no token."""
        denial = self.screen(request)
        if denial is not None:
            return denial
        if tokens.in_address(request) is None and not self._tokens.accept(token_in_body(request.body)):
            return self._bad_token(request.client)
        self._lockout.succeeded(request.client)
        return None

    def _forbidden(self, client: str, *, right: bool) -> Denial:
        if right and not self._forbidden_reported:
            self._forbidden_reported = True
            text = (
                f"an alert with the right token came from {client}, which sources.{self._context.name}.allow does not"
                " list: answered 503; if that is your reverse proxy, add it to listen.public.trusted_proxies"
            )
            self._context.log.warning("{}", text)
            self._context.record("refused", text)
        return Denial("forbidden", responses.forbidden())

    def _bad_token(self, client: str) -> Denial:
        """Count a bad token, unless the address is locked out already."""
        seconds = self._lockout.remaining(client)
        if seconds > 0:
            return Denial("locked_out", responses.locked_out(seconds))
        now = self._context.clock.monotonic()
        if self._lockout.failed(client) and now >= self._next_log_at:
            self._next_log_at = now + _LOG_INTERVAL
            self._context.log.warning(
                "{} is locked out for {}: {} bad tokens; further addresses are not named for {:g} s",
                client,
                self._options.lockout_for,
                self._options.lockout_after,
                _LOG_INTERVAL,
            )
        return Denial("unauthorised", responses.unauthorised())
