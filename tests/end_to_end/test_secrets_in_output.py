"""Secrets sent through every input; then all output and every file of the engine is searched for them (I12)."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import signal
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import Home
from tests.end_to_end.packages import install

pytestmark = pytest.mark.real_clock

VAULT = """
    import base64
    import hmac
    import os
    from pydantic import BaseModel, SecretStr, field_validator
    from te_core.api import AuthError, ExchangeSpec, Finding, Severity, hookimpl
    from te_exchange_paper.account import PaperAccount
    from te_exchange_paper.options import PaperOptions
    from te_exchange_paper.plugin import CAPABILITIES

    class Login(BaseModel):
        password: SecretStr

    class VaultOptions(PaperOptions):
        api_key: SecretStr
        api_secret: SecretStr
        login: Login
        passphrase: SecretStr
        mood: str = "calm"

        @field_validator("api_key")
        @classmethod
        def _plausible(cls, value):
            if "rejected" in value.get_secret_value():
                raise ValueError(f"this is not a key: {value.get_secret_value()}")
            return value

    class Vault(PaperAccount):
        def _secrets(self):
            options = self._context.options
            return [s.get_secret_value() for s in (options.api_key, options.api_secret, options.login.password)]

        def _echo(self):
            # What an exchange answers to a wrong request: the passphrase, its digest, this request's signature.
            options = self._context.options
            short, secret = options.passphrase.get_secret_value(), options.api_secret.get_secret_value()
            digest = hmac.digest(secret.encode(), short.encode(), "sha256")
            headers = {"KC-API-PASSPHRASE": base64.b64encode(digest).decode(), "KC-API-SIGN": "<signature>"[::-1]}
            return f'{{"msg": "Invalid passphrase {short}", "p": "{short}", "hex": "{digest.hex()}"}} {headers}'

        async def diagnose(self):
            echo = self._echo()
            return [Finding(severity=Severity.WARNING, check="key", text=echo, remedy=f"not {echo}")]

        async def open(self):
            key, secret, password = self._secrets()
            self._context.log.warning("{}", self._echo())
            self._context.log.bind(echo=[self._echo()]).info("bound")
            self._context.outages.failing("vault", self._echo())
            self._context.outages.well("vault")
            self._context.log.info("signing in with {} {}", key, secret)
            self._context.log.bind(headers={"X-Sign": secret, "by": [password]}).debug("bound")
            try:
                raise LookupError(f"no session for {password}")
            except LookupError:
                self._context.log.exception("trying again with {}", key)
            self._context.log.info("my mood is {}", self._options.mood)
            if self._options.mood == "refused":
                raise AuthError(f"the exchange refused {key}:{secret} {self._echo()}")
            if self._options.mood == "defective":
                raise RuntimeError(f"https://exchange.example/?sign={secret}&key={key}", self._echo())
            await super().open()

        async def place_order(self, order):
            if self._options.mood == "moody":
                raise RuntimeError(f"POST {self._secrets()} failed {self._echo()}")
            return await super().place_order(order)

    @hookimpl
    def te_exchanges():
        yield ExchangeSpec(name=NAME, settings=VaultOptions, factory=Vault, capabilities=CAPABILITIES)
"""
CRIER = """
    from urllib.parse import urlsplit
    from pydantic import BaseModel, SecretStr
    from te_core.api import Notifier, NotifierSpec, NotReady, hookimpl

    class CrierOptions(BaseModel):
        url: SecretStr

    class Crier(Notifier):
        def __init__(self, context):
            self._url = urlsplit(context.options.url.get_secret_value())
            self._log = context.log

        async def notify(self, event):
            self._log.info("posting to {} with {}", self._url.path, self._url.query)
            raise NotReady(f"POST {self._url.path}?{self._url.query}: no service {self._url.path.split('/')[-1]}")

    @hookimpl
    def te_notifiers():
        yield NotifierSpec(name=NAME, settings=CrierOptions, factory=Crier)
"""
"""Reports the parts of its address, as HTTP libraries do in their errors."""

TELLTALE = """
    import os
    raise RuntimeError("cannot sign in with " + os.environ["TE_ACCOUNTS__VAULT__API_SECRET"])
"""

CANARIES = {
    name: f"canary-{name}-Zq7xW4vT9bN2"
    for name in (
        "token",
        "second-token",
        "replaced-token",
        "wrong-in-path",
        "wrong-in-query",
        "wrong-in-body",
        "private-api",
        "wrong-bearer",
        "api-key",
        "tried-key",
        "api-secret",
        "password",
        "new-api-key",
        "rejected-key",
        "misspelled-key",
        "unfinished-key",
        "number-for-key",
        "field-api-key",
        "field-secret",
        "field-nested",
        "signature",
        "address-path",
        "address-query",
    )
}
CANARIES["short"] = "q7Zx"
DIGEST = hmac.digest(CANARIES["api-secret"].encode(), CANARIES["short"].encode(), "sha256")
CANARIES |= {"digest": base64.b64encode(DIGEST).decode(), "hex-digest": DIGEST.hex()}


def secrets_file(**replaced: str) -> str:
    names = {name.replace("-", "_"): value for name, value in CANARIES.items()} | replaced
    return (
        f'[sources.tradingview]\ntoken = "{names["token"]}"\ntokens = ["{names["second_token"]}"]\n'
        f'[accounts.vault]\napi_key = "{names["api_key"]}"\nlogin = {{ password = "{names["password"]}" }}\n'
        f'passphrase = "{names["short"]}"\n'
        f'[notifiers.crier]\nurl = "http://127.0.0.1:9/hooks/{names["address_path"]}?code={names["address_query"]}"\n'
        f'[listen.private]\ntoken = "{names["private_api"]}"\n'
    )


class Outlets:
    """Everything that was sent in and what came back."""

    def __init__(self, home: Home, engine: EngineProcess) -> None:
        self.home = home
        self.engine = engine
        self.answers: list[str] = []

    def send(self, method: str, path: str, body: object = None, **headers: str) -> int:
        address = urlsplit(self.engine.announcement()["public"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, body=raw, headers=headers)
        response = connection.getresponse()
        self.answers += [str(response.getheaders()), response.read().decode()]
        connection.close()
        return response.status

    def ask(self, path: str, bearer: str = CANARIES["private-api"]) -> str:
        _, body = self.engine.get(path, Authorization=f"Bearer {bearer}")
        self.answers.append(json.dumps(body))
        return self.answers[-1]

    def ask_everything(self) -> None:
        for path in (
            "state",
            "plan",
            "plugins",
            "signals?limit=1000",
            "quarantine?limit=1000",
            "explain/BTCUSDT",
            "doctor",
        ):
            self.ask(f"/api/v1/{path}")
        self.ask("/readyz")
        self.ask("/healthz")
        self.ask("/api/v1/state", bearer=CANARIES["wrong-bearer"])

    def refused(self) -> str:
        """Return the engine's reason for refusing the settings as they are now."""
        return "".join(json.loads(self.ask("/api/v1/state"))["settings"]["refused"])

    def until_refused(self, told: str) -> None:
        self.engine.wait(lambda: told in self.refused())

    def run(self, *command: str) -> None:
        done = te(self.home, *command)
        self.answers += [done.stdout, done.stderr]

    def run_everything(self) -> None:
        for command in ("status", "plan", "plugins", "signals", "doctor"):
            self.run(command, "--json")
        for command in ("status", "plugins", "check"):
            self.run(command)
        self.run("signals", "--quarantine", "--limit", "1000", "--json")
        self.run("explain", "BTCUSDT", "--json")
        self.run("notify", "crier")
        self.run("configure", "telltale", "--set", "balance=1")
        self.run("settings", "history")
        self.run("settings", "undo", "--yes")
        self.run("configure", "credentials", "--set", f"vault.api_key={CANARIES['tried-key']}")
        self.run("halt", "--reason", "a test")
        self.run("resume", "--yes")
        self.run("telltale", "--help")
        self.run("upgrade-check")
        self.run("backup", str(self.home.folder.parent / f"backup-{len(self.answers)}"))


def alerts() -> Iterator[tuple[int, str, object, dict[str, str]]]:
    """Yield (expected status, path, body, headers): the valid token everywhere, wrong ones everywhere."""
    token, second = CANARIES["token"], CANARIES["second-token"]
    wrong = {where: CANARIES[f"wrong-in-{where}"] for where in ("path", "query", "body")}
    good = {"symbol": "BTCUSDT.P", "direction": "long", "size": "50/100", "price": "50000"}
    named_like_secrets = {
        "api_key": CANARIES["field-api-key"],
        "secret": CANARIES["field-secret"],
        "auth": {"signalToken": CANARIES["field-nested"], "list": [{"passphrase": CANARIES["field-nested"]}]},
    }
    hook = "/hooks/tradingview"
    yield 200, f"{hook}/{token}", good | {"event_id": "in path"}, {}
    yield 200, f"{hook}?token={second}", good | {"event_id": "in query"}, {}
    yield 200, hook, good | {"event_id": "in body", "token": token}, {}
    yield 200, f"{hook}/{token}", good | {"comment": f"sent with {token}", token: "1"}, {}
    yield 200, f"{hook}/{token}", good | {"event_id": "5", "signal_seq": f"run-{token}-1"}, {}
    yield (
        200,
        f"{hook}/{token}",
        good | {"event_id": "6", "comment": f"pass {CANARIES['short']} and {token}"},
        {},
    )
    yield 200, f"{hook}/{token}", good | {"event_id": "7", "signal_seq": CANARIES["short"]}, {}
    yield 200, f"{hook}/{token}", good | named_like_secrets, {"Authorization": f"Bearer {second}"}
    yield 200, f"{hook}/{token}", good | {"event_id": second, "token": wrong["body"]}, {}
    for bad in (
        {"symbol": token, "direction": "long"},
        good | {"size": second},
        good | {"direction": "up", "comment": token, "token": second},
        good | {"size": "2/1"} | named_like_secrets,
        good | {"size": "2/1", "token": wrong["body"]},
        {token: second},
        good | {"direction": CANARIES["short"], CANARIES["short"]: "1"},
    ):
        yield 422, f"{hook}/{token}", bad, {}
    yield 400, f"{hook}/{token}", f'{{"symbol": "BTCUSDT", {token}'.encode(), {}
    yield 400, f"{hook}?token={token}", f"token={token}&secret={second}".encode(), {}
    yield 400, f"{hook}/{token}", f'{{"api_key": "{CANARIES["field-api-key"]}", '.encode(), {}
    yield 401, f"{hook}/{wrong['path']}", good, {}
    yield 401, f"{hook}?token={wrong['query']}", good, {}
    yield 401, hook, good | {"token": wrong["body"]}, {}
    yield 401, hook, f'{{"token": "{wrong["body"]}'.encode(), {}
    yield 404, f"/hooks/{token}", good, {}
    yield 404, f"/{token}", good, {}
    yield 413, f"{hook}/{token}", b"x" * 70_000, {}


def edits(home: Home) -> Iterator[tuple[str, str, str]]:
    """Yield (settings, secrets, what is reported): edits that are refused right next to secrets."""
    settings, secrets = home.settings.read_text(), secrets_file()
    misspelled = secrets.replace(
        "[accounts.vault]\n", f'[accounts.vault]\napi_keyy = "{CANARIES["misspelled-key"]}"\n'
    )
    yield settings, misspelled, "accounts.vault.api_keyy"
    yield settings, secrets_file(api_key=CANARIES["rejected-key"]), "this is not a key"
    unfinished = secrets + f'[accounts.other]\napi_key = "{CANARIES["unfinished-key"]}\n'
    yield settings, unfinished, "this is not TOML"
    a_list = secrets.replace(f'"{CANARIES["api-key"]}"', f'["{CANARIES["number-for-key"]}"]')
    yield settings, a_list, "accounts.vault.api_key"
    short = secrets.replace(f'"{CANARIES["token"]}"', f'"{CANARIES["replaced-token"]} with spaces"')
    yield settings, short, "sources.tradingview.token"
    yield settings.replace("leverage = 3", f'leverage = "{CANARIES["api-key"]}"'), secrets, "leverage"
    beside = settings.replace(
        "[accounts.vault]\n", f'[accounts.vault]\napi_key = "{CANARIES["rejected-key"]}"\nbalance = -1\n'
    )
    yield beside.replace("\nbalance = 1000\n", "\n"), secrets, "accounts.vault.balance"


@pytest.fixture
def outlets(home: Home, start: Callable[[Home], EngineProcess]) -> Outlets:
    install(home, "vault", VAULT.replace("<signature>", CANARIES["signature"][::-1]))
    install(home, "crier", CRIER)
    install(home, "telltale", TELLTALE)
    home.tree["accounts"]["vault"] = {"plugin": "vault", "balance": 1000, "fee": 0, "slippage": 0}
    home.tree["notifiers"] = {"crier": {"plugin": "crier"}}
    home.tree["accounts"]["telltale"] = {"plugin": "telltale"}
    home.tree["logs"] = {"level": "TRACE", "file": "engine.log"}
    home.env["TE_ACCOUNTS__VAULT__API_SECRET"] = CANARIES["api-secret"]
    home.write()
    home.write_secrets(secrets_file())
    return Outlets(home, start(home).until_listening())


def mood(outlets: Outlets, name: str, told: str = "") -> None:
    """Change how the account fails, and wait until its message is visible."""
    seen = outlets.home.log().count("my mood is")
    outlets.home.tree["accounts"]["vault"]["mood"] = name
    outlets.home.write()
    outlets.engine.wait(lambda: outlets.home.log().count("my mood is") > seen)
    outlets.engine.wait(lambda: told in outlets.ask("/api/v1/state"))
    outlets.ask_everything()


def found(outlets: Outlets) -> dict[str, set[str]]:
    """Search what came back, and every file but the two that the operator writes. Return the surroundings of each
    match."""
    positions = {f"answer {number}": text.encode() for number, text in enumerate(outlets.answers)}
    positions |= {
        str(path.relative_to(outlets.home.folder)): path.read_bytes() for path in outlets.home.files()
    }
    leaks: dict[str, set[str]] = {}
    for where, content in positions.items():
        for name, canary in CANARIES.items():
            at = content.find(canary.encode())
            if at >= 0:
                leaks.setdefault(name, set()).add(
                    f"{where.partition(' ')[0]}: …{content[max(0, at - 80) : at + 20]!r}"
                )
    return leaks


def test_no_secret_is_found_in_any_output_or_file(
    outlets: Outlets, start: Callable[[Home], EngineProcess]
) -> None:
    home = outlets.home
    for expected, path, body, headers in alerts():
        assert outlets.send("POST", path, body, **headers) == expected, (path, body)
    outlets.send("GET", f"/hooks/tradingview/{CANARIES['token']}")
    outlets.engine.wait(lambda: '"0.09"' in outlets.ask("/api/v1/state"))
    outlets.ask_everything()
    outlets.run_everything()

    mood(outlets, "refused", "the exchange refused")
    mood(outlets, "defective", "exchange.example")
    mood(outlets, "moody")
    outlets.send(
        "POST",
        f"/hooks/tradingview/{CANARIES['token']}",
        {"symbol": "BTCUSDT.P", "direction": "short", "size": "10/100"},
    )
    outlets.engine.wait(lambda: "failed" in outlets.ask("/api/v1/state"))
    mood(outlets, "calm")

    for settings, secrets, told in edits(home):
        home.settings.write_text(settings)
        home.write_secrets(secrets)
        outlets.until_refused(told)
        outlets.run("check")
    home.write()
    home.write_secrets(secrets_file(api_key=CANARIES["new-api-key"]))
    outlets.engine.wait(lambda: not outlets.refused())

    outlets.engine.kill()
    outlets.run_everything()
    for name in ("refused", "defective", "calm"):
        home.tree["accounts"]["vault"]["mood"] = name
        home.write()
        outlets.run("doctor")
    outlets.engine = start(home).until_listening()
    outlets.ask_everything()
    assert outlets.engine.stop(signal.SIGINT) == 0

    misspelled = {**home.env, "TE_ACCOUNTS__VAULT__API_SECRETT": CANARIES["misspelled-key"]}
    home.env = misspelled
    outlets.run("check")
    assert start(home).exit_code() == 2

    leaks = found(outlets)
    assert not leaks, "\n".join(
        f"{name}: {where}" for name, positions in leaks.items() for where in sorted(positions)
    )


def test_the_search_finds_what_is_there(outlets: Outlets) -> None:
    assert not found(outlets)
    (outlets.home.state / "note").write_text(f"it is {CANARIES['token']}")
    outlets.answers.append(CANARIES["password"])
    assert found(outlets).keys() == {"token", "password"}
