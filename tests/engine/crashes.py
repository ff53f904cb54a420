"""Kills an engine at one exact point of a scenario: at a call of the exchange, or at an append to the journal.

From that point on nothing that the dead process still does has any effect, and the next one finds the journal as it was
committed then. A request in flight either never arrives, or arrives without its response being seen, or arrives seconds
later.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from te_core.api import AccountContext, ExchangeAccount, OrderReport, OrderRequest
from te_core.model.control import Action
from te_core.testing.faults import Fault
from tests.engine.scene import Connection, Scene
from tests.engine.seeds import other_tasks

T = TypeVar("T")
Step = (
    tuple[Literal["say"], str, str]
    | tuple[Literal["edit"], str, Any]
    | tuple[Literal["fault"], str, Fault]
    | tuple[Literal["command"], Action, bool]
)
LastRequest = Literal["lost", "executed", "late"]
LAST_REQUESTS: tuple[LastRequest, ...] = ("lost", "executed", "late")
LATE = 4.0


class Fenced(Connection):
    """The connection of one process: once that is dead, nothing gets through."""

    def __init__(self, world: Crashing, inner: ExchangeAccount, script: Connection) -> None:
        super().__init__(inner)
        self.world, self.process, self.script = world, world.process, script
        self._injected = script._injected

    async def place_order(self, order: OrderRequest) -> OrderReport:
        if self.process != self.world.process:
            await asyncio.Event().wait()
        self.world.ids[order.client_order_id] += 1
        self.script.sent.append(order)
        return await super().place_order(order)

    async def _carry_out(self, method: str, request: Callable[[], Awaitable[T]], fault: Fault) -> T:
        if self.process != self.world.process and method != "close":
            await asyncio.Event().wait()
        if self.world.dies_at(method):
            await self.world.bury(request if method in ("place_order", "set_leverage") else None)
        answer = await super()._carry_out(method, request, fault)
        if self.world.dies_at(method):
            await self.world.bury(None)
        return answer


class Crashing(Scene):
    """A scene whose engine is killed at the ``at``-th point; None: never, the points are counted."""

    def __init__(
        self, folder: Path, at: int | None, last_request: LastRequest = "lost", **settings: Any
    ) -> None:
        super().__init__(folder / "0", **settings)
        self.at, self.last_request, self.points, self.process = at, last_request, 0, 0
        self.ids: Counter[str] = Counter()
        self.crashed = asyncio.Event()
        self.point = "none"

    def dies_at(self, what: str) -> bool:
        """Count a point; return whether it is the one."""
        self.points += 1
        if self.points - 1 != self.at or self.crashed.is_set():
            return False
        self.point = what
        return True

    async def bury(self, request: Callable[[], Awaitable[Any]] | None) -> None:
        """Die here; the request in flight arrives as its fate says."""
        self._die()
        if request is not None and self.last_request == "executed":
            await request()
        elif request is not None and self.last_request == "late":
            asyncio.get_running_loop().call_later(LATE, lambda: asyncio.ensure_future(request()))
        await asyncio.Event().wait()

    def _die(self) -> None:
        self.process += 1
        shutil.copytree(self.folder, self.folder.parent / str(self.process))
        self.crashed.set()

    def _account(self, context: AccountContext[Any]) -> ExchangeAccount:
        self.contexts[context.name] = context
        script = self.connection(context.options.key.get_secret_value())
        return Fenced(self, script.inner, script)

    async def start(self) -> None:
        await super().start()
        process, append, stream = self.process, self.journal.append, self.journal.stream

        def fenced_append(*entries: Any, **how: Any) -> Any:
            if process == self.process and self.dies_at("append"):
                self._die()
            if process != self.process:
                return asyncio.get_running_loop().create_future()
            appended = append(*entries, **how)
            if self.dies_at("appended"):
                self._die()
            return appended

        def fenced_stream(*args: Any, **how: Any) -> Any:
            if process == self.process and self.dies_at("stream"):
                self._die()
            return stream(*args, **how) if process == self.process else None

        self.journal.append = fenced_append  # type: ignore[method-assign]
        self.journal.stream = fenced_stream  # type: ignore[method-assign]

    async def _rise(self) -> None:
        """Remove the remains of the dead process, and start the next one on what was committed."""
        left = other_tasks()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.engine.netting.close_intake()
        self.engine.commands.stop()
        self.journal.close()
        self.folder = self.folder.parent / str(self.process)
        await asyncio.sleep(0.5)
        await self.start()

    async def play(self, steps: list[Step | float]) -> None:
        """Execute the steps; one that the crash interrupted is repeated, as senders do."""
        for number, step in enumerate(steps):
            while not await self._outlives(self._take(number, step)):
                await self._rise()
                self.crashed.clear()
                self.at = None

    async def _outlives(self, step: Awaitable[None]) -> bool:
        task, crash = asyncio.ensure_future(step), asyncio.ensure_future(self.crashed.wait())
        await asyncio.wait([task, crash], return_when=asyncio.FIRST_COMPLETED)
        crash.cancel()
        if self.crashed.is_set():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return False
        task.result()
        return True

    async def _take(self, number: int, step: Step | float) -> None:
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif step[0] == "say":
            await self.say(step[1], step[2], wait=0, delivery_id=f"step {number}")
        elif step[0] == "edit":
            await self.edit(step[1], step[2], wait=0)
        elif step[0] == "command":
            await self.command(step[1], from_next_signal=step[2], wait=0)
        else:
            self.connection().inject(step[1], step[2])
