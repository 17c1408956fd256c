"""What to send to a kv server, and the right answer: `netdemo load HOST:PORT --as kv`."""

from twistednet.load import Exchange, Traffic

traffic = Traffic("kv", streams=lambda target, size: Exchange.of(b"get nothing\n", b"none\n"))
