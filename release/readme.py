"""READMEs as a package index shows them, without the other files of the repository."""

from __future__ import annotations

import posixpath
import re

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")
FENCE = "```"


def for_an_index(text: str, *, folder: str = "", repository: str = "") -> str:
    """Return the text with its relative links made absolute; without a repository's address only their text stays.

    ``folder``: where the README stands in the repository.
    """
    fenced = False
    lines = []
    for line in text.splitlines(keepends=True):
        fenced ^= line.lstrip().startswith(FENCE)
        lines.append(line if fenced else LINK.sub(lambda found: _link(found, folder, repository), line))
    return "".join(lines)


def _link(found: re.Match[str], folder: str, repository: str) -> str:
    mark, words, target = found.groups()
    if not repository:
        return words
    path, hash_sign, fragment = target.partition("#")
    full = posixpath.normpath(posixpath.join(folder, path))
    return f"{mark}[{words}]({repository.rstrip('/')}/blob/main/{full}{hash_sign}{fragment})"
