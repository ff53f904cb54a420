"""Exchanges that tests ask."""

from __future__ import annotations

from typing import cast

import pytest

from te_emulators.blofin.client import BlofinClient
from te_emulators.blofin.server import BlofinServer
from te_emulators.venues import server


@pytest.fixture
def blofin() -> BlofinClient:
    return BlofinClient(cast("BlofinServer", server("blofin")))
