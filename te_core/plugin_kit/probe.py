"""``python -m te_core.plugin_kit.probe NAME``: load a plugin as the engine does, and print what became of it as JSON.

A process of its own: the plugin's modules are imported as they are now, and nothing that they do reaches the caller.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

from pydantic import BaseModel, SecretStr

from te_core.contracts.command import CommandSpec
from te_core.plugins.discovery import discover
from te_core.plugins.loading import InstanceSpec, load
from te_core.plugins.report import PluginStatus
from te_core.settings.meanings import meaning_of


def probe(name: str, distribution: str) -> dict[str, Any]:
    """Load that plugin of that distribution and describe it."""
    entries = [entry for entry in discover() if (entry.name, entry.distribution) == (name, distribution)]
    if not entries:
        return {"status": str(PluginStatus.MISSING), "reason": "its metadata is not found", "specs": []}
    loaded = load(entries[0])
    specs = [described(spec) for spec in loaded.specs if not isinstance(spec, CommandSpec)]
    return {**loaded.report.as_json(), "specs": specs}


def described(spec: InstanceSpec) -> dict[str, Any]:
    """Return what a check and a first settings file need to know of a spec."""
    model = spec.settings
    summary = model.__doc__ or ""
    return {
        "kind": spec.kind,
        "summary": spec.summary,
        "refuses_unknown": model.model_config.get("extra") == "forbid",
        "options": [
            {
                "name": field.alias or name,
                "required": field.is_required(),
                "secret": "SecretStr" in str(field.annotation) or field.annotation is SecretStr,
                "meaning": meaning_of(model, name)
                or _of_table(field.annotation)
                or (f"see {model.__name__}" if f"``{name}``" in summary else ""),
            }
            for name, field in model.model_fields.items()
        ],
    }


def _of_table(annotation: object) -> str:
    """Return the first sentence about a table that has a model of its own; empty for any other field."""
    model = annotation if inspect.isclass(annotation) and issubclass(annotation, BaseModel) else None
    return ((model and model.__doc__) or "").partition("\n")[0]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(sys.argv[1], sys.argv[2])) + "\n")
