"""What a check learns about a plugin's settings."""

from __future__ import annotations

from te_core.api import NotifierSpec
from te_core.plugin_kit.probe import described
from tests.plugin_kit.options import DocumentedOptions


def test_a_key_is_explained_under_it_or_in_its_description() -> None:
    spec = NotifierSpec(name="documented", settings=DocumentedOptions, factory=lambda _: None)  # type: ignore[arg-type,return-value]
    meanings = {option["name"]: option["meaning"] for option in described(spec)["options"]}
    assert meanings == {
        "under": "Stated under the key.",
        "described": "Stated in the field.",
        "summarised": "see DocumentedOptions",
        "silent": "",
        "table": "What a table of its own is for.",
        "silent_table": "",
    }
