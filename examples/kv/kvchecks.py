"""What any kv server must do: `netdemo check HOST:PORT --as kv`."""

from twistednet.check import Checklist, Probe, ServiceChecks, addConnectionChecks
from twistednet.client import Stream

KV = Checklist()


@KV.check("a value can be read back", "kv protocol: set, then get")
async def readBack(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "set a 1, get a"
    stream.write(b"set a 1\nget a\n")
    await probe.expect(stream, b"ok\n1\n")


async def serves(probe: Probe, stream: Stream) -> None:
    stream.write(b"get nothing\n")
    await probe.expect(stream, b"none\n")


addConnectionChecks(KV, serves)
checks = ServiceChecks("kv", streams=KV)
