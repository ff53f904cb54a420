"""Handles commands from the page: plan, confirmation and progress."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from te_core.errors import CommandRefused
from te_core.page.actions import Actions
from te_core.page.entrance import FORM, SESSION
from te_core.page.planning import EVERYBODY, Planner
from te_core.page.plans import OF_SOURCES, STOPPING, Plan, Wanted
from te_core.page.sessions import Role, Session
from te_core.reporting.queries import Queries

LONGEST_REASON = 200
_ID = re.compile(r"[\w-]{8,64}")
FORGOTTEN = "The engine has received no such command since it started. The first page shows what is active."


class Draws(Protocol):
    """Renders a page for the session of a request."""

    def __call__(
        self,
        request: web.Request,
        template: str,
        *,
        status: int = 200,
        refresh: int | None = None,
        **values: Any,
    ) -> Awaitable[web.Response]:
        """Return the response."""
        ...


class Commanding:
    """The handlers of ``/do`` and ``/action``. ``page``: renders a response."""

    def __init__(
        self,
        queries: Queries,
        planner: Planner,
        actions: Actions,
        *,
        new_secret: Callable[[], str],
        page: Draws,
    ) -> None:
        self._queries = queries
        self._planner = planner
        self._actions = actions
        self._new_secret = new_secret
        self._page = page

    async def show_plan(self, request: web.Request) -> web.Response:
        """Show the plan of a command."""
        if request[SESSION].role is not Role.CONTROL:
            raise web.HTTPForbidden
        return await self._plan_page(request, self._wanted(request))

    async def confirm(self, request: web.Request) -> web.Response:
        """Carry out a confirmed command, if its plan is still the one that was shown."""
        wanted, form = self._wanted(request), request[FORM]
        session: Session = request[SESSION]
        key = str(form.get("id", ""))
        if not _ID.fullmatch(key):
            raise web.HTTPBadRequest
        if self._actions.find(key) is not None:
            return _see(key)
        reason = " ".join(str(form.get("reason", "")).split())[:LONGEST_REASON]
        plan = await self._planner.plan(wanted)
        if plan is None:
            return await self._plan_page(request, wanted, reason=reason)
        if form.get("mark") != plan.mark:
            problem = (
                "Positions or orders have changed since. Nothing was done; below is what would happen now."
            )
            return await self._plan_page(request, wanted, problem=problem, reason=reason)
        if plan.opens and form.get("read") != "yes":
            problem = "Nothing was done: tick the box to confirm that you have checked the orders."
            return await self._plan_page(request, wanted, problem=problem, reason=reason)
        await self._actions.carry_out(
            key,
            plan,
            by=f"page (session {session.name})",
            address=request.remote or "a local socket",
            reason=reason,
        )
        self._planner.forget()
        return _see(key)

    async def show_action(self, request: web.Request) -> web.Response:
        """Show the progress of a command."""
        action = self._actions.find(request.match_info["id"])
        if action is None:
            return await self._page(request, "error.html", status=404, title="Not found", text=FORGOTTEN)
        progress = self._actions.progress(action, self._queries.state())
        refresh = None if progress.done or action.refused else 1
        return await self._page(
            request,
            "action.html",
            refresh=refresh,
            progress=progress,
            action=action,
            title=action.title,
        )

    def _wanted(self, request: web.Request) -> Wanted:
        """Return the command that the path asks for. Raises ``HTTPNotFound`` if it does not exist."""
        query = request.query
        try:
            return self._planner.wanted(
                request.match_info["verb"],
                request.match_info["who"],
                symbol=query.get("symbol", ""),
                close="close" in query,
                next_signal="next" in query,
                flat=query.getall("flat", ()),
            )
        except LookupError:
            raise web.HTTPNotFound from None

    async def _plan_page(
        self, request: web.Request, wanted: Wanted, *, problem: str = "", reason: str = ""
    ) -> web.Response:
        state = self._queries.state()
        refused = ""
        plan: Plan | None = None
        try:
            plan = await self._planner.plan(wanted)
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
            changed=self._planner.changed(wanted),
            everybody=wanted.verb in EVERYBODY,
            stopping=wanted.verb in STOPPING,
            id=self._new_secret()[:16],
        )


def _see(key: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/action/{key}"})
