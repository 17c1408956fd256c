"""faults/scenario.py and inject/player.py: faults in sequence."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.faults.test_rules import SERVICES, VALUES, rules
from twistednet.events.model import EventStream
from twistednet.faults.grammar import BadFault, Grammar, parse
from twistednet.faults.scenario import MAX_PARTS, Part, Scenario, parseScenario, unknownScenario
from twistednet.inject.injector import FaultInjector
from twistednet.inject.player import Player

GRAMMAR = Grammar(SERVICES)


class GrammarTests(SynchronousTestCase):
    """What can be written, and the messages for what cannot."""

    @given(
        st.from_regex(r"[A-Za-z][A-Za-z0-9_-]*", fullmatch=True),
        st.lists(
            st.builds(Part, VALUES["TIME"], st.lists(rules(), max_size=2).map(tuple)),
            min_size=1,
            max_size=3,
        ),
        st.booleans(),
    )
    def test_roundTrip(self, name: str, parts: list[Part], isEndless: bool) -> None:
        """The normal form of any scenario reads back as that scenario."""
        scenario = Scenario(name, tuple(parts), isEndless)
        everything = {"echo": ("stream", "listener", "datagram", "request")}
        self.assertEqual(scenario, parseScenario(str(scenario), Grammar(everything)))

    def test_normalForm(self) -> None:
        """Different spellings of a scenario have one normal form."""
        for written, normal in {
            "a=10 s healthy|5s echo:drop;receive:drop": "a = 10s healthy "
            "| 5s echo: drop; receive: drop",
            "a = 60s echo: drop | again": "a = 60s echo: drop | again",
            'a = 1s echo: drop, matching "a|b; c"': 'a = 1s echo: drop, matching "a|b; c"',
        }.items():
            self.assertEqual(normal, str(parseScenario(written, GRAMMAR)))

    def test_longest(self) -> None:
        """A scenario may have as many parts as the message about more of them says."""
        for end in ("", " | again"):
            text = "a = " + " | ".join(["1s healthy"] * MAX_PARTS) + end
            scenario = parseScenario(text, GRAMMAR)
            self.assertEqual(MAX_PARTS, len(scenario.parts))
            self.assertEqual(text, str(scenario))

    def test_bad(self) -> None:
        """One line names the scenario, what is wrong with it, and what would be right."""
        form = "a scenario is a name, =, and parts, as in down = 5s echo: refuse"
        for text, why in {
            "": form,
            "a": form,
            "10s = 10s healthy": form,
            "echo: drop": form,
            "a =": f"a scenario has 1 to {MAX_PARTS} parts, and this one 0",
            "a = again": f"a scenario has 1 to {MAX_PARTS} parts, and this one 0",
            "a = "
            + "1s healthy|" * MAX_PARTS
            + "1s healthy": f"a scenario has 1 to {MAX_PARTS} parts, and this one {MAX_PARTS + 1}",
            "a = healthy 10s": "'healthy 10s' is not a part: "
            "a part begins with a time, as in 10s healthy",
            "a = 10s": "'10s' has no rule: write 10s healthy, or a rule after the time",
            "a = again | 1s healthy": "again may only stand at the end",
            "a = 1s echo: dorp": "'echo: dorp': there is no fault 'dorp'; did you mean drop?",
            "a = 1s well": "'well': a rule is a service, a colon and a fault, "
            "as in echo: latency 100ms",
            'a = 1s echo: drop, matching "a': "a quotation mark is not closed",
        }.items():
            with self.assertRaises(BadFault) as caught:
                parseScenario(text, GRAMMAR)
            self.assertEqual(f"{text!r}: {why}", str(caught.exception))

    def test_unknown(self) -> None:
        """The message for a name that no scenario has lists the names."""
        for known, names in (([], "none"), (["a", "b"], "a, b")):
            line = f"there is no scenario 'x'; there are {names}"
            self.assertEqual(line, unknownScenario("x", known))


class PlayerTests(SynchronousTestCase):
    """A scenario, played on a clock of the test."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.injector = FaultInjector(self.clock, EventStream(self.fail))
        self.player = Player(self.clock, self.injector)

    def play(self, text: str) -> None:
        self.player.play(parseScenario(text, GRAMMAR))

    def activeRules(self) -> list[str]:
        return [str(fault.requested) for fault in self.injector.active]

    def after(self, *seconds: float) -> list[list[str]]:
        found = []
        for one in seconds:
            self.clock.advance(one)
            found.append(self.activeRules())
        return found

    def test_parts(self) -> None:
        """One part follows the other, each for its time; then no rule is left."""
        self.play("a = 10s healthy | 5s echo: drop; echo: silence | 5s echo: refuse")
        both = ["echo: drop", "echo: silence"]
        self.assertEqual([[], both, both, ["echo: refuse"]], self.after(9.9, 0.1, 4.9, 0.1))
        self.assertEqual((2, 5.0), (self.player.part, self.player.left))
        self.assertEqual([[]], self.after(5))
        self.assertEqual((None, []), (self.player.scenario, self.clock.getDelayedCalls()))

    def test_again(self) -> None:
        """A scenario that repeats does not fall behind when the daemon is busy."""
        self.play("a = 1s echo: drop | 1s healthy | again")
        self.clock.pump([1.5])
        self.assertEqual([["echo: drop"], [], ["echo: drop"]], self.after(0.5, 1, 1))

    def test_late(self) -> None:
        """A daemon that was suspended for an hour does not catch up on that hour."""
        self.play("a = 1s echo: drop | 1s echo: silence | again")
        self.clock.advance(3600)
        [fault] = self.injector.active
        self.assertLess(fault.id, 5)
        self.clock.pump([1, 1])
        self.assertLess(self.player.left, 1.01)

    def test_others(self) -> None:
        """Rules that are not part of the scenario stay, also those added meanwhile."""
        self.injector.replace([parse("echo: drop, seed 1")])
        [before] = self.injector.active
        self.play("a = 1s echo: silence | 1s echo: drop, seed 1")
        self.injector.replace(
            [*(fault.rule for fault in self.injector.active), parse("receive: drop")]
        )
        self.assertEqual(
            ["echo: drop, seed 1", "echo: silence", "receive: drop"], self.activeRules()
        )
        [second] = self.after(1)
        self.assertEqual(["echo: drop, seed 1", "receive: drop", "echo: drop, seed 1"], second)
        [last] = self.after(1)
        self.assertEqual(["echo: drop, seed 1", "receive: drop"], last)
        self.assertIs(before, next(iter(self.injector.active)))

    def test_taken(self) -> None:
        """A rule of the scenario that is removed stays removed for that part."""
        self.play("a = 2s echo: silence | 1s echo: drop")
        self.injector.replace([])
        self.assertEqual([[], ["echo: drop"], []], self.after(1, 1, 1))

    def test_stays(self) -> None:
        """A rule of two consecutive parts keeps its counts."""
        self.play("a = 1s echo: drop | 1s echo: drop; echo: silence")
        [fault] = self.injector.active
        self.after(1)
        self.assertIs(fault, next(iter(self.injector.active)))

    def test_replacedAndStopped(self) -> None:
        """Another scenario starts at once, and stopping it leaves no rule."""
        self.play("a = 5s echo: drop")
        self.clock.advance(1)
        self.play("b = 5s echo: silence | again")
        self.assertEqual(["echo: silence"], self.activeRules())
        self.player.stop()
        self.player.stop()
        empty: list[Any] = []
        self.assertEqual((empty, empty), (self.activeRules(), self.clock.getDelayedCalls()))
