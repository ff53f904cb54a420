"""A problem is reported with file, line, key, value, reason and the nearest known key; never with a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from te_core.errors import ConfigError
from te_core.plugins.registry import Registry
from te_core.settings.problems import SettingsInvalid
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from tests.settings.conftest import SETTINGS, Folder, unused

Load = Callable[..., Settings]


def problems(
    load: Load, settings: str = SETTINGS, secrets: str | None = None, **env: str
) -> list[ConfigError]:
    with pytest.raises(SettingsInvalid) as refused:
        load(settings, secrets, **env)
    return list(refused.value.problems)


def the_only(load: Load, settings: str = SETTINGS, secrets: str | None = None, **env: str) -> ConfigError:
    (problem,) = problems(load, settings, secrets, **env)
    return problem


def test_a_missing_file(folder: Folder) -> None:
    with pytest.raises(
        SettingsInvalid, match="no such file: create one with te init, or name it with --settings"
    ):
        folder.load()


def test_an_empty_file(load: Load) -> None:
    assert "the file is empty" in the_only(load, " \n").reason


def test_a_binary_file(folder: Folder) -> None:
    folder.file.write_bytes(b"[engine]\nx = '\xff'\n")
    with pytest.raises(SettingsInvalid, match=r"settings\.toml: not UTF-8 text \(byte 14\)"):
        folder.load()


def test_a_file_that_may_not_be_read(folder: Folder) -> None:
    folder.file.mkdir()
    with pytest.raises(SettingsInvalid, match=r"settings\.toml: cannot be read: Is a directory"):
        folder.load()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[engine]\nresync = \n", 2),
        ("[engine]\nstrict = tru", 2),
        ('[a]\nx = "open\n', 2),
        ("[engine\n", 1),
        ("a = 1\n\na = 2\n", 3),
        ('x = """\nopen', 2),
    ],
)
def test_a_syntax_error_has_its_line(load: Load, text: str, line: int) -> None:
    problem = the_only(load, text)
    assert problem.line == line
    assert problem.file.endswith("/settings.toml")
    assert "not TOML" in problem.reason


def test_syntax_errors_of_both_files_are_reported(load: Load) -> None:
    found = problems(load, "x = \n", "y = \n")
    assert [Path(problem.file).name for problem in found] == ["settings.toml", ".secrets.toml"]


def test_everything_is_reported_at_once(load: Load) -> None:
    text = """\
[engine]
resync = "soon"

[sources.oracle]
plugin = "oracle"
symbols = { "BTCUSDT.P" = "btc/usdt" }

[accounts.paper]
plugin = "acme"
enabled = "perhaps"
rebalanse = "band"

[accounts.paper.limits]
leverge = 3

[accounts.other]

[symbols.BTCUSDT]
weights = { oracle = 0.7, other = 0.4 }

[symbols.ethusdt]
"""
    found = {problem.key: problem for problem in problems(load, text)}
    assert {key: (problem.line, problem.value) for key, problem in found.items()} == {
        "engine.resync": (2, "soon"),
        'sources.oracle.symbols."BTCUSDT.P"': (6, "btc/usdt"),
        "accounts.paper.enabled": (10, "perhaps"),
        "accounts.paper.limits.leverge": (14, None),
        "accounts.other.plugin": (16, None),
        "symbols.BTCUSDT.weights": (19, None),
        "symbols.ethusdt": (21, None),
    }
    assert "did you mean 'leverage'?" in found["accounts.paper.limits.leverge"].reason
    assert "add up to 1.1" in found["symbols.BTCUSDT.weights"].reason
    assert found["accounts.other.plugin"].reason == "is missing"


@pytest.mark.parametrize(
    ("typo", "hint"),
    [
        ("[enginee]\n", "did you mean 'engine'?"),
        ("[engine]\nresinc = 1\n", "did you mean 'resync'?"),
        ("[listen.publik]\n", "did you mean 'public'?"),
        ("[Sources.x]\nplugin='x'\n", "did you mean 'sources'?"),
        ("[zzz]\n", "known: accounts, breakers, engine, groups, journal"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(load: Load, typo: str, hint: str) -> None:
    assert hint in the_only(load, typo).reason


def test_a_weight_of_an_unknown_source_names_the_nearest(load: Load) -> None:
    text = SETTINGS + "[symbols.ETHUSDT]\nweights = { oracel = 0.1, nobody = 0.1 }\n"
    first, second = problems(load, text)
    assert (first.key, first.line) == ("symbols.ETHUSDT.weights.oracel", 13)
    assert first.reason == "there is no [sources.oracel]; did you mean 'oracle'?"
    assert second.reason == "there is no [sources.nobody] (known: oracle)"


def test_a_variable_is_named_as_the_place(load: Load) -> None:
    problem = the_only(load, TE_ENGINE__RESYNC="soon")
    assert str(problem).startswith("environment variable TE_ENGINE__RESYNC: engine.resync = 'soon': ")


def test_an_unknown_variable_is_refused(load: Load) -> None:
    assert "TE_LISTEN__PUBLIC__PROT" in (problem := the_only(load, TE_LISTEN__PUBLIC__PROT="1")).file
    assert "did you mean 'port'?" in problem.reason


def test_a_line_is_found_behind_texts_that_look_like_keys(load: Load) -> None:
    text = (
        '[sources.s]\nplugin = "x"\nnote = """\nmax_age = 1\n[engine]\nresync = 2\n"""\n'
        'list = [\n  "a = 1",\n  "[b]",\n]\nmax_age = "never"\n'
    )
    problem = the_only(load, text)
    assert (problem.key, problem.line) == ("sources.s.max_age", 12)


def test_the_line_is_that_of_the_file_which_won(load: Load) -> None:
    problem = the_only(load, "[engine]\nresync = 5\n", "# one\n[engine]\n\nresync = 'x'\n")
    assert (Path(problem.file).name, problem.line) == (".secrets.toml", 4)


# -- a plugin's own options


def resolution_problems(load: Load, registry: Registry, text: str, secrets: str = "") -> list[ConfigError]:
    with pytest.raises(SettingsInvalid) as refused:
        resolve(load(text, secrets), registry)
    return list(refused.value.problems)


def test_options_are_refused_with_their_place(load: Load, registry: Registry) -> None:
    text = '[accounts.a]\nplugin = "acme"\nbalance = "much"\nendpoint.url = 5\nhosts = ["x", 3]\n'
    found = resolution_problems(load, registry, text)
    assert [(p.key, p.line, p.value) for p in found] == [
        ("accounts.a.balance", 3, "much"),
        ("accounts.a.endpoint.url", 4, 5),
        ("accounts.a.hosts.1", 5, 3),
    ]


@pytest.mark.parametrize(
    ("line", "key", "hint"),
    [
        ("balanse = 1", "accounts.a.balanse", "did you mean 'balance'?"),
        ("enabeld = false", "accounts.a.enabeld", "did you mean 'enabled'?"),
        (
            'endpoint = { url = "u", pasword = "x" }',
            "accounts.a.endpoint.pasword",
            "did you mean 'password'?",
        ),
    ],
    ids=["the plugin's own", "the core's", "a nested one"],
)
def test_unknown_options_that_a_model_ignores_are_refused(
    load: Load, registry: Registry, line: str, key: str, hint: str
) -> None:
    (problem,) = resolution_problems(load, registry, f'[accounts.a]\nplugin = "acme"\n{line}\n')
    assert (problem.key, problem.line, problem.value) == (key, 3, None)
    assert hint in problem.reason


def test_an_option_that_the_model_forbids_is_reported_once(load: Load, registry: Registry) -> None:
    text = '[sources.o]\nplugin = "oracle"\ntoken = "t"\nwindw = 3\n'
    (problem,) = resolution_problems(load, registry, text)
    assert (problem.key, problem.line) == ("sources.o.windw", 4)
    assert "did you mean 'window'?" in problem.reason


# -- no secret in any of it

SECRET = "hunter2-swordfish"


ANYWHERE = [
    f'[accounts.a]\napi_kye = "{SECRET}"\n',
    f'[accounts.a]\napi_key = ["{SECRET}"]\n',
    f'[accounts.a]\nplugin = ["{SECRET}"]\n',
    f'[accounts.a]\nplugin = "acme"\nendpoint = {{ password = ["{SECRET}"] }}\n',
    f'[listen.private]\nhost = "0.0.0.0"\ntoken = "{SECRET}"\n',
    f'[listen.private]\ntoken = ["{SECRET}"]\n',
    f'tokn = "{SECRET}"\n',
    f'token = "{SECRET}"\ntoken = "{SECRET}"\n',
    f"token = {SECRET}\n",
    f'token = "{SECRET}\n',
]
IN_THE_SECRETS_FILE = [
    f'[accounts.a]\nplugin = "acme"\nbalance = "{SECRET}"\n',
    f'[accounts.a]\nplugin = "acme"\nendpoint = "{SECRET}"\n',
    f'[accounts.a]\nenabled = "{SECRET}"\n',
    f'[accounts]\na = "{SECRET}"\n',
    f'accounts = "{SECRET}"\n',
    f'[engine]\nresync = "{SECRET}"\n',
]


@pytest.mark.parametrize(
    ("file", "text"),
    [("settings.toml", text) for text in ANYWHERE]
    + [(".secrets.toml", text) for text in ANYWHERE + IN_THE_SECRETS_FILE],
)
def test_no_problem_shows_a_secret(load: Load, registry: Registry, file: str, text: str) -> None:
    base = '[accounts.b]\nplugin = "acme"\n'
    texts = (text + base, None) if file == "settings.toml" else (base, text)
    with pytest.raises(SettingsInvalid) as refused:
        resolve(load(*texts), registry)
    told = f"{refused.value} {refused.value.problems!r} {[vars(p) for p in refused.value.problems]}"
    assert SECRET not in told
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_a_validator_that_quotes_the_secret_is_masked(load: Load) -> None:
    from pydantic import BaseModel, SecretStr, field_validator

    from te_core.contracts.exchange import ExchangeSpec

    class Leaky(BaseModel):
        key: SecretStr

        @field_validator("key")
        @classmethod
        def _check(cls, value: SecretStr) -> SecretStr:
            raise ValueError(f"key {value.get_secret_value()!r} is too short")

    registry = Registry.of(ExchangeSpec(name="leaky", settings=Leaky, factory=unused))
    for secret in (SECRET, "abc"):
        (problem,) = resolution_problems(
            load, registry, f'[accounts.a]\nplugin = "leaky"\nkey = "{secret}"\n'
        )
        assert problem.reason == "key '***' is too short"
        assert problem.value == "***"


def test_settings_do_not_show_options_or_origins(load: Load) -> None:
    settings = load('[accounts.a]\nplugin = "acme"\n', f'[accounts.a]\napi_key = "{SECRET}"\n')
    assert settings.accounts["a"].options == {"api_key": SECRET}
    assert SECRET not in repr(settings)
    assert SECRET not in repr(settings.origin)
    assert SECRET not in settings.model_dump_json()
    assert [secret.get_secret_value() for secret in settings.origin.secrets] == [SECRET]


def test_a_share_of_a_group_that_is_not_listed_is_refused(load: Load) -> None:
    text = "[groups]\nmajors = ['BTCUSDT']\n[accounts.a]\nplugin = 'p'\nlimits.group_share.major = 2\n"
    problem = the_only(load, text)
    assert problem.reason == "there is no groups.major; did you mean 'majors'?"
    assert problem.key == "accounts.a.limits.group_share.major"


@pytest.mark.parametrize(
    "hours", ["24h", "25:00-26:00", "22:00", "mon-xyz", "22:00-22:00", "sat Mars/Olympus", ""]
)
def test_hours_that_cannot_be_read_are_refused_with_examples(load: Load, hours: str) -> None:
    problem = the_only(load, f"[symbols.BTCUSDT]\nno_increases = ['{hours}']\n")
    assert "unknown time zone" in problem.reason or "write '22:00-06:00'" in problem.reason


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ('listen.public = "0.0.0.0:80"', "listen.public", "must be a table, such as [listen.public]"),
        ('symbols = "BTCUSDT"', "symbols", "must be a table, such as [symbols]"),
        ("sources.tv = 3", "sources.tv", "must be a table, such as [sources.tv]"),
        ('[symbols.BTCUSDT]\nweights = "tv"', "symbols.BTCUSDT.weights", "must be a table"),
        (
            'notifiers.n = { plugin = "x", kinds = "outage" }',
            "notifiers.n.kinds",
            'must be a list, such as ["outage"]',
        ),
        (
            '[listen.public]\ntrusted_proxies = "10.0.0.1"',
            "listen.public.trusted_proxies",
            'such as ["10.0.0.1"]',
        ),
        ("[engine]\nresync = []", "engine.resync", "must be a number of seconds or a text such as '30s'"),
        ('[engine]\nstrict = "maybe"', "engine.strict", "must be true or false"),
        ('[symbols.BTCUSDT]\nleverage = "two"', "symbols.BTCUSDT.leverage", "must be a whole number"),
        ("[symbols.BTCUSDT]\nleverage = 2.5", "symbols.BTCUSDT.leverage", "must be a whole number"),
        ("[symbols.BTCUSDT]\nleverage = 0", "symbols.BTCUSDT.leverage", "must be greater than or equal to 1"),
        ('[limits]\ntotal_exposure = "lots"', "limits.total_exposure", "must be a number"),
        ("[listen.public]\nport = 70000", "listen.public.port", "must be less than or equal to 65535"),
        ("[accounts.a]\nplugin = 3", "accounts.a.plugin", "must be a text in quotes"),
    ],
)
def test_reasons_speak_of_the_file_not_of_python(load: Load, text: str, key: str, reason: str) -> None:
    found = [problem for problem in problems(load, text + "\n") if problem.key == key]
    assert found, [str(problem) for problem in problems(load, text + "\n")]
    assert reason in found[0].reason
    words = (
        "dictionary",
        "tuple",
        "timedelta",
        "instance",
        "Settings",
        "Input",
        "boolean",
        "decimal",
        "parse",
    )
    assert not [word for word in words for problem in found if word in problem.reason]
