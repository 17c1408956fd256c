"""docs/faults.md and docs/fault-kinds.md against the faults that there are."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.support import ladders
from tests.support.processes import ROOT
from twistednet.faults.grammar import KINDS, Grammar, parse
from twistednet.faults.rules import QUALIFIERS
from twistednet.services.catalog import SERVICES

PAGE = (ROOT / "docs" / "faults.md").read_text()
REFERENCE = (ROOT / "docs" / "fault-kinds.md").read_text()


def _forms(table: str) -> set[str]:
    """What is told of in the first column."""
    cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    return {form for cell in cells for form in re.findall("`(.+?)`", cell)}


class PageTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """It has every kind, and says of each what it counts and which is its direction."""
        sections = dict(re.findall(r"\n## (.+?)\n(.+?)(?=\n## |\Z)", REFERENCE, re.DOTALL))
        rows = re.findall(
            r"^\| `([^|]+)` \| (.+?) \| (chunks|connections) \|$", sections["Streams"], re.M
        )
        streams = [kind for kind in KINDS if "stream" in kind.carriers]
        self.assertEqual(
            {kind.form.text: kind.counts for kind in streams},
            {form: counts for form, _, counts in rows},
        )
        for carrier, title in {
            "datagram": "Datagrams",
            "listener": "Listening ports",
            "request": "HTTP responses",
        }.items():
            carried = {kind.form.text for kind in KINDS if carrier in kind.carriers}
            self.assertEqual(carried, _forms(sections[title]))

    def test_ladders(self) -> None:
        """Each kind has a ladder that is what happens; `python -m tests.support.ladders` draws
        them again."""
        for carrier, rules in {
            "stream": ladders.STREAMS,
            "listener": ladders.LISTENERS,
            "datagram": ladders.DATAGRAMS,
            "request": ladders.RESPONSES,
        }.items():
            kinds = [parse(f"x: {rule}").kind for rule in rules]
            self.assertEqual({kind for kind in KINDS if carrier in kind.carriers}, set(kinds))
        for name, drawn in ladders.drawn().items():
            self.assertEqual(drawn, ladders.shown(name))

    def test_choices(self) -> None:
        """It has every qualifier, and no other."""
        table = PAGE.partition("## Qualifiers")[2].partition("\n## ")[0]
        told = _forms(table)
        self.assertEqual({form.text for forms in QUALIFIERS.values() for form in forms}, told)

    def test_recipes(self) -> None:
        """Every rule that it shows is one."""
        grammar = Grammar({service.name: service.carriers for service in SERVICES})
        shown = re.findall(
            r"[`']((?:echo|answer|hello|receive|datagram|chat): [^`']+)[`']", PAGE + REFERENCE
        )
        self.assertGreater(len(shown), 15)
        for rule in shown:
            parse(rule, grammar)
