# SPDX-License-Identifier: MIT
"""The wall clock of a server jumps: a day back, a year forward. Nobody is dropped, nothing is locked for ever, and only the times that
are recorded follow."""

import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from peer import PATIENCE, PROGRAM, cli, guess, inotify, offend
from test_network import ME, PASSWORD

DYNAMIC = os.environ.get("LANYARD_DYNAMIC", "")  # the static program cannot be preloaded into
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
DAY, YEAR = 86400, 365 * 86400


@unittest.skipUnless(FAKETIME and DYNAMIC, "there is no libfaketime, or the program is sanitized")
class Jumps(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.state, self.offset, self.log = self.folder / "state", self.folder / "offset", self.folder / "log"
        self.state.mkdir(mode=0o700)
        self.password = self.folder / "password"
        self.password.write_text(PASSWORD + "\n")
        self.there = os.environ | {"LANYARD_STATE": str(self.state)}
        self.here = os.environ | {"LANYARD_STATE": str(self.folder / "mine"), "LOGNAME": "ann"}
        done = cli("user", "add", "ann", "--roles", "exec", "--account", ME, "--password-stdin", input=PASSWORD.encode() + b"\n", env=self.there)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.jump(0)
        self.serve()

    def jump(self, seconds):
        """From now on the server's wall clock is so far off."""
        new = self.folder / "new"
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.offset)

    def serve(self):
        with open(self.log, "wb") as log:
            self.server = subprocess.Popen(
                [DYNAMIC, "serve", "--listen", "tls://127.0.0.1:0", "--listen", f"unix:{self.folder}/s", "--root", self.folder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.there | {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.offset), "FAKETIME_NO_CACHE": "1",
                                  "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        with inotify(self.folder, self.server.pid) as changed:
            while "this machine is" not in self.log.read_text():
                self.assertIsNone(self.server.poll(), self.log.read_text())
                changed()
        self.host = "127.0.0.1:" + re.search(r"on tls://127.0.0.1:(\d+)", self.log.read_text())[1]

    def lanyard(self, *arguments, status=0):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=PATIENCE, check=False, text=True, stdin=subprocess.DEVNULL,
                              env=self.here | {"LANYARD_PASSWORD_FILE": str(self.password)})
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout + done.stderr

    def hold(self):
        running = subprocess.Popen([PROGRAM, "exec", "--accept-new", f"ann@{self.host}", "--", "sh", "-c", "echo begun; cat"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=self.here | {"LANYARD_PASSWORD_FILE": str(self.password)})
        self.addCleanup(running.communicate)
        self.assertEqual(running.stdout.readline(), b"begun\n")
        return running

    def last_record(self):
        out = cli("audit", "--json", "--what", "login", env=self.there).stdout.decode()
        return datetime.datetime.fromisoformat(json.loads(out.splitlines()[-1])["time"].replace("Z", "+00:00")).timestamp()

    def test_sessions_go_on_and_new_ones_come(self):
        running = self.hold()
        self.assertLess(abs(self.last_record() - time.time()), 60)
        for off in (-DAY, YEAR, -YEAR, 0):
            self.jump(off)
            self.assertIn("hi", self.lanyard("exec", f"ann@{self.host}", "--", "echo", "hi"))
            self.assertLess(abs(self.last_record() - time.time() - off), 60)  # and the jump has really been there
            running.stdin.write(b"line\n")
            running.stdin.flush()
            self.assertEqual(running.stdout.readline(), b"line\n")
            for row in map(json.loads, cli("sessions", "list", "--json", f"unix:{self.folder}/s").stdout.splitlines()):
                self.assertTrue(0 <= row["idle"] < 600, row)
        self.assertEqual(running.communicate(timeout=PATIENCE)[0], b"")
        self.assertEqual(running.returncode, 0)

    def test_a_code_is_good_whatever_the_clocks_say(self):
        for off in (YEAR, -DAY):
            self.jump(off)
            code = cli("user", "pair", "ann", env=self.there).stdout.decode().split()[-1]  # by this clock; the server has another
            done = subprocess.run([PROGRAM, "pair", self.host, "--code-stdin"], capture_output=True, timeout=PATIENCE, check=False, text=True,
                                  input=code + "\n", env=self.here | {"LANYARD_STATE": str(self.folder / f"device{off}")})
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_penalty_is_neither_lifted_nor_prolonged(self):
        status, said = guess(self.folder, self.here, ("ping", "--accept-new", f"ann@{self.host}"),
                             lambda: offend(int(self.host.split(":")[1]), 2, f"unix:{self.folder}/s"))
        found = re.search(r"for the next (\d+) s", said)
        self.assertEqual((status, bool(found)), (1, True), said)
        until = time.monotonic() + int(found[1])
        for off in (YEAR, -DAY):
            self.jump(off)
            self.assertIn("it takes nothing from here for now", self.lanyard("ping", f"ann@{self.host}", status=1))
        time.sleep(max(0, until - time.monotonic()))  # the time that was told: it is what is tested
        self.assertIn("answer 1", self.lanyard("ping", f"ann@{self.host}"))

    def test_the_end_is_not_put_off(self):
        running = self.hold()
        self.server.send_signal(signal.SIGTERM)
        self.jump(-DAY)
        running.communicate(timeout=PATIENCE)
        self.assertEqual(self.server.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
