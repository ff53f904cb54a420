"""Settings as the frozen values that the pure rules take."""

from __future__ import annotations

from dataclasses import fields

from te_core.model.policy import AccountPolicy, Limits, SourcePolicy
from te_core.settings.schema import AccountSettings, GlobalLimitSettings, LimitSettings, Settings


def account_policy(section: AccountSettings) -> AccountPolicy:
    """Return what the rules need of an account's section."""
    return AccountPolicy(**{field.name: getattr(section, field.name) for field in fields(AccountPolicy)})


def source_policies(settings: Settings) -> dict[str, SourcePolicy]:
    """Return every source's policy by name. A source whose plugin is switched off is not enabled."""
    return {
        name: SourcePolicy(
            max_age=section.max_age,
            on_expiry=section.on_expiry,
            expect_every=section.expect_every,
            enabled=section.enabled and settings.plugin_enabled(section.plugin),
        )
        for name, section in settings.sources.items()
    }


def effective_limits(everywhere: GlobalLimitSettings, own: LimitSettings) -> Limits:
    """Return the stricter of two sets of limits, name by name."""
    pairs = {name: (getattr(everywhere, name), getattr(own, name)) for name in LimitSettings.model_fields}
    strictest = {name: min((v for v in pair if v is not None), default=None) for name, pair in pairs.items()}
    return Limits(total_exposure=everywhere.total_exposure, **strictest)
