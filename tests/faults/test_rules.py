"""faults/: the grammar of rules, the kinds, and what a pipeline makes of each action."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twistednet.faults.actions import Action
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.active import ActiveFault, ActiveFaults
from twistednet.faults.grammar import KINDS, BadFault, Grammar, parse, parseAll
from twistednet.faults.model import FaultKind
from twistednet.faults.pipeline import Pipeline
from twistednet.faults.rules import CONNECTION_QUALIFIERS, QUALIFIERS, Rule

SERVICES = {
    "echo": ("stream", "listener"),
    "datagram": ("datagram",),
    "receive": ("stream", "listener", "datagram"),
    "hello": ("stream", "listener", "request"),
}

_COUNTS = st.integers(1, 10**15 - 1)
VALUES: dict[str, Any] = {
    "TIME": st.integers(1, 86_400 * 10**6).map(lambda micro: micro / 10**6),
    "SIZE": _COUNTS,
    "RATE": _COUNTS,
    "N": _COUNTS,
    "NUMBER": st.integers(0, 10**15 - 1),
    "NTH": _COUNTS,
    "STATUS": st.integers(200, 599),
    "PERCENT": st.integers(1, 10_000).map(lambda hundredth: hundredth / 100),
    "NETWORK": st.ip_addresses().map(lambda address: __import__("ipaddress").ip_network(address)),
    "TEXT": st.text(min_size=1),
}


#: The qualifiers that kinds which act on these alone cannot have.
_FORBIDDEN: dict[tuple[ActionType, ...], tuple[str, ...]] = {
    (ActionType.ACCEPT,): ("afterBytes", "afterTime", "text"),
    (ActionType.REQUEST,): ("afterBytes",),
}


@st.composite
def rules(draw: Any, carrier: str = "", of: dict[str, Any] = VALUES, most: int = 99) -> Rule:
    """Draw any rule that can be written.

    It is for this carrier, with these values and at most this many qualifiers.
    """
    kinds = [kind for kind in KINDS if not carrier or carrier in kind.carriers]
    kind: FaultKind = draw(st.sampled_from(kinds))
    values = tuple(draw(of[name]) for name in kind.form.types)
    if "[" in kind.form.text and draw(st.booleans()):
        values = (*values[:-1], None)
    chosen: dict[str, Any] = {"direction": kind.direction}
    for name in draw(st.sets(st.sampled_from(sorted(QUALIFIERS)), max_size=most)):
        form = QUALIFIERS[name][0]
        if kind.actsOn == (ActionType.LISTEN,) and name not in ("lasting", "seed"):
            continue
        if kind.counts == "connections" and name in CONNECTION_QUALIFIERS:
            continue
        if name == "direction":
            if kind.direction:
                chosen[name] = draw(st.sampled_from(["in", "out"]))
        elif name not in _FORBIDDEN.get(kind.actsOn, ()):
            chosen[name] = draw(of[form.types[0]]) if form.types else form.text
    return Rule("echo", kind, values, **chosen)


class GrammarTests(SynchronousTestCase):
    """What can be written, and the messages for what cannot."""

    @given(rules())
    def test_roundTrip(self, rule: Rule) -> None:
        """The normal form of any rule reads back as that rule."""
        self.assertEqual(rule, parse(str(rule)))

    def test_normalForm(self) -> None:
        """Different spellings of a rule have one normal form."""
        for written, normal in {
            "echo: latency 100ms jitter 20ms, first 2": "echo: latency 100ms jitter 20ms, first 2",
            "echo: silence, first 2 connections": "echo: silence, first 2",
            "hello: body shorter than said, first 2": "hello: truncated body, first 2",
            "hello: body longer than said": "hello: surplus body",
            "echo: drop, every 2nd connection": "echo: drop, every 2nd connection",
            " echo :latency 0.1 s ,in,  30% ": "echo: latency 100ms, in, 30%",
            "echo: latency 2min, out": "echo: latency 120s",
            "echo: reset after 1 KiB, from 10.1.2.3/8": "echo: reset after 1024 bytes, "
            "from 10.0.0.0/8",
            "echo: rate 10kB/s, for 2 s, 3 times": "echo: rate 10000B/s, 3 times, for 2s",
            'echo: drop, matching "a, \\"b\\"", after 1B': "echo: drop, after 1 byte, "
            'matching "a, \\"b\\""',
            "echo: drop, every 3rd, the 21st, new connections, seed 0": "echo: drop, "
            "every 3rd, the 21st, new connections, seed 0",
        }.items():
            self.assertEqual(normal, str(parse(written)))

    def test_bad(self) -> None:
        """One line names the rule, what is wrong with it, and what would be right."""
        for text, why in {
            "latency 1s": "a rule is a service, a colon and a fault, as in echo: latency 100ms",
            "ecko: drop": "there is no service 'ecko'; did you mean echo?",
            "echo: latencie 1s": "there is no fault 'latencie 1s'; did you mean latency?",
            "echo: latency": "'latency' is written as latency TIME [jitter TIME]",
            "echo: latency 10": "10 is not a time: write it as 100ms or 2s",
            "echo: latency 25h": "25h is out of range: use 1us to 24h",
            "echo: drop 5%": "'drop 5%' needs a comma: write drop, 5%",
            "echo: latency 1s jitter 2s first 2": "'latency 1s jitter 2s first 2' needs a comma: "
            "write latency 1s jitter 2s, first 2",
            r'echo: drop, matching "a\b"': '"a\\b": in a text, \\ may only stand before " or \\',
            "echo: rate 10KiB": "10KiB is not a rate: write it as 1000B/s or 10KiB/s",
            "echo: slice 0 bytes": "0bytes is out of range: use at least 1 byte",
            f"echo: latency {'9' * 400}s": f"{'9' * 400}s is out of range: use 1us to 24h",
            'echo: drop, matching "\ud800"': "'\"\\ud800\"' is not Unicode text",
            "echo: drop, frist 2": "'frist 2' is not a qualifier; did you mean first N?",
            "echo: drop, first x": "x is not a whole number",
            "echo: drop, first 0": "0 is out of range: use at least 1",
            "echo: drop, every 3": "3 is not an ordinal number: write it as 1st, 2nd, 3rd or 4th",
            "echo: drop, 0%": "0% is not a probability: write it as 30% or 0.5%",
            "echo: drop, from here": "here is not a network: write it as 192.0.2.0/24 or ::1",
            "echo: drop, matching bye": 'bye is not a quoted text: write it as "bye"',
            'echo: drop, matching "bye': "a quotation mark is not closed",
            "echo: drop, in, out": "out: the rule has such a qualifier already",
            "echo: silence, first 2, first 3 connections": "first 3 connections: "
            "the rule has such a qualifier already",
            "echo: reset after 0 messages": "0 is out of range: use at least 1",
            "echo: never close, in": "never close has no direction: leave 'in' out",
            "echo: reset at accept, after 1s": "reset at accept comes first: "
            "nothing can happen before it",
            "echo: refuse, first 2": "refuse applies to every client that connects: "
            "the only qualifier is a time, as in for 10s",
            "datagram: stall": "stall is for connections, and datagram has none",
            "datagram: silence": "silence is for connections, and datagram has none",
            "echo: status 503": "status is for HTTP requests, and echo has none",
            "hello: status 600": "600 is not a response status: write it as 503, from 200 to 599",
            "hello: status 503, in": "status STATUS has no direction: leave 'in' out",
            "hello: status 503, after 1kB": "status STATUS edits whole responses: "
            "leave 'after SIZE' out",
            "hello: close in": "'close in' is written as close before reply or close in reply or "
            "close after reply or close in headers or close in body",
        }.items():
            with self.assertRaises(BadFault) as caught:
                parse(text, Grammar(SERVICES))
            self.assertEqual(f"{text!r}: {why}", str(caught.exception))

    def test_several(self) -> None:
        """Semicolons separate rules; the message for a bad one names it alone."""
        grammar = Grammar(SERVICES)
        rules = parseAll('echo: drop, matching ";"; echo: silence', grammar)
        self.assertEqual(['echo: drop, matching ";"', "echo: silence"], [*map(str, rules)])
        for text, named in (("echo: drop; echo: dorp", "echo: dorp"), ('echo: "; a', 'echo: "; a')):
            with self.assertRaises(BadFault) as caught:
                parseAll(text, grammar)
            self.assertTrue(str(caught.exception).startswith(f"{named!r}: "), caught.exception)

    @given(st.text(st.sampled_from('echo: latncydrp015%",/msfiKB')))
    def test_anyText(self, text: str) -> None:
        """Any text is a rule, or is refused with BadFault."""
        try:
            rule = parse(f"echo: drop{text}")
        except BadFault:
            return
        self.assertEqual(rule, parse(str(rule)))


def _ignore(fault: ActiveFault, did: str) -> None:
    """Ignore the report."""


class Schedule:
    """One rule, and what it does to chunks over several connections."""

    def __init__(self, rule: str, seed: int = 1) -> None:
        self.fault = ActiveFault(parse(f"echo: {rule}"), seed, 0.0)
        self.reports: list[str] = []

    def connect(self, at: float = 0.0) -> Pipeline:
        return Pipeline([self.fault], at, at, lambda fault, did: self.reports.append(did))


def passed(plan: Pipeline, *chunks: bytes, direction: str = "out", at: float = 0.0) -> list[bytes]:
    """Return what passes of each chunk, with `!` before each other action."""
    return [
        b"".join(
            step.data if step.type is ActionType.PASS else b"!" + step.type.value.encode()
            for step in plan.apply(Action(at, ActionType.PASS, chunk), direction)
        )
        for chunk in chunks
    ]


def pieces(step: Action) -> list[tuple[float, bytes]]:
    """Return each piece of the action, with the time at which it may be sent."""
    size = step.piece or len(step.data)
    starts = range(0, len(step.data), size)
    return [(step.at + start // size * step.gap, step.data[start:][:size]) for start in starts]


class KindTests(SynchronousTestCase):
    """What each kind does to a chunk."""

    def test_steps(self) -> None:
        """The kinds without times: what passes of `abcd` and `efgh`, and what else is done."""
        for rule, expected in {
            "drop": [b"", b""],
            "silence": [b"", b""],
            "slice 3 bytes": [b"abcd", b"efgh"],
            "corrupt byte 5": [b"abcd", b"e\x99gh"],
            "truncate after 4 bytes": [b"abcd!end", b""],
            "truncate after 6 bytes with RST": [b"abcd", b"ef!reset"],
            "reset after 1 byte": [b"a!reset", b""],
            "reset after 1 messages": [b"abcd!reset", b""],
            "truncate after 2 messages": [b"abcd", b"efgh!end"],
            "reset at first byte, out": [b"!reset", b"!reset"],
            "close before reply": [b"!end", b"!end"],
            "close in reply, the 2nd": [b"abcd", b"ef!end"],
            "close after reply": [b"abcd!end", b"efgh!end"],
            "half-close after 5 bytes": [b"abcd", b"e!fin"],
            "stop reading, out": [b"!stopabcd", b"!stopefgh"],
            "never close": [b"abcd", b"efgh"],
        }.items():
            schedule = Schedule(rule)
            self.assertEqual(expected, passed(schedule.connect(), b"abcd", b"efgh"), rule)

    def test_datagrams(self) -> None:
        """The kinds of datagrams: what passes of `abcd` and `efgh`."""
        for rule, expected in {
            "loss 100%": [b"", b""],
            "duplicate, the 2nd": [b"abcd", b"efghefgh"],
            "truncate to 3 bytes, first 1": [b"abc", b"efgh"],
        }.items():
            schedule = Schedule(rule)
            self.assertEqual(expected, passed(schedule.connect(), b"abcd", b"efgh"), rule)

    def test_times(self) -> None:
        """The kinds with times: when each piece may be sent."""
        for rule, expected in {
            "latency 100ms": [(1.1, b"abcd"), (1.1, b"efgh")],
            "slice 3 bytes pause 1s": [(1, b"abc"), (2, b"d"), (3, b"efg"), (4, b"h")],
            "rate 2B/s": [(1 + n / 2, b"abcdefgh"[n : n + 1]) for n in range(8)],
        }.items():
            plan = Schedule(rule).connect()
            steps = [
                step
                for chunk in (b"abcd", b"efgh")
                for step in plan.apply(Action(1.0, ActionType.PASS, chunk), "out")
            ]
            self.assertEqual(expected, [one for step in steps for one in pieces(step)], rule)

    def test_piecesOfPieces(self) -> None:
        """A later rule neither joins nor speeds up the pieces of an earlier one."""
        for rules in (
            ("slice 2 bytes pause 1s", "slice 3 bytes", "rate 4B/s"),
            ("rate 4B/s", "slice 2 bytes pause 1s"),
        ):
            faults = [ActiveFault(parse(f"echo: {rule}"), 1, 0.0) for rule in rules]
            [step] = Pipeline(faults, 0.0, 0.0, _ignore).apply(
                Action(1.0, ActionType.PASS, b"abcd"), "out"
            )
            size = 2 if rules[0].startswith("slice") else 1
            expected = [(1.0 + n, b"abcd"[n * size :][:size]) for n in range(4 // size)]
            self.assertEqual(expected, pieces(step), rules)

    def test_ends(self) -> None:
        """The kinds that change how the service closes."""
        fin, close = Action(1.0, ActionType.FIN), Action(2.0, ActionType.CLOSE)
        for rule, expected in {
            "never close": [[], []],
            "reset at close": [
                [Action(at, ActionType.RESET, faultName="reset")] for at in (1.0, 2.0)
            ],
            "linger 5s": [[fin], [Action(6.0, ActionType.CLOSE)]],
            "slow close 5s": [[Action(6.0, ActionType.FIN)], [Action(7.0, ActionType.CLOSE)]],
        }.items():
            plan = Schedule(rule).connect()
            self.assertEqual(expected, [plan.apply(fin), plan.apply(close)], rule)
        alone = Schedule("linger 5s").connect().apply(close)
        self.assertEqual([Action(2.0, ActionType.FIN), Action(7.0, ActionType.CLOSE)], alone)

    def test_timeout(self) -> None:
        """The end is scheduled once, when the connection begins, and data comes after it."""
        for rule, act in (
            ("timeout 5s", ActionType.END),
            ("timeout 5s with RST", ActionType.RESET),
        ):
            plan = Schedule(rule).connect()
            accept, attach = Action(1.0, ActionType.ACCEPT), Action(2.0, ActionType.ATTACH)
            self.assertEqual([accept, Action(6.0, act, faultName="timeout")], plan.apply(accept))
            self.assertEqual([attach], plan.apply(attach))
            self.assertEqual(1, len(plan.faults))

    def test_corrupt(self) -> None:
        """Of 10,000 bytes, as many as the probability says have one bit flipped, within 3 sigma."""
        data = bytes(10_000)
        (after,) = passed(Schedule("corrupt 10%").connect(), data)
        flipped = [byte for byte in after if byte]
        self.assertApproximates(1000, len(flipped), 3 * 30)
        self.assertEqual({1 << bit for bit in range(8)}, set(flipped))
        (after,) = passed(Schedule("corrupt 100%").connect(), data)
        self.assertNotIn(0, after)

    def test_corruptBit(self) -> None:
        """Each bit is flipped equally often; an empty chunk passes."""
        schedule = Schedule("corrupt bit")
        chunks = passed(schedule.connect(), *[bytes(2)] * 1600)
        found = Counter(int.from_bytes(chunk) for chunk in chunks)
        self.assertEqual({1 << bit for bit in range(16)}, set(found))
        for times in found.values():
            # 4 sigma of 16 counts: once in a thousand seeds, and the seed is fixed.
            self.assertApproximates(100, times, 4 * 10)
        self.assertEqual([b""], passed(schedule.connect(), b""))


class QualifierTests(SynchronousTestCase):
    """Which chunks and connections are chosen, and what is counted."""

    def hit(self, rule: str, count: int = 10) -> list[int]:
        """Return which chunks are dropped, counted from 1."""
        chunks = passed(Schedule(rule).connect(), *[b"x"] * count)
        return [number for number, chunk in enumerate(chunks, 1) if not chunk]

    def test_counted(self) -> None:
        """`first`, `every` and `the`: all qualifiers must hold."""
        for choices, expected in {
            "first 2": [1, 2],
            "every 3rd": [3, 6, 9],
            "the 4th": [4],
            "first 6, every 3rd": [3, 6],
            "2 times": [1, 2],
            "every 2nd, 2 times": [2, 4],
            "after 7 bytes": [8, 9, 10],
            "after 7 bytes, the 1st": [8],
        }.items():
            self.assertEqual(expected, self.hit(f"drop, {choices}"), choices)

    def test_bytesToTheByte(self) -> None:
        """A chunk that crosses the boundary is split there."""
        self.assertEqual(
            [b"ab", b""], passed(Schedule("drop, after 2 bytes").connect(), b"abc", b"d")
        )

    def test_probability(self) -> None:
        """Within 3 sigma over 10,000, and the same again with the same seed."""
        hits = self.hit("drop, 30%", 10_000)
        self.assertApproximates(3000, len(hits), 3 * 46)
        self.assertEqual(hits, self.hit("drop, 30%", 10_000))

    def test_connections(self) -> None:
        """A kind that counts connections acts on all of a chosen connection."""
        schedule = Schedule("silence, every 2nd")
        got = [passed(schedule.connect(), b"a", b"b") for _ in range(4)]
        self.assertEqual([[b"a", b"b"], [b"", b""]] * 2, got)
        self.assertEqual((4, 2), (schedule.fault.seen, schedule.fault.acted))
        self.assertEqual(["0 of 1 B passed"] * 2, schedule.reports)

    def test_ofConnections(self) -> None:
        """A kind that counts chunks can choose connections first."""
        for choices, expected in {
            "first 2 connections": [0, 1],
            "every 2nd connection": [1, 3, 5],
            "the 3rd connection": [2],
            "the 3rd connection, the 2nd": [2],
            "first 2 connections, first 3": [0, 1],
        }.items():
            schedule = Schedule(f"drop, {choices}")
            plans = [schedule.connect() for _ in range(6)]
            hit = [n for n, plan in enumerate(plans) if b"" in passed(plan, b"a", b"b")]
            self.assertEqual(expected, hit, choices)
        schedule = Schedule("drop, 30% of connections")
        hits = [passed(schedule.connect(), b"a", b"b").count(b"") for _ in range(10_000)]
        self.assertEqual({0, 2}, set(hits))
        self.assertApproximates(3000, hits.count(2), 3 * 46)
        self.assertEqual(
            (10_000, 2 * hits.count(2)), (schedule.fault.connections, schedule.fault.seen)
        )

    def test_times(self) -> None:
        """`1 times` lets a fault that has begun on a connection go on there."""
        schedule = Schedule("silence, 1 times")
        one, other = schedule.connect(), schedule.connect()
        self.assertEqual([b"", b""], passed(one, b"a", b"b"))
        self.assertEqual([b"a"], passed(other, b"a"))
        self.assertEqual([b""], passed(one, b"c"))

    def test_passedBefore(self) -> None:
        """If more bytes have passed than may pass, the end comes at once, and once."""
        for rule, end in {
            "reset after 3 bytes": b"!reset",
            "truncate after 4 bytes": b"!end",
            "half-close after 1 byte": b"!fin",
            "reset after 1 messages": b"!reset",
        }.items():
            plan = Schedule(f'{rule}, matching "bye"').connect()
            self.assertEqual([b"abcd"], passed(plan, b"abcd"))
            passed(plan, b"bye", direction="in")
            self.assertEqual([end, b""], passed(plan, b"efgh", b"ijkl"), rule)

    def test_text(self) -> None:
        """The client's last message decides about the reply."""
        plan = Schedule('close before reply, matching "bye"').connect()
        for said, expected in ((b"hi\n", b"re"), (b"bye\n", b"!end"), (b"ho\n", b"re")):
            self.assertEqual([said], passed(plan, said, direction="in"))
            self.assertEqual([expected], passed(plan, b"re"))

    def test_textInParts(self) -> None:
        """A text may be split over chunks, until the service replies. Over datagrams it may not."""
        plan = Schedule('close before reply, matching "bye"').connect()
        for chunks, expected in (
            ((b"b", b"ye"), b"!end"),
            ((b"bye", b"now"), b"!end"),
            ((b"now",), b"re"),
            ((b"by",), b"re"),
            ((b"e",), b"!end"),
        ):
            passed(plan, *chunks, direction="in")
            self.assertEqual([expected], passed(plan, b"re"), chunks)
        drop = Schedule('drop, in, matching "bye"').fault
        for isStream, expected in ((True, [b"b", b"", b"x"]), (False, [b"b", b"ye", b"x"])):
            plan = Pipeline([drop], 0.0, 0.0, _ignore, isStream)
            self.assertEqual(expected, passed(plan, b"b", b"ye", b"x", direction="in"))
        [echoed] = passed(Schedule('drop, in, matching "y"').connect(), b"y", direction="in")
        self.assertEqual(b"", echoed)

    def test_textReached(self) -> None:
        """A kind that counts connections goes on after the text."""
        plan = Schedule('silence, matching "bye"').connect()
        passed(plan, b"hi", direction="in")
        self.assertEqual([b"re"], passed(plan, b"re"))
        for said in (b"bye", b"hi"):
            passed(plan, said, direction="in")
            self.assertEqual([b""], passed(plan, b"re"))

    def test_time(self) -> None:
        """`after` counts from the connection's start, `for` from the rule's."""
        plan = Schedule("drop, after 2s").connect(at=1.0)
        self.assertEqual([b"x"], passed(plan, b"x", at=2.9))
        self.assertEqual([b""], passed(plan, b"x", at=3.0))
        plan = Schedule("drop, for 2s").connect()
        self.assertEqual([b""], passed(plan, b"x", at=1.9))
        self.assertEqual([b"x"], passed(plan, b"x", at=2.0))

    def test_direction(self) -> None:
        """A rule for one direction leaves the other unchanged."""
        plan = Schedule("drop, in").connect()
        self.assertEqual([b"x"], passed(plan, b"x"))
        self.assertEqual([b""], passed(plan, b"x", direction="in"))

    def test_reported(self) -> None:
        """What is reported each time a fault acts."""
        for rule, expected in {
            "latency 100ms": "4 B 0.100 s later",
            "slice 3 bytes": "in 2 pieces",
            "corrupt byte 2": "1 of 4 B changed",
            "reset after 1 byte": "1 of 4 B passed, reset",
            "close after reply": "end",
        }.items():
            schedule = Schedule(rule)
            passed(schedule.connect(), b"abcd")
            self.assertEqual([expected], schedule.reports)

    @given(
        rules(),
        st.integers(),
        st.lists(st.tuples(st.booleans(), st.binary(max_size=50)), min_size=5),
    )
    def test_repeatable(self, rule: Rule, seed: int, events: list[tuple[bool, bytes]]) -> None:
        """The same seed and the same events give the same actions, whatever the rule."""

        def schedule() -> list[Any]:
            fault = ActiveFault(rule, seed, 0.0)
            reports: list[str] = []
            plans = [Pipeline([fault], 0, 0, lambda _, did: reports.append(did)) for _ in range(3)]
            steps: list[Any] = [plan.apply(Action(0, ActionType.ACCEPT)) for plan in plans]
            for at, (isIn, data) in enumerate(events):
                step = Action(float(at), ActionType.PASS, data)
                steps.append(plans[len(data) % 3].apply(step, "in" if isIn else "out"))
            steps += [plan.apply(Action(100, ActionType.CLOSE)) for plan in plans]
            return [*steps, reports, fault.seen, fault.acted]

        self.assertEqual(schedule(), schedule())


class ActiveTests(SynchronousTestCase):
    """Which rules are active, and what they match."""

    def test_seed(self) -> None:
        """A rule without a seed gets a random one, and shows it; a given seed is kept."""
        faults = ActiveFaults(lambda: 42)
        faults.replace([parse("echo: drop, 5%"), parse("echo: drop, seed 7")], 0.0)
        self.assertEqual(
            ["echo: drop, 5%, seed 42", "echo: drop, seed 7"], [str(one) for one in faults]
        )

    def test_reset(self) -> None:
        """After a reset the same draws come again."""
        fault = ActiveFault(parse("echo: drop, 50%"), 7, 0.0)
        first = [fault.choose() for _ in range(50)]
        fault.reset()
        self.assertEqual((0, 0, 0), (fault.connections, fault.seen, fault.acted))
        self.assertEqual(first, [fault.choose() for _ in range(50)])

    def test_stays(self) -> None:
        """A rule that is active before and after keeps its seed and its counts."""
        faults = ActiveFaults()
        drop, silence = parse("echo: drop, 5%"), parse("echo: silence")
        self.assertTrue(faults.replace([drop, silence], 0.0))
        first, second = faults
        first.choose()
        self.assertFalse(faults.replace([drop, silence], 1.0))
        self.assertTrue(faults.replace([silence, drop, drop], 2.0))
        self.assertEqual([second, first], list(faults)[:2])
        self.assertEqual((1, 2.0), (first.seen, list(faults)[2].since))
        # The normal form with the seed is the same rule.
        self.assertFalse(faults.replace([one.rule for one in faults], 3.0))

    def test_isReset(self) -> None:
        """A reset replaces every rule, with a new seed if it has none."""
        faults = ActiveFaults()
        rules = [parse("echo: drop, 5%"), parse("echo: drop, seed 3")]
        faults.replace(rules, 0.0)
        before = list(faults)
        self.assertTrue(faults.replace(rules, 1.0, isReset=True))
        self.assertTrue({*before}.isdisjoint(faults))
        self.assertFalse(ActiveFaults().replace([], 1.0, isReset=True))

    def test_forNew(self) -> None:
        """Kinds about the start of a connection do not apply to open ones."""
        for rule, expected in {
            "reset at accept": [False, True],
            "reset at first byte, in": [False, True],
            "half-close at accept": [False, True],
            "reset after 1 byte": [True, True],
            "reset after 1 byte, new connections": [False, True],
        }.items():
            faults = ActiveFaults()
            faults.replace([parse(f"echo: {rule}")], 5.0)
            found = [faults.matching("echo", None, "stream", opened) for opened in (4.0, 5.0)]
            self.assertEqual(expected, [*map(bool, found)], rule)

    def test_replaced(self) -> None:
        """On an open connection, a rule that stays keeps its state, and one that goes stops
        acting."""
        schedule = Schedule("corrupt byte 5")
        plan = schedule.connect()
        self.assertEqual([b"abcd"], passed(plan, b"abcd"))
        plan.replace([schedule.fault], 1.0)
        self.assertEqual([b"e\x99gh"], passed(plan, b"efgh"))
        plan.replace([], 2.0)
        self.assertEqual((0, [b"abcdefgh"]), (len(plan), passed(plan, b"abcdefgh")))

    def test_matching(self) -> None:
        """Rules match by service, by carrier and by the peer's address."""
        faults = ActiveFaults()
        texts = (
            *("echo: drop", "echo: silence, from 127.0.0.0/8", "receive: drop, from ::1"),
            *("answer: drop, from ::ffff:192.0.2.1", "receive: drop, from ::/0"),
        )
        faults.replace([parse(text) for text in texts], 0.0)
        for who, expected in {
            ("echo", "127.0.0.1", "stream"): 2,
            ("echo", "::ffff:127.0.0.1", "stream"): 2,
            ("answer", "192.0.2.1", "stream"): 1,
            ("answer", "::ffff:192.0.2.1", "stream"): 1,
            ("answer", "192.0.2.2", "stream"): 0,
            ("answer", "::1", "stream"): 0,
            ("echo", "::1", "stream"): 1,
            ("echo", None, "stream"): 1,
            ("echo", "127.0.0.1", "datagram"): 1,
            ("receive", "::1", "datagram"): 2,
            ("receive", "127.0.0.1", "datagram"): 0,
            ("chat", "::1", "stream"): 0,
        }.items():
            self.assertEqual(expected, len(faults.matching(*who, 0.0)), who)
