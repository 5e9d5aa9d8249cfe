# SPDX-License-Identifier: MIT
"""Each allocation and each system call of serving a command fails once: see tests/fault/README.md."""

import os
import pathlib
import re
import signal
import tempfile
import unittest

import peer
from peer import Connection, Ended

DYNAMIC = os.environ["LANYARD_DYNAMIC"]  # the static program cannot be preloaded into
STEP = int(os.environ.get("LY_FAULT_STEP", "1"))


class Faults(unittest.TestCase):
    def environment(self, call, nth):
        self.report = pathlib.Path(self.folder.name, "report")
        self.report.unlink(missing_ok=True)
        user = {"HOME": self.folder.name, "USER": "nobody", "LOGNAME": "nobody", "SHELL": "/bin/sh"}
        return os.environ | user | {"LD_PRELOAD": os.environ["LY_INJECT"], "LY_FAULT_CALL": call, "LY_FAULT_NTH": str(nth),
                             "LY_FAULT_PROGRAM": pathlib.Path(DYNAMIC).name, "LY_FAULT_REPORT": str(self.report)}

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        program, peer.PROGRAM = peer.PROGRAM, DYNAMIC
        self.addCleanup(setattr, peer, "PROGRAM", program)

    def hits(self):
        return sum(int(n) for n in re.findall(r"hits=(\d+)", self.report.read_text()))

    def talk(self, server):
        """One command with input, output and error. Whether it went as it should; an error that is said is no surprise."""
        try:
            with Connection(server.address) as connection:
                started = connection.start({"shell": "cat; echo err >&2; exit 3", "stdin": True, "timeout_ms": 60000})
                if "error" in started:
                    return False
                connection.send({"id": 1, "stream": "in", "end": True}, b"input")
                return connection.collect() == (b"input", b"err\n", {"id": 1, "exit": 3})
        except (Ended, EOFError, ConnectionError, FileNotFoundError):
            return False

    def check_failure(self, server):
        """A server that could not start, or not go on, has said so."""
        status = server.process.wait(peer.PATIENCE)
        log = server.log.read_text()
        self.assertIn(status, (1, 2), log)
        self.assertRegex(log, r"(?m)^lanyard serve: ")

    def serve_with_fault(self, call, nth):
        """Gives whether the fault was met."""
        server = peer.Server(environment=self.environment(call, nth))
        self.addCleanup(server.remove)
        try:
            server.ready()
            went = any([self.talk(server) for _ in range(3)][1:])
        except AssertionError:
            went = False
        if not went:
            self.check_failure(server)
            return True
        server.process.send_signal(signal.SIGTERM)
        status = server.stop(signal.SIGINT)  # the second signal: a command that failed has two seconds else
        self.assertIn(status, (0, 1), server.log.read_text())
        server.remove()
        return self.hits() > 0

    def all_of(self, call):
        nth = 1
        while True:
            with self.subTest(call=call, nth=nth):
                if not self.serve_with_fault(call, nth):
                    break
            nth += STEP
        self.assertGreater(nth, 20)

    def test_a_server_outlives_each_allocation_that_fails(self):
        self.all_of("any-alloc")

    def test_a_server_outlives_each_system_call_that_fails(self):
        self.all_of("any-syscall")


if __name__ == "__main__":
    unittest.main()
