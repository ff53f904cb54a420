"""``make dist``: sdists and wheels of every package, checked, installed into an empty environment and tried there."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from release.projects import ROOT, projects
from release.trial import try_out

OUT = ROOT / "dist"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", default="", metavar="URL", help="where the sources are published")
    parser.add_argument("--no-trial", action="store_true", help="build and check only")
    parser.add_argument("--no-conformance", action="store_true", help="try without the conformance suites")
    chosen = parser.parse_args()
    began = time.monotonic()
    built = build(OUT, repository=chosen.repository)
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, built))
    if not chosen.repository:
        print("no --repository: READMEs without links, no project urls")
    if not chosen.no_trial:
        try_out([path for path in built if path.suffix == ".whl"], conformance=not chosen.no_conformance)
    print(f"{len(built)} files in {OUT}, {time.monotonic() - began:.0f} s")


def build(out: Path, *, repository: str = "") -> list[Path]:
    """Build each sdist from a clean copy, and each wheel from its sdist, so that missing files show at once."""
    out.mkdir(exist_ok=True)
    for old in (*out.glob("*.whl"), *out.glob("*.tar.gz")):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        for project in projects():
            staged = project.staged(Path(folder) / "staged", repository=repository)
            hatch(staged, "sdist", out)
            stem = f"{project.name.replace('-', '_')}-{project.metadata['version']}"
            with tarfile.open(out / f"{stem}.tar.gz") as archive:
                archive.extractall(Path(folder) / "unpacked", filter="data")
            hatch(Path(folder) / "unpacked" / stem, "wheel", out)
    return sorted((*out.glob("*.whl"), *out.glob("*.tar.gz")))


def hatch(folder: Path, target: str, out: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out), cwd=folder)


def run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
