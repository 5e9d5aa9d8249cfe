# SPDX-License-Identifier: MIT
"""Lines of text from a socket. Each program starts its own feeder on the load's processor and prints `NAME MB/s`."""
import subprocess
import sys

from .processes import SERVER_CPU, Absent, Process
from .table import LIMIT, OURS, PEER, Contender, Job


def contender(name, role, argv):
    def open_(context, _stack):
        command = argv(context)

        def measure():
            with Process(command, SERVER_CPU, stdout=subprocess.PIPE) as p:
                out, _ = p.popen.communicate(timeout=120)
                if p.popen.returncode:
                    raise Absent(f"ended with status {p.popen.returncode}")
            return float(out.split()[-1])

        return measure

    return Contender(name, role, open_)


def ours(*arguments):
    return lambda context: [context.program("ly-lines"), *arguments]


def python(mode):
    return lambda context: [sys.executable, context.source / "peers/lines-python.py", mode]


JOBS = [
    Job("lines", "100 MB of lines of 80 bytes, read one by one", "MB/s", target=0.8,
        note="The limit is getline of the C library on a pipe. Text is checked to be UTF-8. Wall clock; the feeder runs "
             "beside it.",
        contenders=[
            contender("getline, pipe", LIMIT, lambda context: [context.program("limit-lines")]),
            contender("lanyard, text lent, Unix socket", OURS, ours("unix", "r", "line")),
            contender("lanyard, text copied, Unix socket", OURS, ours("unix", "r", "readline")),
            contender("lanyard, text lent, TCP", OURS, ours("tcp", "r", "line")),
            contender("lanyard, bytes lent, Unix socket", OURS, ours("unix", "rb", "line")),
            contender("Python, text, Unix socket", PEER, python("r")),
            contender("Python, bytes, Unix socket", PEER, python("rb")),
        ]),
]
