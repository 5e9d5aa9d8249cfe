# SPDX-License-Identifier: MIT
"""config: files that are checked, settings that are shown, and a server that reads them again."""

import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import unittest

from peer import Connection, Server, cli
from tls_peer import Closed, Tls

SOURCE = pathlib.Path(os.environ["LY_SOURCE"])


class FolderCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "lanyard.conf"

    def write(self, text):
        """As an editor does: the new file takes the old one's place."""
        new = self.folder / "new"
        new.write_text(text)
        new.chmod(0o600)
        new.rename(self.file)


class Commands(FolderCase):
    def show(self, *arguments, **environment):
        done = cli("config", "show", "--json", *arguments, env=os.environ | environment)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return {entry["key"]: entry for entry in map(json.loads, done.stdout.splitlines())}

    def test_a_good_file(self):
        self.write("# nothing\nworkers = 2\n")
        done = cli("config", "check", self.file)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{self.file}: good\n".encode(), b""))

    def test_a_file_with_mistakes(self):
        self.write("wrokers = 2\nlogin-time = soon\n")
        done = cli("config", "check", self.file)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertEqual(done.stderr.decode().splitlines(), [
            f"lanyard config check: {self.file}:1: there is no key 'wrokers'; did you mean 'workers'?",
            f"lanyard config check: {self.file}:2: login-time is a number from 1 to 86400, not 'soon'"])

    def test_a_file_that_is_missing(self):
        done = cli("config", "check", self.file)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no such file", done.stderr)

    def test_what_makes_no_sense(self):
        for arguments in ((), ("chek",), ("check", "a", "b"), ("show", "x"), ("show", "--workers", "0")):
            with self.subTest(arguments):
                self.assertEqual(cli("config", *arguments).returncode, 2)

    def test_where_values_come_from(self):
        self.write("workers = 2\nlogin-time = 9\nlisten = unix:/a\nlisten = unix:/b\n")
        shown = self.show("--config", self.file, "--workers", "3", LANYARD_SERVE_MAX_COMMANDS="7")
        self.assertEqual(shown["workers"], {"key": "workers", "values": ["3"], "from": "option"})
        self.assertEqual(shown["max-commands"], {"key": "max-commands", "values": ["7"], "from": "environment"})
        self.assertEqual(shown["login-time"], {"key": "login-time", "values": ["9"], "from": "file",
                                               "file": str(self.file), "line": 2})
        self.assertEqual(shown["listen"]["values"], ["unix:/a", "unix:/b"])
        self.assertEqual(shown["audit"], {"key": "audit", "values": ["try"], "from": "default"})

    def test_each_value_is_shown_with_its_own_line(self):
        self.write("listen = unix:/a\nworkers = 2\nlisten = unix:/b\n")
        shown = cli("config", "show", "--config", self.file).stdout.decode().splitlines()
        self.assertEqual(shown[:2], [f"listen = unix:/a  # {self.file}:1", f"listen = unix:/b  # {self.file}:3"])

    def test_what_is_shown_is_a_good_file(self):
        self.write("workers = 2\nexempt = 192.0.2.0/24\nexempt = 2001:db8::/32\n")
        shown = cli("config", "show", "--config", self.file).stdout
        self.write(shown.decode())
        again = cli("config", "show", "--config", self.file)
        self.assertEqual(again.returncode, 0)
        self.assertEqual([line.split(b"  #")[0] for line in again.stdout.splitlines()],
                         [line.split(b"  #")[0] for line in shown.splitlines()])

    def test_every_key_is_an_option_and_in_the_manual(self):
        help_text = cli("serve", "--help").stdout.decode()
        page = (SOURCE / "man/lanyard.conf.5").read_text().replace("\\-", "-")
        for key in self.show():
            self.assertRegex(help_text, rf"--{key}[\[=\n ]")
            self.assertRegex(page, rf"(?m)^\.B[RI]? \"?{key}\b", key)
        self.assertEqual(len(re.findall(r"(?m)^\.B[RI]? \"?[a-z-]+ ?\"?.* = ", page)), len(self.show()))

    def test_the_file_of_the_package_is_good_and_names_every_key(self):
        text = (SOURCE / "packaging/lanyard.conf").read_text()
        self.write(re.sub(r"(?m)^#(?=[a-z-]+ = )", "", text))
        done = cli("config", "check", self.file)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(set(re.findall(r"(?m)^#?([a-z-]+) = ", text)), set(self.show()))


# A service manager: it listens, and the program it becomes is told so.
MANAGER = """if True:
    import os, socket, sys
    s = socket.create_server(("127.0.0.1", 0))
    port = str(s.getsockname()[1])
    os.dup2(s.fileno(), 3) if s.fileno() != 3 else os.set_inheritable(3, True)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "lanyard.socket"}
    os.execv(sys.argv[1], [word.replace("PORT", port) for word in sys.argv[1:]])
"""


class Serving(FolderCase):
    def serve(self, text, *options, **more):
        self.write(text)
        server = Server("--config", self.file, "--log-format", "json", *options, **more)
        self.addCleanup(server.remove)
        return server.ready()

    def reload(self, server, text, last="reloaded"):
        """Gives the lines of the log that it has written meanwhile."""
        self.write(text)
        before = server.log.read_text()
        server.process.send_signal(signal.SIGHUP)
        log = server.wait_for(f'"{last}', before.count(f'"{last}') + 1)
        return [json.loads(line) for line in log[len(before):].splitlines()]

    def test_a_broken_file_does_not_start(self):
        self.write("workers = x\n")
        done = cli("serve", "--config", self.file, "--listen", f"unix:{self.folder}/s")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b":1: workers is a number from 1 to 256, not 'x'\n", done.stderr)

    def test_settings_of_the_file_count(self):
        server = self.serve(f"listen = unix:{self.folder}/other\nmax-commands = 1\n", listen=False)
        with Connection(f"unix:{self.folder}/other") as connection:
            self.assertTrue(connection.start({"argv": ["sleep", "60"]})["started"])
            with Connection(f"unix:{self.folder}/other") as other:
                self.assertFalse(other.start({"argv": ["sleep", "60"]}).get("started", False))
        self.assertEqual(server.stop(), 0)

    def test_a_running_server_takes_what_it_can_and_says_what_it_cannot(self):
        server = self.serve("max-commands = 1\nworkers = 1\n")
        with Connection(server.address) as held, Connection(server.address) as other:
            self.assertTrue(held.start({"argv": ["sleep", "60"]})["started"])
            self.assertFalse(other.start({"argv": ["true"]}).get("started", False))
            lines = self.reload(server, "max-commands = 2\nworkers = 2\nlog-level = debug\n")
            self.assertEqual([line.get("key") for line in lines if line["area"] == "config"], ["workers"])
            self.assertTrue(other.start({"argv": ["true"]}, 2)["started"])
        self.assertEqual(server.stop(), 0)

    def test_a_broken_file_changes_nothing(self):
        server = self.serve("max-commands = 1\n")
        lines = self.reload(server, "max-commands = 2\nmax-comands = 3\n", "reloading failed")
        self.assertEqual(lines[0]["what"], "there is no key 'max-comands'; did you mean 'max-commands'?")
        self.assertEqual(lines[0]["where"], f"{self.file}:2")
        with Connection(server.address) as held, Connection(server.address) as other:
            self.assertTrue(held.start({"argv": ["sleep", "60"]})["started"])
            self.assertFalse(other.start({"argv": ["true"]}).get("started", False))
        lines = self.reload(server, "max-commands = 2\n")
        self.assertEqual(lines[-1]["changed"], "max-commands")
        self.assertEqual(self.reload(server, "max-commands = 2\n")[-1]["changed"], "")
        self.assertEqual(server.stop(), 0)

    def manage(self, *options):
        environment = dict(os.environ, LANYARD_STATE=str(self.folder / "state"))
        return self.serve("", *options, environment=environment, wrap=(sys.executable, "-c", MANAGER))

    def test_a_listener_of_the_service_manager_is_taken(self):
        server = self.manage("--listen", "tls://127.0.0.1:PORT", "--workers", "1")
        log = server.wait_for("this machine is")
        connection = Tls(int(log.split("on tls://127.0.0.1:")[1].split()[0]))
        self.addCleanup(connection.close)
        self.assertEqual(connection.ask({"cmd": "ping", "id": 1})["error"], "LY_ELOGIN")
        self.assertNotIn("service manager", log)
        self.assertEqual(server.stop(), 0)

    def test_a_listener_of_the_service_manager_that_is_not_wanted_is_told(self):
        server = self.manage()
        server.wait_for("the service manager listens on more than the settings name")
        self.assertEqual(server.stop(), 0)

    def test_on_the_network_the_gate_changes_and_nobody_is_dropped(self):
        environment = dict(os.environ, LANYARD_STATE=str(self.folder / "state"))
        server = self.serve("exempt = 127.0.0.0/8\nmax-startups = 8\nlogin-time = 600\n", "--listen", "tls://127.0.0.1:0",
                            "--workers", "1", environment=environment)
        port = int(server.wait_for("this machine is").split("on tls://127.0.0.1:")[1].split()[0])
        first = Tls(port)
        self.addCleanup(first.close)
        self.assertEqual(first.ask({"cmd": "ping", "id": 1})["error"], "LY_ELOGIN")
        lines = self.reload(server, "exempt = 127.0.0.0/8\nmax-startups = 1\nlogin-time = 500\nlog-level = debug\n")
        self.assertEqual(lines[-1]["changed"], "max-startups login-time log-level")
        with self.assertRaises(Exception):
            Tls(port).ask({"cmd": "ping", "id": 1})
        self.assertEqual(first.ask({"cmd": "ping", "id": 2})["error"], "LY_ELOGIN")
        self.reload(server, "exempt = 127.0.0.0/8\nmax-startups = 100\nlogin-time = 500\n")
        second = Tls(port)
        self.addCleanup(second.close)
        self.assertEqual(second.ask({"cmd": "ping", "id": 1})["error"], "LY_ELOGIN")
        self.reload(server, "exempt = 127.0.0.0/8\nmax-startups = 100\nlogin-time = 1\n")
        with self.assertRaises(Closed):
            third = Tls(port)
            self.addCleanup(third.close)
            third.receive(1)  # its time is over
        self.assertEqual(second.ask({"cmd": "ping", "id": 2})["error"], "LY_ELOGIN")
        self.assertEqual(first.ask({"cmd": "ping", "id": 3})["error"], "LY_ELOGIN")
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
