"""``te run``: the engine, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from te_core.cli.place import Place

if TYPE_CHECKING:
    from te_core.cli.application import Application

_GRACE = 1.4
"""Seconds after a signal at which the process ends whatever it is doing; pm2 kills after 1.6."""

_IMPORT = 3.0
"""Seconds that the start waits for one plugin's import; a slower one is taken up when it is there."""

_LOOK, _LOOKS = 0.02, 50
"""Seconds between two looks whether the accounts have been read, before the summary is printed; and how many."""


def run(context: typer.Context) -> None:
    """Start the engine: it listens for signals and keeps every account at its target, until SIGINT or SIGTERM.

    \b
    Example: te run
             te run --settings /srv/te/settings.toml
    """
    os.umask(0o077)  # what the engine writes is its owner's alone
    asyncio.run(_run(Place.of(context)))


async def _run(place: Place) -> None:
    from uuid import uuid4

    from te_core.cli.application import Application
    from te_core.clock import SystemClock
    from te_core.plugins.registry import Registry
    from te_core.settings.secrets import random_secret

    _stop_on_signals()
    application = Application(
        place,
        env=os.environ,
        clock=SystemClock(),
        new_id=lambda: uuid4().hex,
        new_secret=random_secret,
        registry=Registry(patience=_IMPORT),
    )
    try:
        await application.start()
        await _summarise(application)
        await asyncio.Event().wait()
    except asyncio.CancelledError:  # a signal came
        await application.stop()
        typer.echo("stopped")


def _stop_on_signals() -> None:
    """Let SIGINT and SIGTERM end this task. What then takes too long is cut off: the journal allows it."""
    running = asyncio.current_task()
    assert running is not None

    def stop() -> None:
        deadline = threading.Timer(_GRACE, _give_up)
        deadline.daemon = True
        deadline.start()
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _give_up() -> None:
    sys.stderr.write(f"te: not stopped after {_GRACE} s; ending now, the next start settles what is open\n")
    os._exit(1)


async def _summarise(application: Application) -> None:
    """Print what runs, once the accounts have been read or a second has passed."""
    for _ in range(_LOOKS):
        if all(_is_settled(account) for account in application.state()["accounts"].values()):
            break
        await asyncio.sleep(_LOOK)
    typer.echo("\n".join(_summary(application)))


def _is_settled(account: Any) -> bool:
    return account["equity"] is not None or account["status"] not in {"starting", "running"}


def _summary(application: Application) -> Iterator[str]:
    state = application.state()
    yield f"trade-engine {state['engine']['version']} is running, pid {os.getpid()}"
    yield f"  settings {application.place.settings}, state in {application.place.state}"
    for name, source in state["sources"].items():
        listens = _webhook(application, name) is not None
        where = f"  {application.servers.public.url}/hooks/{name}/…" if listens else ""
        yield _line("source", name, source, where)
    for name, account in state["accounts"].items():
        yield _line("account", name, account, f"  equity {account['equity']}" if account["equity"] else "")
    for plugin in state["plugins"]:
        if plugin["reason"]:
            yield f"  plugin {plugin['name']} ({plugin['distribution'] or 'not installed'}): {plugin['reason']}"
    yield f"  API at {application.servers.private.url}/api/v1/state"
    yield from _first_alert(application, state)


def _line(kind: str, name: str, instance: Any, more: str) -> str:
    reason = f" ({instance['reason']})" if instance["reason"] else ""
    return f"  {kind} {name} ({instance['plugin']}): {instance['status']}{reason}{more}"


def _webhook(application: Application, name: str) -> Any:
    settings = application.settings
    spec = application.registry.sources.get(settings.sources[name].plugin)
    return spec.webhook if spec is not None else None


def _first_alert(application: Application, state: Any) -> Iterator[str]:
    """Give a complete command for the first source that listens. It asks for the token when it is pasted."""
    from te_core.web.encoding import encode

    for name, section in application.settings.sources.items():
        webhook = _webhook(application, name)
        if webhook is None or state["sources"][name]["status"] != "running" or not section.symbols:
            continue
        example = encode(webhook.example(next(iter(section.symbols))))
        yield "An alert by hand:"
        yield (
            f'  curl -sS -X POST "$({_this_command(application.place)} source url {name})"'
            f" -H 'content-type: application/json' -d {shlex.quote(example)}"
        )
        return


def _this_command(place: Place) -> str:
    """Spell this very ``te`` with this very place, so that it works in another shell."""
    program = Path(sys.argv[0]).absolute()
    if program.name != "te":
        program = Path(sys.executable).with_name("te")
    home = os.environ.get("TE_HOME")
    prefix = f"TE_HOME={shlex.quote(str(Path(home).absolute()))} " if home else ""
    return f"{prefix}{shlex.quote(str(program))} --settings {shlex.quote(str(place.settings))}"
