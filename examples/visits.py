"""twistd -n netdemo --hello-class=visits.Visits"""

from itertools import count

from twisted.web.server import Request

from twistednet import Hello


class Visits(Hello):
    """Counts its visitors. There is one instance, for all connections."""

    def __init__(self) -> None:
        super().__init__()
        self._visits = count(1)

    def greeting(self, request: Request) -> bytes:
        return b"%b You are visitor %d." % (super().greeting(request), next(self._visits))
