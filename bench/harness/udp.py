# SPDX-License-Identifier: MIT
"""UDP echo: datagrams for each second of processor time that the server spends."""
import re
import subprocess
import sys

from .processes import LOAD_CPU, Absent, Process, Server
from .table import LIMIT, OURS, PEER, Contender, Job


def load(context, server, window, size):
    argv = [context.program("load-udp"), server.address, window, size, context.warm_ms, context.window_ms, server.pid]
    with Process(argv, LOAD_CPU, stdout=subprocess.PIPE) as p:
        values = dict(re.findall(r"(\w+)=([\d.]+)", p.line(60)))
    if float(values["server_cpu"]) == 0:
        raise Absent("the server did nothing")
    return float(values["messages"]) / float(values["server_cpu"]) / 1000


def contender(name, role, argv, shape):
    def open_(context, _stack):
        command = argv(context)

        def measure():
            with Server(command, stderr=subprocess.DEVNULL) as server:
                return load(context, server, *shape)

        return measure

    return Contender(name, role, open_)


def built(name, *arguments):
    return lambda context: [context.program(name), *arguments]


SERVERS = [
    ("recvmmsg and sendmmsg", LIMIT, built("limit-udp", "udp://127.0.0.1:0")),
    ("lanyard, fibers on epoll", OURS, built("ly-udp", "--reactor", "epoll")),
    ("lanyard, fibers on io_uring", OURS, built("ly-udp", "--reactor", "io_uring")),
    ("lanyard, sequential", OURS, built("ly-udp", "--policy", "sequential")),
    ("lanyard, threads", PEER, built("ly-udp", "--policy", "threading")),
    ("recvmmsg and sendmmsg, joined", PEER, built("limit-udp", "udp://127.0.0.1:0", "--join")),
    ("recvfrom and sendto", PEER, built("limit-udp", "udp://127.0.0.1:0", "--plain")),
    ("libuv", PEER, built("peer-udp-libuv")),
    ("Python ThreadingUDPServer", PEER, lambda context: [sys.executable, context.source / "peers/udp-python.py"]),
]


def job(window):
    return Job(f"udp-{window}", f"UDP echo, 64 B, {window} under way", "1000 datagrams / server CPU s", digits=1, target=0.97,
               contenders=[contender(*s, (window, 64)) for s in SERVERS])


JOBS = [job(64), job(256)]
