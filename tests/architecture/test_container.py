"""The Dockerfile copies existing files and starts an existing command, with as few privileges as possible."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from release.container import Step, environment, sent, steps


@pytest.fixture(scope="module")
def stages(root: Path) -> list[list[Step]]:
    return steps((root / "Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def context(root: Path) -> list[str]:
    ignore = (root / ".dockerignore").read_text(encoding="utf-8")
    return [path.relative_to(root).as_posix() for path in sent(ignore)]


def test_everything_that_is_copied_is_sent(stages: list[list[Step]], context: list[str]) -> None:
    copied = [step.rest.split()[:-1] for step in stages[0] if step.word == "COPY"]
    for source in (source for sources in copied for source in sources):
        assert any(name == source or name.startswith(f"{source}/") for name in context), source


def test_nothing_else_is_sent(context: list[str]) -> None:
    assert not [
        name for name in context if "tests/" in name or "__pycache__" in name or "secrets.toml" in name
    ]
    assert {name.partition("/")[0] for name in context} == {
        "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "requirements", "te_core", "plugins",
    }  # fmt: skip


def test_the_image_runs_unprivileged_and_writes_to_volumes(stages: list[list[Step]]) -> None:
    said = {step.word: step.rest for step in stages[-1]}
    uid, gid = map(int, said["USER"].split(":"))
    assert min(uid, gid) >= 10_000, "a number, so that the host can tell that it is not root"
    volumes = json.loads(said["VOLUME"])
    env = environment(stages[-1])
    assert {env["TE_HOME"], str(Path(env["TE_SETTINGS"]).parent)} == set(volumes)
    assert env["PYTHONDONTWRITEBYTECODE"] == "1"
    assert (said["STOPSIGNAL"], said["EXPOSE"]) == ("SIGTERM", "8787")
    assert said["HEALTHCHECK"].endswith('CMD ["te", "health"]')
    assert [json.loads(said[word]) for word in ("ENTRYPOINT", "CMD")] == [["te"], ["run"]]


def test_containers_are_read_only_and_publish_no_engine_port(root: Path) -> None:
    text = (root / "compose.yaml").read_text(encoding="utf-8")
    engine, proxy = re.split(r"^  proxy:$", text.partition("services:")[2], flags=re.M)
    for service in (engine, proxy):
        assert "read_only: true" in service
        assert "no-new-privileges:true" in service
        assert "cap_drop:\n      - ALL" in service
        assert "mem_limit:" in service
    assert "ports:" not in engine
    (trusted,) = re.findall(r"TRUSTED_PROXIES: '\[\"([\d.]+)\"\]'", engine)
    assert f"ipv4_address: {trusted}" in proxy


def test_a_dockerfile_is_read_as_written() -> None:
    text = "# a\nFROM x AS y\nRUN one \\\n    && two\n# b\n\nFROM z\nENV A=1 \\\n    B=2\n"
    first, last = steps(text)
    assert first == [Step("FROM", "x AS y"), Step("RUN", "one  && two")]
    assert environment(last) == {"A": "1", "B": "2"}
