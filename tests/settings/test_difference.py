"""An edit is applied as a difference, which contains only what it changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.plugins.registry import Registry
from te_core.settings.difference import Changes, Difference, difference
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from tests.settings.conftest import acme, keyed, oracle

BASE = """\
[engine]
resync = 30
[listen.public]
port = 1
[sources.one]
plugin = "oracle"
token = "first token"
symbols = { A = "AA" }
[sources.two]
plugin = "oracle"
token = "second token"
[accounts.a]
plugin = "acme"
[accounts.b]
plugin = "acme"
[symbols.BTCUSDT]
leverage = 3
weights = { one = 0.5 }
[symbols.ETHUSDT]
weights = { two = 0.5 }
"""


@pytest.fixture
def change(load: Callable[..., Settings], registry: Registry) -> Callable[..., Difference]:
    """Return the difference from replacing a piece of the base."""

    def difference_of(old: str, new: str) -> Difference:
        assert old in BASE
        before = resolve(load(BASE), registry)
        return difference(before, resolve(load(BASE.replace(old, new, 1)), registry))

    return difference_of


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[engine]", "# only a comment\n[engine]", Difference()),
        ("weights = { one = 0.5 }", "weights = { one = 0.50 }", Difference()),
        ("0.5 }", "0.4 }", Difference(symbols=("BTCUSDT",))),
        ("leverage = 3", "leverage = 4", Difference(symbols=("BTCUSDT",))),
        ("[symbols.ETHUSDT]", "[symbols.SOLUSDT]", Difference(symbols=("ETHUSDT", "SOLUSDT"))),
        ('A = "AA"', 'A = "BB"', Difference(sources=Changes(rebuild=("one",)))),
        ("first token", "other token", Difference(sources=Changes(rebuild=("one",)))),
        ('"first token"', '"first token"\nmax_age = 5', Difference(sources=Changes(update=("one",)))),
        (
            '"second token"',
            '"second token"\nenabled = false',
            Difference(sources=Changes(stop=("two",))),
        ),
        ("[accounts.b]", "[accounts.c]", Difference(accounts=Changes(start=("c",), stop=("b",)))),
        (
            '[accounts.a]\nplugin = "acme"',
            '[accounts.a]\nplugin = "acme"\nenabled = false',
            Difference(accounts=Changes(update=("a",))),
        ),
        (
            '[accounts.a]\nplugin = "acme"',
            '[accounts.a]\nplugin = "acme"\nlimits.leverage = 2\nbalance = 5',
            Difference(accounts=Changes(rebuild=("a",))),
        ),
        (
            '[accounts.a]\nplugin = "acme"',
            '[accounts.a]\nplugin = "keyed"\napi_key = "k"\napi_secret = "s"',
            Difference(accounts=Changes(rebuild=("a",))),
        ),
        (
            "[engine]",
            "[plugins.acme]\nenabled = false\n[engine]",
            Difference(accounts=Changes(stop=("a", "b"))),
        ),
        ("resync = 30", "resync = 20", Difference(engine=True)),
        ("[engine]", "[limits]\nleverage = 2\n[engine]", Difference(limits=True)),
        ("[engine]", "[logs]\nlevel = 'DEBUG'\n[engine]", Difference(logs=True)),
        ("port = 1", "port = 2", Difference(restart=("listen.public",))),
        ("[engine]", "[journal]\nkeep = '1d'\n[engine]", Difference(restart=("journal",))),
    ],
)
def test_an_edit_touches(change: Callable[..., Difference], old: str, new: str, expected: Difference) -> None:
    found = change(old, new)
    assert found == expected
    assert bool(found) == (expected != Difference())


def test_at_first_everything_starts_and_nothing_needs_a_restart(
    load: Callable[..., Settings], registry: Registry
) -> None:
    found = difference(None, resolve(load(BASE), registry))
    assert found.sources == Changes(start=("one", "two"))
    assert found.accounts == Changes(start=("a", "b"))
    assert found.symbols == ("BTCUSDT", "ETHUSDT")
    assert found.restart == ()


def test_a_difference_describes_itself(change: Callable[..., Difference]) -> None:
    assert list(change("[accounts.b]", "[accounts.c]").lines()) == ["start accounts.c", "stop accounts.b"]
    assert list(change("port = 1", "port = 2").lines()) == [
        "listen.public has changed: restart the engine to apply it"
    ]


# -- in general

ACCOUNTS = st.fixed_dictionaries(
    {"plugin": st.sampled_from(["acme", "other"])},
    optional={"enabled": st.booleans(), "balance": st.integers(0, 2), "adopt": st.booleans()},
)
SOURCES = st.fixed_dictionaries(
    {"plugin": st.just("oracle"), "token": st.sampled_from(["t1", "t2"])},
    optional={"enabled": st.booleans(), "symbols": st.sampled_from([{}, {"A": "AA"}]), "on_expiry": st.just("flat")},
)  # fmt: skip
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "accounts": st.dictionaries(st.sampled_from("abc"), ACCOUNTS, max_size=3),
        "sources": st.dictionaries(st.sampled_from("stu"), SOURCES, max_size=3),
        "symbols": st.dictionaries(
            st.sampled_from(["AA", "BB"]), st.fixed_dictionaries({"leverage": st.integers(1, 2)}), max_size=2
        ),
        "plugins": st.dictionaries(
            st.just("acme"), st.fixed_dictionaries({"enabled": st.booleans()}), max_size=1
        ),
        "limits": st.fixed_dictionaries({"leverage": st.integers(1, 2)}),
    },
)


@st.composite
def resolved(draw: st.DrawFn) -> Resolved:
    return resolve(Settings.model_validate(draw(SETTINGS)), Registry.of(oracle(), acme(), keyed()))


@given(resolved())
def test_nothing_differs_from_itself(settings: Resolved) -> None:
    assert not difference(settings, settings)


@given(resolved(), resolved())
def test_no_difference_means_the_same_is_running(old: Resolved, new: Resolved) -> None:
    if not difference(old, new):
        assert old.source_options == new.source_options
        assert old.account_options == new.account_options
        assert old.settings.symbols == new.settings.symbols
        assert old.settings.limits == new.settings.limits


@given(resolved(), resolved())
def test_applying_a_difference_changes_only_the_named_instances(old: Resolved, new: Resolved) -> None:
    found = difference(old, new)
    for changes, before, after, kind in (
        (found.sources, old.source_options, new.source_options, "sources"),
        (found.accounts, old.account_options, new.account_options, "accounts"),
    ):
        running = dict(before)
        for name in changes.stop:
            del running[name]
        for name in changes.start:
            assert name not in running
            running[name] = after[name]
        for name in changes.rebuild:
            running[name] = after[name]
        assert running == after
        affected = {*changes.start, *changes.stop, *changes.rebuild, *changes.update}
        for name in running.keys() - affected:
            # An explicit default value changes the text, but not the instance.
            section, former = (getattr(settings.settings, kind)[name] for settings in (new, old))
            assert section.model_dump(exclude={"options"}) == former.model_dump(exclude={"options"})


@given(resolved(), resolved())
def test_the_way_back_is_the_mirror_image(old: Resolved, new: Resolved) -> None:
    there, back = difference(old, new), difference(new, old)
    for kind in ("sources", "accounts"):
        one, other = getattr(there, kind), getattr(back, kind)
        assert (one.start, one.stop) == (other.stop, other.start)
        assert (one.rebuild, one.update) == (other.rebuild, other.update)
    assert there.symbols == back.symbols
