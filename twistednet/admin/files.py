"""The files of the live page, as the package has them.

They are read at import: a daemon that has dropped its privileges may not be able to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from twistednet.admin.access import header
from twistednet.admin.replies import APIError, Reply
from twistednet.admin.routing import APIRequest

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


def _filesIn(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield each file's path below the folder, and its content."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _filesIn(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


_PAGE = dict(_filesIn(files("twistednet.admin") / "page"))


def file(request: APIRequest) -> Reply:
    """Return a file of the page; the browser asks each time, and gets it only if it changed."""
    path = request.request.path.decode("latin-1").removeprefix("/") or "index.html"
    kind, content = _TYPES.get(PurePosixPath(path).suffix), _PAGE.get(path)
    if kind is None or content is None:
        raise APIError(404, "there is nothing here")
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if header(request.request, "If-None-Match") == tag:
        return Reply(b"", kind, 304, headers)
    return Reply(content, kind, headers=headers)
