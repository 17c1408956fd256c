"""Watchdog: ends a process that was asked to stop and does not, whatever its reactor does.

A callback that never returns, or a Deferred that never fires, would keep the process for ever:
its signal handlers run in the reactor's thread, if at all.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from twisted.logger import Logger

#: Seconds that the daemon has after its drain, or after a second signal.
GRACE_SECONDS = 1.0
#: The exit status of a process that was ended (EX_SOFTWARE of sysexits.h).
EXIT_STATUS = 70

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Watchdog:
    """A thread that gets the signals, too, and ends the process when its time is over.

    The first SIGINT or SIGTERM gives it `drainSeconds()` and GRACE_SECONDS, and the next one
    GRACE_SECONDS. `tidy` is called before the end. Python code, calls that wait and calls that
    look for signals (such as a match of `re`) are ended; C code that holds the interpreter for
    ever is not.
    """

    log = Logger()

    def __init__(self, drainSeconds: Callable[[], float], tidy: Callable[[], None]) -> None:
        self._drainSeconds = drainSeconds
        self._tidy = tidy
        self._deadline: float | None = None
        self._signals, self._pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # Python's C code writes the number of each signal to this pipe, in whatever the main
        # thread is stuck. The reactor wakes up by the same means, so it gets them from us.
        self._reactorsPipe = signal.set_wakeup_fd(self._pipe, warn_on_full_buffer=False)
        signal.signal(signal.SIGALRM, lambda *_: self._end())
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Count a request to stop, as a signal would."""
        with suppress(BlockingIOError):
            os.write(self._pipe, bytes([signal.SIGTERM]))
        self.alarm(self._drainSeconds())

    def alarm(self, seconds: float) -> None:
        """End the process some time after these seconds even if our thread cannot run.

        That is so while a call does not return and keeps the interpreter. If it looks for
        signals, the handler of SIGALRM runs within it.
        """
        signal.setitimer(signal.ITIMER_REAL, seconds + 1.5 * GRACE_SECONDS)

    def _watch(self) -> None:
        # The main thread shall get the signals: they interrupt what it waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        while poll.poll(None if self._deadline is None else self._left() * 1000):
            numbers = os.read(self._signals, 4096)
            with suppress(OSError):
                os.write(self._reactorsPipe, numbers)
            for number in numbers:
                if number in _STOP_SIGNALS:
                    self._count()
        self._end()

    def _left(self) -> float:
        assert self._deadline is not None
        return max(self._deadline - monotonic(), 0)

    def _count(self) -> None:
        if self._deadline is None:
            self._deadline = monotonic() + self._drainSeconds() + GRACE_SECONDS
        else:
            self._deadline = min(self._deadline, monotonic() + GRACE_SECONDS)

    def _end(self) -> None:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        stack = "".join(traceback.format_stack(frame)).rstrip()
        try:
            self.log.critical(
                "the daemon did not stop: a callback does not return, or a Deferred does not "
                "fire. It is ended, with exit status {status}, in\n{stack}",
                status=EXIT_STATUS,
                stack=stack,
            )
            self._tidy()
        finally:
            os._exit(EXIT_STATUS)
