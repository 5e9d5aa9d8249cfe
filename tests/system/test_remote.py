# SPDX-License-Identifier: MIT
"""The commands over the network: TLS, the server's key, logging in, pairing, and each way in which that fails."""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import termios
import threading
import time
import unittest

from false_server import FalseServer, Frames, announce, honest, identity, knows_all, make_dated_key, make_key
from peer import PATIENCE, PROGRAM, Server, cli, guess, offend, size_of
from test_network import ME, NetworkServer

PASSWORD = "correct horse battery"
OTHER = "00000-00000-00000-00000-00000-00000-00000-00001"


class ClientCase(unittest.TestCase):
    """A client with a state directory of its own."""

    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        cls.key, cls.other_key = make_key(cls.keys, "one"), make_key(cls.keys, "two")
        cls.printed = identity(cls.key[0])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.keys)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.state = self.folder / "state"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("LANYARD_")}
        self.environment |= {"LANYARD_STATE": str(self.state), "LOGNAME": "ada"}

    def password_file(self, password=PASSWORD):
        path = self.folder / "password"
        path.write_text(password + "\n")
        return str(path)

    def lanyard(self, *arguments, status=0, text="", environment=None):
        """Run it where nobody can be asked; gives its output. What it said is in self.said."""
        done = subprocess.run([PROGRAM, *arguments], input=text.encode(), capture_output=True, timeout=PATIENCE, check=False,
                              start_new_session=True, env=self.environment | (environment or {}))
        self.said = done.stderr.decode()
        self.assertEqual(done.returncode, status, self.said)
        return done.stdout.decode()

    def serve(self, behave=knows_all, key=None, **options):
        server = FalseServer(key or self.key, behave, **options)
        self.addCleanup(server.close)
        return server

    def serve_plainly(self, behave):
        server = FalseServer(None, behave)
        self.addCleanup(server.close)
        return server

    def accept(self, server, key=None):
        """As if the server had been met before."""
        self.lanyard("known", "accept", f"{server.host}#{identity((key or self.key)[0])}")

    def ping(self, server, *options, user="ann@", status=1, **more):
        return self.lanyard("ping", *options, user + server.host, status=status, **more)

    def remembered(self):
        return {row["host"]: row for row in map(json.loads, self.lanyard("known", "list", "--json").splitlines())}

    # ---- on a terminal ----

    def begin(self, *arguments):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, *arguments], self.environment)
        self.addCleanup(os.close, terminal)
        self.terminal, self.pid, self.seen = terminal, pid, ""

    def wait_for(self, words):
        while words not in self.seen:
            self.assertTrue(select.select([self.terminal], [], [], PATIENCE)[0], self.seen)
            try:
                self.seen += os.read(self.terminal, 4096).decode()
            except OSError:
                self.fail(f"it has ended: {self.seen}")
        before, _, self.seen = self.seen.partition(words)
        return before

    def type(self, line):
        os.write(self.terminal, line.encode() + b"\n")

    def end(self):
        try:
            while more := os.read(self.terminal, 4096).decode():
                self.seen += more
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Keys(ClientCase):
    """The server's key comes before everything else."""

    def test_a_machine_that_is_not_known_gets_nothing(self):
        server = self.serve(honest)
        self.ping(server, "--password-file", self.password_file())
        self.assertIn(f"{server.host} is not known here", self.said)
        self.assertIn(f"lanyard known accept {server.host}#{self.printed}\n", self.said)
        self.assertEqual(server.heard, [None])
        self.assertEqual(self.remembered(), {})

    def test_the_command_that_is_offered_makes_it_known(self):
        server = self.serve()
        self.ping(server)
        offered = re.search(r"^    lanyard (known accept \S+)$", self.said, re.MULTILINE)[1]
        self.lanyard(*offered.split())
        self.ping(server, status=0)

    def test_accept_new_remembers_it(self):
        server = self.serve()
        self.ping(server, "--accept-new", status=0)
        self.assertIn(f"{server.host} is remembered as {self.printed}", self.said)
        self.assertEqual(self.remembered()[server.host]["id"], self.printed)
        self.ping(server, status=0)
        self.assertEqual(self.said, "")

    def test_another_key_than_before_is_refused_and_gets_nothing(self):
        server = self.serve(honest, key=self.other_key)
        self.accept(server)
        for options in ((), ("--accept-new",), ("--batch",)):
            self.ping(server, "--password-file", self.password_file(), *options)
            self.assertIn("HAS ANOTHER KEY THAN BEFORE; nothing was sent to it", self.said)
            self.assertIn(f"lanyard known accept {server.host}#{identity(self.other_key[0])}\n", self.said)
        self.assertEqual(server.heard, [None] * 3)
        self.assertEqual(self.remembered()[server.host]["id"], self.printed)

    def test_a_machine_that_is_named_with_its_identity_must_have_it(self):
        server = self.serve()
        self.lanyard("ping", f"{server.host}#{self.printed}")
        self.lanyard("ping", f"{server.host}#{OTHER}", status=1)
        self.assertIn(f"named: {OTHER}", self.said)
        self.assertEqual([header and header["cmd"] for header in server.heard], [None, "hello", "ping", None])
        self.assertEqual(self.remembered(), {})

    def test_the_user_is_asked_and_may_say_no(self):
        server = self.serve()
        self.begin("ping", server.host)
        self.wait_for(f"{self.printed}")
        self.wait_for("(yes/no) ")
        self.type("maybe")
        self.wait_for("(yes/no) ")
        self.type("no")
        self.assertEqual(self.end(), 1)
        self.assertIn("is not trusted", self.seen)
        self.assertEqual((server.heard, self.remembered()), ([None], {}))

    def test_the_user_is_asked_and_may_say_yes(self):
        server = self.serve()
        self.begin("ping", server.host)
        self.wait_for("(yes/no) ")
        self.type("yes")
        self.assertEqual(self.end(), 0)
        self.assertEqual(self.remembered()[server.host]["id"], self.printed)

    def test_in_a_batch_nobody_is_asked_in_spite_of_a_terminal(self):
        server = self.serve(honest)
        self.begin("ping", "--batch", server.host)
        self.assertEqual(self.end(), 1)
        self.assertIn("there is nobody to ask", self.seen)
        self.accept(server)
        self.begin("ping", "--batch", server.host)
        self.assertEqual(self.end(), 1)
        self.assertIn("nobody to ask for the password", self.seen)

    def test_a_server_that_has_hung_up_meanwhile_is_asked_again(self):
        hung_up = threading.Event()

        def impatient(server, frames):
            if not hung_up.is_set():
                frames.close()
                hung_up.set()
                return
            server.serve_requests(frames)
        server = self.serve(impatient)
        self.begin("ping", server.host)
        self.wait_for("(yes/no) ")
        self.assertTrue(hung_up.wait(PATIENCE))
        time.sleep(0.6)  # what the user takes for the comparison: the program goes by that
        self.type("yes")
        self.assertEqual(self.end(), 0, self.seen)

    def test_the_next_key_is_learned_and_accepted_when_it_comes(self):
        server = self.serve()
        server.announcement = announce(self.key[0], self.other_key[0])
        self.ping(server, "--accept-new", status=0)
        self.assertEqual(self.remembered()[server.host]["next"], identity(self.other_key[0]))
        server.context.load_cert_chain(self.other_key[1], self.other_key[0])
        server.announcement = None
        self.ping(server, status=0)
        self.assertIn("has the key now that it had announced", self.said)
        self.assertEqual(self.remembered()[server.host]["id"], identity(self.other_key[0]))

    def test_an_announcement_that_is_not_the_servers_is_not_learned(self):
        server = self.serve()
        self.accept(server)
        good = announce(self.key[0], self.other_key[0])
        for bad in (announce(self.other_key[0], self.key[0]), good | {"signature": good["next"]}, good | {"next": good["key"]}, {},
                    {"key": 1}, "text", [good]):
            server.announcement = bad
            self.ping(server, status=0)
            self.assertNotIn("next", self.remembered()[server.host])


class Logins(ClientCase):
    """By password."""

    def setUp(self):
        super().setUp()
        self.server = self.serve(honest)
        self.accept(self.server)

    def test_a_password_from_a_file_logs_in(self):
        self.assertIn("answer 1", self.ping(self.server, "--password-file", self.password_file(), status=0))
        self.ping(self.server, status=0, environment={"LANYARD_PASSWORD_FILE": self.password_file()})

    def test_no_message_has_the_password(self):
        self.ping(self.server, "--password-file", self.password_file(), status=0)
        self.assertEqual([header["cmd"] for header in self.server.heard if header],
                         ["hello", "login", "login", "hello", "ping"])
        self.assertNotIn(PASSWORD, json.dumps(self.server.heard))

    def test_without_a_name_it_is_the_users_own(self):
        self.server.name = "ada"
        self.ping(self.server, "--password-file", self.password_file(), user="", status=0,
                  environment={"LOGNAME": "ada", "USER": "eve"})
        # Then the request goes out at once, and again after the login.
        self.assertEqual([header["cmd"] for header in self.server.heard if header],
                         ["hello", "ping", "login", "login", "hello", "ping"])

    def test_a_user_without_a_name_is_asked_to_name_one(self):
        self.ping(self.server, "--password-file", self.password_file(), user="", environment={"LOGNAME": "", "USER": ""})
        self.assertIn(f"name a user, as in USER@{self.server.host}", self.said)

    def test_a_wrong_password_is_said(self):
        self.ping(self.server, "--password-file", self.password_file("wrong password"))
        self.assertIn(f"{self.server.host}: the login as ann has failed: wrong name or password\n", self.said)
        self.ping(self.server, "--password-file", self.password_file(), user="bob@")
        self.assertIn("the login as bob has failed: wrong name or password", self.said)
        self.assertEqual(self.server.heard.count(None), 2)

    def test_a_password_file_that_is_none_is_said(self):
        for path, why in (("/nowhere", "no such file"), ("/dev/null", "there is no password"), (str(self.folder), "is a directory")):
            self.ping(self.server, "--password-file", path)
            self.assertIn(why, self.said)

    def test_without_a_way_to_log_in_the_ways_are_said(self):
        self.ping(self.server)
        self.assertIn("--password-file", self.said)
        self.assertIn(f"lanyard pair {self.server.host}", self.said)

    def test_the_password_is_asked_for_without_echo(self):
        self.begin("ping", f"ann@{self.server.host}")
        self.wait_for(f"Password of ann on {self.server.host}: ")
        self.assertFalse(termios.tcgetattr(self.terminal)[3] & termios.ECHO)
        self.type(PASSWORD)
        self.assertEqual(self.end(), 0)
        self.assertNotIn(PASSWORD, self.seen)

    def test_there_are_three_tries(self):
        self.begin("ping", f"ann@{self.server.host}")
        for _ in range(3):
            self.wait_for("Password of ann")
            self.type("wrong password")
        self.assertEqual(self.end(), 1)
        self.assertIn("the login as ann has failed", self.seen)
        self.assertEqual(self.server.heard.count(None), 3)

    def test_the_second_try_may_be_right(self):
        self.begin("ping", f"ann@{self.server.host}")
        self.wait_for("Password of ann")
        self.type("wrong password")
        self.wait_for("wrong name or password")
        self.wait_for("Password of ann")
        self.type(PASSWORD)
        self.assertEqual(self.end(), 0)

    def test_a_server_that_has_hung_up_meanwhile_is_asked_again(self):
        hung_up = threading.Event()

        def impatient(server, frames):
            if not hung_up.is_set():
                server.refuse(frames, server.receive(frames))
                frames.close()
                hung_up.set()
                return
            server.log_in(frames) and server.serve_requests(frames)
        self.server.behave = impatient
        self.begin("ping", f"ann@{self.server.host}")
        self.wait_for("Password of ann")
        self.assertTrue(hung_up.wait(PATIENCE))
        self.type(PASSWORD)
        self.assertEqual(self.end(), 0, self.seen)

    def test_each_commands_exit_status_for_a_failed_login_is_its_own(self):
        wrong = ("--password-file", self.password_file("wrong password"))
        host = f"ann@{self.server.host}"
        for arguments, status in ((("exec", host, *wrong, "--", "true"), 255), (("put", *wrong, "/etc/hostname", f"{host}:"), 255),
                                  (("get", *wrong, f"{host}:x", str(self.folder)), 255), (("ls", *wrong, f"{host}:"), 1),
                                  (("stat", *wrong, f"{host}:x"), 1), (("rm", *wrong, f"{host}:x"), 1),
                                  (("mkdir", *wrong, f"{host}:x"), 1), (("mv", *wrong, f"{host}:x", "y"), 1),
                                  (("version", *wrong, host), 1)):
            with self.subTest(arguments[0]):
                self.assertEqual(self.lanyard(*arguments, status=status), "")
                self.assertEqual(self.said.count("\n"), 1, self.said)
                self.assertIn("the login as ann has failed", self.said)

    def test_a_missing_role_is_said(self):
        host = f"ann@{self.server.host}"
        for arguments, status in ((("exec", host, "--", "true"), 255), (("ls", f"{host}:"), 1)):
            self.lanyard(*arguments, status=status, environment={"LANYARD_PASSWORD_FILE": self.password_file()})
            self.assertIn("you do not have the role that this needs", self.said)
            self.assertEqual("or no account to run commands as" in self.said, arguments[0] == "exec", self.said)


class Devices(ClientCase):
    """By this machine's key."""

    def test_a_device_waits_for_no_round_trip(self):
        server = self.serve()
        self.accept(server)
        self.ping(server, user="", status=0)
        self.assertEqual([header and header["cmd"] for header in server.heard], [None, "hello", "ping"])

    def test_nothing_is_done_in_the_name_of_another_user(self):
        def others_device(server, frames):
            """The key is known as ann's; without it there is a login."""
            (server.serve_requests if server.heard.count(None) == 1 else lambda f: honest(server, f))(frames)
        server = self.serve(others_device)
        self.accept(server)
        self.ping(server, user="bob@")
        self.assertIn("knows this machine's key as another user's, and there is nobody to ask for the password of bob", self.said)
        self.assertNotIn("ping", [header and header["cmd"] for header in server.heard])

    def test_the_key_is_made_at_the_first_use_and_stays(self):
        server = self.serve()
        self.ping(server, "--accept-new", status=0)
        key = self.state / "key.pem"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        before = key.read_bytes()
        self.ping(server, status=0)
        self.assertEqual(key.read_bytes(), before)

    def test_a_local_command_makes_no_key(self):
        self.lanyard("ping", "unix:/nowhere", status=1)
        self.lanyard("version")
        self.assertFalse(self.state.exists())

    def test_a_key_that_others_may_read_is_not_used(self):
        server = self.serve()
        self.accept(server)
        self.lanyard("id")
        (self.state / "key.pem").chmod(0o644)
        self.ping(server)
        self.assertIn("key.pem: others may read this key", self.said)
        self.assertEqual(server.heard, [])


class FalseServers(ClientCase):
    """What is not what it says."""

    def expect(self, behave, why, **options):
        server = self.serve(behave, **options)
        self.accept(server)
        self.ping(server, "--password-file", self.password_file())
        self.assertIn(why, self.said)
        self.assertEqual(self.said.count("\n"), 1, self.said)
        return server

    def test_a_wrong_proof_of_the_server_is_refused(self):
        def wrong(server, frames):
            _, bare, first, salt = server.first_message(frames, server.until_login(frames))
            request = server.receive(frames)
            server.check_proof(request, bare, first, salt)
            server.welcome(frames, request, "A" * 43 + "=")
            server.serve_requests(frames)
        server = self.expect(wrong, "it cannot prove that it knows the password")
        self.assertNotIn("ping", [header and header["cmd"] for header in server.heard])

    def test_a_yes_without_a_proof_is_refused(self):
        def at_once(server, frames):
            request = server.until_login(frames)
            frames.send({"id": request["id"], "ok": True, "data": "", "user": "ann", "roles": []})
            server.serve_requests(frames)

        def at_the_end(server, frames):
            server.first_message(frames, server.until_login(frames))
            frames.send({"id": server.receive(frames)["id"], "ok": True, "data": "", "user": "ann", "roles": []})
            server.serve_requests(frames)
        for behave in (at_once, at_the_end):
            server = self.expect(behave, "it cannot prove that it knows the password")
            self.assertNotIn("ping", [header and header["cmd"] for header in server.heard])

    def test_a_first_message_that_is_none_is_refused(self):
        for text in ("", "x", "r=", "r=abc,s=AAAA,i=4096", "e=other-error", "v=AAAA", "m=1,r=a,s=AAAAAAAAAAAA,i=4096", "," * 1000):
            def answer(server, frames, text=text):
                frames.send({"id": server.until_login(frames)["id"], "data": text})
                server.receive(frames)
            with self.subTest(text):
                server = self.expect(answer, "it cannot prove that it knows the password")
                self.assertEqual([header["cmd"] for header in server.heard if header], ["hello", "login"])

    def test_a_use_of_the_password_that_gives_it_away_is_refused(self):
        for iterations in (1, 4095, 10**9):
            def answer(server, frames, iterations=iterations):
                server.iterations = iterations
                server.first_message(frames, server.until_login(frames))
                server.receive(frames)
            server = self.expect(answer, "nothing was sent")
            self.assertEqual([header["cmd"] for header in server.heard if header], ["hello", "login"])

    def test_a_server_that_serves_strangers_is_none(self):
        def careless(server, frames):
            server.refuse(frames, server.receive(frames))
            request = server.receive(frames)
            frames.send({"id": request["id"], "ok": True})
        server = self.serve(careless)
        self.accept(server)
        self.ping(server, user="")
        self.assertIn("malformed frame", self.said)

    def test_answers_that_are_no_frames_are_said(self):
        for data, why in ((b"\0" * 8, "malformed frame: what answers there is no lanyard"), (b"\xff" * 8, "a length exceeds its limit"),
                          (b"\4\0\0\0nope", "malformed JSON"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no lanyard"),
                          (b"\xf0\0\0\0{", "ended the connection")):
            def answer(server, frames, data=data):
                server.receive(frames)
                frames.send_bytes(data)
            with self.subTest(data):
                self.expect(answer, why)

    def test_a_stat_without_an_entry_is_no_answer(self):
        def empty(server, frames):
            while True:
                frames.send({"id": server.receive(frames)["id"], "ok": True})
        server = self.serve_plainly(empty)
        for option in ((), ("--json",)):
            self.assertEqual(self.lanyard("stat", *option, f"tcp://{server.host}:x", status=1), "")
            self.assertIn("malformed frame", self.said)

    def test_what_a_server_says_reaches_the_terminal_escaped(self):
        def busy(server, frames):
            frames.send({"id": server.receive(frames)["id"], "error": "EIO", "text": "bad\33[2Jthing\n"})
        self.expect(busy, r"bad\x1b[2Jthing\n")

    def test_a_server_that_has_too_many_is_said(self):
        def busy(server, frames):
            server.refuse(frames, server.receive(frames), "EAGAIN")
        self.expect(busy, "too many")

    def test_an_end_at_each_step_is_said(self):
        def after_handshake(server, frames):
            pass

        def after_hello(server, frames):
            server.receive(frames)

        def after_refusal(server, frames):
            server.refuse(frames, server.receive(frames))

        def after_first(server, frames):
            server.until_login(frames)

        def after_last(server, frames):
            server.first_message(frames, server.until_login(frames))
            server.receive(frames)

        def after_login(server, frames):
            server.log_in(frames)
        for behave in (after_handshake, after_hello, after_refusal, after_first, after_last, after_login):
            with self.subTest(behave.__name__):
                self.expect(behave, "ended the connection")

    def test_a_cut_without_tls_closing_is_an_end_as_well(self):
        def cut(server, frames):
            server.receive(frames)
            with socket.socket(fileno=os.dup(frames.socket.fileno())) as below:
                below.shutdown(socket.SHUT_RDWR)
        self.expect(cut, "ended the connection")

    def test_older_tls_is_refused(self):
        self.expect(knows_all, "it speaks no TLS 1.3", tls=ssl.TLSVersion.TLSv1_2)


class Signals(ClientCase):
    """What a user does who has waited long enough."""

    def test_an_interrupt_ends_what_waits_for_the_network(self):
        asked = threading.Event()

        def silent(server, frames):
            server.receive(frames)
            asked.set()
            frames.file.read()
        server = self.serve(silent)
        self.accept(server)
        running = subprocess.Popen([PROGRAM, "exec", server.host, "--", "true"], env=self.environment)
        self.assertTrue(asked.wait(PATIENCE))
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(PATIENCE), -signal.SIGINT)

    def test_an_interrupt_at_the_password_leaves_the_terminal_as_it_was(self):
        server = self.serve(honest)
        self.accept(server)
        self.begin("exec", f"ann@{server.host}", "--", "true")
        self.wait_for("Password of ann")
        os.write(self.terminal, b"\3")
        self.assertEqual(self.end(), -signal.SIGINT)
        self.assertTrue(termios.tcgetattr(self.terminal)[3] & termios.ECHO)


class NoConnection(ClientCase):
    """There is no server, or none of ours."""

    def test_a_socket_where_nothing_listens_is_said_with_what_would(self):
        private = self.folder / "private"
        private.mkdir(mode=0o700)
        for command in ("status", "sessions"):
            self.lanyard(command, status=1, environment={"XDG_RUNTIME_DIR": str(private)})
            self.assertIn(f"cannot connect to unix:{private}/lanyard.sock: no server listens there. Start one by 'lanyard serve'; ", self.said)
            self.assertIn("--listen or in lanyard.conf", self.said)
            stale = private / "stale"
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(stale))
            for address in (f"unix:{private}/other", f"unix:{stale}"):
                self.lanyard(command, address, status=1)
                self.assertIn(f"cannot connect to {address}: no server listens there. Start one by 'lanyard serve --listen {address}'", self.said)
            stale.unlink()

    def test_a_port_where_nothing_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.lanyard("ping", f"127.0.0.1:{port}", status=1)
        self.assertIn(f"cannot connect to 127.0.0.1:{port}: nothing listens there", self.said)

    def test_a_name_that_no_machine_has(self):
        self.lanyard("exec", "no-such-machine.invalid", "--", "true", status=255)
        self.assertRegex(self.said, "cannot connect to no-such-machine.invalid:7433: (there is no machine of that name|its name cannot)")

    def test_a_name_that_is_none(self):
        for name in ("a b", "ann@", "@lab", "lab:0", "lab:99999", "lab#123", "[::1", "udp://lab:1", "x" * 2000):
            with self.subTest(name):
                self.lanyard("ping", name, status=1)
                self.assertIn("cannot connect to", self.said)

    def test_a_server_of_something_else(self):
        def other(server, frames):
            frames.send_bytes(b"SSH-2.0-OpenSSH_9.2\r\n" + b"x" * 500)
            frames.file.read(1)
        server = self.serve_plainly(other)
        self.ping(server)
        self.assertIn("what answers there does not speak TLS", self.said)

    def test_a_server_that_hangs_up(self):
        server = self.serve_plainly(lambda server, frames: frames.file.read(5))
        self.ping(server)
        self.assertIn("it ended the connection without a word: it serves no TLS on this port", self.said)

    def test_tcp_at_a_port_of_tls_is_told_what_to_do(self):
        server = NetworkServer("--exempt", "127.0.0.0/8").ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        host = f"tcp://127.0.0.1:{server.port}"
        for arguments, status in ((("ping", host), 1), (("exec", host, "--", "true"), 255), (("ls", f"{host}:"), 1), (("rm", f"{host}:x"), 1),
                                  (("get", f"{host}:x", "/dev/shm"), 255), (("put", "/etc/hostname", f"{host}:"), 255)):
            with self.subTest(arguments[0]):
                self.lanyard(*arguments, status=status)
                self.assertIn(f"lanyard {arguments[0]}: ", self.said)
                self.assertIn(host, self.said)
                self.assertIn("; if it speaks TLS, name it without tcp://\n", self.said)

    def test_tls_at_a_port_of_tcp_is_told_what_to_do(self):
        server = Server("--listen", "tcp://127.0.0.1:0", "--insecure-loopback", listen=False).ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        address = server.wait_for(" on tcp://127.0.0.1:").split("tcp://")[1].split()[0]
        self.lanyard("ping", address, status=1)
        self.assertIn(f"cannot connect to {address}: ", self.said)
        self.assertIn("it serves no TLS on this port (one with --insecure-loopback is named by tcp://)", self.said)
        self.lanyard("ping", f"tcp://{address}")

    def test_a_server_that_says_nothing(self):
        server = self.serve_plainly(lambda server, frames: frames.file.read())
        began = time.monotonic()
        self.ping(server, "--connect-timeout", "300ms")
        self.assertIn("no answer within 0.3 s", self.said)
        self.assertGreater(time.monotonic() - began, 0.29)

    def test_a_server_that_says_nothing_behind_its_handshake(self):
        server = self.serve(lambda server, frames: frames.file.read())
        self.accept(server)
        self.ping(server, "--connect-timeout", "300ms")
        self.assertIn("no answer within 0.3 s", self.said)

    def test_a_socket_of_this_machine_is_no_machine_on_the_network(self):
        self.lanyard("pair", "unix:/run/x", "--code-stdin", status=1, text="ABCD-0000-0000-0000\n")
        self.assertIn("unix:/run/x is no machine on the network", self.said)

    def test_a_state_directory_that_cannot_be_made_is_said(self):
        server = self.serve()
        self.ping(server, environment={"LANYARD_STATE": "/proc/nowhere"})
        self.assertIn("the state directory /proc/nowhere", self.said)
        self.assertEqual(server.heard, [])


class Pairing(ClientCase):
    CODE = "ABCD-0123-4567-89AB"

    def setUp(self):
        super().setUp()
        self.server = self.serve(honest)
        self.server.password = "0123456789AB"

    def pair(self, *options, code=CODE, status=0):
        return self.lanyard("pair", self.server.host, "--code-stdin", *options, status=status, text=code + "\n")

    def test_the_code_proves_each_to_the_other(self):
        self.pair()
        self.assertIn(f"{self.server.host} knows this machine's key now, as one of ann's; it is remembered as {self.printed}", self.said)
        self.assertEqual(self.remembered()[self.server.host]["id"], self.printed)
        logins = [header for header in self.server.heard if header and header["cmd"] == "login"]
        self.assertIn("n=pair/ABCD,", logins[0]["data"])
        self.assertNotIn("0123456789AB", json.dumps(logins))

    def test_it_can_be_printed_for_programs(self):
        self.assertEqual(json.loads(self.pair("--json")),
                         {"host": self.server.host, "id": self.printed, "user": "ann", "roles": ["read"]})

    def test_codes_are_read_as_people_type_them(self):
        for code in ("abcd0123456789ab", "abcd o123 4567 89ab", "ABCD-0L23-4567-89AB"):
            self.pair(code=code)

    def test_a_wrong_code_is_said_and_nothing_is_remembered(self):
        self.pair(code="ABCD-0123-4567-89AC", status=1)
        self.assertIn("the code is not right, or not any more", self.said)
        self.assertEqual(self.remembered(), {})

    def test_what_is_no_code_uses_up_none(self):
        for code in ("", "ABCD", "ABCD-0123-4567-89A!", "x" * 500):
            self.pair(code=code, status=1)
            self.assertIn("no code in its first line", self.said)
        self.assertEqual(self.server.heard, [])

    def test_a_server_that_does_not_know_the_code_is_not_remembered(self):
        def false(server, frames):
            server.first_message(frames, server.until_login(frames))
            server.welcome(frames, server.receive(frames), "A" * 43 + "=")
        self.server.behave = false
        self.pair(status=1)
        self.assertIn("cannot prove that it has shown the code", self.said)
        self.assertEqual(self.remembered(), {})

    def test_a_changed_key_is_accepted_by_a_proof(self):
        self.accept(self.server, self.other_key)
        self.pair()
        self.assertIn(f"{self.server.host} was {identity(self.other_key[0])}", self.said)
        self.assertEqual(self.remembered()[self.server.host]["id"], self.printed)

    def test_an_identity_that_is_named_must_be_it(self):
        self.lanyard("pair", f"{self.server.host}#{OTHER}", "--code-stdin", status=1, text=self.CODE + "\n")
        self.assertEqual(self.server.heard, [None])

    def test_a_key_that_is_known_there_is_not_paired_again(self):
        self.server.behave = knows_all
        self.pair(status=1)
        self.assertIn("knows this machine's key already, as one of ann's", self.said)

    def test_the_code_is_asked_for_before_the_server(self):
        self.begin("pair", self.server.host)
        self.wait_for("Code that 'lanyard user pair' shows there: ")
        self.assertEqual(self.server.heard, [])
        self.type("no code")
        self.wait_for("that is no code")
        self.wait_for("shows there: ")
        self.type(self.CODE)
        self.assertEqual(self.end(), 0, self.seen)

    def test_a_code_of_another_user_is_pointed_out(self):
        self.lanyard("pair", f"bob@{self.server.host}", "--code-stdin", text=self.CODE + "\n")
        self.assertIn("mind that the code was not of bob", self.said)


class Relay(FalseServer):
    """Stands between: ends the client's TLS, and speaks TLS with the real server itself."""

    def __init__(self, key, port):
        super().__init__(key, self.relay)
        self.beyond = port

    def relay(self, _, frames):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.beyond)) as plain, context.wrap_socket(plain) as secure, Frames(secure) as far:
            while True:
                header, body = frames.receive()
                self.heard.append(header)
                far.send(header, body)
                frames.send(*far.receive())


class RealServers(ClientCase):
    """With `lanyard serve` at the other end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = NetworkServer("--exempt", "127.0.0.0/8").ready()
        cls.server.host = f"127.0.0.1:{cls.server.port}"
        cls.server.add_user("ann", "read,write,exec", "--account", ME)
        cls.server.add_user("ben", "read")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        try:
            status = cls.server.stop()
            cls.server.check_log()
            if status != 0:
                raise AssertionError(f"the server ended with {status}: {cls.server.log.read_text(errors='replace')[-8000:]}")
        finally:
            cls.server.remove()

    def setUp(self):
        super().setUp()
        for path in self.server.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.id_there = self.there("id").strip()

    def there(self, *arguments):
        """Run the program as the server's user does."""
        done = cli(*arguments, env=self.server.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def meet(self):
        self.lanyard("known", "accept", f"{self.server.host}#{self.id_there}")
        self.environment["LANYARD_PASSWORD_FILE"] = self.password_file()

    def pair(self, user="ann"):
        code = self.there("user", "pair", user)
        self.lanyard("pair", self.server.host, "--code-stdin", text=code)
        return code

    def devices(self, user="ann"):
        return [json.loads(line) for line in self.there("devices", "list", "--json", user).splitlines()]

    def test_the_identity_shown_is_the_one_that_the_server_says(self):
        self.lanyard("ping", self.server.host, status=1)
        self.assertIn(f"known accept {self.server.host}#{self.id_there}\n", self.said)

    def test_a_command_runs_there_with_its_streams_and_status(self):
        self.meet()
        data = os.urandom(3_000_000)
        done = subprocess.run([PROGRAM, "exec", f"ann@{self.server.host}", "--", "sh", "-c", "cat; echo err >&2; exit 7"], input=data,
                              env=self.environment, capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, data, b"err\n"))

    def test_files_go_there_and_come_back(self):
        self.meet()
        tree = self.folder / "tree"
        for name, data in (("a", b"a"), ("sub/b", os.urandom(200_000)), ("sub/big", os.urandom(20_000_000)), ("empty", b"")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(data)
        host = f"ann@{self.server.host}"
        self.lanyard("put", str(tree), f"{host}:x")
        self.lanyard("put", "-T", str(tree), f"{host}:x")
        self.assertEqual(sorted(self.lanyard("ls", f"{host}:x", f"{host}:x/sub").split()),
                         sorted([f"{host}:x:", "a", "empty", "sub", f"{host}:x/sub:", "b", "big"]))
        self.lanyard("get", f"{host}:x", str(self.folder / "back"))
        self.assertEqual(subprocess.run(["diff", "-r", tree, self.folder / "back"], check=False).returncode, 0)
        self.lanyard("mv", f"{host}:x/a", "x/c")
        self.lanyard("rm", f"{host}:x/c")
        self.lanyard("mkdir", f"{host}:new")
        self.lanyard("stat", f"{host}:new")
        self.assertEqual(sorted(path.name for path in self.server.root.iterdir()), ["new", "x"])

    def test_a_large_file_goes_on_where_it_ended(self):
        self.meet()
        data = os.urandom(4_000_000)
        (self.folder / "big").write_bytes(data)
        partial = self.server.root / ".big.lanyard-partial"
        partial.write_bytes(data[:3_000_000])
        shown = self.lanyard("put", "--json", str(self.folder / "big"), f"ann@{self.server.host}:")
        self.assertEqual(json.loads(shown.splitlines()[-1])["bytes"], 1_000_000)
        self.assertEqual((self.server.root / "big").read_bytes(), data)

    def kill_a_put(self, user, megabytes):
        """A put of "big" whose client is killed once the server, which is to take it slowly, has begun with it."""
        self.meet()
        (self.folder / "big").write_bytes(os.urandom(megabytes << 20))
        partial = self.server.root / ".big.lanyard-partial"
        arguments = ["put", "--json", str(self.folder / "big"), f"{user}@{self.server.host}:"]
        client = subprocess.Popen([PROGRAM, *arguments], env=self.environment, stdout=subprocess.DEVNULL)
        while client.poll() is None and size_of(partial) == 0:
            os.sched_yield()
        client.kill()
        self.assertEqual(client.wait(), -signal.SIGKILL)
        return partial, arguments

    def test_a_put_that_is_repeated_at_once_goes_on_where_it_was_killed(self):
        self.server.add_user("slow", "read,write", "--bandwidth", "6M")
        _, arguments = self.kill_a_put("slow", 16)
        last = json.loads(self.lanyard(*arguments).splitlines()[-1])
        self.assertEqual((last["files"], last["failed"]), (1, 0))
        self.assertLess(last["bytes"], 16 << 20)
        self.assertEqual((self.server.root / "big").read_bytes(), (self.folder / "big").read_bytes())

    def test_who_is_held_back_and_gone_holds_nothing(self):
        self.server.add_user("slowest", "read,write", "--bandwidth", "8K")
        partial, _ = self.kill_a_put("slowest", 16)
        began = time.monotonic()
        with open(partial, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        self.assertLess(time.monotonic() - began, 30)  # of the minute and more that is left to pay for
        self.assertLess(partial.stat().st_size, 1 << 18)  # seconds are paid for at once; half a MiB would be a minute

    def test_the_password_is_asked_for_once_for_all_connections_of_a_command(self):
        self.meet()
        del self.environment["LANYARD_PASSWORD_FILE"]
        data = os.urandom(2_000_000)
        (self.folder / "big").write_bytes(data)
        (self.server.root / ".big.lanyard-partial").write_bytes(data[:1_500_000])
        self.begin("put", "--json", str(self.folder / "big"), f"ann@{self.server.host}:")
        self.wait_for("Password of ann")
        self.type(PASSWORD)
        self.assertEqual(self.end(), 0, self.seen)
        self.assertNotIn("Password", self.seen)
        self.assertEqual(json.loads(self.seen.strip().splitlines()[-1])["bytes"], 500_000)

    def test_a_connection_that_is_silent_for_long_is_asked_whether_it_lives(self):
        self.pair()
        running = subprocess.Popen([PROGRAM, "exec", self.server.host, "--", "sh", "-c", "echo started; cat"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, env=self.environment)
        running.stdout.readline()
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [row.split() for row in table if row.split()[2] == f"0100007F:{self.server.port:04X}"]
        running.communicate(b"", timeout=PATIENCE)
        self.assertEqual([row[5][:2] for row in rows if row[3] == "01"], ["02"])

    def test_a_role_that_is_missing_is_said(self):
        self.meet()
        host = f"ben@{self.server.host}"
        self.lanyard("ls", f"{host}:")
        for arguments, status in ((("exec", host, "--", "true"), 255), (("mkdir", f"{host}:x"), 1), (("put", "/etc/hostname", f"{host}:"), 23)):
            self.lanyard(*arguments, status=status)
            self.assertIn("you do not have the role that this needs", self.said)

    def test_a_directory_that_is_not_served_is_said(self):
        self.server.add_user("gus", "read")
        self.pair("gus")
        code = self.there("user", "pair", "gus")
        self.there("user", "role", "gus", "--directory", "/etc")
        self.meet()
        for way in (("ping", f"gus@{self.server.host}"), ("ping", self.server.host), ("pair", "--code-stdin", self.server.host)):
            self.lanyard(*way, status=1, text=code)
            self.assertIn(f"{self.server.host}: your directory there is not below the one that is served", self.said, way)

    def test_wrong_passwords_and_unknown_names_are_said_alike(self):
        self.meet()
        self.password_file("wrong password")
        said = []
        for name in ("ann", "nobody"):
            self.lanyard("ping", f"{name}@{self.server.host}", status=1)
            said.append(self.said.replace(name, "NAME"))
        self.assertEqual(said[0], said[1])
        self.assertIn("the login as NAME has failed: wrong name or password", said[0])

    def test_a_paired_device_needs_no_password_until_it_is_revoked(self):
        before = len(self.devices())
        self.pair()
        self.assertEqual(self.remembered()[self.server.host]["id"], self.id_there)
        self.assertEqual(self.lanyard("exec", self.server.host, "--", "echo", "hi"), "hi\n")
        self.assertEqual(self.lanyard("exec", f"ann@{self.server.host}", "--", "echo", "hi"), "hi\n")
        devices = self.devices()
        self.assertEqual(len(devices), before + 1)
        self.there("devices", "revoke", str(devices[-1]["device"]))
        self.lanyard("exec", self.server.host, "--", "true", status=255)
        self.assertIn("does not know this machine's key", self.said)

    def test_a_device_of_one_user_logs_in_as_another_by_password(self):
        self.pair()
        self.lanyard("exec", f"ben@{self.server.host}", "--", "true", status=255, environment={"LANYARD_PASSWORD_FILE": self.password_file()})
        self.assertIn("you do not have the role", self.said)

    def test_a_code_is_good_for_one_attempt(self):
        code = self.there("user", "pair", "ann")
        wrong = code[:-2] + ("0" if code[-2] != "0" else "1")
        for text in (wrong, code):
            self.lanyard("pair", self.server.host, "--code-stdin", text=text + "\n", status=1)
            self.assertIn("the code is not right, or not any more", self.said)
        self.assertEqual(self.remembered(), {})

    def test_who_stands_between_gets_no_login(self):
        relay = Relay(self.key, self.server.port)
        self.addCleanup(relay.close)
        self.lanyard("ping", "--accept-new", "--password-file", self.password_file(), f"ann@{relay.host}", status=1)
        self.assertIn("the login as ann has failed: wrong name or password, or somebody stands between you and that machine", self.said)
        self.assertEqual([header["cmd"] for header in relay.heard if header], ["hello", "login", "login"])
        self.assertNotIn(PASSWORD, json.dumps(relay.heard))

    def test_who_stands_between_gets_no_pairing(self):
        relay = Relay(self.key, self.server.port)
        self.addCleanup(relay.close)
        before = self.devices()
        code = self.there("user", "pair", "ann").strip()
        self.lanyard("pair", relay.host, "--code-stdin", text=code + "\n", status=1)
        self.assertIn("the code is not right, or not any more", self.said)
        self.assertEqual((self.remembered(), self.devices()), ({}, before))

    def test_a_server_that_ends_meanwhile_is_a_lost_connection(self):
        server = NetworkServer().ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop, signal.SIGKILL)
        server.add_user("ann", "exec", "--account", ME)
        host = f"ann@127.0.0.1:{server.port}"
        running = subprocess.Popen([PROGRAM, "exec", "--accept-new", "--password-file", self.password_file(), host, "--", "sh", "-c",
                                    "echo started; sleep 1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        self.addCleanup(running.stdout.close)
        self.addCleanup(running.stderr.close)
        self.assertEqual(running.stdout.readline(), b"started\n")
        server.stop(signal.SIGKILL)
        said = running.communicate(timeout=PATIENCE)[1].decode()
        self.assertEqual(running.returncode, 255)
        self.assertIn(f"lost the connection to 127.0.0.1:{server.port}", said)

    def start_again(self, server):
        server.stop()
        server.check_log()
        with open(server.log, "wb") as log:
            server.process = subprocess.Popen([PROGRAM, "serve", "--listen", f"tls://127.0.0.1:{server.port}", "--root", server.root],
                                              stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=server.environment)
        server.pid = server.process.pid
        server.ready()

    def test_a_machine_gets_another_key_in_two_steps(self):
        server = NetworkServer()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        host = f"127.0.0.1:{server.ready().port}"
        server.add_user("ann", "read")
        self.environment["LANYARD_PASSWORD_FILE"] = self.password_file()
        self.lanyard("ping", "--accept-new", f"ann@{host}")
        self.assertNotIn("next", self.remembered()[host])
        following = cli("id", "--next", env=server.environment).stdout.decode().strip()
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while "next" not in self.remembered()[host] and time.monotonic() < deadline:
            self.lanyard("ping", f"ann@{host}")  # each of them to another worker, perhaps one that has not been told yet
        self.assertEqual(self.remembered()[host]["next"], following)
        self.assertNotIn(b"ANOTHER KEY", cli("id", "--rotate", env=server.environment).stderr)
        self.start_again(server)
        self.lanyard("ping", f"ann@{host}")
        self.assertIn("has the key now that it had announced", self.said)
        self.assertEqual((self.remembered()[host]["id"], "next" in self.remembered()[host]), (following, False))

    def trail(self, server, *arguments, until):
        """The records of the server's trail, once they have this text."""
        deadline = time.monotonic() + PATIENCE
        while True:
            out = cli("audit", "--json", *arguments, env=server.environment).stdout.decode()
            if until in out or time.monotonic() > deadline:
                self.assertIn(until, out)
                return [json.loads(line) for line in out.splitlines()]
            time.sleep(0.05)

    def test_the_trail_has_the_names_and_bytes_of_what_came_and_went(self):
        server = self.own_server()
        self.assertEqual(cli("user", "role", "ann", "read,write,exec", env=server.environment).returncode, 0)
        self.environment["LANYARD_PASSWORD_FILE"] = self.password_file()
        tree, host = self.folder / "tree", f"ann@{server.host}"
        (tree / "below").mkdir(parents=True)
        for name, size in (("one", 10), ("two", 300_000), ("below/three", 5)):
            (tree / name).write_bytes(os.urandom(size))
        self.lanyard("put", "--accept-new", str(tree / "one"), str(tree / "two"), f"{host}:")
        self.lanyard("put", str(tree / "one"), f"{host}:other name")
        self.lanyard("mkdir", f"{host}:dir")
        self.lanyard("put", str(tree), str(tree / "one"), f"{host}:dir")
        self.lanyard("put", "-T", str(tree), f"{host}:whole")
        self.lanyard("get", f"{host}:two", str(self.folder))
        self.lanyard("exec", host, "--", "printf", "12345")
        self.lanyard("exec", host, "--", "printf", "%s %s", "1", "2")
        self.lanyard("rm", f"{host}:two")
        records = self.trail(server, until='"rm"')
        shown = [(r["what"], r.get("object"), r.get("bytes")) for r in records if r["what"] in ("put", "get", "exec", "rm")]
        self.assertEqual(shown, [("put", "one two", 300_010), ("put", "'other name'", 10), ("put", "dir/tree dir/one", 300_025), ("put", "whole", 300_015),
                                 ("get", "two", 300_000), ("exec", "printf 12345", 5), ("exec", "printf '%s %s' 1 2", 3), ("rm", "two", None)])

    def test_a_put_that_may_have_one_session_only_sends_all_and_says_why(self):
        server = self.own_server()
        self.assertEqual(cli("user", "role", "ann", "read,write", "--sessions", "1", env=server.environment).returncode, 0)
        self.environment["LANYARD_PASSWORD_FILE"] = self.password_file()
        (self.folder / "large").write_bytes(bytes(1 << 20))
        self.lanyard("put", "--accept-new", str(self.folder / "large"), f"ann@{server.host}:")
        self.assertIn("you have as many sessions there as you may have at once", self.said)
        self.assertIn("so what is there already could not be asked, on a second connection: all was sent", self.said)
        self.assertEqual((server.root / "large").stat().st_size, 1 << 20)

    def test_the_trail_tells_which_transfers_have_failed(self):
        server = self.own_server()
        host = f"ann@{server.host}"
        self.environment["LANYARD_PASSWORD_FILE"] = self.password_file()
        (server.root / "there").mkdir()
        (server.root / "there" / "gone").symlink_to("nowhere")
        (server.root / "there" / "a").write_text("a")
        self.lanyard("get", "--accept-new", f"{host}:missing", str(self.folder / "x"), status=23)
        self.lanyard("get", f"{host}:there/missing", str(self.folder / "x"), status=23)
        self.lanyard("get", f"{host}:there", str(self.folder / "x"))
        self.lanyard("ls", f"{host}:there")
        records = self.trail(server, until='"ls"')
        self.assertEqual([(r["object"], r["result"]) for r in records if r["what"] == "get"],
                         [("missing", "ENOENT"), ("there/missing", "ENOENT"), ("there", "ok")])

    def test_the_trail_tells_how_somebody_logged_in(self):
        server = self.own_server()
        host = f"ann@{server.host}"
        self.lanyard("ping", "--accept-new", "--password-file", self.password_file(), host)
        self.lanyard("ping", "--password-file", self.password_file("a guess"), host, status=1)
        self.lanyard("pair", server.host, "--code-stdin", text=cli("user", "pair", "ann", env=server.environment).stdout.decode())
        self.lanyard("ping", host)
        records = self.trail(server, until='"object": "device"')
        self.assertEqual([(r["what"], r.get("who"), r["object"], r.get("detail"), r["result"]) for r in records if r["what"] in ("login", "pair")][:3],
                         [("login", "ann", "password", None, "ok"), ("login", None, "ann", "password", "LY_EDENIED"),
                          ("pair", "ann", "pairing", None, "ok")])
        last = records[-1]
        self.assertEqual((last["what"], last["who"], last["object"]), ("login", "ann", "device"))
        self.assertEqual(cli("user", "role", "ann", "--directory", str(self.folder), env=server.environment).returncode, 0)
        self.lanyard("ping", host, status=1)
        last = self.trail(server, until="LY_EOUTSIDE")[-1]
        self.assertEqual((last["what"], last.get("who"), last["object"], last["detail"]), ("login", None, "ann", "device"))

    def test_an_ipv4_peer_of_a_listener_for_both_is_shown_as_one(self):
        server = self.own_server("--listen", "tls://[::]:0")
        port = re.search(r"on tls://\[::\]:(\d+)", server.wait_for("this machine is"))[1]
        host = f"127.0.0.1:{port}"
        self.lanyard("pair", host, "--code-stdin", text=cli("user", "pair", "ann", env=server.environment).stdout.decode())
        running = self.hold_session(*self.as_ann(host))
        for out in (cli("sessions", "list", "--json", server.address, env=server.environment).stdout.decode(),
                    cli("devices", "list", "--json", "ann", env=server.environment).stdout.decode(),
                    json.dumps(self.trail(server, until='"login"'))):
            self.assertIn("127.0.0.1", out)
            self.assertNotIn("::ffff", out)
        with socket.create_connection(("127.0.0.1", int(port)), PATIENCE) as s:
            s.sendall(b"no TLS" * 20)
        running.communicate(b"", timeout=PATIENCE)
        server.stop()
        self.assertNotIn("::ffff", server.log.read_text())

    def own_server(self, *options):
        server = NetworkServer(*options).ready()
        server.host = f"127.0.0.1:{server.port}"
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.add_user("ann", "read,exec", "--account", ME)
        return server

    def test_who_guesses_is_told_how_long_to_wait_whether_or_not_there_is_such_a_user(self):
        for name in ("ann", "nobody"):
            server = self.own_server()
            host = f"{name}@{server.host}"
            self.lanyard("ping", "--accept-new", "--password-file", self.password_file("a guess"), host, status=1)
            self.assertNotIn("takes nothing", self.said)
            status, said = guess(self.folder, self.environment, ("ping", host), lambda: offend(server.port, 4, server.address))
            found = re.search(r"Too many have failed: it takes nothing from here for the next (\d+) s$", said, re.MULTILINE)
            self.assertEqual((status, bool(found)), (1, True), said)
            self.assertTrue(0 < int(found[1]) <= 50, said)
            self.lanyard("ping", "--password-file", self.password_file(), f"ann@{server.host}", status=1)
            self.assertIn("it takes nothing from here for now: too many logins from this address have failed", self.said)

    def test_the_prompt_ends_when_nothing_is_taken_any_more(self):
        server = self.own_server()
        self.accept(server, (self.server_key(server),))
        self.begin("ping", f"ann@{server.host}")
        self.wait_for("Password of ann")
        offend(server.port, 4, server.address)
        self.type("a guess")
        self.assertEqual(self.end(), 1)
        self.assertIn("it takes nothing from here for the next", self.seen)
        self.assertNotIn("Password of ann", self.seen)

    def server_key(self, server):
        return server.state / "key.pem"

    def as_ann(self, host):
        return "--accept-new", "--password-file", self.password_file(), f"ann@{host}"

    def hold_session(self, *host):
        """A command that runs until its input ends, and with it its session; once the server has ended an earlier one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            running = subprocess.Popen([PROGRAM, "exec", *host, "--", "sh", "-c", "echo started; cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
            self.addCleanup(running.communicate)
            if running.stdout.readline() == b"started\n":
                return running
            self.assertLess(time.monotonic(), deadline, running.stderr.read())
            running.wait()

    def test_too_many_sessions_are_said_and_are_no_offence(self):
        server = self.own_server()
        self.assertEqual(cli("user", "role", "--sessions", "1", "ann", env=server.environment).returncode, 0)
        server.add_user("ben", "exec", "--account", ME, "--sessions", "1")
        self.hold_session(*self.as_ann(server.host))
        for _ in range(5):
            self.lanyard("exec", "--password-file", self.password_file(), f"ann@{server.host}", "--", "true", status=255)
            self.assertIn("you have as many sessions there as you may have at once", self.said)
        self.lanyard("pair", server.host, "--code-stdin", text=cli("user", "pair", "ben", env=server.environment).stdout.decode())
        self.hold_session(server.host)
        for _ in range(17):
            self.lanyard("ping", server.host, status=1)
            self.assertIn("you have as many sessions there as you may have at once", self.said)

    def test_too_many_strangers_are_said(self):
        server = self.own_server("--max-startups", "1")
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE):
            self.ping(server, "--accept-new", "--password-file", self.password_file())
        self.assertIn("too many connections wait for their login there", self.said)

    def test_a_server_that_shuts_down_says_so(self):
        server = self.own_server()
        self.lanyard("known", "accept", f"{server.host}#{identity(self.server_key(server))}")
        running = self.hold_session(*self.as_ann(server.host))
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("running requests may finish")
        self.ping(server, "--password-file", self.password_file())
        self.assertIn("it is shutting down", self.said)
        out, said = running.communicate(b"to the end", timeout=PATIENCE)
        self.assertEqual((running.returncode, out, said), (0, b"to the end", b""))
        self.assertEqual(server.stop(), 0)

    def test_dates_of_certificates_do_not_count(self):
        for begin, end in (("19700102000000Z", "19800101000000Z"), ("22000101000000Z", "22010101000000Z")):
            key = make_dated_key(self.folder, begin, end)
            server = self.serve(key=key)
            self.accept(server, key)
            self.ping(server, status=0)

    def test_nobody_is_served_whom_penalties_keep_out(self):
        server = NetworkServer().ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        offend(server.port, 4, server.address)
        self.lanyard("ping", "--batch", f"ann@127.0.0.1:{server.port}", status=1)
        self.assertIn("takes nothing from here for now", self.said)


if __name__ == "__main__":
    unittest.main()
