"""Small real packages in a folder on the import path of an engine's process: a module and its metadata."""

from __future__ import annotations

import textwrap

from tests.end_to_end.home import Home

WITNESS = """
    from te_core.api import Capabilities, ExchangeSpec, hookimpl
    from te_exchange_paper.account import PaperAccount
    from te_exchange_paper.options import PaperOptions
    from te_exchange_paper.plugin import CAPABILITIES

    class Witness(PaperAccount):
        async def open(self):
            await super().open()
            self._context.log.info("opened")

        async def close(self):
            self._context.log.info("closed")
            await super().close()

    @hookimpl
    def te_exchanges():
        yield ExchangeSpec(
            name=NAME, settings=PaperOptions, factory=Witness, capabilities=CAPABILITIES
        )
"""
"""A paper account that reports when it is opened and closed, so that a restart is noticed."""


def install(
    home: Home,
    name: str,
    code: str = WITNESS,
    *,
    distribution: str = "",
    requires: tuple[str, ...] = ("te-core>=0.1",),
) -> None:
    """Put a distribution into the home's site folder. Its code may use ``NAME``, the plugin's name."""
    distribution = distribution or f"te-test-{name}"
    module = distribution.replace("-", "_")
    home.site.mkdir(exist_ok=True)
    (home.site / f"{module}.py").write_text(f"NAME = {name!r}\n{textwrap.dedent(code)}")
    info = home.site / f"{module}-1.2.3.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n{needs}")
    (info / "entry_points.txt").write_text(f"[trade_engine.plugins]\n{name} = {module}\n")
