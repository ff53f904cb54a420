"""What ``te run`` prints at the start: what is running, and how to send a first alert."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from te_core.app.application import Application
from te_core.app.paths import Paths
from te_core.contracts.source import WebhookSpec
from te_core.logs import print_lines
from te_core.reporting.queries import Queries
from te_core.web.encoding import encode

_POLL = 0.02
"""Seconds between two checks whether the accounts have been read."""


async def summarise(application: Application) -> None:
    """Print what is running, once the accounts have been read or a second has passed."""
    await until_connected(application.queries, 1)
    print_lines(*_summary(application))


async def until_connected(queries: Queries, seconds: float) -> None:
    """Wait until every account has been read or has failed, at most ``seconds``."""
    for _ in range(int(seconds / _POLL)):
        if all(_is_connected(account) for account in queries.state()["accounts"].values()):
            break
        await asyncio.sleep(_POLL)


def _is_connected(account: Any) -> bool:
    status: str = account["status"]
    return status != "starting" and (status != "running" or account["equity"] is not None)


def _summary(application: Application) -> Iterator[str]:
    state = application.queries.state()
    yield f"trade-engine {state['engine']['version']} is running, pid {os.getpid()}"
    yield f"  settings {application.paths.settings}, state in {application.paths.state}"
    for name, source in state["sources"].items():
        listens = _webhook(application, name) is not None
        where = f"  {application.servers.public.url}/hooks/{name}/…" if listens else ""
        yield _line("source", name, source, where)
    for name, account in state["accounts"].items():
        yield _line("account", name, account, f"  equity {account['equity']}" if account["equity"] else "")
    for plugin in state["plugins"]:
        if plugin["reason"]:
            yield f"  plugin {plugin['name']} ({plugin['distribution'] or 'not installed'}): {plugin['reason']}"
    yield f"  API at {application.servers.private.url}, with listen.private.token"
    yield from _first_alert(application, state)


def _line(kind: str, name: str, instance: Any, more: str) -> str:
    reason = f" ({instance['reason']})" if instance["reason"] else ""
    return f"  {kind} {name} ({instance['plugin']}): {instance['status']}{reason}{more}"


def _webhook(application: Application, name: str) -> Any:
    settings = application.settings
    spec = application.registry.sources.get(settings.sources[name].plugin)
    return spec.webhook if spec is not None else None


def _first_alert(application: Application, state: Any) -> Iterator[str]:
    for name, section in application.settings.sources.items():
        webhook = _webhook(application, name)
        if webhook is None or state["sources"][name]["status"] != "running" or not section.symbols:
            continue
        yield "An alert by hand:"
        yield f"  {first_alert(application.paths, name, webhook, next(iter(section.symbols)))}"
        return


def first_alert(paths: Paths, source: str, webhook: WebhookSpec[Any], symbol: str) -> str:
    """Return a complete command that sends an alert to a source. It fetches the token when it is run."""
    example = encode(webhook.example(symbol))
    return (
        f'curl -sS -X POST "$({this_command(paths)} source url {source})"'
        f" -H 'content-type: application/json' -d {shlex.quote(example)}"
    )


def this_command(paths: Paths) -> str:
    """Return the command line of this ``te`` with these paths, so that it works in any shell."""
    program = Path(sys.argv[0]).absolute()
    if program.name != "te":
        program = Path(sys.executable).with_name("te")
    home = os.environ.get("TE_HOME")
    prefix = f"TE_HOME={shlex.quote(str(Path(home).absolute()))} " if home else ""
    return f"{prefix}{shlex.quote(str(program))} --settings {shlex.quote(str(paths.settings))}"
