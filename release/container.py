"""``make container``: lint the Dockerfile, and run its steps in an empty environment where no image can be built.

The first stage's ``COPY`` and ``RUN`` run in a temporary folder, with what ``.dockerignore`` lets through; then the
engine is set up, run, checked for health and stopped as the image does it, by a user who owns only its two folders.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from release.projects import ROOT
from release.trial import run

PROGRAM = "/opt/trade-engine"
LONGEST = 60.0
"""Seconds to wait for the engine."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile."""

    word: str
    rest: str


def steps(text: str) -> list[list[Step]]:
    """Read a Dockerfile as stages of steps; continued lines are joined, comments left out."""
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    stages: list[list[Step]] = []
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append(Step(word, rest.strip()))
    return stages


def environment(stage: list[Step]) -> dict[str, str]:
    """Return what ``ENV`` sets."""
    pairs = [pair for step in stage if step.word == "ENV" for pair in step.rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def sent(ignore: str) -> Iterator[Path]:
    """Yield the files of the repository that are sent to the builder."""
    rules = [line for line in ignore.split() if not line.startswith("#")]
    for path in sorted(ROOT.rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and not name.startswith((".venv", ".git/")) and _is_sent(name, rules):
            yield path


def _is_sent(name: str, rules: list[str]) -> bool:
    """Apply the rules in order: the last one that matches a file, or a folder above it, counts."""
    parts = name.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    verdict = True
    for rule in rules:
        pattern = rule.lstrip("!").removeprefix("**/")
        names = [one.rsplit("/", 1)[-1] for one in above] if "**/" in rule else above
        if any(fnmatch.fnmatchcase(one, pattern) and one.count("/") == pattern.count("/") for one in names):
            verdict = rule.startswith("!")
    return verdict


def build(stage: list[Step], here: Path) -> None:
    """Run the steps of the first stage."""
    context, work = here / "context", here / "src"
    work.mkdir()
    for path in sent((ROOT / ".dockerignore").read_text(encoding="utf-8")):
        target = context / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for step in stage:
        if step.word == "COPY":
            *sources, into = step.rest.split()
            for source in sources:
                found = context / source
                to = work / into / (found.name if into.endswith("/") else "")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(found, to) if found.is_dir() else shutil.copy2(found, to)
        elif step.word == "RUN":
            command = step.rest.replace(PROGRAM, f"{here}{PROGRAM}")
            run(work, "sh", "-c", re.sub(r"^python ", f"{sys.executable} ", command))


def use(stage: list[Step], here: Path) -> None:
    """Set the engine up and run it as the image does."""
    settings, home = here / "settings", here / "state"
    user = next(step.rest for step in stage if step.word == "USER")
    become = _as(user)
    for folder in (settings, home):
        folder.mkdir(mode=0o700)
        if become:
            os.chown(folder, *map(int, user.split(":")))
    moves = {
        PROGRAM: f"{here}{PROGRAM}",
        "/etc/trade-engine": str(settings),
        "/var/lib/trade-engine": str(home),
    }
    env = {key: _moved(value, moves) for key, value in environment(stage).items()}
    env["PATH"] = env["PATH"].replace("$PATH", "/usr/bin:/bin")
    te = [*become, "env", "-i", *(f"{key}={value}" for key, value in env.items()), "te"]
    command = json.loads(next(step.rest for step in stage if step.word == "CMD"))
    health = next(step.rest for step in stage if step.word == "HEALTHCHECK")
    run(settings, *te, "init", "--yes")
    stop = next(step.rest for step in stage if step.word == "STOPSIGNAL")
    with (here / "log").open("wb") as log:
        engine = subprocess.Popen([*te, *command], cwd=settings, stdout=log, stderr=log)
    try:
        asked = json.loads(health.partition("CMD ")[2])[1:]
        _until_healthy([*te, *asked], settings)
        engine.send_signal(signal.Signals[stop])
        code = engine.wait(LONGEST)
    finally:
        engine.kill()
    if code != 0:
        sys.exit(f"stopped with {code}\n{(here / 'log').read_text()}")
    print(f"ok  healthy as {user}, stopped with {stop}")


def _moved(value: str, moves: Mapping[str, str]) -> str:
    for old, new in moves.items():
        value = value.replace(old, new)
    return value


def _as(user: str) -> list[str]:
    """Return a prefix that runs a command as the image's user; empty if that is not possible here."""
    uid, gid = user.split(":")
    other = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
    tried = [*other, "env", sys.executable, "-c", ""]
    if os.geteuid() == 0 and subprocess.run(tried, capture_output=True, check=False).returncode == 0:
        return other
    print(f"run as the current user: cannot become {user}, or it cannot reach {sys.executable}")
    return []


def _until_healthy(command: list[str], where: Path) -> None:
    deadline = time.monotonic() + LONGEST
    while subprocess.run(command, cwd=where, capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            sys.exit("the engine never became healthy")
        time.sleep(0.2)


def main() -> None:
    file = ROOT / "Dockerfile"
    hadolint = Path(sys.executable).with_name("hadolint")
    if hadolint.exists():
        run(ROOT, str(hadolint), str(file))
    else:
        print("hadolint has no wheel for this machine: not linted")
    first, last = steps(file.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        here.chmod(0o755)
        build(first, here)
        use(last, here)


if __name__ == "__main__":
    main()
