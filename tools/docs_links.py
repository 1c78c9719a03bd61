"""Pages of the repository, as the forge shows them, for the site: their links and their fences."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import PurePosixPath

_CODE = re.compile(r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^(?P=fence)[^\n]*$|`[^`\n]+`", re.M | re.S)
_LINK = re.compile(r"(?P<text>!?\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s]+)\)")
_NOT_RUN = re.compile(r"^( *`{3,}\w+) no-run$", re.M)
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|#|/")


def relink(
    text: str,
    source: PurePosixPath,
    page: PurePosixPath,
    find: Callable[[PurePosixPath], str | None],
) -> str:
    """Return the Markdown of `source` with the links that it needs as `page` of the site.

    `find` gives, for a file of the repository, its path in the site or an address; None leaves the
    text of the link alone.
    """

    def changed(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if _ELSEWHERE.match(match["target"]):
            return match[0]
        found = find(PurePosixPath(os.path.normpath(source.parent / target)))
        if found is None:
            return match["text"].removeprefix("!")[1:-1]
        if not _ELSEWHERE.match(found):
            found = os.path.relpath(found, page.parent)
        return f"{match['text']}({found}{'#' + anchor if anchor else ''})"

    # Code is masked by as many characters, so that a link may have code in its text.
    masked = _CODE.sub(lambda match: "\0" * len(match[0]), text)
    parts, end = [], 0
    for match in _LINK.finditer(masked):
        whole = _LINK.match(text, match.start())
        if whole is None or whole.end() != match.end():
            raise ValueError(f"{source}: {text[match.start() : match.end()]!r} is no plain link")
        parts += [text[end : match.start()], changed(whole)]
        end = match.end()
    return "".join([*parts, text[end:]])


def without_options(text: str) -> str:
    """Return the Markdown without the option `no-run` of fences, which only tests read."""
    return _NOT_RUN.sub(r"\1", text)
