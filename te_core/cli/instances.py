"""Loads the settings together with the plugins they name, for commands that need the plugins' specs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from te_core.app import used_plugins
from te_core.app.paths import Paths
from te_core.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from te_core.plugins.loading import InstanceSpec
    from te_core.plugins.registry import Registry
    from te_core.secrets import Redact, Redactor
    from te_core.settings.layers import Texts
    from te_core.settings.resolution import Resolved
    from te_core.settings.schema import Settings
    from te_core.settings.section import PluginSection


def load(
    paths: Paths, *, as_at_start: bool = False, texts: Texts | None = None
) -> tuple[Resolved, Registry, list[str]]:
    """Read the settings and import the plugins that they name. Raises ``SettingsInvalid``.

    ``as_at_start``: treat secrets that ``te run`` would create as present, and return their keys as the third item.
    ``texts``: use these texts instead of the files.
    """
    import asyncio

    from te_core.settings.resolution import resolve
    from te_core.settings.secrets import missing_secrets, random_secret

    settings, registry = asyncio.run(_imported(paths, texts))
    pending = list(missing_secrets(settings, registry)) if as_at_start else []
    for source, option in pending:
        settings.sources[source].options[option] = random_secret()
    return resolve(settings, registry), registry, [f"sources.{source}.{option}" for source, option in pending]


async def loaded(paths: Paths) -> tuple[Resolved, Registry]:
    """Load the same from within an event loop."""
    from te_core.settings.resolution import resolve

    settings, registry = await _imported(paths)
    return resolve(settings, registry), registry


async def _imported(paths: Paths, texts: Texts | None = None) -> tuple[Settings, Registry]:
    from te_core.plugins.registry import Registry
    from te_core.settings.layers import read
    from te_core.settings.loading import settings_from

    settings = settings_from(texts or read(paths.settings), os.environ)
    registry = Registry(used=used_plugins.read(paths.state))
    registry.look_in(settings.plugins_folder(paths.settings.parent))
    await registry.ensure(settings.plugins_in_use(), settings.pinned_plugins())
    return settings, registry


def redactor_of(settings: Settings, registry: Registry) -> Redactor:
    """Return a redactor that knows every secret in the settings, whether or not they are valid."""
    from te_core.secrets import Redactor
    from te_core.settings import fields

    redactor = Redactor(secret.get_secret_value() for secret in settings.origin.secrets)
    groups: tuple[tuple[Mapping[str, PluginSection], Mapping[str, InstanceSpec]], ...] = (
        (settings.sources, registry.sources),
        (settings.accounts, registry.exchanges),
        (settings.notifiers, registry.notifiers),
        (settings.risk_checks, registry.risk_checks),
        (settings.observers, registry.observers),
    )
    for sections, specs in groups:
        for section in sections.values():
            if spec := specs.get(section.plugin):
                nodes = fields.walk((spec.settings,), section.options)
                redactor.add_together(
                    text
                    for node in nodes
                    if fields.is_secret(node.shape)
                    for text in fields.texts(node.value)
                )
    return redactor


def redact_for(paths: Paths) -> Redact:
    """Return a function that removes secrets from a text, such as the error of a plugin that failed to load."""
    from te_core.secrets import Redactor
    from te_core.settings.loading import load_settings
    from te_core.settings.problems import SettingsInvalid

    try:
        secrets = load_settings(paths.settings, os.environ).origin.secrets
    except SettingsInvalid:
        secrets = ()
    return Redactor(secret.get_secret_value() for secret in secrets).redact


def webhook_of(paths: Paths, name: str) -> str:
    """Return a source's webhook address, token included: of the running engine, or else from the settings."""
    resolved, registry, _ = load(paths)
    return webhook_in(resolved, registry, paths, name)


def webhook_in(resolved: Resolved, registry: Registry, paths: Paths, name: str) -> str:
    """Return the same for settings that are already loaded."""
    from te_core.cli.client import running_engine
    from te_core.web.address import address

    sections = resolved.settings.sources
    options = resolved.source_options.get(name)
    spec = registry.sources.get(sections[name].plugin) if name in sections else None
    if options is None or spec is None or spec.webhook is None:
        reason = resolved.unavailable.get(f"sources.{name}", "it does not run, or accepts no webhooks")
        known = ", ".join(resolved.source_options) or "none"
        raise Failure(f"source {name}: {reason}", next_step=f"sources that can run: {known}")
    engine = running_engine(paths)
    public = resolved.settings.listen.public
    secure = public.certificate is not None
    base = engine.public if engine else address(public.host, public.port, secure=secure)
    return f"{base}/hooks/{name}{spec.webhook.path(options)}"
