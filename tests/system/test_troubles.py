# SPDX-License-Identifier: MIT
"""A server on the network whose users' file or trail is locked, damaged, read-only, of another version, or on a disk that is full: it
says so, and nobody is let in by it. The disk is a small one of its own, in a namespace of the server's."""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from peer import PATIENCE, PROGRAM, Server, cli
from test_network import ME, PASSWORD, NetworkServer
from tls_peer import Closed, Tls, scram

ROOT = os.geteuid() == 0

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""

prepared = None


def setUpModule():
    """A state directory with users, which each test copies."""
    global prepared
    prepared = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
    environment = dict(os.environ, LANYARD_STATE=str(prepared))
    for name, roles in (("ann", "read,write,exec"), ("ben", "read")):
        done = cli("user", "add", name, "--roles", roles, "--account", ME, "--password-stdin", env=environment,
                   input=PASSWORD.encode() + b"\n")
        assert done.returncode == 0, done.stderr
    assert cli("id", env=environment).returncode == 0


def tearDownModule():
    shutil.rmtree(prepared)


class PreparedServer(NetworkServer):
    """With that state; disk: on a file system of that size, which nobody else sees."""

    def __init__(self, *options, disk=None, read_only=False, before=None):
        self.before = before
        wrap = ()
        if disk:
            wrap = ("unshare", "--mount", "--propagation", "private", "sh", "-ec",
                    'mount -t tmpfs -o mode=700,size="$1" tmpfs "$LANYARD_STATE"; cp -a "$2"/. "$LANYARD_STATE"; mount -o remount,"$3" "$LANYARD_STATE"; shift 3; exec "$@"',
                    "sh", disk, str(prepared), "ro" if read_only else "rw")
        self.environment = dict(os.environ)
        self.has_disk = disk is not None
        Server.__init__(self, "--listen", "tls://127.0.0.1:0", "--exempt", "127.0.0.0/8", *options, wrap=wrap,
                        environment=self.set_state())

    def set_state(self):
        environment = super().set_state()
        if not self.has_disk:
            shutil.copytree(prepared, self.state, dirs_exist_ok=True)
        if self.before:
            self.before(self.state)
        return environment

    def seen(self, name):
        """A file of the state directory as the server sees it."""
        return pathlib.Path(f"/proc/{self.pid}/root{self.state}/{name}")

    def run(self, *arguments, **options):
        """The program where the server is."""
        return subprocess.run(["nsenter", "-t", str(self.pid), "-m", PROGRAM, *arguments], env=self.environment, check=False,
                              capture_output=True, text=True, timeout=PATIENCE, **options)

    def fill(self):
        with contextlib.suppress(OSError), open(self.seen("filler"), "wb", buffering=0) as f:
            while f.write(bytes(4096)) == 4096:
                pass
        assert shutil.disk_usage(self.seen(".")).free < 4096

    def make_room(self):
        self.seen("filler").unlink()


class Case(unittest.TestCase):
    def serve(self, *options, **more):
        server = PreparedServer(*options, **more).ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        return server

    def log_in(self, server, name="ann", password=PASSWORD, certificate=None, **options):
        connection = Tls(server.port, certificate=certificate)
        self.addCleanup(connection.close)
        return connection, scram(connection, name, password, **options)

    def enter(self, server, name="ann"):
        connection, answer = self.log_in(server, name)
        self.assertTrue(answer.get("ok"), answer)
        return connection


class Start(Case):
    """What cannot be used keeps the server from starting: it does not start without it, nor make another."""

    def refused(self, before, words, name="users.db", options=()):
        kept = []

        def change(state):
            before(state)
            kept.append((state / name).read_bytes())

        server = PreparedServer(*options, before=change)
        try:
            self.assertEqual(server.process.wait(PATIENCE), 1)
            log = server.log.read_text()
            self.assertIn(f"lanyard serve: {server.state}/{name}: ", log)
            self.assertIn(words, log)
            self.assertNotIn("serving", log)
            self.assertEqual((server.state / name).read_bytes(), kept[0])
        finally:
            server.remove()

    def test_a_store_that_is_locked(self):
        def lock(state):
            # in another process: a file's locks end when this one closes any descriptor of it
            other = subprocess.Popen([sys.executable, "-c", LOCK, state / "users.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.addCleanup(other.communicate)
            self.assertEqual(other.stdout.readline(), b"locked\n")

        self.refused(lock, "another program has kept it locked")

    def test_a_store_that_is_damaged(self):
        def overwrite(state):
            with open(state / "users.db", "r+b") as f:
                f.seek(100)
                f.write(b"\xff" * 3000)

        self.refused(overwrite, "it is damaged")

    def test_a_store_that_is_none(self):
        self.refused(lambda state: (state / "users.db").write_bytes(b"users: everybody\n" * 500), "was not made by lanyard")

    def test_a_store_that_is_cut(self):
        self.refused(lambda state: os.truncate(state / "users.db", 5000), "it is damaged")

    def test_a_store_of_a_newer_version(self):
        def renew(state):
            with contextlib.closing(sqlite3.connect(state / "users.db")) as connection:
                connection.execute("PRAGMA user_version = 1000")

        self.refused(renew, "a newer version of lanyard has written it")

    def test_a_store_that_others_may_read(self):
        self.refused(lambda state: (state / "users.db").chmod(0o644), "chmod 600")

    def test_a_key_that_is_damaged(self):
        self.refused(lambda state: (state / "key.pem").write_text("-----BEGIN NOTHING-----\n"), "", name="key.pem")

    def test_a_trail_that_others_may_write(self):
        def open_trail(state):
            (state / "audit.jsonl").write_text("")
            (state / "audit.jsonl").chmod(0o666)

        self.refused(open_trail, "", name="audit.jsonl", options=("--audit", "try"))

    @unittest.skipUnless(ROOT, "a disk of one's own takes root")
    def test_a_disk_that_is_read_only(self):
        server = PreparedServer(disk="2M", read_only=True)
        self.addCleanup(server.remove)
        self.assertEqual(server.process.wait(PATIENCE), 1)
        self.assertIn("users.db: it cannot be written", server.log.read_text())

    def test_a_store_of_an_older_version_is_brought_up_and_its_users_log_in(self):
        def age(state):
            with contextlib.closing(sqlite3.connect(state / "users.db")) as connection:
                self.version = connection.execute("PRAGMA user_version").fetchone()[0]
                connection.executescript("ALTER TABLE pairings DROP COLUMN label; DROP TRIGGER user_aged;"
                                         "ALTER TABLE users DROP COLUMN generation; PRAGMA user_version = 2")

        server = self.serve(before=age)
        self.enter(server)
        with contextlib.closing(sqlite3.connect(server.state / "users.db")) as connection:
            self.assertEqual(connection.execute("PRAGMA user_version").fetchone()[0], self.version)


class Running(Case):
    """What goes wrong later lets nobody in who is not, and keeps nobody out who needs no writing."""

    def certificate(self):
        folder = tempfile.mkdtemp(prefix="ly")
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                        "-keyout", f"{folder}/pem", "-out", f"{folder}/certificate"], check=True, capture_output=True)
        with open(f"{folder}/pem", "a", encoding="ascii") as f:
            f.write(pathlib.Path(f"{folder}/certificate").read_text())
        return f"{folder}/pem"

    def pair(self, server, code):
        slot, *secret = code.split("-")
        return self.log_in(server, "pair/" + slot, "".join(secret), certificate=self.certificate())[1]

    def test_a_store_that_another_writer_holds(self):
        server = self.serve()
        code = cli("user", "pair", "ann", env=server.environment).stdout.decode().split()[-1]
        with contextlib.closing(sqlite3.connect(server.state / "users.db", isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with concurrent.futures.ThreadPoolExecutor() as pool:
                right, wrong = pool.submit(self.enter, server), pool.submit(self.log_in, server, password="wrong password")
                answer = self.pair(server, code)
            self.assertTrue(right.result().ask({"cmd": "ping", "id": 1})["ok"])
            self.assertIn("error", wrong.result()[1])
            self.assertIn("error", answer)  # an attempt that cannot be used up is none
            connection.execute("ROLLBACK")
        self.enter(server)

    def test_nobody_waits_for_a_writer_who_only_wants_in(self):
        server = self.serve()
        key = self.certificate()
        code = cli("user", "pair", "ann", env=server.environment).stdout.decode().split()[-1]
        slot, *secret = code.split("-")
        self.assertTrue(self.log_in(server, "pair/" + slot, "".join(secret), certificate=key)[1]["ok"])

        def come(_):
            connection = Tls(server.port, certificate=key)
            self.addCleanup(connection.close)
            return connection.run("echo", "hi")[1]

        def time_eight():
            begun = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                self.assertEqual(list(pool.map(come, range(8))), [b"hi\n"] * 8)
            return time.monotonic() - begun

        unhindered = time_eight()
        with contextlib.closing(sqlite3.connect(server.state / "users.db", isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            # Each notes when the device was seen: one after another would wait for 5 s.
            self.assertLess(time_eight(), 4 * unhindered + 20)
            connection.execute("ROLLBACK")

    def test_a_store_that_is_damaged_meanwhile_lets_in_nobody_who_is_not(self):
        server = self.serve()
        connection = self.enter(server)
        for name in ("users.db", "users.db-wal"):
            with contextlib.suppress(FileNotFoundError), open(server.state / name, "r+b") as f:
                f.write(b"\xff" * os.fstat(f.fileno()).st_size)
        for name, password in (("ann", "wrong password"), ("eve", PASSWORD)):
            with contextlib.suppress(Closed):
                self.assertIn("error", self.log_in(server, name, password)[1])
        with contextlib.suppress(Closed):
            connection.ask({"cmd": "ping", "id": 1})
        self.assertIsNone(server.process.poll())

    @unittest.skipUnless(ROOT, "a disk of one's own takes root")
    def test_a_full_disk_under_the_store(self):
        server = self.serve("--audit", "off", disk="2M")
        code = server.run("user", "pair", "ann").stdout.split()[-1]
        server.fill()
        self.enter(server)
        self.assertIn("error", self.log_in(server, password="wrong password")[1])
        self.assertIn("error", self.pair(server, code))
        done = server.run("user", "disable", "ben")
        self.assertEqual(done.returncode, 1)
        self.assertIn("space", done.stderr.lower())
        self.assertTrue(self.enter(server, "ben"))  # what could not be changed is as it was
        server.make_room()
        self.assertEqual(server.run("user", "disable", "ben").returncode, 0)
        self.assertEqual(self.log_in(server, "ben")[1]["error"], "LY_EDENIED")

    @unittest.skipUnless(ROOT, "a disk of one's own takes root")
    def test_a_full_disk_under_a_trail_that_is_needed_refuses_and_says_so(self):
        server = self.serve("--audit", "need", disk="2M")
        connection = self.enter(server)
        self.assertEqual(connection.run("echo", "before")[1], b"before\n")
        server.fill()
        for request in ({"cmd": "exec", "argv": ["touch", "made"]}, {"cmd": "mkdir", "path": "made"}):
            for _ in range(40):  # a page may have room for some records yet
                answer = connection.ask(dict(request, id=2))
                if "error" in answer:
                    break
                while "exit" not in answer and "ok" not in answer:
                    answer = connection.receive_frame()[0]
                connection.ask({"cmd": "rm", "id": 3, "path": "made"})
            self.assertEqual(answer["error"], "ENOSPC")
        server.wait_for("the trail cannot be written")
        server.make_room()
        self.assertEqual(connection.run("echo", "after")[1], b"after\n")
        server.wait_for("the trail is written again")
        records = server.run("audit", "--json").stdout
        self.assertIn('"what": "audit"', records.replace('":"', '": "'))
        self.assertIn("echo after", records)

    @unittest.skipUnless(ROOT, "a disk of one's own takes root")
    def test_a_full_disk_under_a_trail_that_is_tried_goes_on_and_says_so(self):
        server = self.serve("--audit", "try", disk="2M")
        connection = self.enter(server)
        server.fill()
        for number in range(200):
            self.assertEqual(connection.run("echo", str(number))[1], b"%d\n" % number)
            if "the trail cannot be written" in server.log.read_text():
                break
        server.wait_for("the trail cannot be written")
        self.enter(server, "ben")
        server.make_room()
        self.assertEqual(connection.run("echo", "after")[1], b"after\n")
        server.wait_for("the trail is written again")
        self.assertIn("lost", server.run("audit", "--json").stdout)


if __name__ == "__main__":
    unittest.main()
