# SPDX-License-Identifier: MIT
"""TCP echo: messages for each second of processor time that the server spends."""
import re
import shutil
import subprocess
import sys

from .processes import LOAD_CPU, Absent, Process, Server
from .table import LIMIT, OURS, PEER, Contender, Job


def load(context, server, connections, size, depth):
    argv = [context.program("load-echo"), server.address, connections, size, depth, context.warm_ms, context.window_ms,
            server.pid]
    with Process(argv, LOAD_CPU, stdout=subprocess.PIPE) as p:
        values = dict(re.findall(r"(\w+)=([\d.]+)", p.line(60)))
    if float(values["server_cpu"]) == 0:
        raise Absent("the server did nothing")
    return float(values["messages"]) / float(values["server_cpu"]) / 1000


def contender(name, role, argv, shape):
    """argv(context) is the server's command. Each round has a fresh server, so that luck in the placement of memory evens out."""
    def open_(context, _stack):
        command = argv(context)

        def measure():
            with Server(command, stderr=subprocess.DEVNULL) as server:
                return load(context, server, *shape)

        return measure

    return Contender(name, role, open_)


def built(name, *arguments):
    return lambda context: [context.program(name), *arguments]


def node(context):
    path = shutil.which("node")
    if not path:
        raise Absent("node is not installed")
    return [path, context.source / "peers/echo-node.js"]


def python(context):
    return [sys.executable, context.source / "peers/echo-python.py"]


def servers(buffer):
    """(name, role, argv) of each echo server; our handler's buffer is its own, or lent while there is something in it."""
    ours = ["ly-echo", "--buffer", buffer]
    return [
        ("raw epoll loop", LIMIT, built("limit-echo")),
        ("lanyard, fibers on epoll", OURS, built(*ours, "--reactor", "epoll")),
        ("lanyard, fibers on io_uring", OURS, built(*ours, "--reactor", "io_uring")),
        ("lanyard, threads", PEER, built(*ours, "--policy", "threading")),
        ("libuv", PEER, built("peer-echo-libuv")),
        ("libevent", PEER, built("peer-echo-libevent")),
        ("thread a connection", PEER, built("peer-echo-threads")),
        ("Node", PEER, node),
        ("Python ThreadingTCPServer", PEER, python),
    ]


def job(name, title, *shape, buffer="own"):
    return Job(name, f"TCP echo, {title}", "1000 messages / server CPU s", digits=1, target=0.98,
               contenders=[contender(*s, shape) for s in servers(buffer)])


JOBS = [
    job("echo-50", "64 B, 50 connections", 50, 64, 1),
    job("echo-1000", "64 B, 1000 connections", 1000, 64, 1),
    job("echo-16k", "16 KiB, 50 connections", 50, 16384, 1, buffer="lent"),
    job("echo-deep", "64 B, sixteen at a time, 50 connections", 50, 64, 16),
]
