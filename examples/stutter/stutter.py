"""A kind of fault for twistd netdemo: a chunk is sent several times."""

from twistednet import Action, KindState, StreamFaultKind


def stutter(action: Action, state: KindState, times: int) -> list[Action]:
    """Pass the chunk this many times."""
    return [action] * times


kind = StreamFaultKind("stutter N", stutter, counts="chunks")
