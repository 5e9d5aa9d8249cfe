# SPDX-License-Identifier: MIT
"""The smallest parts. Programs of bench/micro print lines `NAME NUMBER`, several contenders in one run of the program."""
import subprocess

from .processes import SERVER_CPU, Absent, Process
from .table import LIMIT, OURS, PEER, Contender, Job


class Readings:
    """Runs the program once for all the names that are asked of it in one round."""

    def __init__(self, program):
        self.program, self.numbers = program, {}

    def _run(self, path):
        with Process([path], SERVER_CPU, stdout=subprocess.PIPE) as p:
            out, _ = p.popen.communicate(timeout=60)
            if p.popen.returncode:
                raise Absent(f"{self.program} ended with status {p.popen.returncode}")
        lines = [line.split() for line in out.decode().splitlines()]
        self.numbers = {words[0]: float(words[1]) for words in lines if len(words) > 1}

    def contender(self, name, role, key):
        def open_(context, _stack):
            path = context.program(self.program)

            def measure():
                if key not in self.numbers:
                    self._run(path)
                if key not in self.numbers:
                    raise Absent(f"{self.program} was built without it")
                return self.numbers.pop(key)

            return measure

        return Contender(name, role, open_)


_switch, _fiber, _frame = Readings("micro-switch"), Readings("micro-fiber"), Readings("micro-frame")
_framing, _http = Readings("micro-framing"), Readings("micro-http")

JOBS = [
    Job("switch", "context switch, one way", "ns", higher=False, digits=2, target=1.2,
        contenders=[
            _switch.contender("boost.context's jump", LIMIT, "switch.boost"),
            _switch.contender("lanyard", OURS, "switch.lanyard"),
            _switch.contender("swapcontext", PEER, "switch.swapcontext"),
        ]),
    Job("fiber", "create, run and end", "ns", higher=False, digits=1, target=60, of_limit=False,
        note="The limit is two bare switches and a stack made up anew: no scheduler, no scope, nobody told of the end.",
        contenders=[
            _fiber.contender("boost.context, make and jump", LIMIT, "fiber.boost"),
            _fiber.contender("lanyard, a fiber at a time", OURS, "fiber.one"),
            _fiber.contender("lanyard, 100 fibers at a time", OURS, "fiber.together"),
            _fiber.contender("a thread", PEER, "fiber.thread"),
        ]),
    Job("frame", "heads of frames of 64 bytes on one core", "million/s", digits=2,
        contenders=[
            _frame.contender("lanyard, decode", OURS, "frame_decode_64B"),
            _frame.contender("lanyard, encode", PEER, "frame_encode_64B"),
            _frame.contender("jansson, decode", PEER, "frame_decode_64B_jansson"),
        ]),
    Job("framing", "messages of 64 bytes found, on one core", "million/s", digits=1, target=5, of_limit=False,
        contenders=[_framing.contender(name, OURS, key) for name, key in (
            ("lanyard, length of 4 bytes", "framing.binary"),
            ("lanyard, varint", "framing.varint"),
            ("lanyard, BER length", "framing.ber"),
            ("lanyard, netstring", "framing.decimal"),
            ("lanyard, line", "framing.line"),
            ("lanyard, fixed size", "framing.fixed"),
        )]),
    Job("http", "heads of HTTP requests of 200 bytes on one core", "million/s", digits=2, of_limit=False,
        contenders=[
            _http.contender("lanyard, read", OURS, "http.read"),
            _http.contender("lanyard, read and answered with a head", OURS, "http.answer"),
        ]),
]
