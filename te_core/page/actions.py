"""Commands of this run, from every sender: carried out once each, and followed until they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from loguru import logger

from te_core.clock import Clock
from te_core.errors import CommandRefused, JournalError
from te_core.model.control import Action as ControlAction
from te_core.model.control import Command
from te_core.page.plans import ALL, OF_SOURCES, Plan, Verb, Wanted
from te_core.web.interfaces import EngineCommands

MOST = 100
"""Maximum number of stored actions."""
LATE = timedelta(seconds=60)
"""Time after which an unfinished action is reported as late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One command."""

    id: str
    verb: str
    title: str
    reason: str
    by: str
    at: datetime
    accounts: tuple[str, ...] = ()
    """Empty for all accounts, and for sources."""
    symbol: str = ""
    path: str = ""
    """The page of its plan; empty if it was not sent from the page."""
    before: Mapping[str, int] = field(default_factory=dict)
    """Positions by account when it was confirmed."""
    orders: int = 0
    texts: tuple[str, ...] = ()
    refused: str = ""
    """Why nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of an action."""

    action: Action
    left: Mapping[str, tuple[str, ...]]
    """What is still open, by account."""
    done: bool
    """Whether nothing is left to do."""
    late: bool
    seconds: float
    took: float | None = None

    @property
    def state(self) -> str:
        """Return ``refused``, ``done``, ``late`` (unfinished after a minute; the engine keeps trying) or ``doing``."""
        if self.action.refused:
            return "refused"
        return "done" if self.done else "late" if self.late else "doing"

    @property
    def open(self) -> int:
        """Return how many positions are left, counting accounts where that is not known."""
        return sum(len(lines) for lines in self.left.values())


class Actions:
    """The actions of this run; the journal has what each changed. ``new_id``: for actions sent from elsewhere."""

    def __init__(self, commands: EngineCommands, clock: Clock, new_id: Callable[[], str]) -> None:
        self._commands = commands
        self._clock = clock
        self._new_id = new_id
        self._own: list[Command] = []
        self._actions: dict[str, Action] = {}
        self._took: dict[str, float] = {}

    def newest(self) -> Iterator[Action]:
        """Return all actions, newest first."""
        return reversed(self._actions.values())

    def find(self, key: str) -> Action | None:
        """Return an action of this run, or None."""
        return self._actions.get(key)

    async def carry_out(self, key: str, plan: Plan, *, by: str, address: str, reason: str) -> Action:
        """Carry out a plan unless its key is known: a second press does nothing. A refusal is returned, not raised."""
        if (known := self._actions.get(key)) is not None:
            return known
        wanted = plan.wanted
        made = Action(
            id=key,
            verb=wanted.verb,
            title=wanted.title,
            accounts=() if wanted.who == ALL or wanted.verb in OF_SOURCES else (wanted.who,),
            symbol=wanted.symbol,
            path=wanted.path,
            reason=reason,
            by=by,
            at=self._clock.now(),
            before={row.name: row.positions for row in plan.accounts},
            orders=len(plan.orders),
        )
        self._remember(made)  # before anything is awaited
        logger.info("page: {} by {} from {}", wanted.title, by, address)
        try:
            answer = await self._carried_out(wanted, by, reason)
        except (CommandRefused, JournalError) as error:
            made = replace(made, refused=str(error))
        else:
            made = replace(made, texts=tuple(dict.fromkeys(row["text"] for row in answer["set"])))
        self._actions[key] = made
        return made

    async def _carried_out(self, wanted: Wanted, by: str, reason: str) -> Mapping[str, Any]:
        if wanted.verb is not Verb.HEAL:
            command = wanted.command(by=by, reason=reason)
            self._own.append(command)
            try:
                return await self._commands.command(command, preview=False)
            finally:
                self._own.remove(command)
        why = f" ({reason})" if reason else ""
        where = f"{wanted.who} {wanted.symbol}" if wanted.symbol else wanted.who
        text = f"account {where}: positions changed by others are restored to their targets, by {by}{why}"
        self._commands.report_event(str(ControlAction.RESUME), text)
        self._commands.resume("accounts", wanted.who, wanted.symbol)
        return {"set": [{"text": text}]}

    def noted(self, command: Command, texts: tuple[str, ...]) -> None:
        """Record a command that was carried out, unless it was sent from here. ``texts``: what it set."""
        if any(command is one for one in self._own):
            return
        about = ", ".join((*command.accounts, *command.sources)) or "all accounts"
        symbol = f" {command.symbol}" if command.symbol else ""
        self._remember(
            Action(
                id=self._new_id()[:16],
                verb=command.action,
                title=f"{command.action.capitalize()}: {about}{symbol}",
                accounts=command.accounts,
                symbol=command.symbol,
                reason=command.reason,
                by=command.by,
                at=self._clock.now(),
                texts=tuple(dict.fromkeys(texts)),
            )
        )

    def _remember(self, action: Action) -> None:
        self._actions[action.id] = action
        while len(self._actions) > MOST:
            oldest = next(iter(self._actions))
            del self._actions[oldest]
            self._took.pop(oldest, None)

    def progress(self, action: Action, state: Mapping[str, Any]) -> Progress:
        """Return an action's progress, judging by the engine's state."""
        seconds = max((self._clock.now() - action.at).total_seconds(), 0.0)
        left: dict[str, tuple[str, ...]] = {}
        if action.verb == Verb.FLATTEN and not action.refused:
            left = {
                name: tuple(account["still_open"])
                for name, account in state["accounts"].items()
                if not action.accounts or name in action.accounts
            }
        done = not action.refused and not any(left.values())
        if done:
            self._took.setdefault(action.id, seconds)
        return Progress(
            action=action,
            left=left,
            done=done,
            late=not done and seconds >= LATE.total_seconds(),
            seconds=seconds,
            took=self._took.get(action.id),
        )
