"""An HTTP service: a resource of twisted.web with limits, and with faults of HTTP responses."""

from twisted.web.resource import Resource
from twisted.web.server import Request

from twistednet import BoundedSite, Service


class Jokes(Resource):
    """Answers every GET with the same joke."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return b"I could tell you a joke about UDP, but you might not get it.\n"


class JokesSite(BoundedSite):
    def __init__(self, resource: type[Jokes]) -> None:
        super().__init__(resource())


service = Service(
    "jokes",
    ("tcp:8090",),
    "tells a joke over HTTP",
    Jokes,
    JokesSite,
    client="curl http://HOST:PORT/",
)
