"""The files of the live page: what they import, and how the admin site serves them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.adminsite import AdminTests
from tests.support.processes import ROOT

PAGE = ROOT / "twistednet" / "admin" / "page"
#: The folders that the modules of each folder may import besides their own.
MAY_IMPORT = {
    "lib": set(),
    "wire": {"lib"},
    "faults": {"lib"},
    "lessons": {"lib", "wire"},
    "views": {"faults", "lessons", "lib", "wire"},
    "": {"lib", "views", "wire"},
}
#: A static import, and a type that a comment imports.
IMPORT = re.compile(r"""(?:\bfrom |\bimport\()"(\.[^"]+)\"""")


def imports(module: Path) -> Iterator[Path]:
    """Yield every file of the page that a module imports, by its path below the page."""
    for found in IMPORT.findall(module.read_text()):
        yield (module.parent / found).resolve().relative_to(PAGE)


def folder(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


class ImportTests(SynchronousTestCase):
    """The direction of the imports between the folders of the page."""

    def test_direction(self) -> None:
        """Every import names a file that exists, in a folder that this one may import."""
        modules = sorted(PAGE.rglob("*.js"))
        self.assertIn(PAGE / "main.js", modules)
        wrong = []
        for module in modules:
            own = folder(module.relative_to(PAGE))
            for imported in imports(module):
                other = folder(imported)
                if not (PAGE / imported).is_file() or other not in MAY_IMPORT[own] | {own}:
                    wrong.append(f"{module.relative_to(PAGE)} imports {imported}")
        self.assertEqual([], wrong)


class ServedTests(AdminTests):
    """The files as a browser gets them."""

    def test_everyFile(self) -> None:
        """Every file is served with its content, in whatever folder it is."""
        kinds = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
        for path in sorted(one for one in PAGE.rglob("*") if one.is_file()):
            got = self.admin.ask(f"/{path.relative_to(PAGE).as_posix()}")
            self.assertEqual((200, path.read_bytes()), (got.status, got.body), path)
            self.assertIn(kinds.get(path.suffix, ""), got.headers["Content-Type"])
