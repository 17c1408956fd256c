"""The promises, in the order of the table."""

from __future__ import annotations

from bench.reliability import crowds, hostile, lasting, machine, stopping, tools
from bench.reliability.model import Promise

PROMISES = (
    Promise(
        "idle",
        "Idle connections cost little, and disturb nobody.",
        "10,000 idle connections to echo, beside a client that sends every 5 ms",
        crowds.idle,
    ),
    Promise(
        "stall",
        "A connection that the kernel has completed is served.",
        "500 connects while the daemon is stopped for 1.5 s",
        crowds.stall,
    ),
    Promise(
        "non-readers",
        "Clients that send and never read cost bounded memory, and are closed.",
        "1,000 of them on each service; the stall timeout is 5 s, the journal is off",
        crowds.nonReaders,
    ),
    Promise(
        "room",
        "A large chat room does not stop the daemon.",
        "a room of 1,000; one of them sends a line, twenty times",
        crowds.room,
    ),
    Promise(
        "resets",
        "Connections that are reset at once leave nothing behind.",
        "20,000 connects, each reset at once",
        hostile.resets,
    ),
    Promise(
        "datagrams",
        "A flood of datagrams disturbs no connection.",
        "as many as 16 sockets can send, for 5 s",
        hostile.datagrams,
    ),
    Promise(
        "requests",
        "Pipelined HTTP requests are served in turn with everything else.",
        "100 connections send requests without end and read nothing; the journal is off",
        hostile.requests,
    ),
    Promise(
        "garbage",
        "Random bytes end in a reported way.",
        "500 connections and 500 datagrams of random bytes, which end in random ways",
        hostile.garbage,
    ),
    Promise(
        "descriptors",
        "Without free descriptors the daemon waits; it logs little and recovers.",
        "400 connects to a daemon that may have 256 descriptors",
        hostile.descriptors,
    ),
    Promise(
        "clock",
        "Limits do not depend on the wall clock.",
        "steps of 11 minutes and of a day, forward and back (libfaketime)",
        machine.clockSteps,
    ),
    Promise(
        "failures",
        "A system call that fails ends one connection at most.",
        "each fifth accept, recv, send, epoll_ctl or write fails (strace)",
        machine.failures,
    ),
    Promise(
        "lost hosts",
        "A host that is gone without a FIN is disconnected.",
        "30 connections in a network namespace whose link goes down",
        machine.lostHosts,
    ),
    Promise(
        "slow HTTP",
        "Slow HTTP clients cannot keep probes away.",
        "slowhttptest with slow headers, bodies, readers and ranges; 1,000 connections each",
        tools.slowHTTP,
    ),
    Promise(
        "queue at the end",
        "SIGTERM resets no connection that the kernel has completed.",
        "SIGTERM while 1,000 connections wait to be accepted",
        stopping.queued,
    ),
    Promise(
        "clients at the end",
        "SIGTERM resets no client: each is served, or refused.",
        "SIGTERM under 40 clients that connect again and again; ten times",
        stopping.looping,
    ),
    Promise(
        "hanging end",
        "SIGTERM ends the daemon even if a callback blocks, and the log names the callback.",
        "a service that sleeps for an hour; the drain timeout is 2 s",
        stopping.hanging,
    ),
    Promise(
        "unread log",
        "Nobody waits for the log.",
        "90 logged messages of 200 bytes; standard output is a pipe of 4 KiB that nobody reads",
        stopping.unreadLog,
    ),
    Promise(
        "random ends",
        "Clients that end at any moment cause no exception.",
        "visitors of every service while faults change, events stream, and the daemon drains",
        lasting.randomEnds,
        isSoak=True,
    ),
    Promise(
        "soak",
        "Memory and descriptors do not grow.",
        "new connections and questions without a pause",
        lasting.soak,
        isSoak=True,
    ),
)
