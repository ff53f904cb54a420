"""Commands from the page: the plan of each, its confirmation, and what became of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from te_core.clock import Clock
from te_core.errors import CommandRefused
from te_core.page.actions import Actions
from te_core.page.entrance import FORM, SESSION
from te_core.page.plans import (
    ALL,
    OF_SOURCES,
    STOPPING,
    Plan,
    Verb,
    Wanted,
    plan_to_go_on,
    plan_to_heal,
    plan_to_stop,
)
from te_core.page.sessions import Role, Session
from te_core.page.shown import Shown
from te_core.web.facade import EngineFacade

READING = 3.0
"""Seconds for which a plan waits for the accounts before it says that they are being read."""
LONGEST_REASON = 200
_ID = re.compile(r"[\w-]{8,64}")
_SYMBOL = re.compile(r"[A-Z0-9]{2,32}")
FORGOTTEN = "No such command was given in this run of the engine. What stands is on the first page."


class Draws(Protocol):
    """Draws a page of this request's session."""

    def __call__(
        self,
        request: web.Request,
        template: str,
        *,
        status: int = 200,
        refresh: int | None = None,
        **values: Any,
    ) -> Awaitable[web.Response]:
        """Return the answer."""
        ...


class Commanding:
    """The handlers of ``/do`` and ``/action``. ``shown``: what the engine shows now; ``page``: draws an answer."""

    def __init__(
        self,
        engine: EngineFacade,
        clock: Clock,
        *,
        shown: Callable[[], Shown],
        new_secret: Callable[[], str],
        page: Draws,
    ) -> None:
        self._engine = engine
        self._shown = shown
        self._new_secret = new_secret
        self._page = page
        self._actions = Actions(engine, clock)
        self._previews: dict[Wanted, asyncio.Task[Mapping[str, Any]]] = {}

    async def show_plan(self, request: web.Request) -> web.Response:
        """Show what a command will do."""
        if request[SESSION].role is not Role.CONTROL:
            raise web.HTTPForbidden
        return await self._plan_page(request, self._wanted(request))

    async def confirm(self, request: web.Request) -> web.Response:
        """Carry out what was confirmed, if it is still what was shown."""
        wanted, form = self._wanted(request), request[FORM]
        session: Session = request[SESSION]
        key = str(form.get("id", ""))
        if not _ID.fullmatch(key):
            raise web.HTTPBadRequest
        if self._actions.find(key) is not None:
            return _see(key)
        reason = " ".join(str(form.get("reason", "")).split())[:LONGEST_REASON]
        plan = await self._plan(wanted)
        if plan is None:
            return await self._plan_page(request, wanted, reason=reason)
        if form.get("mark") != plan.mark:
            problem = "Positions or orders changed since you looked. Nothing was done; this is what would happen now."
            return await self._plan_page(request, wanted, problem=problem, reason=reason)
        if plan.opens and form.get("read") != "yes":
            problem = "Nothing was done: tick that you have read what is opened."
            return await self._plan_page(request, wanted, problem=problem, reason=reason)
        await self._actions.carry_out(
            key,
            plan,
            by=f"page (session {session.name})",
            address=request.remote or "a local socket",
            reason=reason,
        )
        self._previews.clear()
        return _see(key)

    async def show_action(self, request: web.Request) -> web.Response:
        """Show how far a command is."""
        action = self._actions.find(request.match_info["id"])
        if action is None:
            return await self._page(request, "error.html", status=404, title="Not known", text=FORGOTTEN)
        progress = self._actions.progress(action, self._engine.state())
        refresh = None if progress.done or action.refused else 1
        return await self._page(
            request,
            "action.html",
            refresh=refresh,
            progress=progress,
            action=action,
            title=action.wanted.title,
        )

    def _wanted(self, request: web.Request) -> Wanted:
        """Return what the address asks for. Raises ``HTTPNotFound`` for what there is not."""
        who, symbol = request.match_info["who"], request.query.get("symbol", "")
        try:
            verb = Verb(request.match_info["verb"])
        except ValueError:
            raise web.HTTPNotFound from None
        state = self._engine.state()
        names = state["sources"] if verb in OF_SOURCES else state["accounts"]
        everybody = who == ALL and verb in {Verb.HALT, Verb.FLATTEN, Verb.RESUME}
        if not everybody and who not in names:
            raise web.HTTPNotFound
        if symbol and not _SYMBOL.fullmatch(symbol):
            raise web.HTTPNotFound
        return Wanted(
            verb=verb,
            who=who,
            symbol=symbol,
            close="close" in request.query,
            next_signal="next" in request.query,
        )

    async def _plan(self, wanted: Wanted) -> Plan | None:
        """Return the plan; None while accounts are being read for it. Raises ``CommandRefused``."""
        shown = self._shown()
        if wanted.verb in STOPPING:
            return plan_to_stop(wanted, shown.account_rows(), shown.held())
        if wanted.verb is Verb.HEAL:
            return plan_to_heal(wanted, shown.account_rows(), shown.changed())
        if wanted.verb is Verb.PAUSE and not wanted.close:
            return plan_to_go_on(wanted, {}, ())
        preview = self._previews.get(wanted)
        if preview is None:
            # A reason may be needed to lift what a breaker holds: whoever confirms says it.
            command = wanted.command(by="the page", reason="preview")
            preview = asyncio.ensure_future(self._engine.command(command, preview=True))
            self._previews[wanted] = preview
        await asyncio.wait([preview], timeout=READING)
        if not preview.done():
            return None
        self._previews.pop(wanted, None)
        return plan_to_go_on(wanted, preview.result(), shown.account_rows())

    async def _plan_page(
        self, request: web.Request, wanted: Wanted, *, problem: str = "", reason: str = ""
    ) -> web.Response:
        state = self._engine.state()
        refused = ""
        plan: Plan | None = None
        try:
            plan = await self._plan(wanted)
        except CommandRefused as error:
            refused = str(error)
        names = list(state["sources"] if wanted.verb in OF_SOURCES else state["accounts"])
        return await self._page(
            request,
            "do.html",
            status=409 if problem else 200,
            refresh=1 if plan is None and not refused else None,
            title=wanted.title,
            wanted=wanted,
            plan=plan,
            refused=refused,
            problem=problem,
            reason=reason,
            names=names,
            everybody=wanted.verb in {Verb.HALT, Verb.FLATTEN, Verb.RESUME},
            stopping=wanted.verb in STOPPING,
            id=self._new_secret()[:16],
        )


def _see(key: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/action/{key}"})
