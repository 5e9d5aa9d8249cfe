# SPDX-License-Identifier: MIT
"""The smallest parts: a context switch, and a fiber's whole life. Programs in bench/micro print `NAME NANOSECONDS` lines."""
import subprocess

from .processes import SERVER_CPU, Absent, Process
from .table import LIMIT, OURS, PEER, Contender, Job


def reading(program, name):
    """The number that the program prints beside this name."""
    def open_(context, _stack):
        path = context.program(program)

        def measure():
            with Process([path], SERVER_CPU, stdout=subprocess.PIPE) as p:
                out, _ = p.popen.communicate(timeout=60)
            for line in out.decode().splitlines():
                words = line.split()
                if len(words) >= 2 and words[0] == name:
                    return float(words[1])
            raise Absent(f"{program} says nothing of {name}")

        return measure

    return open_


JOBS = [
    Job("switch", "context switch, one way", "ns", higher=False, digits=2, target=1.2,
        contenders=[
            Contender("boost.context's jump", LIMIT, reading("micro-switch", "switch.boost")),
            Contender("lanyard", OURS, reading("micro-switch", "switch.lanyard")),
            Contender("swapcontext", PEER, reading("micro-switch", "switch.swapcontext")),
        ]),
    Job("fiber", "create, run and end a fiber", "ns", higher=False, digits=1, target=60, of_limit=False,
        contenders=[Contender("lanyard", OURS, reading("micro-fiber", "fiber.lanyard"))]),
]
