# SPDX-License-Identifier: MIT
"""Thousands who connect and say nothing: what that costs those who have logged in, and the server's memory."""

import contextlib
import os
import pathlib
import resource
import socket
import statistics
import time
import unittest

from peer import PATIENCE
from test_network import ME, NetworkServer
from tls_peer import Closed, Tls, scram

STRANGERS = 10000
ROUNDS = 31


def memory(pids):
    """Bytes that are these processes' own (PSS would share them out)."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
    return total


class Strangers(unittest.TestCase):
    options = ("--login-time", "60")

    def setUp(self):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        wanted = min(limits[1], STRANGERS + 1000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, limits[1]))
        self.count = min(STRANGERS, wanted - 500)
        self.server, self.connection = self.begin()

    def begin(self):
        """A server, and a connection that has logged in."""
        server = NetworkServer(*self.options).ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.add_user("ann", "exec", "--account", ME)
        connection = Tls(server.port)
        self.addCleanup(connection.close)
        self.assertTrue(scram(connection, "ann", "correct horse battery")["ok"])
        return server, connection

    def time_exec(self, *connections):
        """For each of them the middle one of some, in seconds; in turns, so that what else the machine does slows all of them."""
        times = [[] for _ in connections]
        for _ in range(ROUNDS):
            for connection, its in zip(connections, times):
                began = time.perf_counter()
                self.assertEqual(connection.run("true")[0]["exit"], 0)
                its.append(time.perf_counter() - began)
        return [statistics.median(its) for its in times]

    def come(self, held):
        """They come from all of 127.0.0.0/8, and hold what they get."""
        for i in range(self.count):
            s = socket.socket()
            held.enter_context(s)
            s.bind((f"127.{1 + i % 200}.{i // 200 % 250}.2", 0))
            s.settimeout(PATIENCE)
            s.connect(("127.0.0.1", self.server.port))

    def await_gate(self):
        """Who comes after they have gone gets in, once the server has seen that they have."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(Closed, ConnectionError):
                connection = Tls(self.server.port)
                self.addCleanup(connection.close)
                self.assertTrue(scram(connection, "ann", "correct horse battery")["ok"])
                return
            self.assertLess(time.monotonic(), deadline)

    def test_they_cost_who_is_logged_in_little_and_the_server_little_memory(self):
        _, elsewhere = self.begin()  # where no strangers come
        pids = [self.server.pid, *self.server.workers()]
        self.time_exec(self.connection)
        before = memory(pids)
        with contextlib.ExitStack() as held:
            self.come(held)
            (busy, quiet), after = self.time_exec(self.connection, elsewhere), memory(pids)
        print(f"# exec {quiet * 1000:.2f} ms, with {self.count} strangers {busy * 1000:.2f} ms; "
              f"{(after - before) / 1e6:.1f} MB more")
        if not os.environ.get("LY_SANITIZED"):
            self.assertLess(after - before, 40_000_000)
        self.assertLess(busy, 4 * quiet + 0.05)  # gross slowness only: time is the benchmarks' business
        self.await_gate()


class Admitted(Strangers):
    """As above where the gate lets all of them in: no worker hears of who says nothing."""

    options = ("--login-time", "60", "--max-startups", f"{STRANGERS + 1000}:1:{STRANGERS + 2000}")


if __name__ == "__main__":
    unittest.main()
