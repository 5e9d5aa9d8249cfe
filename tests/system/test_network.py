# SPDX-License-Identifier: MIT
"""serve on the network: TLS, logging in, roles, confined workers, and what strangers get."""

import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import pwd
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import tempfile
import time
import unittest

from peer import PATIENCE, PROGRAM, Connection, Server, cli, wait_for_death
from tls_peer import TLS1_2, Closed, Tls, make_certificate, pair, scram

PASSWORD = "correct horse battery"
ME = pwd.getpwuid(os.getuid()).pw_name


class NetworkServer(Server):
    """A server on a TLS port, with a state directory and users of its own. As root, users need an account."""

    def __init__(self, *options, environment=None):
        self.environment = dict(os.environ, **(environment or {}))
        super().__init__("--listen", "tls://127.0.0.1:0", *options, environment=self.set_state())

    def set_state(self):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.environment["LANYARD_STATE"] = str(self.state)
        return self.environment

    def ready(self):
        log = self.wait_for("this machine is")
        self.port = int(log.split("on tls://127.0.0.1:")[1].split()[0])
        return self

    def add_user(self, name, roles, *options):
        done = cli("user", "add", name, "--roles", roles, "--password-stdin", *options,
                   input=PASSWORD.encode() + b"\n", env=self.environment)
        assert done.returncode == 0, done.stderr

    def status(self, connection):
        connection.send({"cmd": "status", "id": 1})
        return json.loads(connection.receive()[1])

    def workers(self):
        """The workers' process ids, once all of them serve."""
        deadline = time.monotonic() + PATIENCE
        with Connection(self.address) as connection:
            while not all(worker["serves"] for worker in self.status(connection)["workers"]):
                assert time.monotonic() < deadline, self.log.read_text(errors="replace")
                time.sleep(0.02)
        out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.pid)], capture_output=True, check=False)
        return [int(line.split()[0]) for line in out.stdout.decode().splitlines() if line.endswith("worker")]

    def remove(self):
        shutil.rmtree(self.state, ignore_errors=True)
        super().remove()


class NetworkCase(unittest.TestCase):
    options = ("--exempt", "127.0.0.0/8")

    @classmethod
    def setUpClass(cls):
        cls.server = NetworkServer(*cls.options).ready()
        cls.server.add_user("ann", "read,write,exec", "--account", ME)
        cls.server.add_user("ben", "read")
        cls.server.add_user("eve", "exec")

    @classmethod
    def tearDownClass(cls):
        try:
            status = cls.server.stop()
            cls.server.check_log()
            if status != 0:
                raise AssertionError(f"the server ended with {status}: {cls.server.log.read_text(errors='replace')[-8000:]}")
        finally:
            cls.server.remove()

    def connect(self, **options):
        connection = Tls(self.server.port, **options)
        self.addCleanup(connection.close)
        return connection

    def log_in(self, name="ann", password=PASSWORD, **options):
        connection = self.connect()
        return connection, scram(connection, name, password, **options)

    def enter(self, name="ann"):
        connection, answer = self.log_in(name)
        self.assertEqual(answer["ok"], True)
        return connection

    def assert_closed(self, connection):
        with self.assertRaises(Closed):
            connection.receive(1)


class LoggingIn(NetworkCase):
    def test_a_user_logs_in_and_may_do_what_the_roles_say(self):
        connection, answer = self.log_in()
        self.assertEqual((answer["user"], answer["roles"]), ("ann", ["read", "write", "exec"]))
        self.assertEqual(connection.ask({"cmd": "hello", "id": 2})["user"], "ann")
        self.assertTrue(connection.ask({"cmd": "mkdir", "id": 3, "path": "made"})["ok"])
        end, out = connection.run("echo", "hi")
        self.assertEqual((end["exit"], out), (0, b"hi\n"))

    def test_a_role_that_is_missing_is_said(self):
        connection = self.enter("ben")
        self.assertEqual(connection.ask({"cmd": "stat", "id": 1, "path": ""})["entry"]["type"], "dir")
        for request in ({"cmd": "mkdir", "path": "x"}, {"cmd": "exec", "argv": ["true"]}, {"cmd": "rm", "path": "x"}):
            self.assertEqual(connection.ask(dict(request, id=2))["error"], "LY_EROLE")
        self.assertTrue(connection.ask({"cmd": "ping", "id": 3})["ok"])

    def test_a_stranger_gets_nothing_but_the_login(self):
        connection = self.connect()
        for cmd in ("ping", "hello", "version", "ls", "exec", "nonsense"):
            self.assertEqual(connection.ask({"cmd": cmd, "id": 1, "path": ""})["error"], "LY_ELOGIN")

    def test_wrong_passwords_and_names_fail_alike(self):
        for name, password in (("ann", "wrong password"), ("nobody", PASSWORD)):
            connection, answer = self.log_in(name, password)
            self.assertEqual(answer["error"], "LY_EDENIED")
            self.assert_closed(connection)

    def test_a_login_bound_to_another_channel_fails(self):
        other = self.connect()
        connection, answer = self.log_in(binding=other.export())
        self.assertEqual(answer["error"], "LY_EDENIED")
        self.assert_closed(connection)

    def test_nothing_weaker_is_taken(self):
        weaker = ({"mechanism": "SCRAM-SHA-256"}, {"mechanism": "PLAIN"}, {"header": "n,,"}, {"header": "y,,"},
                  {"header": "p=tls-unique,,"})
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for options, (_, answer) in zip(weaker, pool.map(lambda options: self.log_in(**options), weaker)):
                self.assertEqual(answer["error"], "LY_EDENIED", options)

    def test_a_message_of_an_earlier_login_is_no_use(self):
        connection = self.connect()
        first = connection.ask({"cmd": "login", "id": 1, "mechanism": "SCRAM-SHA-256-PLUS",
                                "data": "p=tls-exporter,,n=ann,r=abcdefgh"})
        proof = base64.b64encode(bytes(32)).decode()
        again = {"cmd": "login", "id": 1, "mechanism": "SCRAM-SHA-256-PLUS",
                 "data": "c=cD10bHMtZXhwb3J0ZXIsLA==,r=" + first["data"].split(",")[0][2:] + ",p=" + proof}
        self.assertEqual(connection.ask(again)["error"], "LY_EDENIED")

    def test_a_whole_login_that_was_recorded_is_no_use_again(self):
        connection, said = self.connect(), []
        ask = connection.ask
        connection.ask = lambda header: said.append(header) or ask(header)
        self.assertTrue(scram(connection, "ann", PASSWORD)["ok"])
        again = self.connect()
        answers = [again.ask(header) for header in said]
        self.assertIn("data", answers[0])
        self.assertEqual(answers[1]["error"], "LY_EDENIED")
        self.assert_closed(again)

    def try_name(self, name):
        """The error that a login by this name ends with, and the connection too."""
        connection = self.connect()
        login = {"cmd": "login", "id": 1, "mechanism": "SCRAM-SHA-256-PLUS"}
        try:
            answer = connection.ask(dict(login, data=f"p=tls-exporter,,n={name},r=abcdefghijkl"))
            if "error" not in answer:  # a name that is only unknown goes on to the proof, which is wrong
                nonce, proof = answer["data"].split(",")[0], base64.b64encode(bytes(32)).decode()
                answer = connection.ask(dict(login, data=f"c=cD10bHMtZXhwb3J0ZXIsLA==,{nonce},p={proof}"))
        except Closed:
            return "closed"
        self.assert_closed(connection)
        return answer.get("error")

    def test_names_that_are_none_are_denied(self):
        names = ("a" * 500, "a" * 1100, "a" * 60000, "\udcff\udcfe", "ann\udcc3", "ann\x01", "\u202eann", "ann,m=x", "ann=", "",
                 "pair/", "pair/" + "A" * 400, "\u2168" * 300)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:  # each failure makes the next answer later
            for name, error in zip(names, pool.map(self.try_name, names)):
                self.assertIn(error, ("LY_EDENIED", "LY_EFIELD", "LY_ETOOBIG", "closed"), name[:20])
        self.assertTrue(self.log_in()[1]["ok"])

    def test_a_login_that_is_malformed_is_refused(self):
        whole = {"cmd": "login", "id": 1, "mechanism": "SCRAM-SHA-256-PLUS", "data": "p=tls-exporter,,n=ann,r=abcdefgh"}
        for change in ({"mechanism": None}, {"mechanism": 7}, {"mechanism": "A" * 100}, {"data": None}, {"data": 7},
                       {"data": ["x"]}, {"data": ""}):
            request = {key: value for key, value in (whole | change).items() if value is not None}
            answer = self.connect().ask(request)
            self.assertIn(answer["error"], ("LY_EDENIED", "LY_EFIELD", "LY_ETOOBIG"), change)

    def test_a_second_login_is_refused(self):
        connection = self.enter()
        answer = connection.ask({"cmd": "login", "id": 1, "mechanism": "SCRAM-SHA-256-PLUS", "data": "x"})
        self.assertEqual(answer["error"], "LY_EFIELD")

    def test_older_tls_is_refused(self):
        with self.assertRaises(Closed):
            self.connect(at_most=TLS1_2)

    def test_the_machine_is_who_it_prints(self):
        number = int.from_bytes(self.connect().peer_key()[:17], "big") % 10**40
        digits = f"{number:040d}"
        text = "-".join(digits[i:i + 5] for i in range(0, 40, 5))
        self.assertIn(f"this machine is {text}", self.server.log.read_text())

    def test_the_trail_tells_who_did_what_from_where(self):
        connection = self.enter()
        connection.run("sh", "-c", "exit 3")
        connection.close()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            out = cli("audit", "--json", "--user", "ann", env=self.server.environment).stdout.decode()
            if '"exit 3"' in out:
                break
            time.sleep(0.05)
        self.assertIn('"sh -c \'exit 3\'"', out)
        self.assertIn('"tcp://127.0.0.1:', out)
        self.assertNotIn(PASSWORD, out)


class Certificates(NetworkCase):
    """What counts of a client's certificate is the key that it proves."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="ly")
        (pathlib.Path(cls.folder) / "conf").write_text(
            "[ca]\ndefault_ca = c\n[c]\ndatabase = index\nserial = serial\nnew_certs_dir = .\ndefault_md = sha256\n"
            "policy = p\n[p]\ncommonName = optional\n[req]\ndistinguished_name = d\n[d]\n")
        (pathlib.Path(cls.folder) / "index").touch()
        (pathlib.Path(cls.folder) / "serial").write_text("01\n")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)
        super().tearDownClass()

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def make_key(self, name):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")

    def sign(self, name, key, signer, *dates):
        """A PEM file with a certificate for the key, by the signer's."""
        self.openssl("req", "-config", "conf", "-new", "-key", f"{key}.key", "-subj", f"/CN={name}", "-out", "request")
        own = ("-selfsign",) if signer == key else ("-cert", f"{signer}.pem")
        self.openssl("ca", "-config", "conf", "-batch", "-notext", "-keyfile", f"{signer}.key", *own, "-in", "request", "-out",
                     f"{name}.pem", *(dates or ("-days", "9")))
        path = pathlib.Path(self.folder, f"{name}.pem")
        path.write_text(path.read_text() + pathlib.Path(self.folder, f"{key}.key").read_text())
        return str(path)

    def enrol(self, certificate):
        code = cli("user", "pair", "ann", env=self.server.environment).stdout.decode().split()[-1]
        slot, *secret = code.split("-")
        self.assertTrue(scram(self.connect(certificate=certificate), "pair/" + slot, "".join(secret))["ok"])

    def test_an_expired_certificate_is_as_good_as_its_key(self):
        self.make_key("a")
        self.enrol(self.sign("fresh", "a", "a"))
        old = self.sign("old", "a", "a", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
        self.assertEqual(self.connect(certificate=old).ask({"cmd": "hello", "id": 1})["user"], "ann")
        self.make_key("b")
        stranger = self.sign("stranger", "b", "b", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
        self.assertEqual(self.connect(certificate=stranger).ask({"cmd": "hello", "id": 1})["error"], "LY_ELOGIN")

    def test_a_certificate_by_a_device_that_is_known_makes_nobody_known(self):
        self.make_key("c")
        self.make_key("d")
        self.enrol(self.sign("c", "c", "c"))
        issued = self.sign("d", "d", "c")
        self.assertEqual(self.connect(certificate=issued).ask({"cmd": "hello", "id": 1})["error"], "LY_ELOGIN")
        self.assertEqual(self.connect(certificate=issued).ask({"cmd": "ls", "id": 1, "path": ""})["error"], "LY_ELOGIN")


class Devices(NetworkCase):
    CHALLENGE = 65356
    kinds = {"p256": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "ed25519": ("-newkey", "ed25519"),
             "rsa": ("-newkey", "rsa:2048"), "p384": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384")}

    def make_key(self, kind):
        return make_certificate(self.server.state / kind, *self.kinds[kind])

    def new_code(self, name="ann"):
        done = cli("user", "pair", name, env=self.server.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode().split()[-1]

    def ask_who(self, **options):
        return self.connect(**options).ask({"cmd": "hello", "id": 1})

    def test_a_key_on_p256_or_ed25519_becomes_a_device_and_logs_in_without_a_word(self):
        for kind in ("p256", "ed25519"):
            key = self.make_key(kind)
            self.assertEqual(self.ask_who(certificate=key)["error"], "LY_ELOGIN")
            self.assertEqual(pair(self.connect(certificate=key), self.new_code())["user"], "ann")
            for _ in range(2):
                self.assertEqual(self.ask_who(certificate=key)["user"], "ann")

    def test_a_key_of_another_kind_is_as_none(self):
        for kind in ("rsa", "p384"):
            key, code = self.make_key(kind), self.new_code()
            self.assertEqual(pair(self.connect(certificate=key), code)["error"], "LY_EDENIED")
            self.assertEqual(self.ask_who(certificate=key)["error"], "LY_ELOGIN")
            connection = self.connect(certificate=key)
            self.assertTrue(scram(connection, "ann", PASSWORD)["ok"])

    def write_key(self, form):
        """A certificate for a key on P-256 that is written otherwise than keys are enrolled."""
        self.make_key("p256")
        path = self.server.state / form[-1]
        written = subprocess.run(["openssl", "ec", "-in", self.server.state / "p256", *form], check=True, capture_output=True)
        path.write_bytes(written.stdout)
        made = subprocess.run(["openssl", "req", "-x509", "-key", path, "-subj", "/CN=device"], check=True, capture_output=True)
        path.write_bytes(written.stdout + made.stdout)
        return path

    def test_a_key_that_is_written_otherwise_is_as_none_and_costs_no_worker(self):
        witness = self.enter()
        for form in (("-conv_form", "compressed"), ("-conv_form", "hybrid"), ("-param_enc", "explicit")):
            with self.subTest(form=form):
                key, code = self.write_key(form), self.new_code()
                self.assertEqual(self.ask_who(certificate=key)["error"], "LY_ELOGIN")
                self.assertEqual(pair(self.connect(certificate=key), code)["error"], "LY_EDENIED")
                self.assertTrue(scram(self.connect(certificate=key), "ann", PASSWORD)["ok"])
        self.assertEqual(witness.ask({"cmd": "hello", "id": 2})["user"], "ann")

    def test_each_connection_has_a_challenge_of_its_own_and_none_has_a_ticket(self):
        challenges = set()
        for _ in range(3):
            connection = self.connect()
            self.assertEqual(connection.ask({"cmd": "ping", "id": 1})["error"], "LY_ELOGIN")
            challenges.add(connection.requested()[self.CHALLENGE])
            self.assertNotIn(4, connection.messages)
        self.assertEqual(len(challenges), 3)
        self.assertEqual({len(c) for c in challenges}, {32})


class Commands(NetworkCase):
    def test_output_input_and_signals_arrive(self):
        connection = self.enter()
        connection.send_frame({"cmd": "exec", "id": 5, "argv": ["cat"], "stdin": True})
        self.assertTrue(connection.receive_frame()[0]["started"])
        connection.send_frame({"id": 5, "stream": "in"}, b"some text")
        header, body = connection.receive_frame()
        self.assertEqual((header["stream"], body), ("out", b"some text"))
        connection.send_frame({"id": 5, "kill": 15})
        self.assertEqual(connection.receive_frame()[0]["signal"], 15)
        self.assertEqual(connection.run("echo", "again")[1], b"again\n")

    def test_a_users_bandwidth_bounds_what_a_session_is_sent(self):
        self.server.add_user("slow", "exec", "--account", ME, "--bandwidth", "512K")
        connection = self.enter("slow")
        began = time.monotonic()
        end, out = connection.run("head", "-c", "1048576", "/dev/zero")
        self.assertEqual((end["exit"], len(out)), (0, 1 << 20))
        self.assertGreater(time.monotonic() - began, 1.5)  # 2 s, but for a quarter of a second that may be ahead

    def test_a_users_bandwidth_counts_both_ways_and_all_sessions(self):
        self.server.add_user("slower", "exec", "--account", ME, "--bandwidth", "1M")
        connections = [self.enter("slower") for _ in range(4)]  # on several workers
        began = time.monotonic()
        for number, connection in enumerate(connections):
            connection.send_frame({"cmd": "exec", "id": 5, "argv": ["wc", "-c"] if number % 2 else ["head", "-c", "524288", "/dev/zero"],
                                   "stdin": bool(number % 2)})
        senders = [threading.Thread(target=c.send_frame, args=({"id": 5, "stream": "in", "end": True}, bytes(524288)))
                   for c in connections[1::2]]
        for sender in senders:
            sender.start()
        for connection in connections:
            while "exit" not in (header := connection.receive_frame()[0]):
                self.assertNotIn("error", header)
        self.assertGreater(time.monotonic() - began, 1.4)  # 2 MiB; a quarter of a second may be ahead, and some are not paid for yet
        for sender in senders:
            sender.join()

    def test_the_end_of_input_is_seen(self):
        connection = self.enter()
        connection.send_frame({"cmd": "exec", "id": 5, "argv": ["wc", "-c"], "stdin": True})
        connection.receive_frame()
        connection.send_frame({"id": 5, "stream": "in", "end": True}, b"12345")
        self.assertEqual(connection.receive_frame()[1], b"5\n")
        self.assertEqual(connection.receive_frame()[0]["exit"], 0)

    def test_much_output_arrives_whole(self):
        connection = self.enter()
        end, out = connection.run("sh", "-c", "head -c 20000000 /dev/zero")
        self.assertEqual((end["exit"], len(out)), (0, 20000000))

    def test_commands_run_as_the_account_with_a_clean_environment(self):
        connection = self.enter()
        self.assertEqual(connection.run("id", "-un")[1].decode().strip(), ME)
        variables = connection.run("env")[1].decode()
        self.assertIn(f"USER={ME}\n", variables)
        self.assertNotIn("LANYARD_STATE", variables)
        self.assertEqual(connection.run("sh", "-c", "ls /proc/self/fd | wc -l")[1].strip(), b"4")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_nothing_runs_as_root_unless_that_was_said(self):
        self.assertEqual(self.enter("eve").run("id")[0]["error"], "LY_EROLE")
        self.server.add_user("dan", "exec", "--account", "nobody")
        connection = self.enter("dan")
        self.assertEqual(connection.run("id", "-un")[1], b"nobody\n")
        self.assertEqual(connection.run("sh", "-c", "grep -E ^Groups: /proc/self/status")[1].split()[1:], [b"65534"])

    def test_variables_of_a_command_arrive_and_are_nobody_elses_to_read(self):
        connection = self.enter()
        connection.send_frame({"cmd": "exec", "id": 9, "argv": ["sh", "-c", "printenv SECRET; tr '\\0' ' ' </proc/$$/cmdline"],
                               "env": {"SECRET": "a word", "LD_PRELOAD": "/nonexistent", "EMPTY": ""}})
        self.assertTrue(connection.receive_frame()[0]["started"])
        out = b""
        while True:
            header, body = connection.receive_frame()
            if "exit" in header:
                break
            if header["stream"] == "out":
                out += body
        self.assertTrue(out.startswith(b"a word\n"), out)
        for line in self.server.log.read_text().splitlines():
            self.assertNotIn("LD_PRELOAD", line)  # nothing of ours was started with it

    def test_more_variables_than_may_be_are_refused(self):
        answer = self.enter().ask({"cmd": "exec", "id": 9, "argv": ["true"], "env": {f"v{i}": "" for i in range(1025)}})
        self.assertEqual(answer["error"], "LY_ETOOBIG")

    def test_a_program_that_is_missing_is_said(self):
        end, out = self.enter().run("/nonexistent/program")
        self.assertTrue(end.get("error") == "ENOENT" or end.get("exit") == 127, end)

    def test_a_command_ends_with_its_connection(self):
        connection = self.enter()
        connection.send_frame({"cmd": "exec", "id": 5, "argv": ["sleep", "600"]})
        pid = connection.receive_frame()[0]["pid"]
        connection.close()
        wait_for_death(pid)


class Places(NetworkCase):
    options = ("--exempt", "127.0.0.0/8", "--max-commands", "4")

    def start(self, connection, number, expected):
        connection.send_frame({"cmd": "exec", "id": number, "argv": ["cat"], "stdin": True})
        self.assertIn(expected, connection.receive_frame()[0].items())

    def test_a_user_leaves_half_of_the_places_to_the_others(self):
        self.server.add_user("joe", "exec", "--account", ME)
        ann = [self.enter() for _ in range(3)]
        self.start(ann[0], 1, ("started", True))
        self.start(ann[1], 1, ("started", True))
        self.start(ann[2], 1, ("error", "EAGAIN"))
        self.start(self.enter("joe"), 1, ("started", True))
        ann[0].send_frame({"id": 1, "kill": 15})
        self.assertEqual(ann[0].receive_frame()[0]["signal"], 15)
        self.assertEqual(ann[2].run("echo", "again")[1], b"again\n")


class Directories(NetworkCase):
    def test_a_user_with_a_directory_sees_nothing_else(self):
        root = self.server.root
        for name in ("mine", "other"):
            (root / name).mkdir()
            (root / name / "a.txt").write_text(name)
        (root / "mine" / "up").symlink_to("..")
        (root / "mine" / "there").symlink_to("../other/a.txt")
        (root / "mine" / "far").symlink_to("/etc/passwd")
        self.server.add_user("fay", "read,write", "--directory", str(root / "mine"))
        connection = self.enter("fay")
        connection.send_frame({"cmd": "get", "id": 1, "path": "a.txt"})
        self.assertEqual(connection.receive_frame()[1], b"mine")
        self.assertTrue(connection.receive_frame()[0]["ok"])
        for path in ("../other/a.txt", "/etc/passwd", "up/other/a.txt", "there", "far", "up", "a.txt/../../other/a.txt",
                     f"{root}/other/a.txt", ".."):
            connection.send_frame({"cmd": "get", "id": 2, "path": path})
            connection.send_frame({"cmd": "ping", "id": 3})
            answers = []
            while not answers or answers[-1][0]["id"] != 3:
                answers.append(connection.receive_frame())
            self.assertEqual(b"".join(body for _, body in answers), b"", path)  # links come as links
        for request in ({"cmd": "mv", "from": "a.txt", "to": "../other/b"}, {"cmd": "rm", "path": "../other/a.txt"},
                        {"cmd": "mkdir", "path": "up/made"}):
            self.assertIn("error", connection.ask(dict(request, id=4)), request)
        self.assertEqual(sorted(p.name for p in (root / "other").iterdir()), ["a.txt"])
        self.assertFalse((root / "made").exists())

    def test_a_directory_that_is_not_below_the_served_one_lets_nobody_in(self):
        for number, path in enumerate(("/etc", str(self.server.root.parent))):
            self.server.add_user(f"gus{number}", "read", "--directory", path)
            _, answer = self.log_in(f"gus{number}")
            self.assertIn("error", answer, path)
            self.server.wait_for(f"user=gus{number} directory={path} root={self.server.root}")
        again = Server("--listen", "tls://127.0.0.1:0", environment=self.server.environment)
        self.addCleanup(again.remove)
        again.wait_for(f"user=gus0 directory=/etc root={again.root}")

    def test_the_served_directory_may_be_named_by_a_link(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "real" / "mine").mkdir(parents=True)
        (folder / "link").symlink_to("real")
        for name in (folder / "link", os.path.relpath(folder / "real")):
            server = NetworkServer(*self.options, "--root", str(name))
            self.addCleanup(server.remove)
            self.addCleanup(server.stop)
            server.ready().add_user("ivy", "read", "--directory", str(folder / "link" / "mine"))
            with contextlib.closing(Tls(server.port)) as connection:
                self.assertEqual(scram(connection, "ivy", PASSWORD)["ok"], True, name)

    def test_a_user_has_no_more_sessions_than_are_granted(self):
        self.server.add_user("hal", "read", "--sessions", "2")
        held = [self.enter("hal"), self.enter("hal")]
        self.assertEqual(self.log_in("hal")[1]["error"], "LY_ESESSIONS")
        held[0].close()
        deadline = time.monotonic() + PATIENCE
        while "error" in self.log_in("hal")[1] and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertLess(time.monotonic(), deadline)


class Terminals(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "without root nobody becomes somebody else")
    def test_a_command_cannot_reach_the_terminal_that_the_server_was_started_from(self):
        import fcntl
        import pty
        import termios
        outer, inner = pty.openpty()
        self.addCleanup(os.close, outer)
        self.addCleanup(os.close, inner)
        started = subprocess.Popen.__init__

        def in_terminal(self, *args, **options):
            options["preexec_fn"] = lambda: (os.setsid(), fcntl.ioctl(inner, termios.TIOCSCTTY, 0))
            options["pass_fds"] = (inner,)
            started(self, *args, **options)

        subprocess.Popen.__init__ = in_terminal
        try:
            server = NetworkServer("--exempt", "127.0.0.0/8")
        finally:
            subprocess.Popen.__init__ = started
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.ready()
        server.add_user("ann", "exec", "--account", ME)
        connection = Tls(server.port)
        self.addCleanup(connection.close)
        scram(connection, "ann", PASSWORD)
        end, out = connection.run("sh", "-c", "ps -o tty= -p $$; : </dev/tty")
        self.assertNotEqual(end["exit"], 0, out)
        self.assertEqual(out.split()[0], b"?")


class Workers(NetworkCase):
    options = ("--exempt", "127.0.0.0/8", "--workers", "2")

    def test_a_worker_that_dies_costs_its_connections_only(self):
        workers = self.server.workers()
        connections = [self.enter() for _ in range(4)]  # two on each
        self.assertEqual(len(workers), 2)
        os.kill(workers[0], signal.SIGKILL)
        wait_for_death(workers[0])
        alive = 0
        for connection in connections:
            with contextlib.suppress(Closed):
                alive += connection.ask({"cmd": "ping", "id": 1}).get("ok", False)
        self.assertEqual(alive, 2)
        self.assertTrue(self.enter().ask({"cmd": "ping", "id": 1})["ok"])
        log = self.server.wait_for(f'"a worker has ended" pid={workers[0]} ')
        self.assertRegex(log, f'"a worker has ended" pid={workers[0]} signal=9 signal_name=SIGKILL session=[0-9]+( error=(?!OK).*)?\n')

    def test_commands_of_a_dead_worker_are_ended(self):
        connection = self.enter()
        connection.send_frame({"cmd": "exec", "id": 5, "argv": ["sleep", "600"]})
        pid = connection.receive_frame()[0]["pid"]
        workers = self.server.workers()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        for ended in (pid, *workers):
            wait_for_death(ended)

    def test_a_session_that_is_ended_before_its_worker_has_begun_it_ends_alone(self):
        connections = [self.enter() for _ in range(2)]
        while len(workers := self.server.workers()) < 2:
            time.sleep(0.02)
        try:
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)  # what comes meanwhile, it will take at once
            known = self.strangers()
            client = self.speak(known)
            number, = self.strangers() - known
            done = cli("sessions", "kill", str(number), "--host", self.server.address)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.speak(self.strangers())  # that the next one has been handed over means that the order has been, too
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
        self.assertEqual(client.recv(1), b"")
        for connection in connections:
            self.assertTrue(connection.ask({"cmd": "ping", "id": 1})["ok"])
        self.assertEqual(self.server.workers(), workers)

    def speak(self, known):
        """A client that has said something, and is one of the server's sessions by now. known: those that it had before."""
        client = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        self.addCleanup(client.close)
        client.sendall(b"\x16")
        while not self.strangers() - known:
            time.sleep(0.02)
        return client

    def strangers(self):
        """The numbers of the sessions that nobody has logged in on."""
        done = cli("sessions", "list", "--json", self.server.address)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {s["session"] for s in map(json.loads, done.stdout.splitlines()) if "user" not in s}

    def test_workers_are_confined(self):
        server = NetworkServer(*self.options).ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.add_user("ann", "read")
        workers = server.workers()
        self.assertEqual(len(workers), 2)
        for _ in workers:  # each serves one, so it has come so far
            connection = Tls(server.port)
            self.addCleanup(connection.close)
            self.assertTrue(scram(connection, "ann", PASSWORD)["ok"])
        for worker in workers:
            status = pathlib.Path(f"/proc/{worker}/status").read_text()
            self.assertIn("NoNewPrivs:\t1", status)
            self.assertIn("Seccomp:\t2", status)

    def test_files_come_and_go_by_a_confined_worker(self):
        connection = self.enter()
        (self.server.root / "a.txt").write_bytes(b"some bytes")
        connection.send_frame({"cmd": "get", "id": 4, "path": "a.txt"})
        header, body = connection.receive_frame()
        self.assertEqual(body, b"some bytes", header)


class Descriptors(NetworkCase):
    options = ("--exempt", "127.0.0.0/8", "--workers", "1")

    def test_a_worker_without_descriptors_keeps_its_connections(self):
        connection = self.enter()
        worker, = self.server.workers()
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, before[1]))
        with self.assertRaises((Closed, ConnectionResetError)):
            self.connect()
        self.assertEqual(connection.ask({"cmd": "exec", "id": 1, "argv": ["true"]})["error"], "EMFILE")
        self.assertTrue(connection.ask({"cmd": "ping", "id": 2})["ok"])
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        self.assertEqual(connection.run("echo", "hi")[1], b"hi\n")
        self.assertTrue(self.enter().ask({"cmd": "ping", "id": 3})["ok"])
        self.assertEqual(self.server.workers(), [worker])
        self.assertIn("there is no descriptor for it", self.server.log.read_text())


class Ending(unittest.TestCase):
    def begin(self, *argv):
        """A server of its own, and a connection in which a command runs that has begun."""
        self.server = NetworkServer("--exempt", "127.0.0.0/8").ready()
        self.addCleanup(self.server.remove)
        self.server.add_user("ann", "exec", "--account", ME)
        connection, idle = Tls(self.server.port), Tls(self.server.port)
        for each in (connection, idle):
            self.addCleanup(each.close)
            self.assertTrue(scram(each, "ann", PASSWORD)["ok"])
        self.assertTrue(idle.ask({"cmd": "ping", "id": 1})["ok"])
        connection.send_frame({"cmd": "exec", "id": 9, "argv": argv, "stdin": True})
        self.assertTrue(connection.receive_frame()[0]["started"])
        return connection, idle

    def test_running_commands_may_finish_and_idle_sessions_end(self):
        connection, idle = self.begin("cat")
        self.server.process.send_signal(signal.SIGTERM)
        self.server.wait_for("running requests may finish")
        with self.assertRaises(Closed):
            idle.receive(1)
        connection.send_frame({"id": 9, "stream": "in", "end": True}, b"late")
        self.assertEqual(connection.receive_frame()[1], b"late")
        self.assertEqual(connection.receive_frame()[0]["exit"], 0)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)

    def test_who_has_just_connected_is_still_served(self):
        connection, idle = self.begin("cat")
        late = Tls(self.server.port)
        self.addCleanup(late.close)
        self.assertTrue(scram(late, "ann", PASSWORD)["ok"])
        self.server.process.send_signal(signal.SIGTERM)
        with self.assertRaises(Closed):
            idle.receive(1)  # so the worker knows that it ends
        end, out = late.run("echo", "hi")
        self.assertEqual((end["exit"], out), (0, b"hi\n"))
        with self.assertRaises(Closed):
            late.receive(1)
        connection.send_frame({"id": 9, "stream": "in", "end": True})
        self.assertEqual(connection.receive_frame()[0]["exit"], 0)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)

    def test_who_says_nothing_does_not_hold_up_the_end(self):
        _, idle = self.begin("true")
        silent, stranger = Tls(self.server.port), socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        self.addCleanup(silent.close)
        self.addCleanup(stranger.close)
        self.assertTrue(scram(silent, "ann", PASSWORD)["ok"])
        self.server.process.send_signal(signal.SIGTERM)
        with self.assertRaises(Closed):
            idle.receive(1)
        began = time.monotonic()
        self.assertEqual(stranger.recv(1), b"")
        with self.assertRaises(Closed):
            silent.receive(1)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)
        self.assertLess(time.monotonic() - began, 8)  # not the 10 seconds that work may take

    def test_a_second_signal_ends_them_at_once(self):
        connection, _ = self.begin("sleep", "600")
        self.server.process.send_signal(signal.SIGTERM)
        self.server.wait_for("running requests may finish")
        self.server.process.send_signal(signal.SIGTERM)
        with self.assertRaises(Closed):
            while True:
                connection.receive_frame()
        self.assertEqual(self.server.process.wait(PATIENCE), 0)

    def test_the_last_output_of_who_has_a_limit_holds_up_nothing(self):
        self.begin("true")
        self.server.add_user("slow", "exec", "--account", ME, "--bandwidth", "512")
        connection = Tls(self.server.port)
        self.addCleanup(connection.close)
        self.assertTrue(scram(connection, "slow", PASSWORD)["ok"])
        piece = "dd if=/dev/zero bs=32768 count=1 status=none"
        connection.send_frame({"cmd": "exec", "id": 9, "argv": ["sh", "-c", f"echo $$; read x; {piece}; read x; exec {piece}"], "stdin": True})
        self.assertTrue(connection.receive_frame()[0]["started"])
        command = int(connection.receive_frame()[1])
        connection.send_frame({"id": 9, "stream": "in"}, b"\n")
        self.assertEqual(len(connection.receive_frame()[1]), 32768)
        connection.send_frame({"id": 9, "stream": "in"}, b"\n")
        wait_for_death(command)  # the second piece is in the pipe, and both are due in two minutes
        self.server.process.send_signal(signal.SIGTERM)
        self.server.wait_for("running requests may finish")
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)

    def test_workers_and_commands_are_gone_when_their_supervisor_is(self):
        connection, _ = self.begin("sh", "-c", "trap '' HUP TERM; sleep 600 & echo $$ $!; wait; sleep 600")
        pids = list(map(int, connection.receive_frame()[1].split())) + self.server.workers()
        self.assertGreater(len(pids), 2)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # so that none of them ends by itself
        self.server.process.kill()
        for pid in pids:
            wait_for_death(pid)


# A program that a service manager has given descriptor 3.
GIVEN = """if True:
    import os, sys
    os.dup2(int(sys.argv[1]), 4)  # by way of another number, so that it is inherited in any case
    os.dup2(4, 3)
    os.close(4)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
    os.execv(sys.argv[2], sys.argv[2:])
"""


class Restarting(unittest.TestCase):
    """What a service manager does that keeps the listener while the server restarts."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.environment = {name: dict(os.environ, LANYARD_STATE=str(self.folder / name)) for name in ("server", "client")}
        self.servers = []

    def start(self):
        fd = self.listener.fileno()
        self.servers.append(subprocess.Popen(
            [sys.executable, "-c", GIVEN, str(fd), PROGRAM, "serve", "--listen", f"tls://{self.host}", "--root", self.folder],
            pass_fds=(fd,), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.environment["server"]))
        self.addCleanup(self.end, self.servers[-1])
        said = b""
        while b"this machine is" not in said:
            said = self.servers[-1].stderr.readline()
            self.assertNotEqual(said, b"")

    def end(self, server):
        if server.poll() is None:
            with server:
                server.terminate()
                server.stderr.read()
        return server.returncode

    def lanyard(self, where, *arguments, **options):
        done = cli(*arguments, env=self.environment[where], **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_nobody_is_turned_away(self):
        self.start()
        self.lanyard("server", "user", "add", "ann", "--roles", "exec", "--account", ME, "--password-stdin",
                     input=PASSWORD.encode() + b"\n")
        self.lanyard("client", "pair", "--code-stdin", self.host, input=self.lanyard("server", "user", "pair", "ann"))
        over, answered = threading.Event(), threading.Semaphore(0)

        def call():
            while not over.is_set():
                self.assertEqual(self.lanyard("client", "exec", "--connect-timeout", f"{PATIENCE}s", "--batch", self.host, "--", "echo", "hi"),
                                 b"hi\n")  # however long the next server takes to start
                answered.release()

        with concurrent.futures.ThreadPoolExecutor() as pool:
            calls = [pool.submit(call) for _ in range(3)]
            try:
                for _ in range(3):
                    self.assertEqual(self.end(self.servers[-1]), 0)
                    self.start()
                    self.assertTrue(answered.acquire(timeout=PATIENCE))
            finally:
                over.set()
            for done in calls:
                done.result()


class Strangers(NetworkCase):
    options = ("--login-time", "1")

    def test_c_what_is_no_tls_is_ended(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
                     b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12), struct.pack("<i", 28) + b"{}", os.urandom(600), b"\x16\x03\x01" + bytes(9)):
            with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE) as s:
                with contextlib.suppress(OSError):
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass

    def test_a_who_says_nothing_is_cut_off(self):
        with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE) as s:
            self.assertEqual(s.recv(1), b"")

    def test_b_who_does_not_log_in_is_cut_off(self):
        with self.assertRaises(Closed):  # in the middle of the handshake, where that takes so long
            connection = self.connect()
            self.assertEqual(connection.ask({"cmd": "ping", "id": 1})["error"], "LY_ELOGIN")
            connection.receive(1)

    def test_z_a_source_that_only_makes_trouble_is_refused_for_a_while(self):
        deadline = time.monotonic() + PATIENCE
        refused = False
        while not refused and time.monotonic() < deadline:
            with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE) as s:
                with contextlib.suppress(OSError):
                    s.sendall(os.urandom(100))
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
            try:
                self.connect().close()
            except (Closed, ConnectionError):
                refused = True
        self.assertTrue(refused)


if __name__ == "__main__":
    unittest.main()
