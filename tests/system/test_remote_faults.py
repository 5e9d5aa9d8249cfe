# SPDX-License-Identifier: MIT
"""A client whose allocations and system calls fail, one in each run: it says so and ends, and whatever fails, a server
with a wrong key hears nothing. See tests/fault/README.md."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from false_server import FalseServer, identity, knows_all, make_key
from peer import PATIENCE, Server, cli

DYNAMIC = os.environ["LANYARD_DYNAMIC"]  # the static program cannot be preloaded into
STEP = int(os.environ.get("LY_FAULT_STEP", "1"))
ALLOCATIONS = 61 * STEP  # OpenSSL makes thousands


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.report = self.folder / "report"
        self.key, self.other_key = make_key(self.folder, "one"), make_key(self.folder, "two")
        self.server = FalseServer(self.key, knows_all)
        self.addCleanup(self.server.close)
        self.environment = os.environ | {"LANYARD_STATE": str(self.folder / "state")}

    def remember(self, key):
        done = cli("known", "accept", f"{self.server.host}#{identity(key[0])}", env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr)

    def run_with(self, call, nth, *arguments):
        """The program with the fault. Gives how it ended, and whether the fault was met."""
        self.report.unlink(missing_ok=True)
        fault = {"LD_PRELOAD": os.environ["LY_INJECT"], "LY_FAULT_CALL": call, "LY_FAULT_NTH": str(nth),
                 "LY_FAULT_PROGRAM": pathlib.Path(DYNAMIC).name, "LY_FAULT_REPORT": str(self.report)}
        done = subprocess.run([DYNAMIC, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
                              env=self.environment | fault)
        hits = sum(int(n) for n in re.findall(r"hits=(\d+)", self.report.read_text())) if self.report.exists() else 1
        return done, hits > 0

    def all_of(self, call, step, check, *arguments):
        nth, met = 1, True
        while met:
            with self.subTest(call=call, nth=nth):
                done, met = self.run_with(call, nth, *(arguments or ("ping", "--batch", f"ann@{self.server.host}")))
                check(done)
            nth += step
        self.assertGreater(nth, 20)

    def check_ping(self, done):
        """It has answered, or said why not; a message may itself be what fails."""
        self.assertIn(done.returncode, (0, 1, 2), done.stderr)
        if done.returncode == 0:
            self.assertIn(b"answer 1", done.stdout)

    def check_silence(self, done):
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assertEqual([header for header in self.server.heard if header], [])

    def test_a_client_outlives_each_system_call_that_fails(self):
        self.remember(self.key)
        self.all_of("any-syscall", STEP, self.check_ping)

    def test_a_client_outlives_allocations_that_fail(self):
        self.remember(self.key)
        self.all_of("any-alloc", ALLOCATIONS, self.check_ping)

    def test_a_list_of_files_outlives_allocations_that_fail(self):
        server = Server().ready()
        self.addCleanup(server.remove)
        for number in range(70):  # more than there is room for at first
            (server.root / str(number)).touch()

        def check_list(done):
            self.assertIn(done.returncode, (0, 1, 2), done.stderr)
            if done.returncode == 0:
                self.assertEqual(len(done.stdout.split()), 70)

        self.all_of("any-alloc", STEP, check_list, "ls", f"{server.address}:")

    def test_a_changed_key_is_refused_whatever_fails(self):
        self.remember(self.other_key)
        self.all_of("any-syscall", STEP, self.check_silence)
        self.all_of("any-alloc", ALLOCATIONS, self.check_silence)

    def test_an_unknown_machine_hears_nothing_whatever_fails(self):
        cli("id", env=self.environment)
        self.all_of("any-syscall", STEP, self.check_silence)
        self.all_of("any-alloc", ALLOCATIONS, self.check_silence)


if __name__ == "__main__":
    unittest.main()
