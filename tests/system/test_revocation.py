# SPDX-License-Identifier: MIT
"""Sessions over the network end when their user or their device loses something, and those of others go on."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from peer import PROGRAM, cli, wait_for_death
from test_network import PASSWORD, NetworkCase
from tls_peer import Closed


class Revocation(NetworkCase):
    def change(self, *arguments, **options):
        done = cli(*arguments, env=self.server.environment, **options)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    def assert_ended(self, connection):
        with self.assertRaises(Closed):
            connection.receive(1)

    def begin(self, name):
        self.server.add_user(name, "read,exec", "--account", "nobody")
        self.addCleanup(cli, "user", "remove", name, env=self.server.environment)
        return self.enter(name)

    def check_change(self, *command, **options):
        """What it does to a session of the user's, and to one of another."""
        name = command[-1] if command[1] != "role" else command[2]
        victim, other = self.begin(name), self.enter("ben")
        self.assertTrue(victim.ask({"cmd": "ping", "id": 1})["ok"])
        self.change(*command, **options)
        self.assert_ended(victim)
        self.assertTrue(other.ask({"cmd": "ping", "id": 1})["ok"])

    def test_a_user_is_disabled(self):
        self.check_change("user", "disable", "dora")
        _, answer = self.log_in("dora")
        self.assertEqual(answer["error"], "LY_EDENIED")
        self.change("user", "enable", "dora")
        self.assertTrue(self.enter("dora").ask({"cmd": "ping", "id": 1})["ok"])

    def test_a_user_is_removed(self):
        self.check_change("user", "remove", "rita")

    def test_a_user_has_other_roles(self):
        self.check_change("user", "role", "olga", "read")

    def test_a_user_has_another_password(self):
        self.check_change("user", "passwd", "--password-stdin", "pia", input=b"another password\n")

    def test_a_command_ends_with_its_session(self):
        connection = self.begin("cora")
        connection.send_frame({"cmd": "exec", "id": 5, "argv": ["sleep", "600"]})
        pid = connection.receive_frame()[0]["pid"]
        self.change("user", "disable", "cora")
        wait_for_death(pid)

    def test_what_takes_nothing_from_anybody_ends_no_session(self):
        connection = self.enter("ben")
        self.server.add_user("nora", "read")
        self.change("user", "pair", "nora")
        self.change("user", "remove", "nora")
        victim = self.begin("vera")  # whose end shows that the changes before were seen
        self.change("user", "disable", "vera")
        self.assert_ended(victim)
        self.assertTrue(connection.ask({"cmd": "ping", "id": 1})["ok"])

    def test_a_device_is_revoked(self):
        here = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, here)
        environment = os.environ | {"LANYARD_STATE": str(here)}
        host = f"127.0.0.1:{self.server.port}"
        by_password = self.begin("dina")
        code = self.change("user", "pair", "dina", "--label", "red laptop")
        done = cli("pair", host, "--code-stdin", input=code.encode(), env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(cli("exec", f"dina@{host}", "--", "true", env=environment).returncode, 0)
        command = self.start("exec", f"dina@{host}", "--", "sh", "-c", "echo there; exec sleep 600", env=environment)
        self.assertEqual(command.stdout.readline(), b"there\n")
        self.assertIn("red laptop", self.change("devices"))
        self.change("devices", "revoke", "1")
        self.assertEqual(command.wait(), 255)
        self.assertTrue(by_password.ask({"cmd": "ping", "id": 1})["ok"])
        self.assertEqual(cli("exec", f"dina@{host}", "--", "true", env=environment).returncode, 255)

    def start(self, *arguments, **options):
        process = subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


# The module's other cases are its own tests'.
del NetworkCase

if __name__ == "__main__":
    unittest.main()
