# SPDX-License-Identifier: MIT
"""Resident memory that the server spends on a connection; and whether it stays flat."""
import contextlib
import subprocess
import time

from .echo import built
from .lanyard import Lanyard
from .processes import LOAD_CPU, Absent, Process, Server, descriptors, resident_bytes, timed
from .table import LIMIT, OURS, PEER, Contender, Job

SPARE_DESCRIPTORS = 900


def settled(server):
    """Resident bytes once two readings 50 ms apart agree."""
    last = -1
    for _ in range(100):
        now = resident_bytes(server.pid)
        if now == last:
            return now
        last = now
        time.sleep(0.05)
    return last


@contextlib.contextmanager
def holding(context, server, count, how):
    """Keep connections open while the block runs, all of them accepted."""
    argv = [context.program("load-hold"), server.address, count, how]
    with Process(argv, LOAD_CPU, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        p.line(120)
        end = time.monotonic() + 60
        while descriptors(server.pid) < count:
            if time.monotonic() > end:
                raise Absent("did not accept all connections")
            time.sleep(0.02)
        yield


def each(context, server, how):
    count = context.connections
    with holding(context, server, 1, "say"):
        pass
    before = settled(server)
    with holding(context, server, count, how):
        return (settled(server) - before) / count


def contender(name, role, argv, how):
    def open_(context, _stack):
        command = argv(context)

        def measure():
            with Server(command) as server:
                return each(context, server, how)

        return measure

    return Contender(name, role, open_)


def churned(argv, count):
    """Growth of the server's memory, in KiB, from the first `count` short connections to the second."""
    def open_(context, _stack):
        command = argv(context)

        def measure():
            with Server(command) as server:
                sizes = []
                for _ in range(2):
                    with Process([context.program("load-churn"), server.address, count], LOAD_CPU,
                                 stdout=subprocess.PIPE) as p:
                        p.line(120)
                    sizes.append(settled(server))
                return (sizes[1] - sizes[0]) / 1024

        return measure

    return open_


def transferred(transport):
    """Growth of our server's memory, in KiB, over twice the large file in each round, since it had served the first."""
    def open_(context, stack):
        context.make_big()
        ours, destination = Lanyard(context, stack, transport, context.dir), context.dir / "kept-flat"
        stack.callback(destination.unlink, missing_ok=True)

        def fetch():
            timed(context.program("load-spawn"), ours.get(context.big.name, destination))
            destination.unlink()

        fetch()
        before = settled(ours.process)

        def measure():
            fetch()
            fetch()
            return (settled(ours.process) - before) / 1024

        return measure

    return open_


IDLE = [
    ("raw epoll loop", LIMIT, built("limit-echo")),
    ("lanyard, fibers on epoll", OURS, built("ly-echo", "--reactor", "epoll")),
    ("lanyard, fibers on io_uring", OURS, built("ly-echo", "--reactor", "io_uring")),
    ("libuv", PEER, built("peer-echo-libuv")),
    ("libevent", PEER, built("peer-echo-libevent")),
    ("thread a connection", PEER, built("peer-echo-threads")),
]
PARKED = [
    ("lanyard, fibers on epoll", OURS, built("ly-echo", "--reactor", "epoll")),
    ("lanyard, fibers on io_uring", OURS, built("ly-echo", "--reactor", "io_uring")),
    ("thread a connection", PEER, built("peer-echo-threads")),
]

JOBS = [
    Job("memory-idle", "memory of an idle connection, 19,000 open", "bytes", higher=False, target=256, of_limit=False,
        contenders=[contender(*s, "silent") for s in IDLE]),
    Job("memory-parked", "memory of a connection whose handler waits for its second message", "bytes", higher=False,
        target=4500, of_limit=False,
        contenders=[contender(*s, "say") for s in PARKED] + [
            contender("lanyard, fiber at accept, first message awaited", PEER,
                      built("ly-echo", "--at-accept"), "silent")]),
    Job("memory-churn", "growth of the server over 50,000 short connections, after 50,000 others", "KiB", higher=False,
        target=64, of_limit=False,
        contenders=[Contender(f"lanyard, fibers on {r}", OURS, churned(built("ly-echo", "--reactor", r), 50000))
                    for r in ("epoll", "io_uring")]),
    Job("memory-transfer", "growth of the server over 2 GiB of get in each round, 10 GiB in five", "KiB", higher=False,
        target=1024, of_limit=False,
        contenders=[Contender("lanyard, Unix socket", OURS, transferred("unix")),
                    Contender("lanyard, TCP", OURS, transferred("tcp"))]),
]
