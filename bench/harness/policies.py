# SPDX-License-Identifier: MIT
"""One handler through every policy and reactor: requests a second, how long one takes, and the server's memory."""
import re
import statistics
import subprocess
import sys

from .processes import LOAD_CPU, Absent, Process, Server, descendants
from .table import Grid

CONNECTIONS = (1, 50, 1000)
REACTORS = ("select", "poll", "epoll", "io_uring")


def ours(*arguments):
    return lambda context: [context.program("ly-echo"), *arguments]


def python(policy):
    return lambda context: [sys.executable, context.source / "peers/echo-python.py", policy]


SERVERS = [
    ("sequential", ours("--policy", "sequential")),
    ("forking", ours("--policy", "forking")),
    ("threading", ours("--policy", "threading")),
    *((f"fibers on {reactor}", ours("--reactor", reactor)) for reactor in REACTORS),
    ("Python, sequential", python("sequential")),
    ("Python, forking", python("forking")),
    ("Python, threading", python("threading")),
]


def memory_bytes(pid):
    """What a server and its processes take, shared pages once."""
    total = 0
    for each in (pid, *descendants(pid)):
        with open(f"/proc/{each}/smaps_rollup", encoding="ascii") as lines:
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def measure(context, argv, connections):
    """(requests a second, microseconds of the median and of the 99th percentile, MiB)."""
    with Server(argv, stderr=subprocess.DEVNULL) as server:
        load = [context.program("load-echo"), server.address, connections, 64, 1, context.warm_ms, context.window_ms // 2,
                server.pid, "hold"]
        with Process(load, LOAD_CPU, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            values = dict(re.findall(r"(\w+)=([\d.]+)", p.line(60)))
            memory = memory_bytes(server.pid)
        rate = float(values["messages"]) / float(values["seconds"])
        return rate, float(values["p50_us"]), float(values["p99_us"]), memory / (1 << 20)


def rows(context, progress):
    """A row a server and number of connections; interleaved as all jobs are."""
    readings = {}
    for number in range(context.rounds):
        for name, argv in SERVERS:
            for connections in CONNECTIONS:
                if "sequential" in name and connections > 1:
                    continue
                key = name, connections
                if isinstance(readings.get(key), str):
                    continue
                progress(f"policies: round {number + 1} of {context.rounds}: {name}, {connections}")
                try:
                    readings.setdefault(key, []).append(measure(context, argv(context), connections))
                except (Absent, OSError) as why:
                    readings[key] = str(why)
    for (name, connections), values in readings.items():
        label = f"{name}, {connections:,}"
        if isinstance(values, str):
            yield [label, "absent", values, "", ""]
        else:
            rate, p50, p99, memory = (statistics.median(column) for column in zip(*values))
            yield [label, f"{rate:,.0f}", f"{p50:,.0f}", f"{p99:,.0f}", f"{memory:,.1f}"]


JOBS = [
    Grid("policies", "TCP echo of 64 B through every policy and reactor, with so many connections", rows,
         ["", "requests/s", "p50, µs", "p99, µs", "MiB in all"],
         note="A sequential server takes one connection at a time. Memory counts a server's processes together, shared pages once; "
              "Python's include its interpreter."),
]
