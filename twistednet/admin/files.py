"""The files of the live page, as the package has them."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
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
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def file(request: APIRequest) -> Reply:
    """Return a file of the page; the browser asks each time, and gets it only if it changed."""
    path = request.request.path.decode("latin-1").removeprefix("/") or "index.html"
    names = path.split("/")
    kind = _TYPES.get(PurePosixPath(path).suffix)
    if kind is None or not all(map(_NAME.fullmatch, names)):
        raise APIError(404, "there is nothing here")
    try:
        content = files("twistednet.admin").joinpath("page", *names).read_bytes()
    except OSError:
        raise APIError(404, "there is nothing here") from None
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if header(request.request, "If-None-Match") == tag:
        return Reply(b"", kind, 304, headers)
    return Reply(content, kind, headers=headers)
