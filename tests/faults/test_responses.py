"""faults/kinds/responses.py: the bytes of each faulty HTTP response."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.faults.test_rules import VALUES
from twistednet.faults.actions import Action, responseActions
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.active import ActiveFault
from twistednet.faults.grammar import parse
from twistednet.faults.kinds.responses import RESPONSE_KINDS
from twistednet.faults.model import FaultKind, KindState
from twistednet.faults.pipeline import Pipeline
from twistednet.faults.responseparts import ResponseParts, wholeResponse

HEAD = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\n"
GOOD = HEAD + b"Content-Length: 6\r\n\r\nabcdef"


def made(
    method: bytes = b"GET",
    status: int = 200,
    body: bytes = b"abcdef",
    *headers: tuple[bytes, bytes],
) -> ResponseParts:
    """Return a response as a service might make it."""
    fields = [(b"Server", b"x"), (b"Content-Type", b"text/plain"), *headers]
    return wholeResponse((method, b"/a?b"), (b"HTTP/1.1", status, b"OK"), fields, body)


def edited(reply: ResponseParts, *rules: str, report: Any = None) -> ResponseParts:
    """Return the response as these rules edit it."""
    faults = [ActiveFault(parse(f"hello: {rule}"), 1, 0.0) for rule in rules]
    plan = Pipeline(faults, 0.0, 0.0, report or (lambda fault, did: None), isStream=False)
    [step] = plan.apply(Action(1.0, ActionType.REQUEST, reply.target), "in")
    for edit in step.edits:
        reply = edit(reply)
    return reply


def sent(reply: ResponseParts) -> list[tuple[float, bytes | str]]:
    """Return what is sent, each with its time in seconds from the start, and the end."""
    return [
        (step.at - 1.0, step.data if step.type is ActionType.PASS else step.type.value)
        for step in responseActions(reply, 1.0)
    ]


class ReplyTests(SynchronousTestCase):
    """A response that no fault edits."""

    def test_whole(self) -> None:
        """It is sent in one piece, with its own Content-Length or the service's."""
        self.assertEqual([(0.0, GOOD)], sent(made()))
        given = made(b"GET", 200, b"abcdef", (b"content-length", b"6"))
        self.assertEqual([(0.0, GOOD)], sent(given))

    def test_bodiless(self) -> None:
        """To HEAD, and with 204 and 304, there is no body, and no length unless the service gave
        one."""
        for reply in (made(b"HEAD"), made(b"GET", 204), made(b"GET", 304)):
            head = HEAD.replace(b"200", b"%d" % reply.status) + b"\r\n"
            self.assertEqual([(0.0, head)], sent(reply))
        given = made(b"HEAD", 200, b"", (b"Content-Length", b"9"))
        self.assertEqual([(0.0, HEAD + b"Content-Length: 9\r\n\r\n")], sent(given))


class KindTests(SynchronousTestCase):
    """What each kind sends."""

    def test_malformed(self) -> None:
        """The kinds that break the syntax, and whether our FIN follows."""
        length = b"Content-Length: 6\r\n"
        for rule, expected, end in (
            ("no status line", GOOD.partition(b"\r\n")[2], "end"),
            ("bytes before status line", b"garbage\r\n" + GOOD, "end"),
            ("duplicate content-length", GOOD.replace(length, length * 2), ""),
            (
                "conflicting content-length",
                GOOD.replace(length, length + b"Content-Length: 7\r\n"),
                "end",
            ),
            (
                "bad chunk size",
                HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabcdef\r\n0\r\n\r\n",
                "end",
            ),
            ("truncated body", GOOD.replace(b": 6", b": 7"), "end"),
            ("surplus body", GOOD + b"surplus", "end"),
            (
                "wrong content-encoding",
                HEAD + b"Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\nabcdef",
                "",
            ),
        ):
            ended = [(0.0, end)] if end else []
            self.assertEqual([(0.0, expected), *ended], sent(edited(made(), rule)), rule)

    def test_cut(self) -> None:
        """Half of the headers, or the headers and half of the body, then the end."""
        head = HEAD + b"Content-Length: 6\r\n\r\n"
        half = head[: len(head) // 2]
        for rule, expected, end in (
            ("close in headers", half, "end"),
            ("reset in headers", half, "reset"),
            ("close in body", head + b"abc", "end"),
            ("reset in body", head + b"abc", "reset"),
        ):
            reply = edited(made(), rule)
            self.assertEqual([(0.0, expected), (0.0, end)], sent(reply), rule)
            self.assertEqual(rule.split()[0], responseActions(reply, 0.0)[-1].faultName)

    def test_late(self) -> None:
        """The headers come at once, the body or its second half later."""
        head, body = GOOD[:-6], GOOD[-6:]
        self.assertEqual([(0.0, head), (2.0, body)], sent(edited(made(), "latency before body 2s")))
        self.assertEqual(
            [(0.0, head + b"abc"), (2.0, b"def")], sent(edited(made(), "latency in body 2s"))
        )

    def test_endless(self) -> None:
        """A header field is sent again and again."""
        first, again = responseActions(edited(made(), "endless headers"), 1.0)
        self.assertEqual(GOOD.partition(b"\r\n\r\n")[0] + b"\r\n", first.data)
        self.assertFalse(first.isEndless)
        self.assertTrue(again.isEndless)
        self.assertRegex(again.data, rb"\AX-Endless: x+\r\n\Z")
        self.assertEqual(1024, len(again.data))

    def test_status(self) -> None:
        """Another response keeps the headers of the connection and of faults."""
        mark = (b"X-Netdemo-Fault", b"a")
        for code, line, rest in (
            (
                503,
                b"503 Service Unavailable",
                b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\n\r\n"
                b"503 Service Unavailable\n",
            ),
            (
                599,
                b"599 ",
                b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\n599\n",
            ),
            (204, b"204 No Content", b"\r\n"),
            (205, b"205 Reset Content", b"Content-Length: 0\r\n\r\n"),
        ):
            reply = edited(made(b"GET", 200, b"abc", mark, (b"ETag", b"b")), f"status {code}")
            head = b"HTTP/1.1 " + line + b"\r\nServer: x\r\nX-Netdemo-Fault: a\r\n"
            self.assertEqual([(0.0, head + rest)], sent(reply))
        toHEAD = edited(made(b"HEAD"), "status 503")
        self.assertRegex(toHEAD.head, rb"Content-Length: 24\r\n\r\n\Z")
        self.assertEqual(b"", toHEAD.content)

    def test_redirect(self) -> None:
        """The target redirects to itself, and never to another host."""
        for target, place in ((b"/a?b", b"/a?b"), (b"//else/a", b"/.//else/a")):
            reply = edited(replace(made(), target=target), "redirect loop")
            self.assertEqual((302, b"Found"), (reply.status, reply.reason))
            self.assertIn((b"Location", place), reply.headers)

    def test_chain(self) -> None:
        """Each redirect names the next one, with the count at the end of the target; after the
        last one comes the response itself, and the rule has not acted."""
        reports: list[str] = []

        def report(_: ActiveFault, did: str) -> None:
            reports.append(did)

        for start, steps in (
            (b"/", (b"/?netdemo-redirects=1", b"/?netdemo-redirects=2")),
            (b"/a?b=1", (b"/a?b=1&netdemo-redirects=1", b"/a?b=1&netdemo-redirects=2")),
            (b"//else/a", (b"/.//else/a?netdemo-redirects=1", b"/.//else/a?netdemo-redirects=2")),
        ):
            for target, place in zip((start, *steps), steps, strict=False):
                request = replace(made(), target=target)
                reply = edited(request, "redirect chain of 2", report=report)
                self.assertEqual((302, b"Found"), (reply.status, reply.reason))
                self.assertIn((b"Location", place), reply.headers)
            last = replace(made(), target=steps[-1])
            self.assertEqual(last, edited(last, "redirect chain of 2", report=self.fail))
        self.assertEqual(6, len(reports))

    def test_chainPassed(self) -> None:
        """A count that is not ours is part of the target."""
        for target, place in (
            (b"/?netdemo-redirects=x", b"/?netdemo-redirects=x&netdemo-redirects=1"),
            (b"/?netdemo-redirects=1&a", b"/?netdemo-redirects=1&a&netdemo-redirects=1"),
            (b"/?not-netdemo-redirects=1", b"/?not-netdemo-redirects=1&netdemo-redirects=1"),
        ):
            reply = edited(replace(made(), target=target), "redirect chain of 1")
            self.assertIn((b"Location", place), reply.headers)

    def test_encoding(self) -> None:
        """An encoding that the service named is replaced."""
        reply = edited(
            made(b"GET", 200, b"", (b"Content-Encoding", b"br")), "wrong content-encoding"
        )
        self.assertEqual(1, reply.head.count(b"Content-Encoding: "))


class ChoiceTests(SynchronousTestCase):
    """Which requests are chosen, what several rules make of one, and what is reported."""

    def test_chosen(self) -> None:
        """Requests whose target matches are counted over all connections."""
        fault = ActiveFault(parse('hello: status 503, matching "b=1", every 2nd'), 1, 0.0)
        reports: list[str] = []
        plans = [
            Pipeline([fault], 0.0, 0.0, lambda _, did: reports.append(did), False) for _ in "ab"
        ]
        hit = []
        for number, target in enumerate((b"/?b=1", b"/", b"/?b=1", b"/\n?b=1", b"/?b=1")):
            [step] = plans[number % 2].apply(Action(0.0, ActionType.REQUEST, target), "in")
            hit.append(bool(step.edits))
        self.assertEqual([False, False, True, False, True], hit)
        self.assertEqual(["status 503 for /?b=1"] * 2, reports)
        self.assertEqual((4, 2), (fault.seen, fault.acted))

    def test_several(self) -> None:
        """Each rule edits what the one before it has made; the first to cut the response wins."""
        reply = edited(made(), "status 503", "latency in body 1s", "close in body")
        (_, begun), last = sent(reply)
        self.assertRegex(str(begun), r"^b'HTTP/1.1 503 .*\\r\\n\\r\\n503 Service '$")
        self.assertEqual((0.0, "end"), last)
        for texts, end, by in (
            (("reset in headers", "close in body", "bad chunk size"), "reset", "reset"),
            (("bad chunk size", "close in body"), "end", "close"),
            (("no status line", "surplus body"), "end", "surplus body"),
        ):
            final = responseActions(edited(made(), *texts), 0.0)[-1]
            self.assertEqual((end, by), (final.type.value, final.faultName), texts)
        cut = edited(made(), "endless headers", "close in headers")
        self.assertEqual("end", responseActions(cut, 0.0)[-1].type.value)

    def test_reported(self) -> None:
        """Control characters of a target are escaped in the report."""
        reports: list[str] = []
        edited(
            replace(made(), target=b"/\x1b"),
            "no status line",
            report=lambda _, did: reports.append(did),
        )
        self.assertEqual(["no status line for /\\x1b"], reports)


_REPLIES = st.builds(
    made,
    st.sampled_from([b"GET", b"HEAD"]),
    st.sampled_from([200, 204, 304, 404]),
    st.binary(max_size=20),
)


class AnyTests(SynchronousTestCase):
    """Any kinds, and any response."""

    @given(_REPLIES, st.lists(st.sampled_from(RESPONSE_KINDS), min_size=1, max_size=4), st.data())
    def test_anything(self, reply: ResponseParts, kinds: list[FaultKind], data: Any) -> None:
        """Times never go back, nothing comes after an end, the delays add up, and what is sent is
        a prefix of the edited response."""
        step, original = Action(0.0, ActionType.REQUEST, b"/"), reply
        waits = 0.0
        for kind in kinds:
            values = [data.draw(VALUES[name]) for name in kind.form.types]
            waits += sum(values) if kind.name == "latency" else 0.0
            [step] = kind.act(step, KindState(data.draw(st.randoms())), tuple(values))
        for edit in step.edits:
            reply = edit(reply)
        steps = responseActions(reply, 5.0)
        times = [one.at for one in steps]
        self.assertEqual(sorted(times), times)
        self.assertLessEqual(times[-1], 5.0 + waits + 1e-6 * waits)
        self.assertTrue(all(one.type is ActionType.PASS for one in steps[:-1]))
        if not reply.endlessHeader and any(kind.name in ("close", "reset") for kind in kinds):
            self.assertNotEqual("pass", steps[-1].type.value)
        passed = b"".join(one.data for one in steps if one.type is ActionType.PASS)
        if not reply.endlessHeader:
            self.assertTrue((reply.head + reply.content + reply.surplus).startswith(passed))
        if not kinds:
            self.assertEqual(original, reply)
        if original.method == b"HEAD":
            self.assertEqual(b"", reply.content)
