"""Names of people and chat rooms (RFC 8266, the nickname profile)."""

from __future__ import annotations

import unicodedata

from twistednet.core.text import unseen

MAX_CHARACTERS = 30

# Letters that are drawn like a Latin one: the Cyrillic and Greek ones that
# Unicode's confusables list (UTS #39) maps to a single Latin letter, after case
# folding. It is not the whole list, but the letters that can fool a person in a chat.
_LOOKALIKES = str.maketrans(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u051d\u0445\u0443\u0475"
    "\u03b1\u03b3\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u03c7\u0131\u0261\u01c0\u043a\u043c\u043d\u0442\u0432",
    "acdehijlopqswxyvayikvopuxigl" + "kmhtb",
)
# Digits and signs that stand in for a letter, and sequences that read as one.
_STANDINS = str.maketrans({"0": "o", "1": "l", "|": "l", "i": "l"})

_FORBIDDEN = {
    "Cc": "a control character",
    "Cf": "an invisible or direction-changing character",
    "Cn": "a character that Unicode does not define",
    "Co": "a private-use character",
    "Cs": "half of a surrogate pair",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
# Drawn as empty space, though Unicode does not count them as spaces: a Braille pattern
# without dots, and a note without a head.
_BLANK = frozenset("\u2800\U0001d159")
# A colon separates a name from a line, and an asterisk begins the notices of the service;
# with the characters that are drawn like them (UTS #39).
_COLONS = frozenset(":\u02d0\u02f8\u0589\u05c3\u205a\u2236\ua4fd\ua789")
_ASTERISKS = ("*", "\u066d", "\u204e", "\u2217", "\U0001031f")


class BadName(ValueError):
    """A name cannot be used; the message is a sentence for its user."""


def enforced(name: str) -> str:
    """Return `name` as it is displayed: NFKC, single spaces, 1 to 30 characters.

    Raises BadName for a name that is empty or too long, has a character that is invisible or
    misleading, or would make a line look like that of another person.
    """
    for character in name:
        reason = _FORBIDDEN.get(unicodedata.category(character))
        if reason:
            raise BadName(f"a name may not contain {reason}")
    if unseen(name) or not _BLANK.isdisjoint(name):
        raise BadName("a name may not contain a character that cannot be seen")
    name = " ".join(unicodedata.normalize("NFKC", name).split())
    if not name:
        raise BadName("a name needs at least one character")
    if unicodedata.combining(name[0]):
        raise BadName("a name may not begin with a combining mark")
    if not _COLONS.isdisjoint(name):
        raise BadName("a name may not contain a colon, which ends the name before what is said")
    if name.startswith(_ASTERISKS):
        raise BadName("a name may not begin with an asterisk, as the service's own lines do")
    if len(name) > MAX_CHARACTERS:
        raise BadName(f"a name may have {MAX_CHARACTERS} characters at most")
    return name


def likeness(name: str) -> str:
    """Return a key that is the same for names that look the same; it is not for display."""
    folded = unicodedata.normalize("NFKC", name.casefold()).translate(_LOOKALIKES)
    bare = "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
    return bare.translate(_STANDINS).replace("rn", "m").replace("vv", "w")
