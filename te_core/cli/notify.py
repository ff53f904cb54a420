"""``te notify``: send a test through a notifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.complete import notifier_names
from te_core.cli.failure import Failure
from te_core.cli.output import print_lines, print_note

if TYPE_CHECKING:
    from te_core.contracts.notifier import Notifier
    from te_core.secrets import Redact


def notify(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="The notifier's name in the settings.", show_default=False, autocompletion=notifier_names
        ),
    ],
    text: Annotated[str, typer.Option(help="Text to send.")] = "a test: this notifier works",
) -> None:
    """Send a test message through a notifier, whether an engine is running or not.

    \b
    Example: te notify phone
    """
    import asyncio

    paths = Paths.of(context)
    other = asyncio.run(_send(paths, name, text))
    print_lines(f"{name} accepted it")
    if other:
        print_note(f"this tested the code that is installed now, not what the running engine uses: {other}")


async def _send(paths: Paths, name: str, text: str) -> str:
    """Send the message; return how the installed code differs from the running engine's, empty if it does not."""
    from te_core.clock import SystemClock
    from te_core.errors import TradeEngineError, described
    from te_core.http_session import http_session
    from te_core.model.event import Event

    async with http_session() as session:
        notifier, redact, other = await _made(paths, name, lambda: session)
        try:
            await notifier.notify(Event(at=SystemClock().now(), kind="test", text=text))
        except TradeEngineError as error:
            raise _failed(name, redact(str(error))) from None
        except Exception as error:  # noqa: BLE001 - reported and re-raised without secrets
            raise _failed(name, redact(f"its plugin has a defect: {described(error)}")) from None
        finally:
            await notifier.close()
    return other


def _failed(name: str, reason: str) -> Failure:
    return Failure(f"notifier {name}: {reason}", next_step="fix that, then try again")


async def _made(paths: Paths, name: str, http: Any) -> tuple[Notifier, Redact, str]:
    from loguru import logger

    from te_core.cli.instances import loaded, redactor_of
    from te_core.cli.running_plugins import other_code
    from te_core.clock import SystemClock
    from te_core.contracts.notifier import NotifierContext
    from te_core.errors import NotReady
    from te_core.logs import configure_logs
    from te_core.runtime.instances import make_folder

    resolved, registry = await loaded(paths)
    redactor = redactor_of(resolved.settings, registry)
    configure_logs(resolved.settings.logs.model_copy(update={"file": None}), redactor, folder=paths.state)
    options = resolved.notifier_options.get(name)
    if options is None:
        reason = resolved.unavailable.get(f"notifiers.{name}", "it is not in the settings, or is disabled")
        known = ", ".join(resolved.notifier_options) or "none"
        raise Failure(f"notifier {name}: {reason}", next_step=f"notifiers that can run: {known}")
    spec = registry.notifiers[resolved.settings.notifiers[name].plugin]
    folder = paths.state / "notifiers" / name
    try:
        make_folder(folder)
    except NotReady as error:
        raise _failed(name, str(error)) from None
    made: Notifier = spec.factory(
        NotifierContext(
            name=name,
            options=options,
            clock=SystemClock(),
            log=logger,
            state_dir=folder,
            http=http,
        )
    )
    return made, redactor.redact, other_code(paths, registry, spec.name)
