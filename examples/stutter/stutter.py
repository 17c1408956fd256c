"""A kind of fault for twistd netdemo: a chunk is said several times."""

from twistednet import Action, FaultKind, KindState


def stutter(step: Action, memory: KindState, times: int) -> list[Action]:
    """It passes so many times."""
    return [step] * times


kind = FaultKind.of("stutter N", stutter, "chunks")
