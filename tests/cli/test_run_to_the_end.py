"""Only a signal ends the engine: not what a plugin raises in a task or callback of its own (I21)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import NoReturn

import pytest
import uvloop
from loguru import logger

from te_core.app.process import run_to_the_end

pytestmark = pytest.mark.real_clock


@pytest.fixture(autouse=True)
def python_handles_signals() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    made = request.param()
    yield made
    made.close()


def leave(error: BaseException) -> NoReturn:
    raise error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
@pytest.mark.parametrize("where", ["task", "callback"])
def test_an_exit_in_a_plugin_is_named_and_the_engine_continues(
    loop: asyncio.AbstractEventLoop, error: BaseException, where: str
) -> None:
    lines: list[str] = []
    # Garbage of other tests may be collected, and reported, meanwhile.
    sink = logger.add(
        lambda line: lines.append(str(line)),
        level="ERROR",
        format="{message}",
        filter=run_to_the_end.__module__,
    )

    async def by_a_plugin() -> None:
        leave(error)

    async def main() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
        if where == "task":
            task = asyncio.create_task(by_a_plugin())
            await asyncio.wait([task])
            assert task.exception() is error
        else:
            asyncio.get_running_loop().call_soon(leave, error)
        for _ in range(3):
            await asyncio.sleep(0)
        done.append("everything after it")

    done: list[str] = []
    run_to_the_end(loop, main())
    logger.remove(sink)
    assert done == ["everything after it"]
    assert len(lines) == 1
    assert type(error).__name__ in lines[0]
    assert "test_run_to_the_end.py" in lines[0]


def test_an_exit_of_the_engine_itself_ends_it(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
        leave(SystemExit(4))

    with pytest.raises(SystemExit):
        run_to_the_end(loop, main())


def test_an_interrupt_before_signals_are_handled_ends_it(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(leave, KeyboardInterrupt())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with pytest.raises(KeyboardInterrupt):
        run_to_the_end(loop, main())
    loop.run_until_complete(asyncio.wait(asyncio.all_tasks(loop)))
