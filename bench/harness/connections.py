# SPDX-License-Identifier: MIT
"""Short connections a second, with a process or a thread for each."""
import re
import subprocess
import sys

from .processes import LOAD_CPU, Process, Server
from .table import LIMIT, OURS, PEER, Contender, Job


def contender(name, role, argv, count):
    """argv(context) is the server's command; each connection carries one message and its echo."""
    def open_(context, _stack):
        command = argv(context)

        def measure():
            with Server(command, stderr=subprocess.DEVNULL) as server:
                load = [context.program("load-churn"), server.address, count // (10 if context.quick else 1)]
                with Process(load, LOAD_CPU, stdout=subprocess.PIPE) as p:
                    values = dict(re.findall(r"(\w+)=([\d.]+)", p.line(120)))
            return float(values["connections"]) / float(values["seconds"])

        return measure

    return Contender(name, role, open_)


def job(policy, own_word, count):
    return Job(f"conn-{policy}", f"connections, a {own_word} for each", "connections / s", target=0.95, contenders=[
        contender(f"accept and a {own_word}", LIMIT, lambda c: [c.program("limit-connections"), own_word.replace("process", "fork")],
                  count),
        contender(f"lanyard, {policy}", OURS, lambda c: [c.program("ly-echo"), "--policy", policy], count),
        contender(f"Python, {policy}", PEER, lambda c: [sys.executable, c.source / "peers/echo-python.py", policy], count // 4),
    ])


JOBS = [job("forking", "process", 4000), job("threading", "thread", 10000)]
