"""``te doctor``: check whether the accounts work, and what to do if they do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.client import ask, running_engine, why_no_answer
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_json, print_note, show, table

_COLUMNS = ("severity", "check", "finding", "remedy")
_KEYS = ("severity", "check", "text", "remedy")


def doctor(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every account (credentials, modes, instruments, sizes), the machine and the listeners. Changes nothing.

    \b
    Example: te doctor
             te doctor --account bybit-main
    Exit code: 0 no errors (there may be warnings), 1 something is wrong
    """
    paths = Paths.of(context)
    answer = ask(paths, "/api/v1/doctor") if running_engine(paths) else _alone(paths)
    found, machine = answer["accounts"], answer.get("machine", [])
    if account is not None:
        if account not in found:
            raise Failure(f"no account {account} to check (known: {', '.join(found) or 'none'})")
        found, machine = {account: found[account]}, []
    if as_json:
        print_json({"accounts": found, "machine": machine})
    else:
        if machine:
            show(table("Machine", _COLUMNS, (tuple(one[key] for key in _KEYS) for one in machine)))
        show(table("Findings", ("account", *_COLUMNS), _rows(found)))
    if any(finding["severity"] == "error" for findings in (machine, *found.values()) for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def _rows(found: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for account, findings in found.items():
        for finding in findings:
            yield (account, *(finding[key] for key in _KEYS))


def _alone(paths: Paths) -> dict[str, Any]:
    """Connect to each account without an engine."""
    import asyncio
    import os

    from te_core.cli.instances import load, redactor_of
    from te_core.clock import SystemClock
    from te_core.errors import NotReady
    from te_core.logs import configure_logs
    from te_core.reporting.doctor import failed
    from te_core.reporting.doctor import show as shown
    from te_core.reporting.machine import Machine, examine_machine
    from te_core.secrets import redacted
    from te_core.web.exposure import exposure

    print_note(f"{why_no_answer(paths)}: connecting to the accounts from here")
    resolved, registry, _ = load(paths)
    redactor = redactor_of(resolved.settings, registry)
    configure_logs(resolved.settings.logs.model_copy(update={"file": None}), redactor, folder=paths.state)
    found = {
        name: [failed("plugin", NotReady(resolved.unavailable[f"accounts.{name}"]))]
        for name in resolved.settings.accounts
        if f"accounts.{name}" in resolved.unavailable
    }
    for name, options in resolved.account_options.items():
        section = resolved.settings.accounts[name]
        spec, folder = registry.exchanges[section.plugin], paths.state / "accounts" / name
        try:
            found[name] = asyncio.run(connected(folder, name, options, spec, resolved.settings))
        except Exception as error:  # noqa: BLE001 - reported and re-raised without secrets
            defect = redactor.redact(f"{type(error).__name__}: {error}")
            raise Failure(f"account {name}: plugin {section.plugin} has a defect: {defect}") from None
    here = Machine.here(settings=paths.settings, state=paths.state, env=os.environ, now=SystemClock().now())
    answer = {
        "accounts": {name: [shown(finding) for finding in findings] for name, findings in found.items()},
        "machine": [
            shown(finding)
            for finding in (*asyncio.run(examine_machine(here)), *exposure(resolved.settings.listen))
        ],
    }
    safe: dict[str, Any] = redacted(answer, redactor.redact)
    return safe


async def connected(folder: Path, name: str, options: Any, spec: Any, settings: Any) -> list[Any]:
    """Connect to one account and return the findings, including a failure to connect.

    ``folder``: where the account may store files; never that of a running engine.
    """
    from te_core.clock import SystemClock
    from te_core.errors import TradeEngineError
    from te_core.reporting.doctor import examine, failed
    from te_core.runtime.lone_account import opened_account

    clock = SystemClock()
    try:
        async with opened_account(spec, options, name=name, folder=folder, clock=clock) as account:
            own, holds = settings.accounts[name], spec.capabilities_of(options).stops
            return await examine(account, own, settings.symbols, clock, holds_stops=holds)
    except TradeEngineError as error:
        return [failed("connection", error)]
