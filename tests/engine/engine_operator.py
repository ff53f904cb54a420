"""What an operator commands while a simulated engine runs: halts, flattens, pauses, depths by hand, and go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from te_core.errors import CommandRefused
from te_core.journal.journal import MAX_DELAY
from te_core.model.control import Action, Command, Control, Topic
from te_core.rules.controls import Controls
from tests.engine.commanding import ALL, CLOSED, HELD, Hand
from tests.engine.edits import ON
from tests.engine.engine_checks import CheckedWorld
from tests.engine.shared_exchange import FOREIGN, PRICES

D = Decimal
COMMANDS = {
    "halt": Action.HALT,
    "flatten": Action.FLATTEN,
    "flatten foreign": Action.FLATTEN,
    "resume": Action.RESUME,
    "next": Action.RESUME,
}
GIVEN_UP = "command given up"
SOON = 20
"""Turns of the loop within which a command is stored."""
HANDS = {"by hand": None, "by hand for a time": 300.0, "closed by hand": None}
"""Manual depth commands, and how many seconds each lasts."""


class OperatedWorld(CheckedWorld):
    """Commands something, perhaps in the middle of a plan, and keeps what is wanted by it."""

    async def operate(self) -> None:
        """The operator issues a command."""
        await self.chance.choice([self.command] * 3 + [self.pause] * 2 + [self.by_hand, self.go])()

    async def command(self) -> None:
        """The operator halts, flattens or resumes something, perhaps in the middle of a plan."""
        names = self.chance.choice([(), *((name,) for name in self.settings["accounts"])])
        symbol = self.chance.choice(["", "", *PRICES])
        action = self.chance.choice(["halt", "flatten", "flatten foreign"])
        if any(self.engine.commands.controls.active()) and self.chance.random() < 0.6:
            action = self.chance.choice(["resume", "next"])
            if self.chance.random() < 0.7:
                names, symbol = (), ""
        if action not in self.kinds or not set(names) <= set(self.engine.accounts):
            return
        await asyncio.sleep(0.001)  # virtual: what was said before was said before
        wanted = Command(
            action=COMMANDS[action],
            by="alice",
            accounts=names,
            symbol=symbol,
            from_next_signal=action == "next",
            foreign=action == "flatten foreign",
        )
        scopes = self.engine.commands.scopes()
        to = frozenset(scope for name in names for scope in scopes[name]) or frozenset({ALL})
        self.swept |= wanted.foreign and symbol in ("", FOREIGN[1])
        # Noted first: its orders may be executed before the engine answers.
        self.commanding.note(action.partition(" ")[0], to, symbol)
        self.note_goals()
        made: Sequence[Control] = ()
        with suppress(CommandRefused):  # of a symbol that is no longer in the settings
            made = await self._execute_or_give_up(wanted)
            self.counts[action] += bool(made)
            if wanted.action is Action.RESUME:
                self._lift_hands(to, symbol)
        if not any(row.topic is Topic.HALT for row in made):
            self.commanding.given.pop()
        self.note_goals()
        await asyncio.sleep(0.001)  # virtual: what was said before was said before

    def _lift_hands(self, to: frozenset[str], symbol: str) -> None:
        books = {record.uid: f"#{record.book}" for record in self.met()}
        hands = self.commanding.hands
        for uid, name in list(hands):
            if symbol in ("", name) and to & {ALL, books.get(uid, "")}:
                del hands[uid, name]

    async def pause(self) -> None:
        """The operator pauses a source, or resumes it."""
        source = self.chance.choice([*self.commanding.paused] * 3 + ["tv", "sn"])
        action = self.chance.choice([HELD, CLOSED])
        if source in self.commanding.paused and self.chance.random() < 0.7:
            action = "source resumed"
        section = self.settings["sources"][source]
        ages = section.get("max_age") or section.get("expect_every")
        if action not in self.kinds or (
            action == HELD and ages
        ):  # that would need to know how much of it is left
            return
        await asyncio.sleep(0.001)  # virtual: what was said before was said before
        self.counts[action] += 1
        if action == "source resumed":
            del self.commanding.paused[source]
            self.note_goals()
            await self._execute(Command(action=Action.RESUME, by="alice", sources=(source,)))
            return
        speaks = (
            section.get("enabled", True) and self.settings.get("plugins", {}).get("pushed", ON)["enabled"]
        )
        said = {symbol: self.said.get((source, symbol), D(0)) if speaks else D(0) for symbol in PRICES}
        self.commanding.pause(source, said, close=action == CLOSED)
        self.note_goals()
        paused = Command(action=Action.PAUSE, by="alice", sources=(source,), close=action == CLOSED)
        await self._execute(paused)

    async def by_hand(self) -> None:
        """The operator sets a depth by hand, or closes a symbol."""
        action = self.chance.choice(list(HANDS))
        name = self.chance.choice(list(self.settings["accounts"]))
        symbol = self.chance.choice(list(self.settings["symbols"]))
        runner = self.engine.accounts.get(name)
        if action not in self.kinds or runner is None or not runner.identified:
            return
        await asyncio.sleep(0.001)  # virtual: what was said before was said before
        uid = next((record.uid for record in self.met() if record.book == runner.worker.book), "")
        depth = D(0) if action == "closed by hand" else D(self.chance.choice(["0.3", "-0.4", "0.7"]))
        lasts = HANDS[action]
        until = None if lasts is None else self.clock.monotonic() + lasts
        hands = self.commanding.hands
        before = hands.get((uid, symbol))
        hands[uid, symbol] = Hand(depth, self.commanding.signals, until)
        self.note_goals()
        wanted = Command(
            action=Action.TARGET,
            by="alice",
            accounts=(name,),
            symbol=symbol,
            depth=depth,
            lasts=None if lasts is None else timedelta(seconds=lasts),
        )
        if await self._execute(wanted):
            self.counts[action] += 1
            if lasts is not None:
                asyncio.get_running_loop().call_later(lasts, self.note_goals)
        elif before is None:
            del hands[uid, symbol]
        else:
            hands[uid, symbol] = before

    async def go(self) -> None:
        """The operator allows an account to trade."""
        name = self.chance.choice(list(self.settings["accounts"]))
        if "go" not in self.kinds:
            return
        uid, known = self.uid_of(name), set(self.live)
        self.live.add(uid)
        self.note_goals()
        if await self._execute(Command(action=Action.GO, by="alice", accounts=(name,))):
            self.counts["go"] += 1
            self.told_to_go.add(uid)
        else:
            self.live = known

    async def _execute_or_give_up(self, command: Command) -> Sequence[Control]:
        """Execute a command and return what it set; sometimes its sender stops waiting, and it applies all the same."""
        commands = self.engine.commands
        before = commands.controls.last
        task = asyncio.create_task(commands.execute(command))
        if GIVEN_UP in self.kinds and self.chance.random() < 0.2:
            for _ in range(self.chance.randint(1, 4)):
                await asyncio.sleep(0)
            self.counts[GIVEN_UP] += task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            return (await task).set
        done: list[Control] = []
        for _ in range(SOON):
            made = [row for number, row in commands.controls.by_key.values() if number > before]
            if done := [row for row in made if row.by == command.by]:
                break
            await asyncio.sleep(0)
        # Depths by hand that a signal ended are stored with the next commit.
        asyncio.get_running_loop().call_later(2 * MAX_DELAY, self._check_stored, command)
        return done

    def _check_stored(self, command: Command) -> None:
        stored = Controls.of(self.journal.snapshot().controls)
        if list(stored.active()) != list(self.engine.commands.controls.active()):
            self.found(f"{command} applies only after a restart")

    async def _execute(self, command: Command) -> bool:
        """Execute a command. Returns whether the engine did."""
        try:
            return bool(await self._execute_or_give_up(command))
        except CommandRefused:
            return False
        finally:
            await asyncio.sleep(0.001)  # virtual: what was said before was said before
