"""The example of the README is a working plugin: discoverable, typed, with a table of codes."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from te_core.api import Capabilities
from te_core.testing.fakes import account_context
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.account import CcxtAccount
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.api import ErrorKind
from te_exchange_ccxt.api import ExchangeAdapter as Exported

README = Path(__file__).parents[1] / "README.md"
EXAMPLE = re.compile(r"^```python file=(?P<file>\S+)\n(?P<text>.*?)^```$", re.M | re.S)
KEYS = {"api_key": "K", "secret": "S", "passphrase": "P"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    example = EXAMPLE.search(README.read_text(encoding="utf-8"))
    assert example is not None
    path = tmp_path_factory.mktemp("readme") / example["file"]
    path.write_text(example["text"], encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def example(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_offers_an_exchange_whose_accounts_use_its_adapter(example: ModuleType, tmp_path: Path) -> None:
    (spec,) = example.te_exchanges()
    assert (spec.name, spec.currency_of(spec.settings(**KEYS))) == ("bitget", "USDT")
    assert isinstance(spec.capabilities, Capabilities)
    context = account_context(
        name="a", options=spec.settings(**KEYS), clock=VirtualClock(), state_dir=tmp_path
    )
    account = spec.factory(context)
    assert isinstance(account, CcxtAccount)
    adapter: ExchangeAdapter = account._adapter
    assert isinstance(adapter, example.BitgetAdapter)
    assert adapter.classify("40009", "sign signature error") is ErrorKind.SIGNATURE
    assert adapter.request_cost("POST", "v2/mix/order/place-order") == {"address": 1, "orders": 1}


def test_it_needs_nothing_but_the_public_api(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    sources = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {source for source in sources if source and source.startswith("te_")}
    assert ours == {"te_core.api", "te_exchange_ccxt.api"}
    assert Exported is ExchangeAdapter


def test_it_is_typed_strictly(file: Path) -> None:
    root = README.parents[2]  # whose cache already contains the core
    command = [sys.executable, "-m", "mypy", "--strict", str(file)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
