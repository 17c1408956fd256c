"""core/rooms.py and core/names.py: chat without a network."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.names import BadName, enforced, likeness
from twistednet.core.rooms import Delivery, Rooms


class NameTests(SynchronousTestCase):
    """Names that cannot be mistaken (RFC 8266)."""

    def test_enforced(self) -> None:
        """Compatible forms and spaces become one; letters of any script stay."""
        self.assertEqual(enforced("  Ann   Lee "), "Ann Lee")
        self.assertEqual(enforced("Ａnn"), "Ann")
        self.assertEqual(enforced("小明"), "小明")
        self.assertEqual(enforced("x" * 30), "x" * 30)

    def test_refused(self) -> None:
        """A name that is invisible, too long or empty is refused with the reason."""
        for name, why in (
            ("", "at least one"),
            ("   ", "at least one"),
            ("x" * 31, "30 characters"),
            ("a\x1b", "control"),
            ("a\u202eb", "invisible or direction"),
            ("a\u200bb", "invisible"),
            ("a\ue000", "private-use"),
            ("a\u2028b", "line separator"),
            ("a\u2029b", "paragraph separator"),
            ("\ud800", "surrogate"),
            ("\u0378", "does not define"),
            ("\u0301a", "combining mark"),
            ("alice\ufe0f", "cannot be seen"),
            ("ali\u034fce", "cannot be seen"),
            ("a\u180bb", "cannot be seen"),
            ("\u3164", "cannot be seen"),
            ("a\uffa0", "cannot be seen"),
            ("\u2800", "cannot be seen"),
            ("* server", "may not begin with an asterisk"),
            (" \uff0aserver", "may not begin with an asterisk"),
            ("\u2217 server", "may not begin with an asterisk"),
            ("alice: hi", "may not contain a colon"),
            ("alice\uff1a hi", "may not contain a colon"),
            ("alice\ua789 hi", "may not contain a colon"),
        ):
            with self.assertRaisesRegex(BadName, why):
                enforced(name)

    def test_likeness(self) -> None:
        """Names that look the same have the same likeness; others have not."""
        for one, other in (
            ("bob", "BOB"),
            ("paypal", "\u0440\u0430\u0443\u0440\u0430l"),
            ("bill", "bi11"),
            ("Tom", "\u0422om"),
            ("cafe", "café"),
            ("modern", "modem"),
            ("savvy", "sawy"),
            ("Straße", "STRASSE"),
        ):
            self.assertEqual(likeness(one), likeness(other), (one, other))
        self.assertNotEqual(likeness("ann"), likeness("anna"))


class RoomsTests(SynchronousTestCase):
    """Which lines each person gets."""

    def setUp(self) -> None:
        self.rooms = Rooms()

    def heard(self, deliveries: list[Delivery]) -> dict[object, list[str]]:
        """Return the lines of each person, in order."""
        lines: dict[object, list[str]] = {}
        for delivery in deliveries:
            for person in delivery.to:
                lines.setdefault(person, []).append(delivery.text)
        return lines

    def test_enter(self) -> None:
        """A new person gets their name, and the room a notice."""
        first = self.heard(self.rooms.enter("A"))
        self.assertEqual(list(first), ["A"])
        self.assertIn("guest-1 in lobby", first["A"][0])
        second = self.heard(self.rooms.enter("B"))
        self.assertIn("guest-2", second["B"][0])
        self.assertEqual(second["A"], ["* guest-2 has joined lobby"])

    def test_guestNameTaken(self) -> None:
        """A guest's name that another person has taken is skipped."""
        self.rooms.enter("A")
        self.rooms.rename("A", "Guest-2")
        self.rooms.enter("B")
        self.assertEqual(self.rooms.nameOf("B"), "guest-3")

    def test_say(self) -> None:
        """Everybody else in the room gets a line, but not its sender."""
        for person in "ABC":
            self.rooms.enter(person)
        self.assertEqual(self.rooms.say("A", "hi"), [Delivery(("B", "C"), "guest-1: hi")])
        self.assertEqual(
            self.rooms.say("A", "waves", "* {name} {text}"),
            [Delivery(("B", "C"), "* guest-1 waves")],
        )

    def test_textIsNoFormat(self) -> None:
        """Braces that a person types are text."""
        self.rooms.enter("A")
        self.rooms.enter("B")
        said = self.rooms.say("A", "{a.b()} {name}")
        self.assertEqual(said[0].text, "guest-1: {a.b()} {name}")

    def test_alone(self) -> None:
        """A person who is alone gets a notice."""
        self.rooms.enter("A")
        self.assertEqual(self.rooms.say("A", "hi"), [Delivery(("A",), "* nobody else is in lobby")])

    def test_rename(self) -> None:
        """All get a notice of a new name, and a name that looks taken is refused."""
        self.rooms.enter("A")
        self.rooms.enter("B")
        told = self.heard(self.rooms.rename("A", "Ann"))
        self.assertEqual(told, {"A": ["* guest-1 is now Ann"], "B": ["* guest-1 is now Ann"]})
        with self.assertRaisesRegex(BadName, "taken in lobby"):
            self.rooms.rename("B", "\u0410nn")
        self.assertEqual(self.rooms.nameOf("B"), "guest-2")
        self.rooms.rename("A", "ANN")
        self.assertEqual(self.rooms.nameOf("A"), "ANN")

    def test_renamedFrom(self) -> None:
        """A name that its owner gave up is free, for the room's next person too."""
        self.rooms.enter("A")
        self.rooms.enter("B")
        self.rooms.rename("A", "Ann")
        self.rooms.rename("A", "Amy")
        self.rooms.rename("B", "Ann")
        self.assertEqual(self.rooms.who("A")[0].text, "* in lobby: Amy, Ann")

    def test_join(self) -> None:
        """Both rooms get a notice of a move; an empty room is removed, but not the lobby."""
        self.rooms.enter("A")
        self.rooms.enter("B")
        told = self.heard(self.rooms.join("A", "Tea"))
        self.assertEqual(told["B"], ["* guest-1 has left lobby"])
        self.assertEqual(told["A"], ["* you are guest-1 in Tea"])
        told = self.heard(self.rooms.join("B", "TEA"))
        self.assertEqual(told["A"], ["* guest-2 has joined Tea"])
        self.assertEqual(self.rooms.who("A")[0].text, "* in Tea: guest-1, guest-2")
        self.assertEqual(self.rooms.rooms("A")[0].text, "* rooms: lobby (0), Tea (2)")
        self.assertEqual(self.rooms.join("A", "tea")[0].text, "* you are in Tea already")
        self.rooms.leave("A")
        self.assertEqual(self.rooms.leave("B"), [])
        self.rooms.enter("C")
        self.assertEqual(self.rooms.rooms("C")[0].text, "* rooms: lobby (1)")

    def test_joinWhereTheNameIsTaken(self) -> None:
        """A room refuses a person whose name is taken in it."""
        self.rooms.enter("A")
        self.rooms.rename("A", "Ann")
        self.rooms.join("A", "tea")
        self.rooms.enter("B")
        self.rooms.rename("B", "ann")
        with self.assertRaisesRegex(BadName, "taken in tea"):
            self.rooms.join("B", "tea")
        self.assertEqual(self.rooms.who("B")[0].text, "* in lobby: ann")
        with self.assertRaisesRegex(BadName, "control"):
            self.rooms.join("B", "\x07")

    def test_leave(self) -> None:
        """The others get a notice when a person leaves, but not of one who never entered."""
        self.rooms.enter("A")
        self.rooms.enter("B")
        self.assertEqual(self.rooms.leave("A"), [Delivery(("B",), "* guest-1 has left lobby")])
        self.assertEqual(self.rooms.leave("A"), [])


class CountTests(SynchronousTestCase):
    """The numbers of people and rooms."""

    def test_counts(self) -> None:
        """The lobby always exists; another room does while a person is in it."""
        rooms = Rooms()
        self.assertEqual((1, 0), (rooms.count, rooms.people))
        for person in ("a", "b"):
            rooms.enter(person)
        rooms.join("a", "attic")
        self.assertEqual((2, 2), (rooms.count, rooms.people))
        rooms.leave("a")
        self.assertEqual((1, 1), (rooms.count, rooms.people))
