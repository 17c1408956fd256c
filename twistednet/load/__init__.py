"""Load on a server, ours or not: rate, latency, errors and loss.

`netdemo load` runs it. Another package adds the traffic of its own service with an entry point
in the group `twistednet.loads` that names a `Traffic`.
"""

from twistednet.load.generator import load
from twistednet.load.tally import LoadTally
from twistednet.load.traffic import Exchange, Traffic, loadTraffic

__all__ = ["Exchange", "LoadTally", "Traffic", "load", "loadTraffic"]
