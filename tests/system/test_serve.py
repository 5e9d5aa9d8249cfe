# SPDX-License-Identifier: MIT
"""serve: addresses, signals, the service manager, and what bad input gets."""

import json
import os
import pathlib
import pwd
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from peer import PATIENCE, PROGRAM, Connection, Server, ServerCase, cli, wait_for_death


def frame(header, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<i", len(text) if length is None else length) + text


class BadInput(ServerCase):
    """docs/protocol.md, section 6: an error frame where one can be sent; nothing else is disturbed."""

    def setUp(self):
        self.bystander = self.connect()
        self.assertEqual(self.bystander.ask({"cmd": "ping", "id": 1}), {"id": 1, "ok": True})

    def tearDown(self):
        self.assertEqual(self.bystander.ask({"cmd": "ping", "id": 2}), {"id": 2, "ok": True})

    def check_closed(self, data, error):
        connection = self.connect()
        connection.send_bytes(data)
        self.assertEqual(connection.receive()[0]["error"], error)
        self.assertTrue(connection.ended())

    def check_goes_on(self, header, error, body=b""):
        connection = self.connect()
        connection.send(header, body)
        self.assertEqual(connection.receive()[0]["error"], error)
        self.assertEqual(connection.ask({"cmd": "ping", "id": 7}), {"id": 7, "ok": True})

    def test_a_length_beyond_the_limit(self):
        for length in (65537, 1 << 24, 2**31 - 1, -1, -2**31, -65536):
            with self.subTest(length):
                self.check_closed(frame({"cmd": "ping", "id": 1}, length), "LY_ETOOBIG")

    def test_a_length_below_the_least(self):
        for length in (0, 1):
            with self.subTest(length):
                self.check_closed(frame(b"{}", length), "LY_EFRAME")

    def test_a_header_that_is_no_json(self):
        for text in (b"{ ", b"xx", b'{"a":1,}', b'{"a":1} x', b'{"a" 1}', b'{"a":01}', b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b'{"a":"\\u0000"}',
                     b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b"[" * 40 + b"]" * 40, b'{"a":' * 33 + b"1" + b"}" * 33,
                     b"{" + b",".join(b'"%d":1' % i for i in range(300)) + b"}", b"{\x00}", b'{"a":"\n"}', b"nul"):
            with self.subTest(text[:40]):
                self.check_closed(frame(text), "LY_EJSON")

    def test_a_header_that_is_no_object(self):
        for text in (b"[]", b"12", b'"cmd"', b"null", b"true"):
            with self.subTest(text):
                self.check_closed(frame(text), "LY_EFRAME")

    def test_a_bad_size(self):
        for size in (-1, 1.5, "1", None, [], 2**62 + 1, 10**30, 1e3):
            with self.subTest(size):
                self.check_closed(frame({"cmd": "ping", "id": 1, "size": size}), "LY_EFRAME")

    def test_the_longest_header_is_taken(self):
        connection = self.connect()
        self.assertTrue(connection.ask({"cmd": "ping", "id": 1})["ok"])
        text = json.dumps({"cmd": "ping", "id": 5, "x": ""})
        connection.send_bytes(frame(text.replace('""', '"' + "y" * (65536 - len(text)) + '"').encode()))
        self.assertEqual(connection.receive()[0], {"id": 5, "ok": True})

    def test_an_unknown_command(self):
        for cmd in ("", "nothing", "PING", "ping\x1b[1m", "x" * 60000):
            with self.subTest(cmd[:20]):
                self.check_goes_on({"cmd": cmd, "id": 3}, "EOPNOTSUPP", b"dropped")

    def test_fields_of_the_wrong_type(self):
        for header in ({}, {"cmd": "ping"}, {"id": 1}, {"cmd": 1, "id": 1}, {"cmd": None, "id": 1}, {"cmd": "ping", "id": "1"},
                       {"cmd": "ping", "id": -1}, {"cmd": "ping", "id": 1.0}, {"cmd": "ping", "id": 2**70}, {"cmd": ["ping"], "id": 1}):
            with self.subTest(header):
                self.check_goes_on(header, "LY_EFIELD", b"body")

    def test_unknown_fields_are_ignored(self):
        self.assertEqual(self.connect().ask({"cmd": "ping", "id": 1, "later": {"a": [1, 2]}}), {"id": 1, "ok": True})

    def test_a_body_where_none_is_expected(self):
        connection = self.connect()
        connection.send({"cmd": "ping", "id": 1}, bytes(1 << 20))
        self.assertEqual(connection.receive()[0], {"id": 1, "ok": True})
        connection.send_bytes(frame({"cmd": "ping", "id": 2, "size": (1 << 20) + 1}))
        self.assertEqual(connection.receive()[0], {"id": 2, "error": "LY_ETOOBIG", "text": "a length exceeds its limit"})
        self.assertTrue(connection.ended())

    def test_a_frame_cut_anywhere(self):
        whole = frame({"cmd": "exec", "id": 1, "argv": ["true"], "size": 3}) + b"abc"
        for n in range(1, len(whole), 3):
            connection = self.connect()
            connection.send_bytes(whole[:n])
            connection.socket.shutdown(socket.SHUT_WR)
            while not connection.ended():
                pass

    def test_frames_in_pieces_of_one_byte(self):
        connection = self.connect()
        for byte in frame({"cmd": "ping", "id": 1}) * 2:
            connection.send_bytes(bytes([byte]))
        self.assertEqual([connection.receive()[0] for _ in range(2)], [{"id": 1, "ok": True}] * 2)

    def test_many_requests_in_one_piece_are_answered_in_order(self):
        connection = self.connect()
        connection.send_bytes(b"".join(frame({"cmd": "ping", "id": n}) for n in range(2000)))
        self.assertEqual([connection.receive()[0]["id"] for _ in range(2000)], list(range(2000)))

    def test_requests_without_a_pause_do_not_keep_others_waiting(self):
        flood = """if True:
            import socket, struct, sys, threading
            s = socket.socket(socket.AF_UNIX)
            s.connect(sys.argv[1])
            def drop(there=bytearray(1 << 20)):
                while s.recv_into(there):
                    pass
            threading.Thread(target=drop, daemon=True).start()
            head = b'{"cmd": "ping", "id": 1}'
            many = (struct.pack("<i", len(head)) + head) * 9000
            for times in range(1 << 30):
                s.sendall(many)
                if times == 20:
                    print("at full speed", flush=True)
            """

        def time_pings():
            began = time.monotonic()
            for number in range(200):
                self.assertTrue(self.bystander.ask({"cmd": "ping", "id": number})["ok"])
            return time.monotonic() - began

        quiet = time_pings()  # on a busy machine that takes a while, too
        with subprocess.Popen([sys.executable, "-c", flood, self.server.path], stdout=subprocess.PIPE) as client:
            try:
                client.stdout.readline()
                self.assertLess(time_pings(), PATIENCE / 4 + 20 * quiet)
            finally:
                client.kill()

    def test_other_protocols_are_closed_without_a_word(self):
        for data in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            connection = self.connect()
            connection.send_bytes(data)
            self.assertTrue(connection.ended())

    def test_the_tutorials_put_is_refused_and_closed(self):
        self.check_closed(frame({"cmd": "put", "filename": "a", "filesize": 3}) + b"abc", "EOPNOTSUPP")

    def test_a_peer_that_stops_reading_is_dropped_when_it_leaves(self):
        connection = self.connect()
        connection.socket.settimeout(1)
        with self.assertRaises(TimeoutError):
            while True:
                connection.send_bytes(frame({"cmd": "ping", "id": 1}) * 1000)
        connection.close()

    def test_the_log_names_the_peer_and_stays_one_line(self):
        lines = len(self.server.log.read_text().splitlines())
        connection = self.connect()
        connection.send_bytes(frame(b'{"\n": 1}'))
        connection.receive()
        self.assertTrue(connection.ended())
        log = self.server.wait_for("error=LY_EJSON")
        line = [line for line in log.splitlines()[lines - 1:] if "LY_EJSON" in line][-1]
        self.assertIn("peer=unix:", line)
        self.assertIn(f"pid={os.getpid()}", line)

    def test_random_bytes_do_no_harm(self):
        import random
        random.seed(1)
        for _ in range(200):
            with Connection(self.server.address) as connection:
                data = bytearray(frame({"cmd": "exec", "id": 1, "argv": ["true"], "env": {"a": "b"}}))
                for _ in range(random.randrange(1, 5)):
                    data[random.randrange(len(data))] = random.randrange(256)
                try:
                    connection.send_bytes(data)
                    connection.socket.shutdown(socket.SHUT_WR)
                    while connection.file.read(4096):
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    pass


class Answers(ServerCase):
    def test_hello_and_version_say_the_same(self):
        expected = {"id": 1, "ok": True, "version": 1, "server": "lanyard 0.1.0", "root": True}
        expected["user"] = pwd.getpwuid(os.getuid()).pw_name
        expected["roles"] = ["read", "write", "exec", "chat", "admin"]
        for cmd in ("hello", "version"):
            self.assertEqual(self.connect().ask({"cmd": cmd, "id": 1}), expected)

    def test_ping_and_version_of_the_program(self):
        done = cli("ping", "-c", "3", self.server.address)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertRegex(done.stdout, rb"^(unix:\S+: answer \d in [\d.]+ us\n){3}$")
        done = cli("ping", "--json", self.server.address)
        self.assertEqual(set(json.loads(done.stdout)), {"id", "microseconds"})
        self.assertEqual(cli("version", self.server.address).stdout, b"lanyard 0.1.0\nserver: lanyard 0.1.0\n")
        self.assertEqual(json.loads(cli("version", "-j", self.server.address).stdout)["server"], "lanyard 0.1.0")

    def test_the_default_host_is_in_the_environment(self):
        done = cli("ping", env=os.environ | {"LANYARD_HOST": self.server.address})
        self.assertEqual(done.returncode, 0)

    def test_a_server_is_not_named_by_the_librarys_other_schemes(self):
        for address in "unix:", "udp://127.0.0.1:9", "unix-dgram:/x", "unix-seqpacket:@x":
            with self.subTest(address):
                done = cli("ping", address)
                self.assertEqual((done.returncode != 0, done.stdout), (True, b""))
                self.assertIn(b"expected unix:PATH", done.stderr)

    def test_the_sockets_file_is_for_its_owner_alone(self):
        self.assertEqual(stat.S_IMODE(self.server.path.stat().st_mode), 0o600)

    def test_an_idle_connection_stays_and_works(self):
        connection = self.connect()
        self.assertTrue(connection.ask({"cmd": "ping", "id": 1})["ok"])
        connection.socket.settimeout(3)
        with self.assertRaises(TimeoutError):
            connection.socket.recv(1)
        connection.socket.settimeout(PATIENCE)
        connection.send({"cmd": "ping", "id": 2})
        length, = struct.unpack("<i", connection.socket.recv(4, socket.MSG_WAITALL))
        self.assertEqual(json.loads(connection.socket.recv(length, socket.MSG_WAITALL)), {"id": 2, "ok": True})


class Usage(unittest.TestCase):
    def test_each_command_has_help(self):
        for name in ("serve", "exec", "ping", "version", "put", "get", "ls", "stat", "mkdir", "mv", "rm"):
            with self.subTest(name):
                done = cli(name, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertTrue(done.stdout.startswith(b"Usage: lanyard " + name.encode()), done.stdout)
                self.assertEqual(cli("help", name).stdout, done.stdout)

    def test_the_list_of_commands(self):
        done = cli("help")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"  exec ", done.stdout)
        for words in (["--help"], ["-h"], ["-?"], ["help", "help"], ["help", "--help"], ["--help", "help"]):
            self.assertEqual((cli(*words).returncode, cli(*words).stdout), (0, done.stdout), words)
        bare = cli()
        self.assertEqual((bare.returncode, bare.stdout, bare.stderr), (2, b"", done.stdout))

    def test_a_slip_of_the_finger_is_put_right(self):
        done = cli("pign")
        self.assertEqual((done.returncode, done.stderr), (2, b"lanyard: there is no command 'pign'; did you mean 'ping'?\n"))
        self.assertEqual(cli("help", "pign").stderr, done.stderr)
        self.assertNotIn(b"did you mean", cli("zzzzzzzz").stderr)
        self.assertNotIn(b"\x1b", cli("\x1b[1m").stderr)

    def test_the_version(self):
        self.assertEqual(cli("--version").stdout, cli("version").stdout)


class Refusals(unittest.TestCase):
    """Addresses that would let in others."""

    def serve(self, *arguments, **options):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return cli("serve", "--root", folder, *arguments, **options)

    def test_what_is_refused_says_why_and_what_to_do(self):
        for arguments, said in ((["tcp://127.0.0.1:0"], "--insecure-loopback"), (["tcp://[::1]:0"], "--insecure-loopback"),
                                (["tcp://0.0.0.0:0", "--insecure-loopback"], "can be reached from the network"),
                                (["tcp://:0", "--insecure-loopback"], "can be reached from the network"),
                                (["tcp://[::]:0", "--insecure-loopback"], "can be reached from the network"),
                                (["tcp://192.0.2.1:0", "--insecure-loopback"], "can be reached from the network"),
                                (["tcp://<broadcast>:0", "--insecure-loopback"], "can be reached from the network"),
                                (["unix:@name"], "no permissions"), (["127.0.0.1:80"], "expected unix:PATH"),
                                (["unix:"], "expected unix:PATH"), (["unix:", "--insecure-loopback"], "expected unix:PATH"),
                                (["udp://127.0.0.1:0", "--insecure-loopback"], "expected unix:PATH"),
                                (["udp://0.0.0.0:0"], "expected unix:PATH"), (["unix-dgram:"], "expected unix:PATH"),
                                (["unix-dgram:/tmp/x"], "expected unix:PATH"), (["unix-seqpacket:@name"], "expected unix:PATH"),
                                (["unix-seqpacket:/tmp/x"], "expected unix:PATH"),
                                (["tcp://127.0.0.1:99999", "--insecure-loopback"], "it is no address"),
                                (["unix:" + "x" * 200], "it is no address"), (["tls://127.0.0.1:99999"], "it is no address"),
                                (["unix:/no/such/folder/s"], "the directory of this path is not there: make it first"),
                                (["unix:/etc/passwd/s"], "the directory of this path is not there: make it first"),
                                (["tls://192.0.2.1:0"], "this machine does not have this address: 'ip address' shows")):
            with self.subTest(arguments):
                done = self.serve("--listen", *arguments)
                self.assertEqual((done.returncode, done.stdout), (1, b""))
                self.assertRegex(done.stderr.decode(), r"^lanyard serve: [^\n]*" + said + r"[^\n]*\n$")

    def check_refused(self, said, *arguments, **options):
        done = self.serve("--listen", *arguments, **options)
        self.assertEqual((done.returncode, done.stdout), (1, b""), done.stderr)
        self.assertRegex(done.stderr.decode(), r"^lanyard serve: cannot listen on [^\n]*: " + said + r"[^\n]*\n$")

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for address in (f"tls://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"):
                self.check_refused("something listens on this port already, another 'lanyard serve' perhaps .'ss -ltnp' says what.: end it, or "
                                   "choose another port", address, "--insecure-loopback")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "only root can be somebody who is not root")
    @unittest.skipUnless(int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 7, "here everybody may use each port")
    def test_a_port_and_a_directory_without_the_right_to_them(self):
        state, program = pathlib.Path(tempfile.mkdtemp()), pathlib.Path(tempfile.mkdtemp())
        for folder in (state, program):
            self.addCleanup(shutil.rmtree, folder)
        shutil.copy(PROGRAM, program / "lanyard")
        os.chown(state, 65534, 65534)
        program.chmod(0o755)
        for address, said in (("tls://127.0.0.1:7", "you may not use this port: those below 1024 take root, or CAP_NET_BIND_SERVICE"),
                              (f"unix:{program}/s", "you may not make a file in the directory of this path")):
            done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", program / "lanyard", "serve", "--root", state, "--listen",
                                   address], capture_output=True, timeout=PATIENCE, check=False, env={"LANYARD_STATE": str(state), "HOME": str(state)})
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"cannot listen on {address}: {said}", done.stderr.decode())

    def test_one_refusal_among_several_ends_all(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        done = self.serve("--listen", f"unix:{folder}/a", "--listen", "tcp://127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(list(folder.iterdir()), [])

    def test_a_file_that_is_no_socket_stays(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"kept")
            f.flush()
            done = cli("serve", "--listen", f"unix:{f.name}")
            self.assertEqual((done.returncode, pathlib.Path(f.name).read_bytes()), (1, b"kept"))
            self.assertIn(b"a file that is no socket is there", done.stderr)

    def test_a_choice_that_is_none_is_told_which_there_are(self):
        done = cli("serve", "--reactor", "kqueue")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"epoll, io_uring, poll or select", done.stderr)

    def test_a_root_that_is_none(self):
        self.assertIn(b"no such file", cli("serve", "--root", "/no/such", "--listen", "unix:/tmp/never").stderr)
        self.assertIn(b"not a directory", cli("serve", "--root", "/etc/passwd", "--listen", "unix:/tmp/never").stderr)

    def test_options_that_make_no_sense(self):
        for arguments in (["--workers", "0"], ["--workers", "x"], ["--reactor", "kqueue"], ["--log-level", "loud"], ["extra"]):
            with self.subTest(arguments):
                self.assertEqual(self.serve(*arguments).returncode, 2)

    def test_a_state_directory_without_a_beginning_is_refused(self):
        for address in (f"unix:@lanyard-test-{os.getpid()}", "tls://127.0.0.1:0"):
            done = cli("serve", "--listen", address, env=os.environ | {"LANYARD_STATE": "state"})
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertEqual(done.stderr, b"lanyard serve: $LANYARD_STATE must be an absolute path\n")


class Life(unittest.TestCase):
    def serve(self, *options, **more):
        server = Server(*options, **more)
        self.addCleanup(server.remove)
        return server.ready()

    def check_ended(self, server, status=0):
        self.assertEqual(server.stop(), status)
        log = server.log.read_text(errors="replace")
        self.assertNotIn("Sanitizer", log)
        self.assertFalse(server.path.exists())

    def test_either_signal_ends_an_idle_server_and_removes_its_socket(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve()
            self.assertEqual(server.stop(number), 0)
            self.assertFalse(server.path.exists())

    def test_a_signal_that_comes_while_it_starts_is_not_lost(self):
        def ask_to_end():
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # its threads come late
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            os.kill(os.getpid(), signal.SIGTERM)

        for workers in ("1", "4") * 3:
            server = Server("--workers", workers, limits=ask_to_end)
            self.addCleanup(server.remove)
            self.assertEqual(server.process.wait(PATIENCE), 0)
            self.assertFalse(server.path.exists())

    def test_running_commands_may_finish(self):
        server = self.serve()
        connection = Connection(server.address)
        self.addCleanup(connection.close)
        connection.start({"shell": "echo begun; read x; echo $x", "stdin": True})
        connection.receive()
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("running requests may finish")
        connection.send({"id": 1, "stream": "in", "end": True}, b"word\n")
        self.assertEqual(connection.collect(), (b"word\n", b"", {"id": 1, "exit": 0}))
        connection.close()
        self.check_ended(server)

    def test_a_connection_between_two_requests_does_not_hold_up_the_end(self):
        for options in ([], ["--reactor", "io_uring"]):
            with self.subTest(options):
                server = self.serve(*options)
                running, silent, idle = (Connection(server.address) for _ in range(3))
                for connection in (running, silent, idle):
                    self.addCleanup(connection.close)
                running.start({"shell": "echo begun; read x; echo $x", "stdin": True})
                running.receive()
                idle.ask({"cmd": "ping", "id": 1})
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(idle.socket.recv(1), b"")
                self.assertEqual(silent.socket.recv(1), b"")
                running.send({"id": 1, "stream": "in", "end": True}, b"word\n")  # which has not been ended with them
                self.assertEqual(running.collect(), (b"word\n", b"", {"id": 1, "exit": 0}))
                self.check_ended(server)  # though the connection stays open
                self.assertNotIn("connection ended", server.log.read_text())

    def test_a_second_signal_ends_commands_at_once(self):
        server = self.serve()
        with Connection(server.address) as connection:
            pid = connection.start({"shell": "trap '' HUP TERM; echo set; while :; do sleep 1; done"})["pid"]
            connection.receive()
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("running requests may finish")
            self.assertEqual(server.stop(), 0)
            wait_for_death(pid)

    def test_commands_are_gone_when_their_server_is(self):
        server = self.serve()
        with Connection(server.address) as connection:
            connection.start({"shell": "trap '' HUP TERM; sleep 600 & echo $$ $!; wait; sleep 600"})
            pids = list(map(int, connection.receive()[1].split()))
            guard = self.guard_of(server)
            server.process.kill()
            for pid in [*pids, guard]:
                wait_for_death(pid)

    def guard_of(self, server):
        """The process that outlives the server to end its commands; it keeps nothing of the server's open but its end of a pipe, once it
        has got so far."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for pid in pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
                if self.is_guard(pathlib.Path(f"/proc/{pid}")):
                    return int(pid)
            self.assertLess(time.monotonic(), deadline)

    def is_guard(self, process):
        try:
            kinds = [os.readlink(fd).split(":")[0] for fd in (process / "fd").iterdir()]
            return (process / "comm").read_text() == "lanyard-guard\n" and kinds == ["pipe"]
        except (FileNotFoundError, ProcessLookupError):  # it is being closed, or the process has ended
            return False

    def run_beyond_the_guard(self, server, disturb):
        """Start a command, do something to the guard, and kill the server: the command ends all the same."""
        with Connection(server.address) as connection:
            pid = connection.start({"shell": "trap '' HUP TERM; sleep 600"})["pid"]
            guard = self.guard_of(server)
            disturb(guard)
            server.process.kill()
            for one in (pid, guard):
                wait_for_death(one)

    def stop_process(self, pid):
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + PATIENCE
        while pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            self.assertLess(time.monotonic(), deadline)

    def test_a_guard_that_was_stopped_ends_commands_and_holds_nobody_up(self):
        self.run_beyond_the_guard(self.serve(), self.stop_process)
        server = self.serve()
        self.stop_process(self.guard_of(server))
        self.check_ended(server)

    def test_a_guard_that_was_killed_has_another_in_its_place(self):
        server = self.serve()

        def kill(guard):
            os.kill(guard, signal.SIGKILL)
            server.wait_for("the guard was killed, and another takes its place")

        self.run_beyond_the_guard(server, kill)

    def test_the_guard_ends_with_the_server(self):
        server = self.serve()
        guard = self.guard_of(server)
        self.check_ended(server)
        self.assertFalse(pathlib.Path(f"/proc/{guard}").exists())

    def test_a_stale_socket_is_replaced_and_a_live_one_is_not(self):
        server = self.serve()
        other = cli("serve", "--root", str(server.root), "--listen", server.address)
        self.assertEqual(other.returncode, 1)
        self.assertIn(b"served already", other.stderr)
        server.process.kill()
        server.process.wait()
        self.assertTrue(server.path.exists())
        again = subprocess.Popen([PROGRAM, "serve", "--root", server.root, "--listen", server.address], stderr=subprocess.PIPE)
        self.addCleanup(again.stderr.close)
        self.assertIn(b"serving", again.stderr.readline())
        with Connection(server.address) as connection:
            self.assertTrue(connection.ask({"cmd": "ping", "id": 1})["ok"])
        again.terminate()
        self.assertEqual(again.wait(PATIENCE), 0)

    def test_several_addresses_at_once(self):
        server = self.serve("--listen", "tcp://127.0.0.1:0", "--listen", "tcp://[::1]:0", "--insecure-loopback")
        log = server.wait_for("serving ", 3)
        addresses = [line.rsplit(" ", 1)[1] for line in log.splitlines() if " on " in line]
        self.assertEqual(len(addresses), 3)
        for address in addresses:
            with self.subTest(address):
                done = cli("exec", address, "--", "echo", "here")
                self.assertEqual((done.stdout, done.stderr), (b"here\n", b""))
        self.check_ended(server)

    def test_each_reactor_and_several_workers_serve(self):
        for options in (("--reactor", "epoll"), ("--reactor", "poll"), ("--reactor", "select"), ("--reactor", "io_uring"), ("--workers", "3")):
            with self.subTest(options):
                server = self.serve(*options)
                for _ in range(5):
                    done = cli("exec", server.address, "--", "sh", "-c", "cat; echo err >&2", input=bytes(300_000))
                    self.assertEqual((len(done.stdout), done.stderr, done.returncode), (300_000, b"err\n", 0))
                self.check_ended(server)

    def test_the_log_file_is_opened_anew_at_a_hangup(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        log = folder / "log"
        notify, environment = self.notify_socket(f"{folder}/n")
        server = self.serve("--log-file", str(log), "--log-format", "json", environment=environment)
        self.assertIn("READY=1", notify())
        log.rename(folder / "old")
        server.process.send_signal(signal.SIGHUP)
        self.assertIn("RELOADING=1", notify())
        self.assertEqual(notify(), ["READY=1"])
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual(lines[-1]["msg"], "reloaded")
        self.check_ended(server)

    def notify_socket(self, name):
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.settimeout(PATIENCE)
        receiver.bind("\0" + name[1:] if name.startswith("@") else name)
        return lambda: receiver.recv(4096).decode().splitlines(), os.environ | {"NOTIFY_SOCKET": name}

    def test_the_service_manager_is_told(self):
        notify, environment = self.notify_socket(f"@lanyard-test-{os.getpid()}")
        server = self.serve(environment=environment)
        self.assertEqual(notify(), ["READY=1", f"MAINPID={server.pid}"])
        server.process.send_signal(signal.SIGHUP)
        reloading = notify()
        self.assertEqual(reloading[0], "RELOADING=1")
        self.assertRegex(reloading[1], r"^MONOTONIC_USEC=\d+$")
        self.assertEqual(notify(), ["READY=1"])
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(notify(), ["STOPPING=1"])
        self.check_ended(server)

    def test_the_journal_gets_levels(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        status = os.fstat(writer)
        for stream, begin in ((f"{status.st_dev}:{status.st_ino}", b"<6>time="), (f"{status.st_dev}:{status.st_ino + 1}", b"time=")):
            with tempfile.TemporaryDirectory(prefix="ly") as folder:
                process = subprocess.Popen([PROGRAM, "serve", "--root", folder, "--listen", f"unix:{folder}/s"], stdin=subprocess.DEVNULL,
                                           stderr=writer, env=os.environ | {"JOURNAL_STREAM": stream})
                said = b""
                while b" on unix:" not in said:
                    said += os.read(reader, 4096)
                process.terminate()
                self.assertEqual(process.wait(PATIENCE), 0)
                lines = os.read(reader, 4096).splitlines()
                self.assertTrue(all(line.startswith(begin) for line in lines), lines)
        os.close(writer)

    def test_why_it_cannot_start_is_an_error_in_the_journal(self):
        with tempfile.TemporaryFile() as journal:
            status = os.fstat(journal.fileno())
            environment = os.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
            for options, variables in ((("--root", "/no/such"), {}), (("--listen", "tls://127.0.0.1:99999"), {}),
                                       (("--listen", "unix:/no/such/s"), {}), (("--listen", "unix:@s"), {}),
                                       ((), {"LANYARD_STATE": "state"}), ((), {"LANYARD_SERVE_WORKERS": "x"})):
                done = subprocess.run([PROGRAM, "serve", *options], stdin=subprocess.DEVNULL, stderr=journal, check=False,
                                      timeout=PATIENCE, env=environment | variables)
                self.assertEqual(done.returncode, 1, options)
            journal.seek(0)
            lines = journal.read().splitlines()
        self.assertEqual(len(lines), 6, lines)
        self.assertTrue(all(line.startswith(b"<3>lanyard serve: ") for line in lines), lines)

    def test_a_limit_of_descriptors_too_low_for_the_workers_is_said_at_the_start(self):
        def serve(limit, *options):
            with tempfile.TemporaryDirectory(prefix="ly") as state:
                done = subprocess.run([PROGRAM, "serve", "--root", "/", "--listen", "tls://127.0.0.1:99999", *options], capture_output=True,
                                      check=False, timeout=PATIENCE, env=os.environ | {"LANYARD_STATE": state},
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
            self.assertEqual(done.returncode, 1)
            return done.stderr.decode()
        for limit in (16, 24, 37):
            self.assertRegex(serve((limit, limit), "--workers", "2"), "^lanyard serve: cannot prepare the workers: 2 of them need 38 "
                             rf"descriptors at least, and the limit is {limit}: raise it .ulimit -n[^\n]*\n$")
        # With enough of them it comes as far as the address: also where only the hard limit is high, and just so.
        for limit, workers in (((24, 200), "2"), ((38, 38), "2"), ((35, 35), "1")):
            self.assertIn("cannot listen on tls://127.0.0.1:99999", serve(limit, "--workers", workers))

    def test_out_of_descriptors_accepting_pauses_and_goes_on(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        server = self.serve(limits=few)
        held = [Connection(server.address) for _ in range(60)]
        server.wait_for("accepting paused")
        for connection in held[:30]:
            connection.close()
        for connection in held[30:]:
            self.assertTrue(connection.ask({"cmd": "ping", "id": 1})["ok"])
            connection.close()
        with Connection(server.address) as connection:
            self.assertEqual(connection.run("echo", "on")[0], b"on\n")
        self.check_ended(server)

    def test_without_descriptors_a_command_is_refused_and_the_connection_goes_on(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
        server = self.serve(limits=few)
        connections = [Connection(server.address) for _ in range(4)]
        answers = []
        for connection in connections:
            answers.append(connection.start({"argv": ["sleep", "1000"]}))
        self.assertIn("EMFILE", [answer.get("error") for answer in answers])
        for connection, answer in zip(connections, answers):
            if "error" in answer:
                self.assertTrue(connection.ask({"cmd": "ping", "id": 2})["ok"])
            connection.close()
        self.check_ended(server)

    def test_the_default_socket_is_in_the_users_runtime_directory(self):
        runtime = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, runtime)
        environment = os.environ | {"XDG_RUNTIME_DIR": str(runtime)}
        environment.pop("LANYARD_HOST", None)
        server = self.serve(listen=False, environment=environment)
        self.assertTrue((runtime / "lanyard.sock").is_socket())
        self.assertEqual(cli("exec", "--", "echo", "x", env=environment).stdout, b"x\n")
        self.check_ended(server)
        self.assertFalse((runtime / "lanyard.sock").exists())

    def test_short_connections_leave_nothing_behind(self):
        server = self.serve()
        fds = f"/proc/{server.pid}/fd"
        with Connection(server.address) as connection:
            connection.run("true")
        before = len(os.listdir(fds))
        for _ in range(300):
            with Connection(server.address) as connection:
                connection.send({"cmd": "ping", "id": 1})
        with Connection(server.address) as connection:
            for number in range(100_000):  # the last ones may be closing yet
                connection.ask({"cmd": "ping", "id": number})
                if len(os.listdir(fds)) < before + 5:
                    break
            self.assertLess(len(os.listdir(fds)), before + 5)
        self.check_ended(server)


if __name__ == "__main__":
    unittest.main()
