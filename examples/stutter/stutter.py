"""A kind of fault for twistd netdemo: a chunk is said several times."""

from twistednet import Kind, Memory, Step


def stutter(step: Step, memory: Memory, times: int) -> list[Step]:
    """It passes so many times."""
    return [step] * times


kind = Kind.of("stutter N", stutter, "chunks")
