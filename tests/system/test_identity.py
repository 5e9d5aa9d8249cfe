# SPDX-License-Identifier: MIT
"""id and known: the machine's key and the machines it remembers. The printed form is computed here anew, by openssl and Python."""

import contextlib
import hashlib
import json
import os
import pathlib
import pty
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from peer import PATIENCE, PROGRAM, cli

ONE = "00000-00000-00000-00000-00000-00000-00000-00001"
TWO = "00000-00000-00000-00000-00000-00000-00000-00002"
FORM = r"^([0-9]{5}-){7}[0-9]{5}\n$"


def form(public_key):
    """What docs/identity.md says of the printed form."""
    number = int.from_bytes(hashlib.sha256(public_key).digest()[:17], "big") % 10**40
    digits = f"{number:040}"
    return "-".join(digits[i:i + 5] for i in range(0, 40, 5))


class StateCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = self.folder / "state"
        self.environment = os.environ | {"LANYARD_STATE": str(self.state)}

    def lanyard(self, *arguments, status=0, **options):
        """Run it; gives its output. What it says on standard error is in self.said."""
        done = cli(*arguments, env=options.pop("env", self.environment), **options)
        self.said = done.stderr.decode()
        self.assertEqual(done.returncode, status, self.said)
        return done.stdout.decode()


class Identity(StateCase):
    def test_the_form_is_that_of_the_keys_hash(self):
        shown = self.lanyard("id")
        self.assertRegex(shown, FORM)
        key = self.state / "key.pem"
        public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
        self.assertEqual(shown.strip(), form(public))
        self.assertEqual(key.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(self.state.stat().st_mode & 0o7777, 0o700)

    def test_it_stays_the_same(self):
        self.assertEqual(self.lanyard("id"), self.lanyard("id"))
        self.assertEqual(json.loads(self.lanyard("id", "--json")),
                         {"id": self.lanyard("id").strip(), "file": str(self.state / "key.pem")})

    def test_a_key_made_by_openssl_is_taken(self):
        self.state.mkdir(mode=0o700)
        key = self.state / "key.pem"
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
        key.chmod(0o600)
        public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
        self.assertEqual(self.lanyard("id").strip(), form(public))

    def test_many_first_uses_at_once_give_one_identity(self):
        running = [subprocess.Popen([PROGRAM, "id"], stdout=subprocess.PIPE, env=self.environment) for _ in range(12)]
        shown = {process.communicate(timeout=PATIENCE)[0] for process in running}
        self.assertEqual({process.returncode for process in running}, {0})
        self.assertEqual(len(shown), 1)
        self.assertEqual(sorted(path.name for path in self.state.iterdir()), ["key.pem", "lock"])

    def test_a_key_that_others_may_read_is_refused(self):
        self.lanyard("id")
        key = self.state / "key.pem"
        before = key.read_bytes()
        key.chmod(0o640)
        self.assertEqual(self.lanyard("id", status=1), "")
        self.assertIn(f"{key}: ", self.said)
        self.assertIn("600", self.said)
        self.assertEqual(key.read_bytes(), before)

    def test_a_damaged_key_is_refused_and_kept(self):
        self.lanyard("id")
        key = self.state / "key.pem"
        key.write_bytes(key.read_bytes()[:100])
        self.lanyard("id", status=1)
        self.assertIn("damaged", self.said)
        self.assertEqual(len(key.read_bytes()), 100)

    def test_a_state_directory_that_others_may_write_to_is_refused(self):
        self.state.mkdir(mode=0o700)
        self.state.chmod(0o770)
        self.lanyard("id", status=1)
        self.assertIn(f"{self.state}: it belongs to somebody else, or others may write to it", self.said)
        self.assertEqual(list(self.state.iterdir()), [])

    def test_a_state_directory_that_cannot_be_used_is_told(self):
        self.state.write_text("")
        self.lanyard("id", status=1)
        self.assertIn("not a directory", self.said)
        self.lanyard("id", status=1, env=self.environment | {"LANYARD_STATE": "here"})
        self.assertIn("absolute", self.said)

    def test_a_full_disk_leaves_no_key_and_no_litter(self):
        def no_space():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        self.lanyard("id", status=1, preexec_fn=no_space)
        self.assertIn("key.pem: file too large", self.said)
        self.assertEqual([path.name for path in self.state.iterdir()], ["lock"])
        self.lanyard("id")

    def test_the_next_key_becomes_the_machines(self):
        first = self.lanyard("id").strip()
        self.lanyard("id", "--rotate", status=1)
        self.assertIn("lanyard id --next", self.said)
        following = self.lanyard("id", "--next").strip()
        self.assertNotEqual(following, first)
        self.assertEqual(self.lanyard("id", "--next").strip(), following)
        self.assertEqual(self.lanyard("id").strip(), first)
        self.assertEqual(json.loads(self.lanyard("id", "--json"))["next"], following)
        self.assertEqual(self.lanyard("id", "--rotate").strip(), following)
        self.assertIn("no server here has announced this key", self.said)
        self.assertIn(f"    lanyard known accept HOST#{following}\n", self.said)
        self.assertEqual(self.lanyard("id").strip(), following)
        self.assertNotIn("next", json.loads(self.lanyard("id", "--json")))

    def test_the_command_line(self):
        for arguments in (["--next", "--rotate"], ["word"], ["--nothing"]):
            with self.subTest(arguments):
                self.assertEqual(self.lanyard("id", *arguments, status=2), "")
        self.assertFalse(self.state.exists())

    def test_what_cannot_be_printed_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "id"], stdout=full, stderr=subprocess.PIPE, env=self.environment, check=False)
        self.assertEqual(done.returncode, 1)


class Known(StateCase):
    def known(self):
        return [json.loads(line) for line in self.lanyard("known", "list", "--json").splitlines()]

    def test_nothing_is_remembered_at_first(self):
        self.assertEqual(self.lanyard("known", "list"), "")
        self.assertFalse(self.state.exists())
        self.lanyard("known", "forget", "db", status=1)
        self.assertIn("db:7433", self.said)

    def test_a_host_is_accepted_listed_and_forgotten(self):
        self.lanyard("known", "accept", f"alice@DB.example#{ONE}")
        self.assertIn(f"db.example:7433 is remembered as {ONE}", self.said)
        self.lanyard("known", "accept", f"[0::1]:9#{TWO}")
        self.assertEqual(self.known(), [{"host": "db.example:7433", "id": ONE}, {"host": "[::1]:9", "id": TWO}])
        self.assertEqual([line.split() for line in self.lanyard("known", "list").splitlines()],
                         [["db.example:7433", ONE], ["[::1]:9", TWO]])
        self.lanyard("known", "forget", "db.example")
        self.assertEqual(self.known(), [{"host": "[::1]:9", "id": TWO}])
        self.lanyard("known", "forget", "db.example", status=1)
        self.assertIn("is not remembered", self.said)

    def test_what_is_replaced_is_told(self):
        self.lanyard("known", "accept", f"db#{ONE}")
        self.lanyard("known", "accept", f"db#{TWO}")
        self.assertIn(f"db:7433 was {ONE}", self.said)
        self.lanyard("known", "accept", f"db#{TWO}")
        self.assertNotIn("was", self.said)

    def test_the_file_is_a_text_that_people_may_edit(self):
        self.state.mkdir(mode=0o700)
        file = self.state / "known"
        file.write_text(f"# ours\nDB {ONE} {TWO}\n@whatever else this is\nweb:1 damaged\n")
        self.assertEqual(self.known(), [{"host": "db:7433", "id": ONE, "next": TWO}, {"host": "web:1"}])
        self.assertIn("(cannot be read)", self.lanyard("known", "list"))
        self.lanyard("known", "accept", f"web:1#{TWO}")
        self.assertIn("web:1 was (cannot be read)", self.said)
        self.assertEqual(file.read_text(), f"# ours\nDB {ONE} {TWO}\n@whatever else this is\nweb:1 {TWO}\n")

    def test_a_file_that_others_may_change_is_not_believed(self):
        self.lanyard("known", "accept", f"db#{ONE}")
        (self.state / "known").chmod(0o666)
        for arguments in (["list"], ["accept", f"db#{TWO}"], ["forget", "db"]):
            with self.subTest(arguments):
                self.assertEqual(self.lanyard("known", *arguments, status=1), "")
                self.assertIn("not believed", self.said)

    def test_a_full_disk_leaves_the_file_as_it_was(self):
        def no_space():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))

        self.lanyard("known", "accept", f"db#{ONE}")
        self.lanyard("known", "accept", f"web#{ONE}", status=1, preexec_fn=no_space)
        self.assertIn("known: file too large", self.said)
        self.assertEqual(self.known(), [{"host": "db:7433", "id": ONE}])
        self.assertEqual(sorted(path.name for path in self.state.iterdir()), ["known", "lock"])

    def test_the_command_line(self):
        for arguments in ([], ["frob"], ["accept"], ["accept", "db#1"], ["forget"], ["forget", "d b"],
                          ["list", "db"], ["accept", f"db#{ONE}", "more"], ["forget", "db\x1b[1m"]):
            with self.subTest(arguments):
                self.assertEqual(self.lanyard("known", *arguments, status=2), "")
                self.assertNotIn("\x1b", self.said)
        self.assertFalse(self.state.exists())

    def test_accepting_again_keeps_what_was_announced(self):
        self.state.mkdir(mode=0o700)
        (self.state / "known").write_text(f"db:7433 {ONE} {TWO}\n")
        self.lanyard("known", "accept", f"db#{ONE}")
        self.assertEqual(self.known(), [{"host": "db:7433", "id": ONE, "next": TWO}])


class Greeting(StateCase):
    """accept without an identity: the machine is asked which it has. It is played by Python's ssl."""

    def setUp(self):
        super().setUp()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        key, certificate = self.folder / "key", self.folder / "certificate"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
        self.identity = form(public)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)

    def answer(self, handle):
        """Serve one connection in a thread; it is waited for at the end."""
        def serve():
            connection = self.listener.accept()[0]
            with connection:
                connection.settimeout(PATIENCE)
                with contextlib.suppress(OSError):
                    handle(connection)
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)

    def shake_hands(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as tls:
            self.received = tls.recv(100)

    def on_terminal(self, answer):
        """Run accept on a terminal of its own; gives its status and what the terminal shows."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, "known", "accept", self.host], self.environment)
        shown = b""
        with open(terminal, "r+b", buffering=0) as file:
            while b"(yes/no) " not in shown:
                shown += file.read(1000)
            file.write(answer)
            with contextlib.suppress(OSError):  # EIO: the other side is closed
                while more := file.read(1000):
                    shown += more
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()

    def known(self):
        return [json.loads(line) for line in self.lanyard("known", "list", "--json").splitlines()]

    def test_yes_remembers_it_and_nothing_was_sent(self):
        self.answer(self.shake_hands)
        status, shown = self.on_terminal(b"yes\n")
        self.assertEqual(status, 0, shown)
        self.assertIn(self.identity, shown)
        self.assertEqual(self.known(), [{"host": self.host, "id": self.identity}])
        self.doCleanups()
        self.assertEqual(self.received, b"")

    def test_no_does_not(self):
        self.answer(self.shake_hands)
        status, shown = self.on_terminal(b"no\n")
        self.assertEqual(status, 1, shown)
        self.assertEqual(self.known(), [])

    def test_without_a_terminal_it_says_the_command(self):
        self.answer(self.shake_hands)
        self.lanyard("known", "accept", self.host, status=1, start_new_session=True)
        self.assertIn(f"    lanyard known accept {self.host}#{self.identity}\n", self.said)
        self.assertEqual(self.known(), [])

    def test_a_changed_key_is_shown_beside_the_old_one(self):
        self.lanyard("known", "accept", f"{self.host}#{ONE}")
        self.answer(self.shake_hands)
        status, shown = self.on_terminal(b"yes\n")
        self.assertEqual(status, 0, shown)
        self.assertIn(ONE, shown)
        self.assertEqual(self.known(), [{"host": self.host, "id": self.identity}])

    def test_the_same_key_is_no_question(self):
        self.lanyard("known", "accept", f"{self.host}#{self.identity}")
        self.answer(self.shake_hands)
        self.lanyard("known", "accept", self.host, start_new_session=True)
        self.assertIn("is remembered as", self.said)

    def test_what_speaks_no_tls_is_told(self):
        self.answer(lambda connection: (connection.recv(1), connection.sendall(b"220 hello\r\n"), connection.recv(1000)))
        self.lanyard("known", "accept", self.host, status=1)
        self.assertIn(f"cannot see the key of {self.host}: ", self.said)

    def test_an_older_tls_is_refused(self):
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.answer(self.shake_hands)
        self.lanyard("known", "accept", self.host, status=1)
        self.assertIn("cannot see the key", self.said)

    def test_nobody_there_is_told(self):
        self.listener.close()
        self.lanyard("known", "accept", self.host, status=1)
        self.assertIn("connection refused", self.said)


if __name__ == "__main__":
    unittest.main()
