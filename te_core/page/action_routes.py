"""``/api/v1/actions``: the page's commands for programs, with the same plans and confirmations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from te_core.errors import CommandRefused
from te_core.page.actions import Action, Actions, Progress
from te_core.page.planning import Planner
from te_core.page.plans import ALL, Plan, Wanted
from te_core.reporting.queries import Queries
from te_core.web.responses import answer, refuse
from te_core.web.validation import first_problem

_ID = r"[\w-]{8,64}"
_HANDLED = "/api/v1/actions"
Text = Annotated[str, Field(max_length=200)]


class Body(BaseModel):
    """A request."""

    model_config = ConfigDict(extra="forbid")

    verb: Text
    who: Text = ALL
    symbol: Text = ""
    close: bool = False
    next_signal: bool = False
    flat: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    by: Text = "the API"
    reason: Text = ""
    id: Annotated[str, Field(pattern=f"^{_ID}$")] | None = None
    mark: Text = ""
    """The mark of the plan being confirmed."""
    preview: bool = False
    """Return the plan and change nothing."""


class ActionRoutes:
    """The request handlers."""

    def __init__(
        self, queries: Queries, planner: Planner, actions: Actions, new_id: Callable[[], str]
    ) -> None:
        self._queries = queries
        self._planner = planner
        self._actions = actions
        self._new_id = new_id

    def add_to(self, site: web.Application) -> None:
        """Add the routes."""
        site.router.add_get(_HANDLED, self._list)
        site.router.add_post(_HANDLED, self._start)
        site.router.add_get(f"{_HANDLED}/{{id}}", self._show)

    async def _list(self, _request: web.Request) -> web.Response:
        state = self._queries.state()
        found = [progress_json(self._actions.progress(one, state)) for one in self._actions.newest()]
        return answer(200, {"actions": found})

    async def _show(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        action = self._actions.find(key) if re.fullmatch(_ID, key) else None
        if action is None:
            return refuse(
                404, "no such action since the engine started; the journal keeps the events of earlier ones"
            )
        return self._answered(action)

    async def _start(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return refuse(415, "send 'Content-Type: application/json'")
        try:
            said = Body.model_validate_json(await request.read())
            wanted = self._planner.wanted(
                said.verb,
                said.who,
                symbol=said.symbol,
                close=said.close,
                next_signal=said.next_signal,
                flat=said.flat,
            )
        except ValidationError as error:
            field, problem = first_problem(error)
            return refuse(400, f"{field}: {problem}")
        except LookupError as error:
            return refuse(404, str(error.args[0]))
        if said.id is not None and (known := self._actions.find(said.id)) is not None:
            return self._answered(known)
        return await self._planned(request, said, wanted)

    async def _planned(self, request: web.Request, said: Body, wanted: Wanted) -> web.Response:
        try:
            plan = await self._planner.plan(wanted)
        except CommandRefused as error:
            return refuse(404, str(error))
        if plan is None:
            return refuse(503, "the accounts are being read for the plan; try again in a second")
        if said.preview:
            return answer(200, {"plan": plan_json(plan)})
        if problem := _unconfirmed(plan, said.mark):
            return answer(409, {"error": problem, "plan": plan_json(plan)})
        made = await self._actions.carry_out(
            said.id or self._new_id(),
            plan,
            by=said.by,
            address=request.remote or "a local socket",
            reason=said.reason,
        )
        self._planner.forget()
        return self._answered(made)

    def _answered(self, action: Action) -> web.Response:
        progress = self._actions.progress(action, self._queries.state())
        return answer(409 if action.refused else 200, progress_json(progress))


def _unconfirmed(plan: Plan, mark: str) -> str:
    """Return why a plan must not be carried out; empty if it may be."""
    if plan.nothing:
        return plan.nothing
    if mark and mark != plan.mark:
        return "positions or orders changed since that plan; nothing was done"
    if plan.opens and not mark:
        return "it opens positions: request it with preview = true, then confirm with the plan's mark"
    return ""


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON values."""
    wanted = plan.wanted
    return {
        "verb": str(wanted.verb),
        "who": wanted.who,
        "symbol": wanted.symbol,
        "title": wanted.title,
        "sentences": list(plan.sentences),
        "accounts": [asdict(row) for row in plan.accounts],
        "orders": [asdict(order) for order in plan.orders],
        "opens": plan.opens,
        "nothing": plan.nothing,
        "mark": plan.mark,
    }


def progress_json(progress: Progress) -> dict[str, Any]:
    """Return an action's progress as JSON values."""
    action = progress.action
    return {
        "id": action.id,
        "verb": action.verb,
        "title": action.title,
        "accounts": list(action.accounts),
        "symbol": action.symbol,
        "by": action.by,
        "reason": action.reason,
        "at": action.at.isoformat(),
        "state": progress.state,
        "before": dict(action.before),
        "left": {name: list(lines) for name, lines in progress.left.items()},
        "problem": action.refused,
        "set": list(action.texts),
        "took": progress.took,
        "seconds": round(progress.seconds, 1),
    }
